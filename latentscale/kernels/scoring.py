"""From effects to expected scores and their log density: the equations of the graph, and back."""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled, leaf, merged, merged_sum, summed, vector
from latentscale.kernels.links import left_of_the_way, line_at
from latentscale.kernels.scatter import log_gamma_and_slope


@compiled
def own_part(skills, cells, llms, benchmarks, explained):
    """Give what eta has before the group effects, dims (obs,).

    difficulty_j + loading_j . explained_i + x_i slope_j + tuned_i tuning_j
    + condition_ij condition_j.
    """
    own = np.empty(cells.llm.shape[0])
    for j in range(benchmarks.difficulty.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _own_part_on(
            skills, j, cells.llm[rows], llms.x, llms.tuned, cells.condition[rows], benchmarks,
            explained, own[rows],
        )  # fmt: skip
    return own


@leaf
def _own_part_on(skills, j, llm, x, tuned, condition, benchmarks, explained, own):
    """Write what eta has before the group effects, for the scores on one benchmark."""
    difficulty, slope, tuning, loading, shift = benchmarks
    for o in range(llm.shape[0]):
        i = llm[o]
        total = difficulty[j] + tuned[i] * tuning[j]
        for p in range(x.shape[1]):
            total += x[i, p] * slope[j, p]
        for k in range(len(skills)):
            total += loading[j, k] * explained[i, k]
        for c in range(condition.shape[1]):
            total += condition[o, c] * shift[j, c]
        own[o] = total


@compiled
def pull_back_own_part(
    skills, cells, llms, benchmarks, explained, d_own, d_benchmarks, d_explained
):
    """Reverse :func:`own_part`; adds to ``d_benchmarks`` and ``d_explained``."""
    for j in range(benchmarks.difficulty.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        llm, condition, d = cells.llm[rows], cells.condition[rows], d_own[rows]
        d_difficulty, d_tuning = _sum_and_product(llm, llms.tuned, d)
        d_benchmarks.difficulty[j] += d_difficulty
        d_benchmarks.tuning[j] += d_tuning
        for p in range(llms.x.shape[1]):
            d_benchmarks.slope[j, p] += _product_with_column(llm, llms.x, p, d)
        for c in range(condition.shape[1]):
            for o in range(d.shape[0]):
                d_benchmarks.condition[j, c] += condition[o, c] * d[o]
        _pull_back_products_on(
            skills, j, llm, explained, benchmarks.loading, d, d_explained, d_benchmarks.loading
        )


@summed
def _sum_and_product(llm, of_llms, d):
    """Give the sum of d, and that of its products with a number of each LLM."""
    total, product = 0.0, 0.0
    for o in range(llm.shape[0]):
        total += d[o]
        product += of_llms[llm[o]] * d[o]
    return total, product


@summed
def _product_with_column(llm, of_llms, column, d):
    """Give the sum of the products of d with a column of numbers of each LLM."""
    product = 0.0
    for o in range(llm.shape[0]):
        product += of_llms[llm[o], column] * d[o]
    return product


@compiled
def add_products(skills, cells, start, of_llms, loading, sign):
    """Give start + sign loading_j . of_llms_i, dims (obs,)."""
    total = np.empty(start.shape[0])
    for j in range(loading.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _add_products_on(
            skills, j, cells.llm[rows], start[rows], of_llms, loading, sign, total[rows]
        )
    return total


@leaf
def _add_products_on(skills, j, llm, start, of_llms, loading, sign, total):
    """Write :func:`add_products` of the scores on one benchmark."""
    for o in range(llm.shape[0]):
        product = 0.0
        for k in range(len(skills)):
            product += loading[j, k] * of_llms[llm[o], k]
        total[o] = start[o] + sign * product


@compiled
def pull_back_products(skills, cells, of_llms, loading, d_total, d_of_llms, d_loading):
    """Reverse the products of :func:`add_products`; adds to ``d_of_llms`` and ``d_loading``."""
    for j in range(loading.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _pull_back_products_on(
            skills, j, cells.llm[rows], of_llms, loading, d_total[rows], d_of_llms, d_loading
        )


@leaf
def _pull_back_products_on(skills, j, llm, of_llms, loading, d_total, d_of_llms, d_loading):
    """Reverse the products of the scores on one benchmark."""
    total = vector(skills)
    for k in range(len(skills)):
        total[k] = 0.0
    for o in range(llm.shape[0]):
        i, d = llm[o], d_total[o]
        for k in range(len(skills)):
            d_of_llms[i, k] += loading[j, k] * d
            total[k] += of_llms[i, k] * d
    for k in range(len(skills)):
        d_loading[j, k] += total[k]


@merged
def score(likelihood, cells, eta, curve, lines, scatter, d_curve, d_scatter):
    """Give the log density of all scores and its derivatives by their eta, dims (obs,).

    Adds to ``d_curve`` and ``d_scatter``.
    """
    total, d_eta = 0.0, np.empty(eta.shape[0])
    for j in range(curve.floor.shape[0]):
        line, precision, tail = line_at(lines, j), scatter.precision[j], scatter.tail[0]
        floor, ceiling = curve.floor[j], curve.ceiling[j]
        constant = likelihood.constant(precision, tail)
        first, end, last = cells.start[j], cells.ends[j], cells.start[j + 1]
        inside, at_ends = slice(first, end), slice(end, last)
        of_inside = _score_on(
            likelihood.inside, cells.score[inside], cells.trials[inside], eta[inside],
            line, floor, ceiling, precision, tail, constant, d_eta[inside],
        )  # fmt: skip
        of_ends = _score_on(
            likelihood.at_ends, cells.score[at_ends], cells.trials[at_ends], eta[at_ends],
            line, floor, ceiling, precision, tail, constant, d_eta[at_ends],
        )  # fmt: skip
        total += of_inside[0] + of_ends[0]
        d_curve.floor[j] += of_inside[1] + of_ends[1]
        d_curve.ceiling[j] += of_inside[2] + of_ends[2]
        d_curve.asymmetry[j] += of_inside[3] + of_ends[3]
        d_scatter.precision[j] += of_inside[4] + of_ends[4]
        d_scatter.tail[0] += of_inside[5] + of_ends[5]
    return total, d_eta


@merged_sum
def _score_on(density_of, score, trials, eta, line, floor, ceiling, precision, tail, constant,
              d_eta):  # fmt: skip
    """Give the log density of some scores on one benchmark, and write its derivatives by eta.

    Also gives those by floor, ceiling, asymmetry, precision and tail.
    """
    total, d_floor, d_ceiling, d_asymmetry, d_precision, d_tail = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    undefined, height = 0, ceiling - floor
    for o in range(score.shape[0]):
        left, softplus, sigmoid = left_of_the_way(eta[o], line)
        mean = ceiling - height * left
        # Rounded to an end, no likelihood is defined.
        undefined += 0 if 0 < mean < 1 else 1
        value, d_mean, of_precision, of_tail = density_of(
            score[o], trials[o], mean, precision, tail, constant
        )
        total += value
        d_precision += of_precision
        d_tail += of_tail
        d_floor += d_mean * left
        d_ceiling += d_mean * (1 - left)
        d_softplus = d_mean * height * left * line.per_a
        d_u = d_softplus * sigmoid
        d_asymmetry += d_u * (eta[o] * line.d_steep + line.d_start)
        d_asymmetry -= d_softplus * softplus * line.per_a
        d_eta[o] = d_u * line.steep
    if undefined > 0:
        total = -np.inf
    return total, d_floor, d_ceiling, d_asymmetry, d_precision, d_tail


@leaf
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


@compiled
def tailed_density(
    tail, effects, parents, parent, precision, d_effects, d_parents, d_precision
):  # fmt: skip
    """Give :func:`effect_density` of a level whose groups are as outlying in all columns.

    Their density is that of a multivariate Student t with so many degrees of freedom; with
    infinitely many it is the Normal.
    """
    if np.isinf(tail):
        return effect_density(
            effects, parents, parent, precision, d_effects, d_parents, d_precision
        )
    n, m = effects.shape
    whole = tail + m
    total = 0.0
    for i in range(n):
        square = 0.0
        for k in range(m):
            off = effects[i, k] - parents[parent[i], k]
            square += precision[k] * off * off
        total -= whole / 2 * np.log1p(square / tail)
        for k in range(m):
            off = effects[i, k] - parents[parent[i], k]
            weighed = whole / (tail + square) * off
            d_effects[i, k] -= precision[k] * weighed
            d_parents[parent[i], k] += precision[k] * weighed
            d_precision[k] -= weighed * off / 2
    constant = log_gamma_and_slope(whole / 2)[0] - log_gamma_and_slope(tail / 2)[0]
    total += n * (constant - m / 2 * np.log(np.pi * tail))
    for k in range(m):
        total += n * np.log(precision[k]) / 2
        d_precision[k] += n / (2 * precision[k])
    return total
