"""From effects to expected scores and their log density: the equations of the graph, and back."""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled
from latentscale.kernels.links import left_of_the_way, line


@compiled
def _product(skills, cells, o, of_llms, loading):
    """Give loading_j . of_llms_i of a score."""
    i, j = cells.llm[o], cells.benchmark[o]
    total = 0.0
    for k in range(len(skills)):
        total += loading[j, k] * of_llms[i, k]
    return total


@compiled
def _pull_back_product(skills, cells, o, of_llms, loading, d, d_of_llms, d_loading):
    """Reverse :func:`_product`; adds to ``d_of_llms`` and ``d_loading``."""
    i, j = cells.llm[o], cells.benchmark[o]
    for k in range(len(skills)):
        d_of_llms[i, k] += loading[j, k] * d
        d_loading[j, k] += of_llms[i, k] * d


@compiled
def own_part(skills, cells, llms, benchmarks, explained):
    """Give what eta has before the group effects, dims (obs,).

    difficulty_j + loading_j . explained_i + x_i slope_j + tuned_i tuning_j.
    """
    x, tuned = llms.x, llms.tuned
    difficulty, slope, tuning, loading = benchmarks
    own = np.empty(cells.llm.shape[0])
    for o in range(own.shape[0]):
        i, j = cells.llm[o], cells.benchmark[o]
        total = difficulty[j] + tuned[i] * tuning[j]
        for p in range(x.shape[1]):
            total += x[i, p] * slope[j, p]
        own[o] = total + _product(skills, cells, o, explained, loading)
    return own


@compiled
def pull_back_own_part(
    skills, cells, llms, benchmarks, explained, d_own, d_benchmarks, d_explained
):
    """Reverse :func:`own_part`; adds to ``d_benchmarks`` and ``d_explained``."""
    x, tuned, loading = llms.x, llms.tuned, benchmarks.loading
    d_difficulty, d_slope, d_tuning, d_loading = d_benchmarks
    for o in range(d_own.shape[0]):
        i, j, d = cells.llm[o], cells.benchmark[o], d_own[o]
        d_difficulty[j] += d
        d_tuning[j] += tuned[i] * d
        for p in range(x.shape[1]):
            d_slope[j, p] += x[i, p] * d
        _pull_back_product(skills, cells, o, explained, loading, d, d_explained, d_loading)


@compiled
def add_products(skills, cells, start, of_llms, loading, sign):
    """Give start + sign loading_j . of_llms_i, dims (obs,)."""
    total = np.empty(start.shape[0])
    for o in range(total.shape[0]):
        total[o] = start[o] + sign * _product(skills, cells, o, of_llms, loading)
    return total


@compiled
def pull_back_products(skills, cells, of_llms, loading, d_total, d_of_llms, d_loading):
    """Reverse the products of :func:`add_products`; adds to ``d_of_llms`` and ``d_loading``."""
    for o in range(d_total.shape[0]):
        _pull_back_product(skills, cells, o, of_llms, loading, d_total[o], d_of_llms, d_loading)


@compiled
def score(constant_of, density_of, cells, eta, curve, scatter, d_curve, d_scatter):
    """Give the log density of all scores and its derivatives by their eta, dims (obs,).

    Adds to ``d_curve`` and ``d_scatter``.
    """
    (floor, ceiling, asymmetry), (precision, tail) = curve, scatter
    (d_floor, d_ceiling, d_asymmetry), (d_precision, d_tail) = d_curve, d_scatter
    lines = line(asymmetry)
    n = floor.shape[0]
    constant, d_constant, tail_constant = np.empty(n), np.empty(n), np.empty(n)
    for j in range(n):
        constant[j], d_constant[j], tail_constant[j] = constant_of(precision[j], tail[0])
    lefts, softplus, sigmoid = left_of_the_way(eta, cells.benchmark, lines)
    total, d_eta = 0.0, np.empty(eta.shape[0])
    for o in range(eta.shape[0]):
        j = cells.benchmark[o]
        left, height = lefts[o], ceiling[j] - floor[j]
        mean = ceiling[j] - height * left
        if not 0 < mean < 1:  # rounded to an end, where no likelihood is defined
            return -np.inf, np.zeros_like(eta)
        value, d_mean, of_precision, of_tail = density_of(
            cells.score[o],
            cells.trials[o],
            mean,
            precision[j],
            tail[0],
            (constant[j], d_constant[j], tail_constant[j]),
        )
        total += value
        d_precision[j] += of_precision
        d_tail[0] += of_tail
        d_floor[j] += d_mean * left
        d_ceiling[j] += d_mean * (1 - left)
        d_softplus = d_mean * height * left * lines.per_a[j]
        d_u = d_softplus * sigmoid[o]
        d_asymmetry[j] += d_u * (eta[o] * lines.d_steep[j] + lines.d_start[j])
        d_asymmetry[j] -= d_softplus * softplus[o] * lines.per_a[j]
        d_eta[o] = d_u * lines.steep[j]
    return total, d_eta


@compiled
def effect_density(effects, parents, parent, precision, d_effects, d_parents, d_precision):
    """Give the log density of a level of the tree given its parents, without constants.

    Adds to the derivatives of values, of those of parents, and of precisions, dims (column,). The
    top level has no parents: an array without rows.
    """
    n, m = effects.shape
    total = 0.0
    for i in range(n):
        for k in range(m):
            effect = effects[i, k]
            if parents.shape[0] > 0:
                effect -= parents[parent[i], k]
            pull = precision[k] * effect
            total -= pull * effect / 2
            d_effects[i, k] -= pull
            if parents.shape[0] > 0:
                d_parents[parent[i], k] += pull
            d_precision[k] -= effect * effect / 2
    for k in range(m):
        total += n * (np.log(precision[k]) - np.log(2 * np.pi)) / 2
        d_precision[k] += n / (2 * precision[k])
    return total
