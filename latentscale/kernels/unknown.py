"""What is unknown of LLMs, summed out: each family's effects are about one of several shifts.

The features that are unknown of a family's LLMs take one of C configurations, all as likely. By the
slopes, each shifts the family's abilities and logits by its mean over the family's LLMs, and single
LLMs by what they are off that mean. The effects here hold these shifts: so their density is that
without shifts times, for each family with something unknown::

    mean over c of exp(sum over its effects of precision (effect shift_c - shift_c^2 / 2))

The scores tell the effects with their shifts, whatever the configuration. So no chain is caught in
one, as it would be if configurations were sampled beside the effects.

With m_c the features that move, b their slopes, and p and e the precisions and the effects, a sum
is m_c . g - m_c' Q m_c / 2, where g = b (p e), and Q = b p b' is the same for all families.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled, summed


@compiled
def _curvature(slope, precision):
    """Give Q, dims (feature, feature), of slopes with dims (feature, effect)."""
    n, m = slope.shape
    found = np.zeros((n, n))
    for a in range(n):
        for b in range(a + 1):
            total = 0.0
            for k in range(m):
                total += slope[a, k] * precision[k] * slope[b, k]
            found[a, b] = total
            found[b, a] = total
    return found


@compiled
def _pull_back_curvature(slope, precision, d_curvature, d_slope, d_precision):
    """Reverse :func:`_curvature`, of a symmetric derivative; adds to the last two."""
    n, m = slope.shape
    for a in range(n):
        for b in range(n):
            d = d_curvature[a, b]
            if d != 0:
                for k in range(m):
                    d_slope[a, k] += 2 * d * precision[k] * slope[b, k]
                    d_precision[k] += d * slope[a, k] * slope[b, k]


@compiled
def _pull(slope, precision, effect, columns):
    """Give g for some features, dims (column,)."""
    found = np.zeros(columns.shape[0])
    for q in range(found.shape[0]):
        for k in range(precision.shape[0]):
            found[q] += slope[columns[q], k] * precision[k] * effect[k]
    return found


@compiled
def _pull_back_pull(slope, precision, effect, columns, d_pull, d_slope, d_precision, d_effect):
    """Reverse :func:`_pull`; adds to the last three."""
    for q in range(columns.shape[0]):
        for k in range(precision.shape[0]):
            d, b = d_pull[q], slope[columns[q], k]
            d_slope[columns[q], k] += d * precision[k] * effect[k]
            d_precision[k] += d * b * effect[k]
            d_effect[k] += d * b * precision[k]


@summed
def _add_gains(moved, pull, curvature, gain):
    """Add m_c . g - m_c' Q m_c / 2 for configurations, moved has dims (configuration, column)."""
    n = pull.shape[0]
    for c in range(gain.shape[0]):
        total = 0.0
        for a in range(n):
            row = pull[a]
            for b in range(n):
                row -= curvature[a, b] * moved[c, b] / 2
            total += moved[c, a] * row
        gain[c] += total


@summed
def _moments(chance, moved, mean, square):
    """Write the mean of m_c and of m_c m_c' by the chances of configurations."""
    n = mean.shape[0]
    mean[:] = 0.0
    square[:, :] = 0.0
    for c in range(chance.shape[0]):
        for a in range(n):
            weighed = chance[c] * moved[c, a]
            mean[a] += weighed
            for b in range(a + 1):
                square[a, b] += weighed * moved[c, b]


@compiled
def _part(curvature, columns):
    """Give the part of Q that belongs to some features."""
    n = columns.shape[0]
    found = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            found[a, b] = curvature[columns[a], columns[b]]
    return found


@compiled
def _add_square(square, columns, d_curvature):
    """Add the derivative of the gains by Q: minus half of the mean of m_c m_c'."""
    for a in range(columns.shape[0]):
        for b in range(a + 1):
            d_curvature[columns[a], columns[b]] -= square[a, b] / 2
            if a != b:
                d_curvature[columns[b], columns[a]] -= square[a, b] / 2


@compiled
def _difference(values, parents, i, parent):
    """Give what a group adds to the group above it, if there is one."""
    found = values[i].copy()
    if parents.shape[0] > 0:
        for k in range(found.shape[0]):
            found[k] -= parents[parent, k]
    return found


@compiled
def _add_difference(d, d_values, d_parents, i, parent):
    """Reverse :func:`_difference`; adds to the derivatives."""
    for k in range(d.shape[0]):
        d_values[i, k] += d[k]
        if d_parents.shape[0] > 0:
            d_parents[parent, k] -= d[k]


@compiled
def _columns_of(unknown, u):
    """Give the features that move in a family."""
    return unknown.columns[unknown.begin[u] : unknown.begin[u + 1]]


@compiled
def _matrix_at(flat, at, n, size):
    """Give a matrix, dims (configuration, column), that lies in a flat array."""
    return flat[at : at + n * size].reshape((n, size))


@compiled
def _shifts_of(unknown, u):
    """Give by how much the features of a family move, dims (configuration, column)."""
    n, first = unknown.n_configurations, unknown.begin[u]
    return _matrix_at(unknown.shift, first * n, n, unknown.begin[u + 1] - first)


@compiled
def _offs_of(unknown, u, o):
    """Give by how much those of an LLM are off its family's, dims (configuration, column)."""
    size = unknown.begin[u + 1] - unknown.begin[u]
    return _matrix_at(unknown.off, unknown.first_off[o], unknown.n_configurations, size)


