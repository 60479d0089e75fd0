"""The model as one would write it down first: a direct transcription in PyMC, to compare with.

The same variables, priors and likelihoods as the package's model, so that the posterior is the
same; but in PyMC's everyday idiom: effects are a scale times a standard Normal, matrices are
multiplied whole, and every cell gathers what it needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from edges import EDGE
from scipy.linalg import helmert

from latentscale.model import ScalingModel
from latentscale.tails import log_mass_below


def direct_model(model: ScalingModel) -> pm.Model:
    """Write a model of fractions with default priors, all of its options on, as PyMC code."""
    design, spec = model.design, model.spec
    skills = [f"skill {k + 1}" for k in range(spec.skills)]
    free = design.free_benchmarks(spec.anchors)
    coords = {
        "developer": design.developers, "family": design.families, "recipe": design.recipes,
        "llm": design.llms["llm"], "benchmark": design.benchmarks,
        "free_benchmark": np.array(design.benchmarks)[free],
        "feature": design.encoding.names, "skill": skills, "contrast": np.arange(1, spec.skills),
    }  # fmt: skip
    i, j = design.llm_of_obs, design.benchmark_of_obs
    anchors = [design.benchmarks.index(name) for name in spec.anchors]

    with pm.Model(coords=coords) as direct:
        # Abilities.
        slope = pm.Normal("feature_slope", 0, 1, dims=("feature", "skill"))
        shift = pm.Normal("tuning_shift", 0, 1, dims="skill")
        family_scale = pm.LogNormal("family_scale", -0.5, 0.7, dims="skill")
        developer_scale = family_scale * pm.LogNormal("developer_ratio", 0, 0.5, dims="skill")
        recipe_scale = family_scale * pm.LogNormal("recipe_ratio", -1, 0.5, dims="skill")
        llm_scale = family_scale * pm.LogNormal("llm_ratio", -1, 0.5, dims="skill")
        common = pt.sqrt(pm.Beta("communality", 2, 2, dims="skill"))
        correlation = pt.fill_diagonal(pt.outer(common, common), 1.0)
        mixing = pt.linalg.cholesky(correlation).T
        developer = developer_scale * (
            pm.Normal("developer_z", dims=("developer", "skill")) @ mixing
        )
        family = family_scale * (pm.Normal("family_z", dims=("family", "skill")) @ mixing)
        family = family + developer[design.developer_of_family]
        middle, apart = np.zeros(spec.skills), np.eye(spec.skills)
        recipe_z = pm.MvStudentT(
            "recipe_z", nu=spec.recipe_tail, mu=middle, scale=apart, dims=("recipe", "skill")
        )
        recipe = recipe_scale * (recipe_z @ mixing)
        llm = llm_scale * (pm.Normal("llm_z", dims=("llm", "skill")) @ mixing)
        ability = (
            pt.dot(design.x, slope)
            + design.tuned[:, None] * shift
            + family[design.family_of_llm]
            + recipe[design.recipe_of_llm]
            + llm
        )
        # Benchmarks.
        total = pm.Normal("total_loading", 1, 0.7, dims="benchmark")
        contrast = pm.Normal("loading_contrast", 0, 0.5, dims=("benchmark", "contrast"))
        loading = total[:, None] / spec.skills + pt.dot(contrast, helmert(spec.skills))
        loading = pt.set_subtensor(loading[anchors], np.eye(spec.skills))
        loading = pm.Deterministic("loading", loading, dims=("benchmark", "skill"))
        difficulty = pm.Normal("difficulty", -0.5, 1.5, dims="benchmark")
        slope_scale = pm.LogNormal("slope_scale", -2.3, 0.7, dims="feature")
        tuning_scale = pm.LogNormal("tuning_scale", -1.5, 0.7)
        own_slope = slope_scale * pm.Normal("benchmark_slope_z", dims=("free_benchmark", "feature"))
        own_tuning = tuning_scale * pm.Normal("benchmark_tuning_z", dims="free_benchmark")
        own = pt.concatenate([own_slope, own_tuning[:, None]], axis=1)
        x = np.column_stack([design.x, design.tuned])
        # Deviations.
        names = ("developer_deviation", "family_deviation", "recipe_deviation")
        middles = (-2.5, -1.9, -1.9)
        scales = [
            pm.LogNormal(f"{name}_scale", middle, 0.5, dims="free_benchmark")
            for name, middle in zip(names, middles, strict=True)
        ]
        z = [pm.Normal(f"{n}_z", dims=(n.split("_")[0], "free_benchmark")) for n in names]
        of_free = (
            pt.dot(x, own.T)
            + (scales[0] * z[0])[design.developer_of_family[design.family_of_llm]]
            + (scales[1] * z[1])[design.family_of_llm]
            + (scales[2] * z[2])[design.recipe_of_llm]
        )
        eta = difficulty + pt.dot(ability, loading.T)
        eta = pt.inc_subtensor(eta[:, free], of_free)
        # Scores.
        chance = design.chance
        floor = chance * (1 - pm.Beta("floor_slack", 1, 20, dims="benchmark"))
        share = pm.Beta("ceiling_share", 5, 1, dims="benchmark")
        ceiling = pm.Deterministic("ceiling", chance + (1 - chance) * share, dims="benchmark")
        a = pm.LogNormal("asymmetry", 0, 1, dims="benchmark")
        steepness = a / (2 * (1 - 2.0**-a))
        risen = 1 - (1 + (2**a - 1) * pt.exp(steepness * eta)) ** (-1 / a)
        expected = (floor + (ceiling - floor) * risen)[i, j]
        precision = pm.LogNormal("precision", 5.7, 0.7, dims="benchmark")[j]
        if spec.likelihood == "beta":
            score = design.score.clip(EDGE, 1 - EDGE)
            alpha, beta = expected * precision, (1 - expected) * precision
            pm.Beta("score", alpha, beta, observed=score)
        else:
            sd = pt.sqrt(expected * (1 - expected) / (1 + precision))
            if spec.likelihood == "normal":
                pm.Censored("score", pm.Normal.dist(expected, sd), 0, 1, observed=design.score)
            else:
                _observe_student_t(design.score, expected, sd)
    return direct


def _observe_student_t(score: np.ndarray, expected: Any, sd: Any) -> None:
    """Declare scores that are Student t's, censored to [0, 1].

    PyMC's own censoring needs the incomplete beta function, which has no derivative by the degrees
    of freedom where nutpie compiles.
    """
    tail = pm.Gamma("tail", 4, 0.5)
    low, high = np.flatnonzero(score <= 0), np.flatnonzero(score >= 1)
    inside = np.flatnonzero((score > 0) & (score < 1))
    pm.StudentT("score", nu=tail, mu=expected[inside], sigma=sd[inside], observed=score[inside])
    beyond = pt.concatenate([-expected[low] / sd[low], (expected[high] - 1) / sd[high]])
    pm.Potential("at the ends", log_mass_below(beyond, tail).sum())
