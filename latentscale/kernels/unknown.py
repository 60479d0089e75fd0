"""What is unknown of LLMs, summed out: each family's effects are about one of several shifts.

The features that are unknown of a family's LLMs take one of C configurations, all as likely. By the
slopes, each shifts the family's abilities and logits by its mean over the family's LLMs, and single
LLMs by what they are off that mean. The effects here hold these shifts: so their density is that
without shifts times, for each family with something unknown::

    mean over c of exp(shift_c' precision effect - shift_c' precision shift_c / 2, in sum)

The scores tell the effects with their shifts, whatever the configuration. So no chain is caught in
one, as it would be if configurations were sampled beside the effects.

With m_c the features that move, b their slopes, and P and e the precision and the effects, a term
is m_c . g - m_c' Q m_c / 2, where g = b P e, and Q = b P b' is the same for all families.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from latentscale.kernels.adding import add
from latentscale.kernels.elementary import exp_all
from latentscale.kernels.jit import array_giving, compiled, merged_sum, unrolled
from latentscale.kernels.memory import empty, zeros, zeros_like

# Precisions are a matrix of skills, or a vector of benchmarks, which effects are independent on.


@unrolled
def _weigh(precision, effect, weighed):
    """Write the product of a precision and an effect."""
    for k in range(effect.shape[0]):
        if precision.ndim == 1:
            weighed[k] = precision[k] * effect[k]
        else:
            weighed[k] = 0.0
            for c in range(effect.shape[0]):
                weighed[k] += precision[k, c] * effect[c]


@unrolled
def _add_products(factor, one, other, d_precision):
    """Add a multiple of the products of two effects to the derivative by a precision."""
    for k in range(one.shape[0]):
        if d_precision.ndim == 1:
            d_precision[k] += factor * one[k] * other[k]
        else:
            for c in range(one.shape[0]):
                d_precision[k, c] += factor * one[k] * other[c]


@compiled
def _curvature(memory, slope, precision):
    """Give Q, dims (feature, feature), of slopes with dims (feature, effect); and P b."""
    n = slope.shape[0]
    found, weighed = zeros(memory, (n, n)), empty(memory, slope.shape)
    for a in range(n):
        _weigh(precision, slope[a], weighed[a])
    for a in range(n):
        for b in range(a + 1):
            total = 0.0
            for k in range(slope.shape[1]):
                total += weighed[a, k] * slope[b, k]
            found[a, b] = total
            found[b, a] = total
    return found, weighed


@array_giving
def _slopes_on(memory, benchmarks, slope):
    """Give the slopes of some benchmarks, dims (feature, benchmark), of those of all."""
    found = empty(memory, (slope.shape[1], benchmarks.shape[0]))
    for c in range(benchmarks.shape[0]):
        for p in range(found.shape[0]):
            found[p, c] = slope[benchmarks[c], p]
    return found


@compiled
def _pull_back_slopes_on(benchmarks, d_found, d_slope):
    """Reverse :func:`_slopes_on`; adds to ``d_slope``."""
    for c in range(benchmarks.shape[0]):
        for p in range(d_found.shape[0]):
            d_slope[benchmarks[c], p] += d_found[p, c]


@compiled
def _pull_back_curvature(slope, weighed, d_curvature, d_slope, d_precision):
    """Reverse :func:`_curvature`, of a symmetric derivative; adds to the last two."""
    n, m = slope.shape
    for a in range(n):
        for b in range(n):
            d = d_curvature[a, b]
            if d != 0:
                for k in range(m):
                    d_slope[a, k] += 2 * d * weighed[b, k]
                _add_products(d, slope[a], slope[b], d_precision)


class Moved(NamedTuple):
    """An effect that configurations shift, and its product with the precision; dims (effect,)."""

    effect: Any
    weighed: Any
    d_effect: Any
    d_weighed: Any


class Room(NamedTuple):
    """Arrays that are written over and over, family by family.

    Attributes
    ----------
    of_skills, of_benchmarks : Moved
    pull, mean : dims (column,)
    gain, row : dims (configuration,)
    """

    of_skills: Moved
    of_benchmarks: Moved
    pull: Any
    mean: Any
    gain: Any
    row: Any


@compiled
def _moved(memory, n):
    """Make room for an effect with so many elements."""
    return Moved(empty(memory, (n,)), empty(memory, (n,)), empty(memory, (n,)), empty(memory, (n,)))


@compiled
def _room(memory, n_skills, n_benchmarks, n_columns, n_configurations):
    """Make room for families with up to so many columns that move."""
    return Room(
        _moved(memory, n_skills), _moved(memory, n_benchmarks), empty(memory, (n_columns,)),
        empty(memory, (n_columns,)), empty(memory, (n_configurations,)),
        empty(memory, (n_configurations,)),
    )  # fmt: skip


@unrolled
def _add_pull(slope, precision, moved, columns, pull):
    """Add g = b P e for some features, dims (column,)."""
    _weigh(precision, moved.effect, moved.weighed)
    for q in range(columns.shape[0]):
        for k in range(moved.weighed.shape[0]):
            pull[q] += slope[columns[q], k] * moved.weighed[k]


@unrolled
def _pull_back_pull(slope, precision, moved, columns, d_pull, d_slope, d_precision):
    """Reverse :func:`_add_pull`: write the derivative by the effect, and add to the last two."""
    _weigh(precision, moved.effect, moved.weighed)
    _clear(moved.d_weighed)
    for q in range(columns.shape[0]):
        for k in range(moved.weighed.shape[0]):
            d_slope[columns[q], k] += d_pull[q] * moved.weighed[k]
            moved.d_weighed[k] += d_pull[q] * slope[columns[q], k]
    _weigh(precision, moved.d_weighed, moved.d_effect)
    _add_products(1.0, moved.d_weighed, moved.effect, d_precision)


@unrolled
def _clear(x):
    """Set to zero; to assign to a slice takes long to compile."""
    for i in range(x.shape[0]):
        x[i] = 0.0


# Innermost are loops over configurations, which lie side by side: so several are taken at a time.


@merged_sum
def _add_gains(moved, at, curvature, columns, room):
    """Add m_c . g - m_c' Q m_c / 2 for configurations.

    In ``moved``, the m_c lie from a position on, with dims (column, configuration).
    """
    gain, row = room.gain, room.row
    n = gain.shape[0]
    for a in range(columns.shape[0]):
        start, slope = room.pull[a], -curvature[columns[a], columns[a]] / 2
        for c in range(n):
            row[c] = start + slope * moved[at + a * n + c]
        for b in range(a):
            factor = curvature[columns[a], columns[b]]
            for c in range(n):
                row[c] -= factor * moved[at + b * n + c]
        for c in range(n):
            gain[c] += moved[at + a * n + c] * row[c]


@merged_sum
def _moments(moved, at, columns, room, d_curvature):
    """Write the mean of m_c by the chances, and add the derivative of the gains by Q.

    It is minus half of the mean of m_c m_c'. The chances are in the place of the gains.
    """
    chance, row = room.gain, room.row
    n = chance.shape[0]
    for a in range(columns.shape[0]):
        mean = 0.0
        for c in range(n):
            row[c] = chance[c] * moved[at + a * n + c]
            mean += row[c]
        room.mean[a] = mean
        for b in range(a + 1):
            square = 0.0
            for c in range(n):
                square += row[c] * moved[at + b * n + c]
            d_curvature[columns[a], columns[b]] -= square / 2
            if a != b:
                d_curvature[columns[b], columns[a]] -= square / 2


@unrolled
def _set_to_difference(values, parents, i, parent, out):
    """Write what a group adds to the group above it, if there is one."""
    for k in range(out.shape[0]):
        out[k] = values[i, k]
        if parents.shape[0] > 0:
            out[k] -= parents[parent, k]


@unrolled
def _add_difference(d, d_values, d_parents, i, parent):
    """Reverse :func:`_set_to_difference`; adds to the derivatives."""
    for k in range(d.shape[0]):
        d_values[i, k] += d[k]
        if d_parents.shape[0] > 0:
            d_parents[parent, k] -= d[k]


@unrolled
def _begin_of_shifts(unknown, u):
    """Give where the shifts of a family begin."""
    return unknown.begin[u] * unknown.n_configurations


@compiled
def _log_mean(gain):
    """Give the log of the mean of exp(gain), and write the chances over the gains."""
    largest, whole = -np.inf, 0.0
    for c in range(gain.shape[0]):
        largest = max(largest, gain[c])
    for c in range(gain.shape[0]):
        gain[c] -= largest
    exp_all(gain)
    for c in range(gain.shape[0]):
        whole += gain[c]
    for c in range(gain.shape[0]):
        gain[c] /= whole
    return largest + np.log(whole / gain.shape[0])


@compiled
def _set_gains(
    unknown, u, columns, llms, slopes, precisions, curvatures, values, dev_values, room
):  # fmt: skip
    """Write the gains of the configurations of a family, dims (configuration,).

    ``slopes`` are those of skills and of benchmarks, with dims (feature, effect); ``precisions``
    and ``curvatures`` those of families, of LLMs and, of the first alone, of deviations.
    """
    family = unknown.family[u]
    developer = llms.developer_of_family[family]
    _clear(room.gain)
    _clear(room.pull)
    moved, deviation = room.of_skills, room.of_benchmarks
    _set_to_difference(values[1], values[0], family, developer, moved.effect)
    _add_pull(slopes[0], precisions[0], moved, columns, room.pull)
    if dev_values[1].shape[0] > 0:
        _set_to_difference(dev_values[1], dev_values[0], family, developer, deviation.effect)
        _add_pull(slopes[1], precisions[2], deviation, columns, room.pull)
    _add_gains(unknown.shift, _begin_of_shifts(unknown, u), curvatures[0], columns, room)
    for o in range(unknown.first_llm[u], unknown.first_llm[u + 1]):
        i = unknown.llm[o]
        _clear(room.pull)
        _set_to_difference(values[3], values[2], i, llms.recipe[i], moved.effect)
        _add_pull(slopes[0], precisions[1], moved, columns, room.pull)
        _add_gains(unknown.off, unknown.first_off[o], curvatures[1], columns, room)


@compiled
def _pull_back_gains(
    unknown, u, columns, llms, slopes, precisions, values, dev_values, room, d_slopes,
    d_precisions, d_curvatures, d_values, d_dev_values,
):  # fmt: skip
    """Reverse :func:`_set_gains`, weighed by chances; adds to the last five."""
    family = unknown.family[u]
    developer = llms.developer_of_family[family]
    _moments(unknown.shift, _begin_of_shifts(unknown, u), columns, room, d_curvatures[0])
    moved, deviation = room.of_skills, room.of_benchmarks
    _set_to_difference(values[1], values[0], family, developer, moved.effect)
    _pull_back_pull(
        slopes[0], precisions[0], moved, columns, room.mean, d_slopes[0], d_precisions[0]
    )
    _add_difference(moved.d_effect, d_values[1], d_values[0], family, developer)
    if dev_values[1].shape[0] > 0:
        _set_to_difference(dev_values[1], dev_values[0], family, developer, deviation.effect)
        _pull_back_pull(
            slopes[1], precisions[2], deviation, columns, room.mean, d_slopes[1], d_precisions[2]
        )
        _add_difference(deviation.d_effect, d_dev_values[1], d_dev_values[0], family, developer)
    for o in range(unknown.first_llm[u], unknown.first_llm[u + 1]):
        i = unknown.llm[o]
        _moments(unknown.off, unknown.first_off[o], columns, room, d_curvatures[1])
        _set_to_difference(values[3], values[2], i, llms.recipe[i], moved.effect)
        _pull_back_pull(
            slopes[0], precisions[1], moved, columns, room.mean, d_slopes[0], d_precisions[1]
        )
        _add_difference(moved.d_effect, d_values[3], d_values[2], i, llms.recipe[i])


@compiled
def density(
    memory, unknown, llms, deviating, parameters, values, dev_values, d_values, d_dev_values, d
):  # fmt: skip
    """Give the log of the factor by which the density of effects changes, and add derivatives.

    Parameters
    ----------
    unknown : Unknown
    llms : Llms
    deviating : int, dims (free_benchmark,)
        The benchmarks that groups have deviations on.
    parameters : Parameters
    values, dev_values : arrays of the levels of the trees
        Effects on skills and deviations, each with those of the groups above.
    d_values, d_dev_values, d
        The derivatives, to add to.
    """
    total = 0.0
    if unknown.family.shape[0] == 0:
        return total
    of_skills, of_deviations = parameters.precisions, parameters.deviation_precisions
    slopes = (parameters.slope, _slopes_on(memory, deviating, parameters.benchmarks.slope))
    d_slopes = (d.slope, zeros_like(memory, slopes[1]))
    precisions = (of_skills.family, of_skills.llm, of_deviations.family)
    d_precisions = (d.precisions.family, d.precisions.llm, d.deviation_precisions.family)
    of_families, weighed = _curvature(memory, slopes[0], precisions[0])
    of_llms, weighed_of_llms = _curvature(memory, slopes[0], precisions[1])
    of_benchmarks, weighed_of_benchmarks = _curvature(memory, slopes[1], precisions[2])
    add(of_families, of_benchmarks)
    curvatures = (of_families, of_llms)
    room = _room(
        memory, values[1].shape[1], slopes[1].shape[1], slopes[0].shape[0], unknown.n_configurations
    )
    d_curvatures = (zeros_like(memory, curvatures[0]), zeros_like(memory, curvatures[1]))
    for u in range(unknown.family.shape[0]):
        columns = unknown.columns[unknown.begin[u] : unknown.begin[u + 1]]
        _set_gains(
            unknown, u, columns, llms, slopes, precisions, curvatures, values, dev_values, room
        )
        total += _log_mean(room.gain)
        _pull_back_gains(
            unknown, u, columns, llms, slopes, precisions, values, dev_values, room, d_slopes,
            d_precisions, d_curvatures, d_values, d_dev_values,
        )  # fmt: skip
    of_families, of_llms = d_curvatures
    _pull_back_curvature(slopes[0], weighed, of_families, d_slopes[0], d_precisions[0])
    _pull_back_curvature(slopes[0], weighed_of_llms, of_llms, d_slopes[0], d_precisions[1])
    _pull_back_curvature(
        slopes[1], weighed_of_benchmarks, of_families, d_slopes[1], d_precisions[2]
    )
    _pull_back_slopes_on(deviating, d_slopes[1], d.benchmarks.slope)
    return total
