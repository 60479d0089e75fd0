"""The recursions on single benchmarks: recipes within families, and the reverse.

A deviation is a number, so the equations of :mod:`latentscale.kernels` are plain divisions here::

    recipe: known_r = sum u + p_r,                pull_r = sum u left,
    family: known_f = sum (known_r - p_r) share + p_f,  pull_f = sum pull_r share,
            share = p_r / known_r

    family = pull_f / known_f + w_f / sqrt(known_f)
    recipe = share family + pull_r / known_r + w_r / sqrt(known_r)

with u the information of a score about its eta.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled


@compiled
def _up(information, left, prec_recipe, prec_family, recipe_of_obs, benchmark_of_obs, family_of,
        n_families):  # fmt: skip
    """Give known and pull of recipes and families."""
    shape = (family_of.shape[0], prec_recipe.shape[0])
    known_r, pull_r = np.zeros(shape), np.zeros(shape)
    for o in range(information.shape[0]):
        r, j = recipe_of_obs[o], benchmark_of_obs[o]
        known_r[r, j] += information[o]
        pull_r[r, j] += information[o] * left[o]
    known_f, pull_f = np.zeros((n_families, shape[1])), np.zeros((n_families, shape[1]))
    for f in range(n_families):
        for j in range(shape[1]):
            known_f[f, j] = prec_family[j]
    for r in range(shape[0]):
        f = family_of[r]
        for j in range(shape[1]):
            measured = known_r[r, j]
            known_r[r, j] += prec_recipe[j]
            share = prec_recipe[j] / known_r[r, j]
            known_f[f, j] += measured * share
            pull_f[f, j] += pull_r[r, j] * share
    return known_r, pull_r, known_f, pull_f


@compiled
def smooth(information, left, precisions, w, recipe_of_obs, benchmark_of_obs, family_of):
    """Smooth deviations.

    Parameters
    ----------
    information, left : dims (obs,)
        As for skills.
    precisions, w : two arrays each, dims (benchmark,) and (group, benchmark)
        Of families and recipes.
    recipe_of_obs, benchmark_of_obs : int, dims (obs,)
    family_of : int, dims (recipe,)

    Returns
    -------
    values : two arrays, dims (group, benchmark)
    log_jacobian : float
    kept : tuple
        What the reverse needs again.
    """
    (prec_family, prec_recipe), (w_family, w_recipe) = precisions, w
    kept = _up(
        information, left, prec_recipe, prec_family, recipe_of_obs, benchmark_of_obs, family_of,
        w_family.shape[0],
    )  # fmt: skip
    known_r, pull_r, known_f, pull_f = kept
    family, recipe = np.empty(w_family.shape), np.empty(w_recipe.shape)
    log_jacobian = 0.0
    for f in range(family.shape[0]):
        for j in range(family.shape[1]):
            family[f, j] = pull_f[f, j] / known_f[f, j] + w_family[f, j] / np.sqrt(known_f[f, j])
            log_jacobian -= np.log(known_f[f, j]) / 2
    for r in range(recipe.shape[0]):
        for j in range(recipe.shape[1]):
            mean = (prec_recipe[j] * family[family_of[r], j] + pull_r[r, j]) / known_r[r, j]
            recipe[r, j] = mean + w_recipe[r, j] / np.sqrt(known_r[r, j])
            log_jacobian -= np.log(known_r[r, j]) / 2
    return (family, recipe), log_jacobian, kept


@compiled
def pull_back(information, left, precisions, w, recipe_of_obs, benchmark_of_obs, family_of, kept,
              d_values):  # fmt: skip
    """Reverse :func:`smooth`, log Jacobian included; writes over ``d_values``.

    Gives the derivatives by information and left, those by the precisions, and those by w.
    """
    prec_recipe, (w_family, w_recipe) = precisions[1], w
    d_family, d_recipe = d_values
    known_r, pull_r, known_f, pull_f = kept
    d_prec_r, d_prec_f = np.zeros(prec_recipe.shape[0]), np.zeros(prec_recipe.shape[0])
    d_known_r, d_pull_r = np.empty(w_recipe.shape), np.empty(w_recipe.shape)
    d_w_r, d_w_f = np.empty(w_recipe.shape), np.empty(w_family.shape)
    for r in range(w_recipe.shape[0]):
        f = family_of[r]
        for j in range(w_recipe.shape[1]):
            known, p, d = known_r[r, j], prec_recipe[j], d_recipe[r, j]
            family = pull_f[f, j] / known_f[f, j] + w_family[f, j] / np.sqrt(known_f[f, j])
            root = 1 / np.sqrt(known)
            d_w_r[r, j] = d * root
            d_pull_r[r, j] = d / known
            d_prec_r[j] += d * family / known
            d_family[f, j] += d * p / known
            mean = (p * family + pull_r[r, j]) / known
            d_known_r[r, j] = -(d * (mean + w_recipe[r, j] * root / 2) + 0.5) / known
    d_known_f, d_pull_f = np.empty(w_family.shape), np.empty(w_family.shape)
    for f in range(w_family.shape[0]):
        for j in range(w_family.shape[1]):
            known, d = known_f[f, j], d_family[f, j]
            root = 1 / np.sqrt(known)
            d_w_f[f, j] = d * root
            d_pull_f[f, j] = d / known
            mean = pull_f[f, j] / known
            d_known_f[f, j] = -(d * (mean + w_family[f, j] * root / 2) + 0.5) / known
            d_prec_f[j] += d_known_f[f, j]
    for r in range(w_recipe.shape[0]):
        f = family_of[r]
        for j in range(w_recipe.shape[1]):
            known, p = known_r[r, j], prec_recipe[j]
            share = p / known
            # known_f holds p (known - p) / known = p - p^2 / known, pull_f pull_r p / known.
            through = d_pull_f[f, j] * pull_r[r, j]
            d_known_r[r, j] += (d_known_f[f, j] * p - through) * share / known
            d_pull_r[r, j] += d_pull_f[f, j] * share
            d_prec_r[j] += d_known_f[f, j] * (1 - 2 * share) + through / known
            d_prec_r[j] += d_known_r[r, j]
    d_information, d_left = np.empty(information.shape[0]), np.empty(information.shape[0])
    for o in range(information.shape[0]):
        r, j = recipe_of_obs[o], benchmark_of_obs[o]
        d_information[o] = d_known_r[r, j] + left[o] * d_pull_r[r, j]
        d_left[o] = information[o] * d_pull_r[r, j]
    return (d_information, d_left), (d_prec_f, d_prec_r), (d_w_f, d_w_r)
