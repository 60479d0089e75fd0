"""From a point of the sampler's coordinates to its log density, gradient and variables."""

from __future__ import annotations

from latentscale.kernels import abilities, benchmarks, features
from latentscale.kernels.adding import add, add_level
from latentscale.kernels.arguments import (
    Benchmarks,
    Groups,
    OfDeviations,
    OfSkills,
    Parameters,
    Scatter,
    Shared,
    Start,
)
from latentscale.kernels.jit import array_giving, compiled, inlined
from latentscale.kernels.laws import ceiling_at, log_density, value_at
from latentscale.kernels.memory import empty, zeros, zeros_like

_curves, _pull_back_curves = benchmarks.curves, benchmarks.pull_back_curves
_middles, _pull_back_middles = benchmarks.middles, benchmarks.pull_back_middles
_place, _pull_back_place = benchmarks.place, benchmarks.pull_back_place
_loadings, _pull_back_loadings = benchmarks.loadings, benchmarks.pull_back_loadings
_own_slopes, _pull_back_own_slopes = benchmarks.own_slopes, benchmarks.pull_back_own_slopes
_skill_scales, _pull_back_skill_scales = abilities.skill_scales, abilities.pull_back_skill_scales
_or_ones = abilities.or_ones
_inverse_correlation, _skill_precision = abilities.inverse_correlation, abilities.skill_precision
_deviation_precisions = abilities.deviation_precisions
_pull_back_deviation_precisions = abilities.pull_back_deviation_precisions
_condition_shifts = abilities.condition_shifts
_pull_back_condition_shifts = abilities.pull_back_condition_shifts
_family_slopes, _explained = abilities.family_slopes, abilities.explained
_pull_back_family_slopes = abilities.pull_back_family_slopes
_relevances, _pull_back_relevances = features.relevances, features.pull_back_relevances
_slopes, _pull_back_slopes = features.slopes, features.pull_back_slopes
_settle, _pull_back_settle = features.settle, features.pull_back_settle

# The first of the groups among all variables.
_N_SHARED = len(Shared._fields)
_CEILING = Shared._fields.index("ceiling_share")


@array_giving
def _part(flat, places, v):
    """Give the part of a flat array that belongs to a variable, as a matrix."""
    begin, rows, columns = places[v, 0], places[v, 1], places[v, 2]
    return flat[begin : begin + rows * columns].reshape((rows, columns))


@array_giving
def _line(flat, places, v):
    """Give the part of a flat array that belongs to a variable, as a vector."""
    return flat[places[v, 0] : places[v, 0] + places[v, 1] * places[v, 2]]


@compiled
def _shared(flat, places):
    """Name the parts of the shared parameters, or of the derivatives by them."""
    v = 0  # What takes a literal number would be compiled anew for each.
    return Shared(
        _part(flat, places, v + 0), _line(flat, places, v + 1),
        _line(flat, places, v + 2), _line(flat, places, v + 3),
        _line(flat, places, v + 4), _line(flat, places, v + 5),
        _line(flat, places, v + 6), _line(flat, places, v + 7),
        _line(flat, places, v + 8), _part(flat, places, v + 9),
        _line(flat, places, v + 10), _line(flat, places, v + 11),
        _line(flat, places, v + 12), _line(flat, places, v + 13),
        _part(flat, places, v + 14), _line(flat, places, v + 15),
        _line(flat, places, v + 16), _line(flat, places, v + 17),
        _line(flat, places, v + 18), _line(flat, places, v + 19),
        _line(flat, places, v + 20), _line(flat, places, v + 21),
        _line(flat, places, v + 22), _line(flat, places, v + 23),
        _part(flat, places, v + 24), _part(flat, places, v + 25),
    )  # fmt: skip


@compiled
def _groups(flat, places):
    """Name the parts of the coordinates of groups, or of the derivatives by them."""
    v = _N_SHARED
    return Groups(
        _part(flat, places, v + 0), _part(flat, places, v + 1),
        _part(flat, places, v + 2), _part(flat, places, v + 3),
        _part(flat, places, v + 4), _part(flat, places, v + 5),
        _part(flat, places, v + 6), _part(flat, places, v + 7),
    )  # fmt: skip


@compiled
def _to_values(laws, tops, x, values, slopes, d_log_jacobian):
    """Write the values that coordinates stand for, and their slopes; gives the log Jacobian."""
    log_jacobian = 0.0
    for v in range(laws.law.shape[0]):
        for i in range(laws.start[v], laws.start[v + 1]):
            if v == _CEILING:
                found = ceiling_at(x[i], tops[i - laws.start[v]])
            else:
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


