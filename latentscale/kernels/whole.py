"""From a point of the sampler's coordinates to its log density, gradient and variables."""

from __future__ import annotations

import numpy as np

from latentscale.kernels import abilities, benchmarks, posterior
from latentscale.kernels.arguments import (
    Benchmarks,
    Groups,
    OfDeviations,
    OfSkills,
    Parameters,
    Scatter,
    Shared,
)
from latentscale.kernels.jit import compiled
from latentscale.kernels.laws import log_density, value_at

_curves, _pull_back_curves = benchmarks.curves, benchmarks.pull_back_curves
_middles, _pull_back_middles = benchmarks.middles, benchmarks.pull_back_middles
_place, _pull_back_place = benchmarks.place, benchmarks.pull_back_place
_loadings, _pull_back_loadings = benchmarks.loadings, benchmarks.pull_back_loadings
_own_slopes, _pull_back_own_slopes = benchmarks.own_slopes, benchmarks.pull_back_own_slopes
_skill_scales, _pull_back_skill_scales = abilities.skill_scales, abilities.pull_back_skill_scales
_precision, _deviation_precisions = abilities.precision, abilities.deviation_precisions
_pull_back_deviation_precisions = abilities.pull_back_deviation_precisions
_family_slopes, _explained = abilities.family_slopes, abilities.explained
_pull_back_explained = abilities.pull_back_explained
_pull_back_family_slopes = abilities.pull_back_family_slopes
_density = posterior.density

# The first of the groups among all variables.
_N_SHARED = len(Shared._fields)


@compiled
def _part(flat, shapes, start, v):
    """Give the part of a flat array that belongs to a variable, as a matrix."""
    rows, columns = shapes[v, 0], shapes[v, 1]
    return flat[start[v] : start[v] + rows * columns].reshape((rows, columns))


@compiled
def _line(flat, shapes, start, v):
    """Give the part of a flat array that belongs to a variable, as a vector."""
    return flat[start[v] : start[v] + shapes[v, 0] * shapes[v, 1]]


@compiled
def _shared(flat, shapes, at):
    """Name the parts of the shared parameters, or of the derivatives by them."""
    return Shared(
        _part(flat, shapes, at, 0), _line(flat, shapes, at, 1), _line(flat, shapes, at, 2),
        _line(flat, shapes, at, 3), _line(flat, shapes, at, 4), _part(flat, shapes, at, 5),
        _line(flat, shapes, at, 6), _line(flat, shapes, at, 7), _line(flat, shapes, at, 8),
        _part(flat, shapes, at, 9), _line(flat, shapes, at, 10), _line(flat, shapes, at, 11),
        _line(flat, shapes, at, 12), _line(flat, shapes, at, 13), _line(flat, shapes, at, 14),
        _line(flat, shapes, at, 15), _line(flat, shapes, at, 16), _line(flat, shapes, at, 17),
        _part(flat, shapes, at, 18),
    )  # fmt: skip


@compiled
def _groups(flat, shapes, at):
    """Name the parts of the coordinates of groups, or of the derivatives by them."""
    v = _N_SHARED
    return Groups(
        _part(flat, shapes, at, v), _part(flat, shapes, at, v + 1), _part(flat, shapes, at, v + 2),
        _part(flat, shapes, at, v + 3), _part(flat, shapes, at, v + 4),
        _part(flat, shapes, at, v + 5),
    )  # fmt: skip


@compiled
def _to_values(laws, x, values, slopes, d_log_jacobian):
    """Write the values that coordinates stand for, and their slopes; gives the log Jacobian."""
    log_jacobian = 0.0
    for v in range(laws.law.shape[0]):
        for i in range(laws.start[v], laws.start[v + 1]):
            found = value_at(laws.support[v], x[i])
            values[i], slopes[i], d_log_jacobian[i] = found[0], found[1], found[3]
            log_jacobian += found[2]
    return log_jacobian


@compiled
def _log_prior(laws, values, d_values):
    """Give the log density of the priors; adds to ``d_values``."""
    total = 0.0
    for v in range(laws.law.shape[0]):
        if laws.law[v] >= 0:
            a, b, c = laws.numbers[v, 0], laws.numbers[v, 1], laws.numbers[v, 2]
            for i in range(laws.start[v], laws.start[v + 1]):
                value, slope = log_density(laws.law[v], a, b, c, values[i])
                total += value
                d_values[i] += slope
    return total


@compiled
def _or_ones(array, n):
    """Give an array, or ones where the model lacks the parameter."""
    return array if array.shape[0] > 0 else np.ones(n)


@compiled
def _copy(part, to):
    """Write a matrix over another."""
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            to[i, j] = part[i, j]


@compiled
def _add(part, to):
    """Add a vector to one that is as long, or to nothing."""
    for i in range(to.shape[0]):
        to[i] += part[i]


