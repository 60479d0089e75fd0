"""All of it in order: from coordinates to effects, to scores, to the log density; and back."""

from __future__ import annotations

import numpy as np

from latentscale.kernels import deviations, skills
from latentscale.kernels import unknown as of_what_is_unknown
from latentscale.kernels.adding import add, add_level, difference
from latentscale.kernels.arguments import (
    Benchmarks,
    Curve,
    OfDeviations,
    OfSkills,
    Parameters,
    Scatter,
    Way,
)
from latentscale.kernels.jit import array_giving, compiled, inlined
from latentscale.kernels.links import lines
from latentscale.kernels.measuring import measure, pull_back_measure
from latentscale.kernels.memory import empty, zeros_like
from latentscale.kernels.own import own_part, pull_back_own_part
from latentscale.kernels.scoring import (
    effect_density,
    less_products,
    pull_back_products,
    score,
    skill_density,
)

_smooth_skills, _pull_back_skills = skills.smooth, skills.pull_back
_smooth_deviations, _pull_back_deviations = deviations.smooth, deviations.pull_back
_of_unknown = of_what_is_unknown.density


@array_giving
def _blur(memory, cells, parameters):
    """Give the variance of the deviations between a skill and a score, dims (benchmark,)."""
    blur, precisions = zeros_like(memory, parameters.curve.floor), parameters.deviation_precisions
    for c in range(cells.deviating.shape[0]):
        variance = 1 / precisions.family[c] + 1 / precisions.recipe[c]
        if parameters.deviation_w.developer.shape[0] > 0:
            variance += 1 / precisions.developer[c]
        blur[cells.deviating[c]] = variance
    return blur


@inlined
def _forward(memory, n_skills, likelihood, cells, llms, parameters):
    """Give the effects on skills and the deviations, as their smoothers do, and the way there."""
    benchmarks = parameters.benchmarks
    own = own_part(
        memory, n_skills, cells, llms, benchmarks, parameters.slope, parameters.tuning_shift,
        parameters.family_slope,
    )  # fmt: skip
    links = lines(memory, parameters.curve.asymmetry)
    measured, information, measuring = measure(
        memory, likelihood, cells, own, parameters.curve, links, parameters.scatter
    )
    left = difference(memory, measured, own)
    on_skills = _smooth_skills(
        memory, n_skills, information, left, benchmarks.loading, _blur(memory, cells, parameters),
        parameters.precisions, parameters.w, cells, llms,
    )  # fmt: skip
    of_llms = on_skills[0][3]
    rest = less_products(memory, n_skills, cells, left, of_llms, benchmarks.loading)
    on_benchmarks = _smooth_deviations(
        memory, information, rest, parameters.deviation_precisions, parameters.deviation_w, cells,
        llms,
    )  # fmt: skip
    return on_skills, on_benchmarks, Way(own, left, information, rest, links, measuring)


@array_giving
def _eta(memory, cells, of_recipes, way):
    """Give eta, dims (obs,): features, skills (all that is left but the rest) and deviations."""
    eta, recipe = empty(memory, way.own.shape), cells.recipe
    for o in range(eta.shape[0]):
        eta[o] = way.own[o] + (way.left[o] - way.rest[o])
    for c in range(cells.deviating.shape[0]):
        j = cells.deviating[c]
        for o in range(cells.start[j], cells.start[j + 1]):
            eta[o] += of_recipes[recipe[o], c]
    return eta


@compiled
def _of_skills(memory, skills, values, llms, parameters, d_values, d):
    """Give the log density of the effects on skills; adds to the derivatives."""
    (developer, family, recipe, llm), precisions = values, parameters.precisions
    d_developer, d_family, d_recipe, d_llm = d_values
    nothing, of_developer = empty(memory, (0, family.shape[1])), llms.developer_of_family
    return (
        skill_density(
            memory, skills, np.inf, llm, recipe, llms.recipe, precisions.llm, d_llm, d_recipe,
            d.precisions.llm,
        )
        + skill_density(
            memory, skills, llms.recipe_tail[0], recipe, family, llms.family_of_recipe,
            precisions.recipe, d_recipe, d_family, d.precisions.recipe,
        )
        + skill_density(
            memory, skills, np.inf, family, developer, of_developer, precisions.family, d_family,
            d_developer, d.precisions.family,
        )
        + skill_density(
            memory, skills, np.inf, developer, nothing, of_developer, precisions.developer,
            d_developer, nothing, d.precisions.developer,
        )
    )  # fmt: skip


