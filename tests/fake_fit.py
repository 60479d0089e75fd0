"""A ScalingFit without a sampler: hand-made draws around a rough least-squares solution.

Every posterior variable is composed from the same raw draws as in graph.py, so that whatever holds
of a real posterior by construction (ability is the sum of its effects, anchors load on one skill)
holds of this one; and the centre comes from the scores, so that pictures look like the real thing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import helmert
from scipy.special import logit

import latentscale as ls
from latentscale.design import Design, slope_columns
from latentscale.fit import ScalingFit
from latentscale.model import ScalingModel
from latentscale.spec import ModelSpec
from latentscale.unknown import N_CONFIGURATIONS

Arrays = dict[str, np.ndarray]

_PLURAL = {"developer": "developers", "family": "families", "recipe": "recipes"}

_DIMS: dict[str, tuple[str, ...]] = {
    "ability": ("llm", "skill"),
    "feature_slope": ("feature", "skill"),
    "relevance_scale": (),
    "relevance_local": ("term",),
    "relevance": ("term",),
    "configuration": ("unknown_family",),
    "tuning_shift": ("skill",),
    "developer_ratio": ("skill",),
    "developer_scale": ("skill",),
    "developer_effect": ("developer", "skill"),
    "developer_deviation": ("developer", "benchmark"),
    "developer_deviation_scale": ("free_benchmark",),
    "condition_scale": ("condition",),
    "condition_shift": ("benchmark", "condition"),
    "recipe_ratio": ("skill",),
    "llm_ratio": ("skill",),
    "communality": ("skill",),
    "family_effect": ("family", "skill"),
    "recipe_effect": ("recipe", "skill"),
    "llm_effect": ("llm", "skill"),
    "family_slope": ("family", "slope_feature", "skill"),
    "family_slope_ratio": ("slope_feature", "skill"),
    "family_slope_scale": ("slope_feature", "skill"),
    "family_scale": ("skill",),
    "recipe_scale": ("skill",),
    "llm_scale": ("skill",),
    "total_loading": ("benchmark",),
    "loading_contrast": ("benchmark", "contrast"),
    "loading": ("benchmark", "skill"),
    "difficulty": ("benchmark",),
    "benchmark_slope": ("benchmark", "feature"),
    "benchmark_tuning": ("benchmark",),
    "slope_scale": ("own_feature",),
    "tuning_scale": (),
    "family_deviation": ("family", "benchmark"),
    "recipe_deviation": ("recipe", "benchmark"),
    "family_deviation_scale": ("free_benchmark",),
    "recipe_deviation_scale": ("free_benchmark",),
    "floor_slack": ("benchmark",),
    "ceiling_share": ("benchmark",),
    "floor": ("benchmark",),
    "ceiling": ("benchmark",),
    "asymmetry": ("benchmark",),
    "precision": ("benchmark",),
    "tail": (),
}


def fake_fit(
    skills: int = 3,
    chains: int = 2,
    draws: int = 50,
    table: ls.ScoreTable | None = None,
    random_seed: int = 1,
    **spec: Any,
) -> ScalingFit:
    """Make a fit of the bundled leaderboard, or of another table, in well under a second.

    Parameters
    ----------
    skills, chains, draws : int
    table : ScoreTable, optional
        Default: the bundled leaderboard.
    random_seed : int
    **spec
        More arguments of ScalingModel, such as ``likelihood="beta"`` or ``family_slopes=(...)``.
    """
    model = ScalingModel(_leaderboard() if table is None else table, skills=skills, **spec)
    rng = np.random.default_rng(random_seed)
    posterior = _as_dataset(_compose(model, chains * draws, rng), model, chains, draws)
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": _stats(rng, posterior)})
    return ScalingFit.from_draws(model, tree, {"sampler": "none", "random_seed": random_seed})


@lru_cache(maxsize=1)
def _leaderboard() -> ls.ScoreTable:
    return ls.load_leaderboard()


def _compose(model: ScalingModel, n: int, rng: np.random.Generator) -> Arrays:
    """Draw raw parameters around the rough solution and derive the rest as graph.py does."""
    design, spec = model.design, model.spec
    bounds = _bounds(design, spec, n, rng)
    eta = _observed_eta(design, bounds)
    rough = _rough_abilities(design, spec, eta)
    skills = _skills(design, spec, _in_logits(design, spec, rough, eta), n, rng)
    centre = skills["ability"].mean(axis=0)
    out = bounds | skills | _loadings(design, spec, eta, centre, n, rng)
    loading, mean_ability = out["loading"], out["ability"].mean(axis=1)
    average = np.nanmean(eta, axis=0)
    at_mean = _around(average, 0.08, n, rng)
    out["difficulty"] = at_mean - np.einsum("sjk,sk->sj", loading, mean_ability)
    explained = average + (centre - centre.mean(axis=0)) @ loading.mean(axis=0).T
    out |= _slopes(design, spec, n, rng)
    if spec.conditions:
        shape = (len(design.benchmarks), len(spec.conditions))
        out["condition_scale"] = _about(np.full(len(spec.conditions), 0.3), 0.2, n, rng)
        out["condition_shift"] = _around(np.zeros(shape), 0.2, n, rng)
    out |= _deviations(design, spec, eta - explained, n, rng)
    return out


def _around(centre: Any, sd: float, n: int, rng: np.random.Generator) -> np.ndarray:
    centre = np.asarray(centre, dtype=float)
    return centre + sd * rng.standard_normal((n, *centre.shape))


def _about(centre: Any, log_sd: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw positive values around a centre."""
    return np.exp(_around(np.log(centre), log_sd, n, rng))