@inlined
def _parameters(memory, n_skills, known, shared, groups):
    """Give what the density of effects and scores takes, and the log density of what leads there.

    Difficulties, loadings and slopes in ``shared`` are written over their coordinates.
    """
    suite = known.suite
    curve = _curves(memory, suite, shared)
    logit, steepness, middle = _middles(memory, suite, curve)
    value = _place(suite, logit, steepness, shared)
    loading = _loadings(memory, n_skills, suite, shared)
    relevance = _relevances(memory, suite, shared)
    value += _settle(memory, suite, known.slopes, relevance, shared)
    own, tuning, log_slopes = _own_slopes(memory, suite, shared)
    slope = _slopes(memory, suite, shared, relevance)
    scales = _skill_scales(memory, shared)
    inverse = _inverse_correlation(memory, shared.communality, len(n_skills))
    family_slope, log_family_slopes = _family_slopes(memory, shared, groups.family_slope)
    parameters = Parameters(
        curve,
        Scatter(
            _or_ones(memory, shared.precision, loading.shape[0]), _or_ones(memory, shared.tail, 1)
        ),
        Benchmarks(shared.difficulty, own, tuning, loading, _condition_shifts(memory, shared)),
        slope,
        shared.tuning_shift,
        family_slope,
        OfSkills(
            _skill_precision(memory, inverse, scales.developer),
            _skill_precision(memory, inverse, scales.family),
            _skill_precision(memory, inverse, scales.recipe),
            _skill_precision(memory, inverse, scales.llm),
        ),
        OfSkills(groups.developer, groups.family, groups.recipe, groups.llm),
        _deviation_precisions(memory, shared),
        OfDeviations(groups.developer_deviation, groups.family_deviation, groups.recipe_deviation),
    )
    value += log_slopes + log_family_slopes
    return value, parameters, Start(logit, steepness, middle, scales, inverse, relevance)


@inlined
def _pull_back(memory, n_skills, known, shared, groups, parameters, start, d, d_shared, d_groups):
    """Reverse :func:`_parameters`, in the opposite order; adds to the last three."""
    suite = known.suite
    add_level(
        (d_groups.developer_deviation, d_groups.family_deviation, d_groups.recipe_deviation),
        d.deviation_w,
    )
    add_level((d_groups.developer, d_groups.family, d_groups.recipe, d_groups.llm), d.w)
    _pull_back_deviation_precisions(
        shared, parameters.deviation_precisions, d.deviation_precisions, d_shared
    )
    _pull_back_skill_scales(memory, shared, start.scales, start.inverse, d.precisions, d_shared)
    d_relevance = zeros_like(memory, start.relevance)
    _pull_back_family_slopes(
        shared, groups.family_slope, d.family_slope, d_groups.family_slope, d_shared
    )
    add(d_shared.tuning_shift, d.tuning_shift)
    add(d_shared.tail, d.scatter.tail)
    add(d_shared.precision, d.scatter.precision)
    add(d_shared.difficulty, d.benchmarks.difficulty)
    _pull_back_condition_shifts(shared, d.benchmarks.condition, d_shared)
    _pull_back_own_slopes(memory, suite, shared, d.benchmarks, d_shared)
    _pull_back_slopes(
        suite, shared, start.relevance, parameters.slope, d.slope, d_relevance, d_shared
    )
    _pull_back_settle(memory, suite, known.slopes, start.relevance, shared, d_relevance, d_shared)
    _pull_back_relevances(suite, shared, d_relevance, d_shared)
    _pull_back_loadings(n_skills, suite, d.benchmarks.loading, d_shared)
    d_logit, d_steepness = _pull_back_place(memory, suite, start.steepness, shared, d_shared)
    _pull_back_middles(
        suite, parameters.curve, start.logit, start.middle, d_logit, d_steepness, d.curve
    )
    _pull_back_curves(suite, d.curve, d_shared)


