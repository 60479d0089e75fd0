"""The direct transcription once more, in numpyro: compiled by JAX, sampled by its NUTS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from edges import EDGE
from jax.scipy.special import gammaln
from jax.scipy.stats import norm
from scipy.linalg import helmert

from latentscale.model import ScalingModel
from latentscale.tails import POINTS, WEIGHTS


def numpyro_model(model: ScalingModel) -> Callable[[], None]:
    """Write a model of fractions with default priors, all of its options on, as numpyro code."""
    design, spec = model.design, model.spec
    n_skills, n_benchmarks, n_features = spec.skills, len(design.benchmarks), design.x.shape[1]
    i, j = design.llm_of_obs, design.benchmark_of_obs
    anchors = np.array([design.benchmarks.index(name) for name in spec.anchors])
    free = design.free_benchmarks(spec.anchors)
    x = np.column_stack([design.x, design.tuned])
    developer_of_llm = design.developer_of_family[design.family_of_llm]
    low, high = np.flatnonzero(design.score <= 0), np.flatnonzero(design.score >= 1)
    inside = (design.score > 0) & (design.score < 1)

    def normal(
        name: str, shape: tuple[int, ...], mean: float = 0.0, sd: float = 1.0
    ) -> jnp.ndarray:
        return numpyro.sample(name, dist.Normal(mean, sd).expand(shape).to_event(len(shape)))

    def positive(name: str, shape: tuple[int, ...], mean: float, sd: float) -> jnp.ndarray:
        return numpyro.sample(name, dist.LogNormal(mean, sd).expand(shape).to_event(len(shape)))

    def unit(name: str, a: float, b: float) -> jnp.ndarray:
        return numpyro.sample(name, dist.Beta(a, b).expand((n_benchmarks,)).to_event(1))

    def in_numpyro() -> None:
        # Abilities.
        slope = normal("feature_slope", (n_features, n_skills))
        shift = normal("tuning_shift", (n_skills,))
        family_scale = positive("family_scale", (n_skills,), -0.5, 0.7)
        developer_scale = family_scale * positive("developer_ratio", (n_skills,), 0, 0.5)
        recipe_scale = family_scale * positive("recipe_ratio", (n_skills,), -1, 0.5)
        llm_scale = family_scale * positive("llm_ratio", (n_skills,), -1, 0.5)
        common = jnp.sqrt(
            numpyro.sample("communality", dist.Beta(2, 2).expand((n_skills,)).to_event(1))
        )
        correlation = jnp.fill_diagonal(jnp.outer(common, common), 1.0, inplace=False)
        mixing = jnp.linalg.cholesky(correlation).T
        family = family_scale * (normal("family_z", (len(design.families), n_skills)) @ mixing)
        developer_z = normal("developer_z", (len(design.developers), n_skills))
        developer = developer_scale * (developer_z @ mixing)
        family = family + developer[design.developer_of_family]
        tailed = dist.MultivariateStudentT(
            spec.recipe_tail, jnp.zeros(n_skills), jnp.eye(n_skills)
        ).expand((len(design.recipes),))
        recipe = recipe_scale * (numpyro.sample("recipe_z", tailed.to_event(1)) @ mixing)
        llm = llm_scale * (normal("llm_z", (len(design.llms), n_skills)) @ mixing)
        ability = (
            x @ jnp.vstack([slope, shift])
            + family[design.family_of_llm]
            + recipe[design.recipe_of_llm]
            + llm
        )
        # Benchmarks.
        total = normal("total_loading", (n_benchmarks,), 1, 0.7)
        contrast = normal("loading_contrast", (n_benchmarks, n_skills - 1), 0, 0.5)
        loading = total[:, None] / n_skills + contrast @ helmert(n_skills)
        loading = jnp.asarray(loading).at[anchors].set(jnp.eye(n_skills))
        numpyro.deterministic("loading", loading)
        difficulty = normal("difficulty", (n_benchmarks,), -0.5, 1.5)
        slope_scale = positive("slope_scale", (n_features,), -2.3, 0.7)
        tuning_scale = positive("tuning_scale", (), -1.5, 0.7)
        own_slope = slope_scale * normal("benchmark_slope_z", (len(free), n_features))
        own_tuning = tuning_scale * normal("benchmark_tuning_z", (len(free),))
        own = jnp.concatenate([own_slope, own_tuning[:, None]], axis=1)
        # Deviations.
        of_free = x @ own.T
        for name, n, of, middle in (
            ("developer_deviation", len(design.developers), developer_of_llm, -2.5),
            ("family_deviation", len(design.families), design.family_of_llm, -1.9),
            ("recipe_deviation", len(design.recipes), design.recipe_of_llm, -1.9),
        ):
            scale = positive(f"{name}_scale", (len(free),), middle, 0.5)
            of_free = of_free + (scale * normal(f"{name}_z", (n, len(free))))[of]
        eta = (difficulty + ability @ loading.T).at[:, free].add(of_free)
        # Scores.
        chance = design.chance
        floor = chance * (1 - unit("floor_slack", 1, 20))
        ceiling = chance + (1 - chance) * unit("ceiling_share", 5, 1)
        numpyro.deterministic("ceiling", ceiling)
        a = positive("asymmetry", (n_benchmarks,), 0, 1)
        steepness = a / (2 * (1 - 2.0**-a))
        risen = 1 - (1 + (2**a - 1) * jnp.exp(steepness * eta)) ** (-1 / a)
        expected = (floor + (ceiling - floor) * risen)[i, j]
        precision = positive("precision", (n_benchmarks,), 5.7, 0.7)[j]
        if spec.likelihood == "beta":
            score = design.score.clip(EDGE, 1 - EDGE)
            beta = dist.Beta(expected * precision, (1 - expected) * precision)
            numpyro.sample("score", beta, obs=score)
        else:
            sd = jnp.sqrt(expected * (1 - expected) / (1 + precision))
            # Where everything starts, before it is moved to possible values, sd may not be defined.
            if spec.likelihood == "normal":
                scatter = dist.Normal(expected, sd, validate_args=False)
                log_mass = norm.logcdf
            else:
                tail = numpyro.sample("tail", dist.Gamma(4, 0.5))
                scatter = dist.StudentT(tail, expected, sd, validate_args=False)
                log_mass = partial(_log_t_mass_below, degrees=tail)
            numpyro.sample("score", scatter.mask(inside), obs=design.score)
            beyond = jnp.concatenate([-expected[low] / sd[low], (expected[high] - 1) / sd[high]])
            numpyro.factor("at the ends", log_mass(beyond).sum())

    return in_numpyro


def _log_t_mass_below(x: jnp.ndarray, degrees: jnp.ndarray) -> jnp.ndarray:
    """Give the logarithm of the mass of a Student t below x: see :mod:`latentscale.tails`."""
    angle = jnp.arctan2(jnp.sqrt(degrees), -x)
    sine = jnp.sin(angle)
    ratio = jnp.sin(angle[:, None] * jnp.array(POINTS)) / sine[:, None]
    integral = ratio ** (degrees - 1) @ jnp.array(WEIGHTS)
    constant = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - jnp.log(jnp.pi) / 2
    return constant + (degrees - 1) * jnp.log(sine) + jnp.log(angle * integral)