def _bounds(design: Design, spec: ModelSpec, n: int, rng: np.random.Generator) -> Arrays:
    chance, n_benchmarks = design.chance, len(design.benchmarks)
    slack = rng.beta(4, 60, (n, n_benchmarks))
    out = {"floor_slack": slack, "floor": chance * (1 - slack)}
    if spec.link == "asymmetric":
        out["asymmetry"] = _about(np.ones(n_benchmarks), 0.2, n, rng)
    best = design.scores.groupby("benchmark")["score"].max().reindex(list(design.benchmarks))
    share = np.clip((1.12 * best.to_numpy() - chance) / (1 - chance), 0.2, 0.97)
    shares = rng.beta(60 * share, 60 * (1 - share), (n, n_benchmarks))
    if not spec.ceiling:
        return out | {"ceiling": np.ones((n, n_benchmarks))}
    return out | {"ceiling_share": shares, "ceiling": chance + (1 - chance) * shares}


def _observed_eta(design: Design, bounds: Arrays) -> np.ndarray:
    """Observed logits between floor and ceiling, dims (llm, benchmark), NaN where missing."""
    floor, ceiling = bounds["floor"].mean(axis=0), bounds["ceiling"].mean(axis=0)
    j = design.benchmark_of_obs
    share = (design.score - floor[j]) / (ceiling - floor)[j]
    eta = np.full((len(design.llms), len(design.benchmarks)), np.nan)
    eta[design.llm_of_obs, j] = logit(np.clip(share, 0.02, 0.98))
    return eta


def _ridge(x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
    solution: np.ndarray = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)
    return solution


def _known(design: Design) -> np.ndarray:
    return np.column_stack([np.ones(len(design.llms)), design.x, design.tuned])


def _rough_abilities(design: Design, spec: ModelSpec, eta: np.ndarray) -> np.ndarray:
    """Read each skill off its anchor; where that is missing, off features and the other scores."""
    filled = np.empty_like(eta)
    x = _known(design)
    for j in range(eta.shape[1]):
        seen = ~np.isnan(eta[:, j])
        filled[:, j] = x @ _ridge(x[seen], eta[seen, j], 1.0)
        filled[seen, j] = eta[seen, j]
    anchors = filled[:, [design.benchmarks.index(name) for name in spec.anchors]]
    spread = np.maximum(anchors.std(axis=0), 1e-3)
    rough: np.ndarray = (anchors - anchors.mean(axis=0)) / spread
    return rough


def _group_means(values: np.ndarray, group: np.ndarray, n_groups: int, prior: float) -> np.ndarray:
    """Shrunk means by group; missing values count for nothing."""
    seen = ~np.isnan(values)
    total, size = np.zeros((n_groups, values.shape[1])), np.zeros((n_groups, values.shape[1]))
    np.add.at(total, group, np.where(seen, values, 0.0))
    np.add.at(size, group, seen.astype(float))
    return total / (size + prior)