@compiled
def _of_deviations(memory, values, llms, parameters, d_values, d):
    """Give the log density of the deviations; adds to the derivatives."""
    (developer, family, recipe), precisions = values, parameters.deviation_precisions
    (d_developer, d_family, d_recipe), d_precisions = d_values, d.deviation_precisions
    nothing, parent = empty(memory, (0, family.shape[1])), llms.family_of_recipe
    of_developer = llms.developer_of_family
    return (
        effect_density(
            recipe, family, parent, precisions.recipe, d_recipe, d_family, d_precisions.recipe
        )
        + effect_density(
            family, developer, of_developer, precisions.family, d_family, d_developer,
            d_precisions.family,
        )
        + effect_density(
            developer, nothing, of_developer, precisions.developer, d_developer, nothing,
            d_precisions.developer,
        )
    )  # fmt: skip


@compiled
def _pull_back_blur(memory, cells, parameters, d_blur, d):
    """Reverse :func:`_blur`; adds to ``d``."""
    precisions, d_precisions = parameters.deviation_precisions, d.deviation_precisions
    for c in range(cells.deviating.shape[0]):
        d_variance = d_blur[cells.deviating[c]]
        d_precisions.family[c] -= d_variance / precisions.family[c] ** 2
        d_precisions.recipe[c] -= d_variance / precisions.recipe[c] ** 2
        if parameters.deviation_w.developer.shape[0] > 0:
            d_precisions.developer[c] -= d_variance / precisions.developer[c] ** 2


@inlined
def _pull_back(
    memory, n_skills, likelihood, cells, llms, parameters, found, d_eta, d_values, d_dev_values, d
):
    """Reverse :func:`_forward` and :func:`_eta`, in the opposite order; adds to ``d``."""
    (values, _, kept), (dev_values, _, dev_kept), way = found
    loading, of_llms, d_llm = parameters.benchmarks.loading, values[3], d_values[3]
    recipe, d_recipe_values = cells.recipe, d_dev_values[2]
    for c in range(cells.deviating.shape[0]):
        j = cells.deviating[c]
        for o in range(cells.start[j], cells.start[j + 1]):
            d_recipe_values[recipe[o], c] += d_eta[o]
    (d_information, d_left), of_precisions, of_w = _pull_back_deviations(
        memory, way.information, way.rest, parameters.deviation_precisions, parameters.deviation_w,
        cells, llms, dev_values, dev_kept, d_dev_values,
    )  # fmt: skip
    add_level(d.deviation_precisions, of_precisions)
    add_level(d.deviation_w, of_w)
    # The products are in eta, and taken from what is left for the deviations.
    d_products = difference(memory, d_eta, d_left)
    pull_back_products(n_skills, cells, of_llms, loading, d_products, d_llm, d.benchmarks.loading)
    of_benchmarks, of_precisions, of_w = _pull_back_skills(
        memory, n_skills, way.information, way.left, loading, _blur(memory, cells, parameters),
        parameters.precisions, parameters.w, cells, llms, values, kept, d_values, d_information,
        d_left,
    )  # fmt: skip
    add(d.benchmarks.loading, of_benchmarks[0])
    _pull_back_blur(memory, cells, parameters, of_benchmarks[1], d)
    add_level(d.precisions, of_precisions)
    add_level(d.w, of_w)
    d_own = difference(memory, d_eta, d_left)
    pull_back_measure(
        memory, likelihood, cells, way.own, parameters.curve, way.lines, parameters.scatter,
        way.measuring, d_left, d_information, d_own, d.curve, d.scatter,
    )  # fmt: skip
    pull_back_own_part(
        memory, n_skills, cells, llms, parameters.benchmarks, parameters.slope,
        parameters.tuning_shift, parameters.family_slope, d_own, d.benchmarks, d.slope,
        d.tuning_shift, d.family_slope,
    )  # fmt: skip