@inlined
def evaluate(memory, n_skills, density, how, known, x, point, gradient, reported):
    """Give the log density at a point, and write its gradient and the variables there.

    Parameters
    ----------
    memory
        Where arrays are taken from.
    n_skills : tuple of K integers
        One for each skill.
    density : function
        Gives what :func:`latentscale.kernels.posterior.density` gives.
    how : object
        What it takes before the tuple ``(memory, cells, llms, unknown, parameters)``.
    known : Known
    x
        Coordinates of the shared parameters.
    point, gradient : dims (coordinate,)
        Of a point, only the coordinates of groups are read.
    reported : dims (number,)
        Where to write the variables that the posterior reports, one after the other; nothing is
        written where it has no room.

    Returns
    -------
    float
    """
    laws, places = known.laws, known.places
    n = laws.start[_N_SHARED]
    values, slopes = empty(memory, (n,)), empty(memory, (n,))
    d_x, d_values = empty(memory, (n,)), zeros(memory, (n,))
    for i in range(gradient.shape[0]):
        gradient[i] = 0.0
    shared, d_shared = _shared(values, places), _shared(d_values, places)
    groups, d_groups = _groups(point, places), _groups(gradient, places)

    value = _to_values(laws, known.suite.top, x, values, slopes, d_x)
    log_start, parameters, start = _parameters(memory, n_skills, known, shared, groups)
    value += log_start + _log_prior(laws, values, d_values)
    log_scores, d, on_skills, deviations = density(
        how, (memory, known.cells, known.llms, known.unknown, parameters)
    )
    value += log_scores
    if reported.shape[0] > 0:
        _report(memory, values, known, shared, start, parameters, on_skills, deviations, reported)

    _pull_back(memory, n_skills, known, shared, groups, parameters, start, d, d_shared, d_groups)
    for i in range(n):
        gradient[i] = d_values[i] * slopes[i] + d_x[i]
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
def _append_deviations(part, parents, parent, free, n_benchmarks, out, at):
    """Write what groups add to those above them, if any, on all benchmarks; on anchors, zero."""
    for i in range(part.shape[0]):
        for j in range(n_benchmarks):
            out[at + j] = 0.0
        for c in range(free.shape[0]):
            above = parents[parent[i], c] if parents.shape[0] > 0 else 0.0
            out[at + free[c]] = part[i, c] - above
        at += n_benchmarks
    return at


@compiled
def _append_relevances(suite, relevance, n_terms, out, at):
    """Write the relevance of every term that is shrunk, which its features share."""
    for p in range(relevance.shape[0]):
        if suite.term[p] >= 0:
            out[at + suite.term[p]] = relevance[p]
    return at + n_terms


@compiled
def _report(memory, values, known, shared, start, parameters, on_skills, deviations, out):
    """Write the variables, in the order of :func:`latentscale.coordinates.reported_variables`."""
    developer, family, recipe, llm = on_skills
    developer_deviation, family_deviation, recipe_deviation = deviations
    llms, curve, benchmarks = known.llms, parameters.curve, parameters.benchmarks
    scales, at = start.scales, known.laws.start[_N_SHARED - 2]
    for i in range(at):  # all but the coordinates of shifts and own slopes, which come last
        out[i] = values[i]
    _append(parameters.slope, out, 0)  # over its coordinates, which are the first
    at = _append_relevances(known.suite, start.relevance, shared.relevance_local.shape[0], out, at)
    if shared.developer_ratio.shape[0] > 0:
        at = _append(scales.developer, out, at)
    at = _append(scales.recipe, out, at)
    at = _append(scales.llm, out, at)
    for s in range(shared.family_slope_ratio.shape[0]):
        for k in range(scales.family.shape[0]):
            out[at] = scales.family[k] * shared.family_slope_ratio[s, k]
            at += 1
    at = _append(parameters.family_slope, out, at)
    at = _append(benchmarks.loading, out, at)
    if shared.tuning_scale.shape[0] > 0:
        at = _append(benchmarks.slope, out, at)
        at = _append(benchmarks.tuning, out, at)
    at = _append(benchmarks.condition, out, at)
    at = _append(curve.floor, out, at)
    at = _append(curve.ceiling, out, at)
    explained = _explained(
        memory, llms, parameters.slope, parameters.tuning_shift, parameters.family_slope
    )
    for i in range(llm.shape[0]):
        for k in range(llm.shape[1]):
            out[at] = explained[i, k] + llm[i, k]
            at += 1
    at = _append(developer, out, at)
    at = _append(family, out, at)
    at = _append_difference(recipe, family, llms.family_of_recipe, out, at)
    at = _append_difference(llm, recipe, llms.recipe, out, at)
    nothing, free = empty(memory, (0, 0)), known.cells.deviating
    n_benchmarks, of_recipe = curve.floor.shape[0], llms.family_of_recipe
    at = _append_deviations(developer_deviation, nothing, of_recipe, free, n_benchmarks, out, at)
    at = _append_deviations(family_deviation, nothing, of_recipe, free, n_benchmarks, out, at)
    _append_deviations(recipe_deviation, family_deviation, of_recipe, free, n_benchmarks, out, at)