def _skills(
    design: Design, spec: ModelSpec, rough: np.ndarray, n: int, rng: np.random.Generator
) -> Arrays:
    k = spec.skills
    coefficients = _ridge(_known(design), rough, 1.0)
    rest = rough - _known(design) @ coefficients
    family = _group_means(rest, design.family_of_llm, len(design.families), 0.7)
    rest = rest - family[design.family_of_llm]
    recipe = _group_means(rest, design.recipe_of_llm, len(design.recipes), 1.5)
    llm = 0.5 * (rest - recipe[design.recipe_of_llm])
    ratios = {name: _about(np.full(k, 0.3), 0.15, n, rng) for name in ("recipe_ratio", "llm_ratio")}
    raw = {
        "feature_slope": _around(coefficients[1:-1], 0.04, n, rng),
        **_features(design, n, rng),
        "tuning_shift": _around(coefficients[-1], 0.05, n, rng),
        "family_effect": _around(family, 0.15, n, rng),
        "recipe_effect": _around(recipe, 0.1, n, rng),
        "llm_effect": _around(llm, 0.1, n, rng),
    }
    if k > 1:
        raw["communality"] = _about(np.full(k, 0.5), 0.1, n, rng)
    if spec.developers:
        ratios["developer_ratio"] = _about(np.ones(k), 0.15, n, rng)
        centre = _group_means(family, design.developer_of_family, len(design.developers), 1.0)
        raw["developer_effect"] = _around(centre, 0.15, n, rng)
    if spec.family_slopes:
        shape = (len(design.families), len(spec.family_slopes), k)
        ratios["family_slope_ratio"] = _about(np.full(shape[1:], 0.2), 0.2, n, rng)
        raw["family_slope"] = _around(np.zeros(shape), 0.2, n, rng)
    family_scale = _about(np.full(k, 0.7), 0.15, n, rng)
    scales = {
        name.replace("ratio", "scale"): family_scale.reshape(n, *[1] * (value.ndim - 2), k) * value
        for name, value in ratios.items()
    }
    return raw | ratios | scales | {
        "family_scale": family_scale, "ability": _abilities(design, spec, raw)
    }  # fmt: skip


def _features(design: Design, n: int, rng: np.random.Generator) -> Arrays:
    """Draw what is unknown of features, and how far their slopes are shrunk."""
    out: Arrays = {}
    if len(design.unknowns):
        out["configuration"] = rng.integers(N_CONFIGURATIONS, size=(n, len(design.unknowns)))
    if design.shrinkage.terms:
        out["relevance_scale"] = _about(np.array(0.1), 0.3, n, rng)
        out["relevance_local"] = _about(np.ones(len(design.shrinkage.terms)), 0.5, n, rng)
        size = out["relevance_scale"][:, None] * out["relevance_local"]
        out["relevance"] = size / np.sqrt(1 + size**2)
    return out


def _abilities(design: Design, spec: ModelSpec, raw: Arrays) -> np.ndarray:
    x = np.tile(design.x, (len(raw["feature_slope"]), 1, 1))
    if "configuration" in raw:
        x = design.unknowns.design(design.x, design.family_of_llm, raw["configuration"])[0]
    ability: np.ndarray = (
        x @ raw["feature_slope"]
        + design.tuned[None, :, None] * raw["tuning_shift"][:, None]
        + raw["family_effect"][:, design.family_of_llm]
        + raw["recipe_effect"][:, design.recipe_of_llm]
        + raw["llm_effect"]
    )
    if "family_slope" in raw:
        x_slope = design.x[:, slope_columns(design.encoding, spec.family_slopes)]
        slopes = raw["family_slope"][:, design.family_of_llm]
        ability += np.einsum("nq,snqk->snk", x_slope, slopes)
    return ability