@compiled
def evaluate(n_skills, constant_of, density_of, information_of, known, x, gradient, reported):
    """Give the log density at a point, and write its gradient and the variables there.

    Parameters
    ----------
    n_skills : tuple of K integers
        One for each skill.
    constant_of, density_of, information_of : functions
        Of the likelihood, from :data:`latentscale.kernels.scatter.FUNCTIONS`.
    known : Known
    x, gradient : dims (coordinate,)
    reported : dims (number,)
        Where to write the variables that the posterior reports, one after the other; nothing is
        written where it has no room.

    Returns
    -------
    float
    """
    laws, suite, llms, shapes = known.laws, known.suite, known.llms, known.shapes
    n = laws.start[laws.law.shape[0]]
    values, slopes, d_x, d_values = np.empty(n), np.empty(n), np.empty(n), np.zeros(n)
    value = _to_values(laws, x, values, slopes, d_x)
    shared, d_shared = _shared(values, shapes, laws.start), _shared(d_values, shapes, laws.start)
    # Where the variables of the groups begin.
    at = np.empty(shapes.shape[0], dtype=np.int64)
    for v in range(_N_SHARED, shapes.shape[0]):
        at[v] = n
        n += shapes[v, 0] * shapes[v, 1]
    groups, d_groups = _groups(x, shapes, at), _groups(gradient, shapes, at)

    curve = _curves(suite, shared)
    logit, steepness, middle = _middles(suite, curve)
    value += _place(suite, logit, steepness, shared)
    value += _log_prior(laws, values, d_values)
    loading = _loadings(n_skills, suite, shared)
    slope, tuning, log_slopes = _own_slopes(n_skills, suite, shared, loading)
    scales = _skill_scales(shared)
    family_slope = _family_slopes(shared, groups.family_slope)
    parameters = Parameters(
        curve,
        Scatter(_or_ones(shared.precision, loading.shape[0]), _or_ones(shared.tail, 1)),
        Benchmarks(shared.difficulty, slope, tuning, loading),
        _explained(llms, shared, family_slope),
        OfSkills(_precision(scales.family), _precision(scales.recipe), _precision(scales.llm)),
        OfSkills(groups.family, groups.recipe, groups.llm),
        _deviation_precisions(shared),
        OfDeviations(groups.family_deviation, groups.recipe_deviation),
    )
    log_scores, d, effects = _density(
        n_skills, constant_of, density_of, information_of, known.cells, llms, parameters
    )
    value += log_slopes + log_scores
    if reported.shape[0] > 0:
        _report(values, laws.start[_N_SHARED - 1], scales, family_slope, parameters, effects, known,
                shared, reported)  # fmt: skip

    _add(d.scatter.precision, d_shared.precision)
    _add(d.scatter.tail, d_shared.tail)
    _pull_back_skill_scales(shared, parameters.precisions, d.precisions, d_shared)
    _pull_back_deviation_precisions(
        shared, parameters.deviation_precisions, d.deviation_precisions, d_shared
    )
    for i in range(laws.start[_N_SHARED], gradient.shape[0]):
        gradient[i] = 0.0
    d_family_slope = np.zeros(family_slope.shape)
    _pull_back_explained(llms, d.explained, d_shared, d_family_slope)
    value += _pull_back_family_slopes(
        shared, groups.family_slope, d_family_slope, d_groups.family_slope, d_shared
    )
    _pull_back_own_slopes(n_skills, suite, shared, parameters.benchmarks, d.benchmarks, d_shared)
    _pull_back_loadings(n_skills, suite, d.benchmarks.loading, d_shared)
    _add(d.benchmarks.difficulty, d_shared.difficulty)
    d_logit, d_steepness = _pull_back_place(suite, steepness, shared, d_shared)
    _pull_back_middles(suite, curve, logit, middle, d_logit, d_steepness, d.curve)
    _pull_back_curves(suite, d.curve, d_shared)
    for i in range(values.shape[0]):
        gradient[i] = d_values[i] * slopes[i] + d_x[i]
    _copy(d.w.family, d_groups.family)
    _copy(d.w.recipe, d_groups.recipe)
    _copy(d.w.llm, d_groups.llm)
    _copy(d.deviation_w.family, d_groups.family_deviation)
    _copy(d.deviation_w.recipe, d_groups.recipe_deviation)
    return value


@compiled
def _append(part, out, at):
    """Write an array of any shape from a position on; gives the position after it."""
    flat = part.ravel()
    for i in range(flat.shape[0]):
        out[at + i] = flat[i]
    return at + flat.shape[0]


@compiled
def _append_difference(part, parents, parent, out, at):
    """Write what each group adds to the group above it."""
    for i in range(part.shape[0]):
        for k in range(part.shape[1]):
            out[at] = part[i, k] - parents[parent[i], k]
            at += 1
    return at


@compiled
def _report(values, n_values, scales, family_slope, parameters, effects, known, shared, out):
    """Write the variables, in the order of :func:`latentscale.coordinates.reported_variables`."""
    family, recipe, llm, family_deviation, recipe_deviation = effects
    llms, curve, benchmarks = known.llms, parameters.curve, parameters.benchmarks
    at = 0
    for i in range(n_values):
        out[i] = values[i]
    at = _append(scales.recipe, out, n_values)
    at = _append(scales.llm, out, at)
    for s in range(shared.family_slope_ratio.shape[0]):
        for k in range(scales.family.shape[0]):
            out[at] = scales.family[k] * shared.family_slope_ratio[s, k]
            at += 1
    at = _append(family_slope, out, at)
    at = _append(benchmarks.loading, out, at)
    if shared.tuning_scale.shape[0] > 0:
        at = _append(benchmarks.slope, out, at)
        at = _append(benchmarks.tuning, out, at)
    at = _append(curve.floor, out, at)
    at = _append(curve.ceiling, out, at)
    for i in range(llm.shape[0]):
        for k in range(llm.shape[1]):
            out[at] = parameters.explained[i, k] + llm[i, k]
            at += 1
    at = _append(family, out, at)
    at = _append_difference(recipe, family, llms.family_of_recipe, out, at)
    at = _append_difference(llm, recipe, llms.recipe, out, at)
    at = _append(family_deviation, out, at)
    _append_difference(recipe_deviation, family_deviation, llms.family_of_recipe, out, at)
