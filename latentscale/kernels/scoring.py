"""From effects to expected scores and their log density: the equations of the graph, and back."""

from __future__ import annotations

import numpy as np

from latentscale.kernels.elementary import log_all
from latentscale.kernels.jit import array_giving, compiled, merged, merged_sum
from latentscale.kernels.links import left_of_the_way, line_at, pull_back_left_of_the_way, risen
from latentscale.kernels.memory import empty, matrix, vector
from latentscale.kernels.scatter import log_gamma_and_slope
from latentscale.kernels.skills import fill_covariance, invert_factor


@array_giving
def less_products(memory, skills, cells, start, of_llms, loading):
    """Give start - loading_j . of_llms_i, dims (obs,)."""
    total = empty(memory, start.shape)
    for j in range(loading.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _less_products_on(skills, j, cells.llm[rows], start[rows], of_llms, loading, total[rows])
    return total


@compiled
def _less_products_on(skills, j, llm, start, of_llms, loading, total):
    """Write :func:`less_products` of the scores on one benchmark."""
    for o in range(llm.shape[0]):
        product = 0.0
        for k in range(len(skills)):
            product += loading[j, k] * of_llms[llm[o], k]
        total[o] = start[o] - product


@compiled
def pull_back_products(skills, cells, of_llms, loading, d_total, d_of_llms, d_loading):
    """Reverse the products of :func:`less_products`; adds to ``d_of_llms`` and ``d_loading``."""
    for j in range(loading.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _pull_back_products_on(
            skills, j, cells.llm[rows], of_llms, loading, d_total[rows], d_of_llms, d_loading
        )


@compiled
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
def score(memory, likelihood, cells, eta, curve, lines, scatter, d_curve, d_scatter):
    """Give the log density of all scores and its derivatives by their eta, dims (obs,).

    Adds to ``d_curve`` and ``d_scatter``.
    """
    total, d_eta = 0.0, empty(memory, eta.shape)
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
        up = risen(left, softplus, line)
        mean = floor + height * up
        # Rounded to an end, no likelihood is defined.
        undefined += 0 if 0 < mean < 1 else 1
        value, d_mean, of_precision, of_tail = density_of(
            score[o], trials[o], mean, precision, tail, constant
        )
        total += value
        d_precision += of_precision
        d_tail += of_tail
        d_floor += d_mean * left
        d_ceiling += d_mean * up
        d_eta[o], d_a = pull_back_left_of_the_way(
            eta[o], line, left, softplus, sigmoid, d_mean * height
        )
        d_asymmetry += d_a
    if undefined > 0:
        total = -np.inf
    return total, d_floor, d_ceiling, d_asymmetry, d_precision, d_tail


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


@compiled
def skill_density(memory, skills, tail, effects, parents, parent, precision, d_effects, d_parents,
                  d_precision):  # fmt: skip
    """Give the log density of effects on skills given those of the level above.

    A group's are a multivariate Student t with so many degrees of freedom, the same in all skills;
    with infinitely many a multivariate Normal. ``precision``, dims (skill, skill), is the inverse
    of its scale matrix. Adds to the derivatives.
    """
    size, n = len(skills), effects.shape[0]
    off, pull = vector(skills), vector(skills)
    total, weight, squares = 0.0, 1.0, empty(memory, (n,))
    for i in range(n):
        square = 0.0
        for k in range(size):
            off[k] = effects[i, k]
            if parents.shape[0] > 0:
                off[k] -= parents[parent[i], k]
        for k in range(size):
            pull[k] = 0.0
            for b in range(size):
                pull[k] += precision[k, b] * off[b]
            square += off[k] * pull[k]
        squares[i] = square
        if not np.isinf(tail):
            weight = (tail + size) / (tail + square)
        for k in range(size):
            d_effects[i, k] -= weight * pull[k]
            if parents.shape[0] > 0:
                d_parents[parent[i], k] += weight * pull[k]
            for b in range(size):
                d_precision[k, b] -= weight * off[k] * off[b] / 2
    if np.isinf(tail):
        for i in range(n):
            total -= squares[i] / 2
        total -= n * size * np.log(2 * np.pi) / 2
    else:
        whole = tail + size
        for i in range(n):
            squares[i] = 1 + squares[i] / tail
        log_all(squares)
        for i in range(n):
            total -= whole / 2 * squares[i]
        constant = log_gamma_and_slope(whole / 2)[0] - log_gamma_and_slope(tail / 2)[0]
        total += n * (constant - size / 2 * np.log(np.pi * tail))
    return total + n * _half_log_determinant(memory, skills, n, precision, d_precision)


@compiled
def _half_log_determinant(memory, skills, n, precision, d_precision):
    """Give half the log determinant of a precision; adds n times its derivative, half P^-1."""
    inverse, covariance = empty(memory, (1, len(skills), len(skills))), matrix(skills)
    invert_factor(skills, precision, inverse, 0)
    fill_covariance(skills, inverse, 0, covariance)
    total = 0.0
    for a in range(len(skills)):
        total -= np.log(inverse[0, a, a])
        for b in range(len(skills)):
            d_precision[a, b] += n * covariance[a, b] / 2
    return total
