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
    n, total = unknown.family.shape[0], 0.0
    if n == 0:
        return total
    has_deviations, n_configurations = dev_values[1].shape[0] > 0, unknown.n_configurations
    slope, own = parameters.slope, parameters.benchmarks.slope.T.copy()
    p_family, p_llm = parameters.precisions.family, parameters.precisions.llm
    p_own = parameters.deviation_precisions.family
    of_families, of_llms = _curvature(slope, p_family), _curvature(slope, p_llm)
    if has_deviations:
        of_families += _curvature(own, p_own)
    d_own = np.zeros(own.shape)
    d_of_families, d_of_llms = np.zeros(of_families.shape), np.zeros(of_llms.shape)
    d_effect, d_deviation = np.empty(slope.shape[1]), np.empty(own.shape[1])
    gain = np.empty(n_configurations)
    for u in range(n):
        family, first = unknown.family[u], unknown.begin[u]
        columns = unknown.columns[first : unknown.begin[u + 1]]
        size = columns.shape[0]
        at = first * n_configurations
        moved = unknown.shift[at : at + n_configurations * size].reshape((n_configurations, size))
        developer = llms.developer_of_family[family]
        effect = _difference(values[1], values[0], family, developer)
        deviation = effect
        pull = _pull(slope, p_family, effect, columns)
        if has_deviations:
            deviation = _difference(dev_values[1], dev_values[0], family, developer)
            pull += _pull(own, p_own, deviation, columns)
        gain[:] = 0.0
        _add_gains(moved, pull, _part(of_families, columns), gain)
        part = _part(of_llms, columns)
        for o in range(unknown.first_llm[u], unknown.first_llm[u + 1]):
            i, at = unknown.llm[o], unknown.first_off[o]
            off = unknown.off[at : at + n_configurations * size].reshape((n_configurations, size))
            effect_of_llm = _difference(values[3], values[2], i, llms.recipe[i])
            _add_gains(off, _pull(slope, p_llm, effect_of_llm, columns), part, gain)

        largest, whole = gain.max(), 0.0
        for c in range(n_configurations):
            gain[c] = np.exp(gain[c] - largest)
            whole += gain[c]
        total += largest + np.log(whole / n_configurations)
        for c in range(n_configurations):
            gain[c] /= whole

        mean, square = np.empty(size), np.empty((size, size))
        _moments(gain, moved, mean, square)
        _add_square(square, columns, d_of_families)
        d_effect[:] = 0.0
        _pull_back_pull(slope, p_family, effect, columns, mean, d.slope, d.precisions.family,
                        d_effect)  # fmt: skip
        _add_difference(d_effect, d_values[1], d_values[0], family, developer)
        if has_deviations:
            d_deviation[:] = 0.0
            _pull_back_pull(own, p_own, deviation, columns, mean, d_own,
                            d.deviation_precisions.family, d_deviation)  # fmt: skip
            _add_difference(d_deviation, d_dev_values[1], d_dev_values[0], family, developer)
        for o in range(unknown.first_llm[u], unknown.first_llm[u + 1]):
            i, at = unknown.llm[o], unknown.first_off[o]
            off = unknown.off[at : at + n_configurations * size].reshape((n_configurations, size))
            effect_of_llm = _difference(values[3], values[2], i, llms.recipe[i])
            _moments(gain, off, mean, square)
            _add_square(square, columns, d_of_llms)
            d_effect[:] = 0.0
            _pull_back_pull(slope, p_llm, effect_of_llm, columns, mean, d.slope,
                            d.precisions.llm, d_effect)  # fmt: skip
            _add_difference(d_effect, d_values[3], d_values[2], i, llms.recipe[i])
    _pull_back_curvature(slope, p_family, d_of_families, d.slope, d.precisions.family)
    _pull_back_curvature(slope, p_llm, d_of_llms, d.slope, d.precisions.llm)
    if has_deviations:
        _pull_back_curvature(own, p_own, d_of_families, d_own, d.deviation_precisions.family)
    d.benchmarks.slope[:] += d_own.T
    return total