@compiled
def _zeros(memory, parameters):
    """Give the derivatives before anything is added to them."""
    curve, scatter, benchmarks = parameters.curve, parameters.scatter, parameters.benchmarks
    precisions, w = parameters.precisions, parameters.w
    dev_precisions, dev_w = parameters.deviation_precisions, parameters.deviation_w
    return Parameters(
        Curve(
            zeros_like(memory, curve.floor), zeros_like(memory, curve.ceiling),
            zeros_like(memory, curve.asymmetry),
        ),
        Scatter(zeros_like(memory, scatter.precision), zeros_like(memory, scatter.tail)),
        Benchmarks(
            zeros_like(memory, benchmarks.difficulty), zeros_like(memory, benchmarks.slope),
            zeros_like(memory, benchmarks.tuning), zeros_like(memory, benchmarks.loading),
            zeros_like(memory, benchmarks.condition),
        ),
        zeros_like(memory, parameters.slope),
        zeros_like(memory, parameters.tuning_shift),
        zeros_like(memory, parameters.family_slope),
        OfSkills(
            zeros_like(memory, precisions.developer), zeros_like(memory, precisions.family),
            zeros_like(memory, precisions.recipe), zeros_like(memory, precisions.llm),
        ),
        OfSkills(
            zeros_like(memory, w.developer), zeros_like(memory, w.family),
            zeros_like(memory, w.recipe), zeros_like(memory, w.llm),
        ),
        OfDeviations(
            zeros_like(memory, dev_precisions.developer), zeros_like(memory, dev_precisions.family),
            zeros_like(memory, dev_precisions.recipe),
        ),
        OfDeviations(
            zeros_like(memory, dev_w.developer), zeros_like(memory, dev_w.family),
            zeros_like(memory, dev_w.recipe),
        ),
    )  # fmt: skip


@inlined
def density(memory, n_skills, likelihood, cells, llms, unknown, parameters):
    """Give the log density of coordinates and scores, and its derivatives.

    It is that of the effects and the scores in the plain model, plus the log Jacobian of the
    effects by the coordinates w.

    Parameters
    ----------
    memory
        Where arrays are taken from, those that are given too.
    n_skills : tuple of K integers
        One for each skill.
    likelihood : Likelihood
        From :data:`latentscale.kernels.scatter.LIKELIHOODS`.
    cells : Cells
    llms : Llms
    unknown : Unknown
    parameters : Parameters

    Returns
    -------
    value : float
    derivatives : Parameters
    on_skills : four arrays, dims (group, skill)
        Of developers, families, recipes and LLMs. Each has in it those of the groups above.
    deviations : three arrays, dims (group, free_benchmark)
        Of developers, families and recipes, likewise.
    """
    found = _forward(memory, n_skills, likelihood, cells, llms, parameters)
    (values, log_skills, _), (dev_values, log_deviations, _), way = found
    eta = _eta(memory, cells, dev_values[2], way)
    d = _zeros(memory, parameters)
    d_values = (
        zeros_like(memory, values[0]),
        zeros_like(memory, values[1]),
        zeros_like(memory, values[2]),
        zeros_like(memory, values[3]),
    )
    d_dev_values = (
        zeros_like(memory, dev_values[0]),
        zeros_like(memory, dev_values[1]),
        zeros_like(memory, dev_values[2]),
    )
    value, d_eta = score(
        memory, likelihood, cells, eta, parameters.curve, way.lines, parameters.scatter, d.curve,
        d.scatter,
    )  # fmt: skip
    value += _of_skills(memory, n_skills, values, llms, parameters, d_values, d) + log_skills
    value += _of_deviations(memory, dev_values, llms, parameters, d_dev_values, d) + log_deviations
    value += _of_unknown(
        memory, unknown, llms, cells.deviating, parameters, values, dev_values, d_values,
        d_dev_values, d,
    )  # fmt: skip
    _pull_back(
        memory, n_skills, likelihood, cells, llms, parameters, found, d_eta, d_values,
        d_dev_values, d,
    )  # fmt: skip
    return value, d, values, dev_values