@compiled
def _log_mean(gain):
    """Give the log of the mean of exp(gain), and write the chances over the gains."""
    largest, whole = gain.max(), 0.0
    for c in range(gain.shape[0]):
        gain[c] = np.exp(gain[c] - largest)
        whole += gain[c]
    for c in range(gain.shape[0]):
        gain[c] /= whole
    return largest + np.log(whole / gain.shape[0])


@compiled
def _gains(unknown, u, llms, slopes, precisions, curvatures, values, dev_values):
    """Give the gains of the configurations of a family, dims (configuration,).

    ``slopes`` are those of skills and of benchmarks, with dims (feature, effect); ``precisions``
    and ``curvatures`` those of families, of LLMs and, of the first alone, of deviations.
    """
    family, columns = unknown.family[u], _columns_of(unknown, u)
    developer = llms.developer_of_family[family]
    effect = _difference(values[1], values[0], family, developer)
    pull = _pull(slopes[0], precisions[0], effect, columns)
    if dev_values[1].shape[0] > 0:
        deviation = _difference(dev_values[1], dev_values[0], family, developer)
        pull += _pull(slopes[1], precisions[2], deviation, columns)
    gain = np.zeros(unknown.n_configurations)
    _add_gains(_shifts_of(unknown, u), pull, _part(curvatures[0], columns), gain)
    part = _part(curvatures[1], columns)
    for o in range(unknown.first_llm[u], unknown.first_llm[u + 1]):
        i = unknown.llm[o]
        effect = _difference(values[3], values[2], i, llms.recipe[i])
        pull = _pull(slopes[0], precisions[1], effect, columns)
        _add_gains(_offs_of(unknown, u, o), pull, part, gain)
    return gain


@compiled
def _pull_back_gains(
    unknown, u, llms, slopes, precisions, chance, values, dev_values, d_slopes, d_precisions,
    d_curvatures, d_values, d_dev_values,
):  # fmt: skip
    """Reverse :func:`_gains`, weighed by chances; adds to the last five."""
    family, columns = unknown.family[u], _columns_of(unknown, u)
    developer, size = llms.developer_of_family[family], columns.shape[0]
    mean, square = np.empty(size), np.empty((size, size))
    _moments(chance, _shifts_of(unknown, u), mean, square)
    _add_square(square, columns, d_curvatures[0])
    effect = _difference(values[1], values[0], family, developer)
    d_effect = np.zeros(effect.shape[0])
    _pull_back_pull(
        slopes[0], precisions[0], effect, columns, mean, d_slopes[0], d_precisions[0], d_effect
    )
    _add_difference(d_effect, d_values[1], d_values[0], family, developer)
    if dev_values[1].shape[0] > 0:
        deviation = _difference(dev_values[1], dev_values[0], family, developer)
        d_deviation = np.zeros(deviation.shape[0])
        _pull_back_pull(
            slopes[1], precisions[2], deviation, columns, mean, d_slopes[1], d_precisions[2],
            d_deviation,
        )  # fmt: skip
        _add_difference(d_deviation, d_dev_values[1], d_dev_values[0], family, developer)
    for o in range(unknown.first_llm[u], unknown.first_llm[u + 1]):
        i = unknown.llm[o]
        _moments(chance, _offs_of(unknown, u, o), mean, square)
        _add_square(square, columns, d_curvatures[1])
        effect = _difference(values[3], values[2], i, llms.recipe[i])
        d_effect[:] = 0.0
        _pull_back_pull(
            slopes[0], precisions[1], effect, columns, mean, d_slopes[0], d_precisions[1], d_effect
        )
        _add_difference(d_effect, d_values[3], d_values[2], i, llms.recipe[i])


@compiled
def density(unknown, llms, parameters, values, dev_values, d_values, d_dev_values, d):
    """Give the log of the factor by which the density of effects changes, and add derivatives.

    Parameters
    ----------
    unknown : Unknown
    llms : Llms
    parameters : Parameters
    values, dev_values : arrays of the levels of the trees
        Effects on skills and deviations, each with those of the groups above.
    d_values, d_dev_values, d
        The derivatives, to add to.
    """
    total = 0.0
    if unknown.family.shape[0] == 0:
        return total
    has_deviations = dev_values[1].shape[0] > 0
    of_skills, of_deviations = parameters.precisions, parameters.deviation_precisions
    slopes = (parameters.slope, parameters.benchmarks.slope.T.copy())
    d_slopes = (d.slope, np.zeros(slopes[1].shape))
    precisions = (of_skills.family, of_skills.llm, of_deviations.family)
    d_precisions = (d.precisions.family, d.precisions.llm, d.deviation_precisions.family)
    curvatures = (_curvature(slopes[0], precisions[0]), _curvature(slopes[0], precisions[1]))
    if has_deviations:
        curvatures[0][:] += _curvature(slopes[1], precisions[2])
    d_curvatures = (np.zeros(curvatures[0].shape), np.zeros(curvatures[1].shape))
    for u in range(unknown.family.shape[0]):
        gain = _gains(unknown, u, llms, slopes, precisions, curvatures, values, dev_values)
        total += _log_mean(gain)
        _pull_back_gains(
            unknown, u, llms, slopes, precisions, gain, values, dev_values, d_slopes,
            d_precisions, d_curvatures, d_values, d_dev_values,
        )  # fmt: skip
    for level in range(2):
        _pull_back_curvature(
            slopes[0], precisions[level], d_curvatures[level], d_slopes[0], d_precisions[level]
        )
    if has_deviations:
        _pull_back_curvature(
            slopes[1], precisions[2], d_curvatures[0], d_slopes[1], d_precisions[2]
        )
    d.benchmarks.slope[:] += d_slopes[1].T
    return total
