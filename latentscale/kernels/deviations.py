"""The recursions on single benchmarks: recipes within families of developers, and the reverse.

Columns are the benchmarks that groups have deviations on. A deviation is a number, so the equations
of :mod:`latentscale.kernels` are plain divisions here::

    recipe:     known_r = sum u + p_r,                    pull_r = sum u left,
    level above: known' = sum (known - p) share + p',     pull' = sum pull share,
                share = p / known

    value = share value' + pull / known + w / sqrt(known)

with u the information of a score about its eta, and nothing above the top level. Kept are the
variances, 1 / known.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.elementary import log_all
from latentscale.kernels.jit import array_giving, compiled
from latentscale.kernels.memory import copy, empty, zeros, zeros_like


@compiled
def _gather(memory, information, left, cells, n):
    """Add up what the scores of each recipe say about its deviations: information and pull."""
    m = cells.deviating.shape[0]
    known, pull = zeros(memory, (n, m)), zeros(memory, (n, m))
    recipe = cells.recipe
    for c in range(m):
        j = cells.deviating[c]
        for o in range(cells.start[j], cells.start[j + 1]):
            r = recipe[o]
            known[r, c] += information[o]
            pull[r, c] += information[o] * left[o]
    return known, pull


@compiled
def _pass_up(memory, measured, pull, precision, parent, n_parents):
    """Integrate a level out: what its measurements say about its parents, if there are any.

    Writes the variances of the level over its measurements.
    """
    n, m = measured.shape
    above, pull_above = zeros(memory, (n_parents, m)), zeros(memory, (n_parents, m))
    for i in range(n):
        for j in range(m):
            spread = 1 / (measured[i, j] + precision[j])
            if n_parents > 0:
                share = precision[j] * spread
                above[parent[i], j] += measured[i, j] * share
                pull_above[parent[i], j] += pull[i, j] * share
            measured[i, j] = spread
    return above, pull_above


@array_giving
def _pass_down(memory, spread, pull, precision, parent, above, w):
    """Give the values of a level from those of its parents, if there are any."""
    values = empty(memory, w.shape)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            target = pull[i, j]
            if above.shape[0] > 0:
                target += precision[j] * above[parent[i], j]
            values[i, j] = target * spread[i, j] + w[i, j] * np.sqrt(spread[i, j])
    return values


@compiled
def _pull_back_down(memory, spread, pull, precision, parent, above, w, d_values, d_above):
    """Reverse :func:`_pass_down`, log Jacobian included; adds to ``d_above``.

    Gives the derivatives by known, pull, w and the precisions.
    """
    n, m = w.shape
    d_known, d_pull, d_w = empty(memory, (n, m)), empty(memory, (n, m)), empty(memory, (n, m))
    d_precision = zeros_like(memory, precision)
    for i in range(n):
        for j in range(m):
            variance, d, target = spread[i, j], d_values[i, j], pull[i, j]
            root = np.sqrt(variance)
            if above.shape[0] > 0:
                up = above[parent[i], j]
                target += precision[j] * up
                d_precision[j] += d * up * variance
                d_above[parent[i], j] += d * precision[j] * variance
            d_w[i, j] = d * root
            d_pull[i, j] = d * variance
            d_known[i, j] = -(d * (target * variance + w[i, j] * root / 2) + 0.5) * variance
    return d_known, d_pull, d_w, d_precision


@compiled
def _pull_back_up(
    spread, pull, precision, parent, d_known_up, d_pull_up, d_known, d_pull, d_precision
):
    """Reverse :func:`_pass_up`; adds to ``d_known``, ``d_pull`` and ``d_precision``.

    known' holds p (known - p) / known = p - p^2 / known, and pull' holds pull p / known.
    """
    for i in range(spread.shape[0]):
        for j in range(spread.shape[1]):
            if d_pull_up.shape[0] > 0:
                d_known_above, d_pull_above = d_known_up[parent[i], j], d_pull_up[parent[i], j]
                share = precision[j] * spread[i, j]
                through = d_pull_above * pull[i, j]
                d_known[i, j] += (d_known_above * precision[j] - through) * share * spread[i, j]
                d_pull[i, j] += d_pull_above * share
                d_precision[j] += d_known_above * (1 - 2 * share) + through * spread[i, j]
            d_precision[j] += d_known[i, j]


@compiled
def _half_log(memory, spread):
    """Give half the logarithms of variances, in sum."""
    logs = copy(memory, spread).ravel()
    log_all(logs)
    total = 0.0
    for i in range(logs.shape[0]):
        total += logs[i]
    return total / 2


@compiled
def smooth(memory, information, left, precisions, w, cells, llms):
    """Smooth deviations.

    Parameters
    ----------
    information, left : dims (obs,)
        As for skills.
    precisions, w : OfDeviations, dims (free_benchmark,) and (group, free_benchmark)
    cells : Cells
    llms : Llms

    Returns
    -------
    values : three arrays, dims (group, free_benchmark)
        Of developers, families and recipes.
    log_jacobian : float
    kept : tuple
        What the reverse needs again.
    """
    prec_developer, prec_family, prec_recipe = precisions
    w_developer, w_family, w_recipe = w
    developer_of, family_of = llms.developer_of_family, llms.family_of_recipe
    spread_r, pull_r = _gather(memory, information, left, cells, w_recipe.shape[0])
    spread_f, pull_f = _pass_up(memory, spread_r, pull_r, prec_recipe, family_of, w_family.shape[0])
    spread_d, pull_d = _pass_up(
        memory, spread_f, pull_f, prec_family, developer_of, w_developer.shape[0]
    )
    nothing = empty(memory, (0, w_recipe.shape[1]))
    # Nothing is above the top level: this only makes variances of what is measured of it.
    _pass_up(memory, spread_d, pull_d, prec_developer, developer_of, 0)
    developer = _pass_down(
        memory, spread_d, pull_d, prec_developer, developer_of, nothing, w_developer
    )
    family = _pass_down(memory, spread_f, pull_f, prec_family, developer_of, developer, w_family)
    recipe = _pass_down(memory, spread_r, pull_r, prec_recipe, family_of, family, w_recipe)
    log_jacobian = (
        _half_log(memory, spread_d) + _half_log(memory, spread_f) + _half_log(memory, spread_r)
    )
    kept = ((spread_d, pull_d), (spread_f, pull_f), (spread_r, pull_r))
    return (developer, family, recipe), log_jacobian, kept


@compiled
def pull_back(memory, information, left, precisions, w, cells, llms, values, kept, d_values):
    """Reverse :func:`smooth`, log Jacobian included; writes over ``d_values``.

    Gives the derivatives by information and left, those by the precisions, and those by w.
    """
    prec_developer, prec_family, prec_recipe = precisions
    w_developer, w_family, w_recipe = w
    developer_of, family_of = llms.developer_of_family, llms.family_of_recipe
    developer, family, _ = values
    d_developer, d_family, d_recipe = d_values
    (spread_d, pull_d), (spread_f, pull_f), (spread_r, pull_r) = kept
    nothing = empty(memory, (0, w_recipe.shape[1]))
    known_r, to_r, dw_r, dprec_r = _pull_back_down(
        memory, spread_r, pull_r, prec_recipe, family_of, family, w_recipe, d_recipe, d_family
    )
    known_f, to_f, dw_f, dprec_f = _pull_back_down(
        memory, spread_f, pull_f, prec_family, developer_of, developer, w_family, d_family,
        d_developer,
    )  # fmt: skip
    known_d, to_d, dw_d, dprec_d = _pull_back_down(
        memory, spread_d, pull_d, prec_developer, developer_of, nothing, w_developer, d_developer,
        nothing,
    )  # fmt: skip
    _pull_back_up(
        spread_d, pull_d, prec_developer, developer_of, nothing, nothing, known_d, to_d, dprec_d
    )
    _pull_back_up(
        spread_f, pull_f, prec_family, developer_of, known_d, to_d, known_f, to_f, dprec_f
    )
    _pull_back_up(spread_r, pull_r, prec_recipe, family_of, known_f, to_f, known_r, to_r, dprec_r)
    d_information, d_left = zeros_like(memory, information), zeros_like(memory, information)
    recipe = cells.recipe
    for c in range(cells.deviating.shape[0]):
        j = cells.deviating[c]
        for o in range(cells.start[j], cells.start[j + 1]):
            r = recipe[o]
            d_information[o] = known_r[r, c] + left[o] * to_r[r, c]
            d_left[o] = information[o] * to_r[r, c]
    return (d_information, d_left), (dprec_d, dprec_f, dprec_r), (dw_d, dw_f, dw_r)