def _in_logits(design: Design, spec: ModelSpec, rough: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Scale rough abilities so that each anchor gains a logit when its skill does."""
    centred = rough - rough.mean(axis=0)
    scaled = np.empty_like(centred)
    for k, name in enumerate(spec.anchors):
        y = eta[:, design.benchmarks.index(name)]
        seen = ~np.isnan(y)
        slope = _ridge(centred[seen][:, [k]], y[seen] - y[seen].mean(), 10.0)[0]
        scaled[:, k] = max(slope, 0.3) * centred[:, k]
    return scaled


def _loadings(
    design: Design,
    spec: ModelSpec,
    eta: np.ndarray,
    ability: np.ndarray,
    n: int,
    rng: np.random.Generator,
) -> Arrays:
    centred = ability - ability.mean(axis=0)
    centre = np.empty((len(design.benchmarks), spec.skills))
    is_anchor = np.zeros_like(centre)
    for j, name in enumerate(design.benchmarks):
        seen = ~np.isnan(eta[:, j])
        y = eta[seen, j] - eta[seen, j].mean()
        centre[j] = _ridge(centred[seen], y, 10.0)
        if name in spec.anchors:
            is_anchor[j, spec.anchors.index(name)] = 1.0
    cross = _around(centre, 0.1, n, rng)
    is_free = 1.0 - is_anchor.any(axis=1, keepdims=True)
    out = {"total_loading": cross.sum(axis=-1), "loading": is_anchor + is_free * cross}
    if spec.skills > 1:
        out["loading_contrast"] = cross @ helmert(spec.skills).T
    return out


def _slopes(design: Design, spec: ModelSpec, n: int, rng: np.random.Generator) -> Arrays:
    if not spec.benchmark_slopes:
        return {}
    n_benchmarks, n_features = len(design.benchmarks), len(design.encoding.names)
    raw = _around(np.zeros((n_benchmarks, n_features + 1)), 0.05, n, rng)
    raw[..., :-1][..., design.shrinkage.term >= 0] = 0.0
    raw[:, [design.benchmarks.index(name) for name in spec.anchors]] = 0.0
    return {
        "benchmark_slope": raw[..., :-1],
        "benchmark_tuning": raw[..., -1],
        "slope_scale": _about(np.full(len(design.shrinkage.own), 0.06), 0.3, n, rng),
        "tuning_scale": _about(np.array(0.06), 0.3, n, rng),
    }


def _deviations(
    design: Design, spec: ModelSpec, rest: np.ndarray, n: int, rng: np.random.Generator
) -> Arrays:
    """Deviations by group, and the precision that what is left over asks for."""
    out: Arrays = {}
    free = design.free_benchmarks(spec.anchors)
    is_free = np.isin(np.arange(len(design.benchmarks)), free)
    for group in ("family", "recipe") if spec.deviations else ():
        of_llm, labels = getattr(design, f"{group}_of_llm"), getattr(design, _PLURAL[group])
        centre = _group_means(rest, of_llm, len(labels), 1.5)
        rest = rest - centre[of_llm]
        out[f"{group}_deviation"] = is_free * _around(centre, 0.1, n, rng)
        spread = np.maximum(centre.std(axis=0), 0.05)[free]
        out[f"{group}_deviation_scale"] = _about(spread, 0.1, n, rng)
        if group == "family" and spec.developers:
            of_family, n_developers = design.developer_of_family, len(design.developers)
            shared = _group_means(centre, of_family, n_developers, 1.0)
            out["developer_deviation"] = is_free * _around(shared, 0.1, n, rng)
            out["developer_deviation_scale"] = _about(spread, 0.1, n, rng)
    if spec.likelihood != "binomial":
        out["precision"] = _about(np.full(len(design.benchmarks), 400.0), 0.15, n, rng)
    if spec.likelihood == "student_t":
        out["tail"] = _about(np.array(6.0), 0.15, n, rng)
    return out


def _as_dataset(arrays: Arrays, model: ScalingModel, chains: int, draws: int) -> xr.Dataset:
    coords = model.design.coords(
        model.spec.skill_names, model.spec.family_slopes, model.spec.anchors
    )
    used = {dim for name in arrays for dim in _DIMS[name]}
    variables = {
        name: (("chain", "draw", *_DIMS[name]), value.reshape(chains, draws, *value.shape[1:]))
        for name, value in arrays.items()
    }
    kept = {dim: labels for dim, labels in coords.items() if dim in used}
    return xr.Dataset(
        variables, coords=kept | {"chain": np.arange(chains), "draw": np.arange(draws)}
    )


def _stats(rng: np.random.Generator, posterior: xr.Dataset) -> xr.Dataset:
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    dims = ("chain", "draw")
    return xr.Dataset(
        {
            "diverging": (dims, np.zeros(shape, dtype=bool)),
            "energy": (dims, rng.normal(size=shape)),
        },
        coords={dim: posterior[dim] for dim in dims},
    )


def frame_of_scores(fit: ScalingFit) -> pd.DataFrame:
    """Give the observed scores of a fit as ``llm``, ``benchmark``, ``score``."""
    return fit.model.design.scores[["llm", "benchmark", "score"]].copy()
