"""The recursions on single benchmarks: recipes within families, and the reverse.

A deviation is a number, so the equations of :mod:`latentscale.kernels` are plain divisions here::

    recipe: known_r = sum u + p_r,                pull_r = sum u left,
    family: known_f = sum (known_r - p_r) share + p_f,  pull_f = sum pull_r share,
            share = p_r / known_r

    family = pull_f / known_f + w_f / sqrt(known_f)
    recipe = share family + pull_r / known_r + w_r / sqrt(known_r)

with u the information of a score about its eta. Kept are the variances, 1 / known.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.elementary import log_all
from latentscale.kernels.jit import compiled


@compiled
def _up(information, left, prec_recipe, prec_family, cells, family_of, n_families):
    """Give 1 / known and pull of recipes and families."""
    n, m = family_of.shape[0], prec_recipe.shape[0]
    spread_r, pull_r = np.zeros((n, m)), np.zeros((n, m))
    for j in range(m):
        for o in range(cells.start[j], cells.start[j + 1]):
            r = cells.recipe[o]
            spread_r[r, j] += information[o]
            pull_r[r, j] += information[o] * left[o]
    spread_f, pull_f = np.empty((n_families, m)), np.zeros((n_families, m))
    for f in range(n_families):
        for j in range(m):
            spread_f[f, j] = prec_family[j]
    for r in range(n):
        f = family_of[r]
        for j in range(m):
            measured, p = spread_r[r, j], prec_recipe[j]
            spread_r[r, j] = 1 / (measured + p)
            share = p * spread_r[r, j]
            spread_f[f, j] += measured * share
            pull_f[f, j] += pull_r[r, j] * share
    for f in range(n_families):
        for j in range(m):
            spread_f[f, j] = 1 / spread_f[f, j]
    return spread_r, pull_r, spread_f, pull_f


@compiled
def _half_log(spread):
    """Give half the logarithms of variances, in sum."""
    logs = spread.ravel().copy()
    log_all(logs)
    total = 0.0
    for i in range(logs.shape[0]):
        total += logs[i]
    return total / 2


@compiled
def smooth(information, left, precisions, w, cells, family_of):
    """Smooth deviations.

    Parameters
    ----------
    information, left : dims (obs,)
        As for skills.
    precisions, w : two arrays each, dims (benchmark,) and (group, benchmark)
        Of families and recipes.
    cells : Cells
    family_of : int, dims (recipe,)

    Returns
    -------
    values : two arrays, dims (group, benchmark)
    log_jacobian : float
    kept : tuple
        What the reverse needs again.
    """
    (prec_family, prec_recipe), (w_family, w_recipe) = precisions, w
    kept = _up(information, left, prec_recipe, prec_family, cells, family_of, w_family.shape[0])
    spread_r, pull_r, spread_f, pull_f = kept
    family, recipe = np.empty(w_family.shape), np.empty(w_recipe.shape)
    for f in range(family.shape[0]):
        for j in range(family.shape[1]):
            spread = spread_f[f, j]
            family[f, j] = pull_f[f, j] * spread + w_family[f, j] * np.sqrt(spread)
    for r in range(recipe.shape[0]):
        for j in range(recipe.shape[1]):
            spread = spread_r[r, j]
            pull = prec_recipe[j] * family[family_of[r], j] + pull_r[r, j]
            recipe[r, j] = pull * spread + w_recipe[r, j] * np.sqrt(spread)
    log_jacobian = _half_log(spread_f) + _half_log(spread_r)
    return (family, recipe), log_jacobian, kept


@compiled
def pull_back(information, left, precisions, w, cells, family_of, values, kept, d_values):
    """Reverse :func:`smooth`, log Jacobian included; writes over ``d_values``.

    Gives the derivatives by information and left, those by the precisions, and those by w.
    """
    prec_recipe, (w_family, w_recipe) = precisions[1], w
    family, (d_family, d_recipe) = values[0], d_values
    spread_r, pull_r, spread_f, pull_f = kept
    d_prec_r, d_prec_f = np.zeros(prec_recipe.shape[0]), np.zeros(prec_recipe.shape[0])
    d_known_r, d_pull_r = np.empty(w_recipe.shape), np.empty(w_recipe.shape)
    d_w_r, d_w_f = np.empty(w_recipe.shape), np.empty(w_family.shape)
    for r in range(w_recipe.shape[0]):
        f = family_of[r]
        for j in range(w_recipe.shape[1]):
            spread, p, d = spread_r[r, j], prec_recipe[j], d_recipe[r, j]
            above, root = family[f, j], np.sqrt(spread)
            d_w_r[r, j] = d * root
            d_pull_r[r, j] = d * spread
            d_prec_r[j] += d * above * spread
            d_family[f, j] += d * p * spread
            mean = (p * above + pull_r[r, j]) * spread
            d_known_r[r, j] = -(d * (mean + w_recipe[r, j] * root / 2) + 0.5) * spread
    d_known_f, d_pull_f = np.empty(w_family.shape), np.empty(w_family.shape)
    for f in range(w_family.shape[0]):
        for j in range(w_family.shape[1]):
            spread, d = spread_f[f, j], d_family[f, j]
            root = np.sqrt(spread)
            d_w_f[f, j] = d * root
            d_pull_f[f, j] = d * spread
            mean = pull_f[f, j] * spread
            d_known_f[f, j] = -(d * (mean + w_family[f, j] * root / 2) + 0.5) * spread
            d_prec_f[j] += d_known_f[f, j]
    for r in range(w_recipe.shape[0]):
        f = family_of[r]
        for j in range(w_recipe.shape[1]):
            spread, p = spread_r[r, j], prec_recipe[j]
            share = p * spread
            # known_f holds p (known - p) / known = p - p^2 / known, pull_f pull_r p / known.
            through = d_pull_f[f, j] * pull_r[r, j]
            d_known_r[r, j] += (d_known_f[f, j] * p - through) * share * spread
            d_pull_r[r, j] += d_pull_f[f, j] * share
            d_prec_r[j] += d_known_f[f, j] * (1 - 2 * share) + through * spread
            d_prec_r[j] += d_known_r[r, j]
    d_information, d_left = np.empty(information.shape[0]), np.empty(information.shape[0])
    for j in range(prec_recipe.shape[0]):
        for o in range(cells.start[j], cells.start[j + 1]):
            r = cells.recipe[o]
            d_information[o] = d_known_r[r, j] + left[o] * d_pull_r[r, j]
            d_left[o] = information[o] * d_pull_r[r, j]
    return (d_information, d_left), (d_prec_f, d_prec_r), (d_w_f, d_w_r)
