"""The generative story in xarray: from draws of the priors to expected scores.

Written a second time, by label and without PyMC, on purpose: a test proves that it and graph.py
tell the same story, so that neither can lose a term unnoticed. Equations as in graph.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from latentscale.design import Design, slope_columns
from latentscale.errors import SpecError
from latentscale.likelihoods import likelihood_of
from latentscale.model import ScalingModel
from latentscale.priors import Prior
from latentscale.spec import ModelSpec
from latentscale.unknown import N_CONFIGURATIONS
from latentscale.wording import first, quoted, with_nearest

# The law of what has no prior of its own, but for recipes with tails.
STANDARD = Prior("Normal", mu=0, sigma=1)

# Dims of everything that is drawn, in the order of the story.
DRAWN: Mapping[str, tuple[str, ...]] = {
    "feature_slope": ("feature", "skill"),
    "relevance_scale": (),
    "relevance_local": ("term",),
    "tuning_shift": ("skill",),
    "family_scale": ("skill",),
    "developer_ratio": ("skill",),
    "recipe_ratio": ("skill",),
    "llm_ratio": ("skill",),
    "developer_z": ("developer", "skill"),
    "family_z": ("family", "skill"),
    "recipe_z": ("recipe", "skill"),
    "llm_z": ("llm", "skill"),
    "family_slope_ratio": ("slope_feature", "skill"),
    "family_slope_z": ("family", "slope_feature", "skill"),
    "total_loading": ("benchmark",),
    "loading_contrast": ("benchmark", "contrast"),
    "difficulty": ("benchmark",),
    "slope_scale": ("own_feature",),
    "tuning_scale": (),
    "condition_scale": ("condition",),
    "condition_z": ("benchmark", "condition"),
    "benchmark_slope_z": ("free_benchmark", "own_feature"),
    "benchmark_tuning_z": ("free_benchmark",),
    "developer_deviation_scale": ("free_benchmark",),
    "developer_deviation_z": ("developer", "free_benchmark"),
    "family_deviation_scale": ("free_benchmark",),
    "family_deviation_z": ("family", "free_benchmark"),
    "recipe_deviation_scale": ("free_benchmark",),
    "recipe_deviation_z": ("recipe", "free_benchmark"),
    "configuration": ("unknown_family",),
    "floor_slack": ("benchmark",),
    "ceiling_share": ("benchmark",),
    "asymmetry": ("benchmark",),
    "precision": ("benchmark",),
    "tail": (),
    "communality": ("skill",),  # the last that was added: what seeds draw of all others stays
}


def draw_parameters(
    model: ScalingModel, generators: Mapping[str, np.random.Generator], truth: Mapping[Any, Any]
) -> xr.Dataset:
    """Draw every random variable from its prior, except those that are given."""
    spec = model.spec
    coords = model.design.coords(spec.skill_names, spec.family_slopes, spec.anchors)
    wanted = {
        _drawn_as(name, spec): dims
        for name, dims in DRAWN.items()
        if is_in(name, spec) and (name != "configuration" or len(model.design.unknowns))
    }
    unknown = [str(name) for name in truth if name not in wanted]
    if unknown:
        raise SpecError(
            f"truth gives values of {first(with_nearest(unknown, wanted))}, which this model does "
            f"not draw. It draws {first(quoted(wanted), 30)}."
        )
    drawn = {}
    for name, dims in wanted.items():
        shape = tuple(len(coords[dim]) for dim in dims)
        plain = "feature_slope" if name == "feature_slope_z" else name
        law = scipy_of(model.priors.get(plain, STANDARD))
        if name == "configuration":
            law = stats.randint(0, N_CONFIGURATIONS)
        values = np.asarray(law.rvs(size=shape, random_state=generators[plain]))
        if name == "recipe_z" and spec.recipe_tail is not None:
            values = values / _root_of_gamma(spec.recipe_tail, shape[0], generators[plain])
        drawn[name] = (dims, _given(name, truth[name], shape) if name in truth else values)
    used = {dim for dims in wanted.values() for dim in dims}
    return xr.Dataset(drawn, coords={dim: coords[dim] for dim in coords if dim in used})


def _root_of_gamma(tail: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw what Normals are divided by to be multivariate Student t's, dims (recipe, 1)."""
    return np.sqrt(stats.gamma(tail / 2, scale=2 / tail).rvs(size=(n, 1), random_state=rng))


def _drawn_as(name: str, spec: ModelSpec) -> str:
    """Name what is drawn: of slopes that are shrunk, what they are relative to their relevance."""
    return "feature_slope_z" if name == "feature_slope" and spec.shrunk else name


def is_in(name: str, spec: ModelSpec) -> bool:
    """Say whether a model of these settings has a variable."""
    if name.startswith("condition_"):
        return bool(spec.conditions)
    if name.startswith("developer_") and not spec.developers:
        return False
    if name.startswith("relevance"):
        return bool(spec.shrunk)
    if name.startswith("family_slope"):
        return bool(spec.family_slopes)
    if name.startswith(("slope_scale", "tuning_scale", "benchmark_")):
        return spec.benchmark_slopes
    if "_deviation" in name:
        return spec.deviations
    if name in ("loading_contrast", "communality"):
        return spec.skills > 1
    if name == "ceiling_share":
        return spec.ceiling
    if name == "asymmetry":
        return spec.link == "asymmetric"
    if name == "precision":
        return spec.likelihood != "binomial"
    return name != "tail" or likelihood_of(spec.likelihood).has_tail


def _given(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(value, dtype=int if name == "configuration" else float)
    try:
        return np.broadcast_to(values, shape).copy()
    except ValueError as error:
        raise SpecError(
            f"truth[{name!r}] has the shape {values.shape}, and {name!r} has {shape}, dims "
            f"{DRAWN[name]}. Give an array of that shape, or one number for all elements."
        ) from error


def tell(s: xr.Dataset, design: Design, spec: ModelSpec) -> xr.Dataset:
    """Follow the equations from what was drawn to the expected scores."""
    llms = s["llm"]
    x, of_benchmarks, typical = _designs(s, design, spec)
    tuned = xr.DataArray(design.tuned, coords={"llm": llms})
    family = _labels(design, "family", llms)
    recipe = _labels(design, "recipe", llms)

    relevance = _relevances(s, design) if spec.shrunk else {}
    told = _abilities(s, x, typical, tuned, family, recipe, relevance, design, spec)
    if "configuration" in s:
        told["configuration"] = s["configuration"]
    told["loading"] = _loading(s, spec)
    told["difficulty"] = s["difficulty"]
    eta = told["difficulty"] + xr.dot(told["ability"], told["loading"], dim="skill")
    if spec.benchmark_slopes:
        told |= _benchmark_slopes(s)
        eta = eta + xr.dot(of_benchmarks, told["benchmark_slope"], dim="feature")
        eta = eta + tuned * told["benchmark_tuning"]
    if spec.conditions:
        told["condition_scale"] = s["condition_scale"]
        told["condition_shift"] = (s["condition_scale"] * s["condition_z"]).transpose(
            "benchmark", "condition"
        )
        places = {name: s[name] for name in ("llm", "benchmark", "condition")}
        evaluated = xr.DataArray(design.condition_of_llm, coords=places)
        eta = eta + xr.dot(evaluated, told["condition_shift"], dim="condition")
    if spec.deviations:
        groups = ("family", "recipe")
        for group in ("developer", *groups) if spec.developers else groups:
            scale = s[f"{group}_deviation_scale"]
            told[f"{group}_deviation_scale"] = scale
            told[f"{group}_deviation"] = _of_all(scale * s[f"{group}_deviation_z"], s)
        if spec.developers:
            told["family_deviation"] = told["family_deviation"] + _of_family(
                told["developer_deviation"], design
            )
        for group, labels in (("family", family), ("recipe", recipe)):
            eta = eta + _of_llm(told[f"{group}_deviation"], labels)
    chance = xr.DataArray(design.chance, coords={"benchmark": s["benchmark"]})
    told["floor"] = chance * (1 - s["floor_slack"])
    told["ceiling"] = xr.ones_like(chance)
    if spec.ceiling:
        told["ceiling"] = chance + (1 - chance) * s["ceiling_share"]
    told |= {name: s[name] for name in ("asymmetry", "precision", "tail") if name in s}
    told["expected"] = told["floor"] + (told["ceiling"] - told["floor"]) * _rise(eta, s)
    return _ordered(told)


def _rise(eta: xr.DataArray, s: xr.Dataset) -> xr.DataArray:
    """Rise from floor to ceiling, by the formula as it stands in links.py."""
    a = s.get("asymmetry", xr.DataArray(1.0))  # with which it is the sigmoid
    steepness = a / (2 * (1 - 2**-a))
    odds: xr.DataArray = xr.apply_ufunc(np.exp, steepness * eta) * (2**a - 1)
    return 1 - (1 + odds) ** (-1 / a)


def _abilities(
    s: xr.Dataset,
    x: xr.DataArray,
    typical: xr.DataArray,
    tuned: xr.DataArray,
    family: xr.DataArray,
    recipe: xr.DataArray,
    relevance: Mapping[str, xr.DataArray],
    design: Design,
    spec: ModelSpec,
) -> dict[str, xr.DataArray]:
    """Tell abilities and all that makes them, in logits of the anchors."""
    family_scale = s["family_scale"]
    effects = {
        **{name: value for name, value in relevance.items() if name != "of feature"},
        "feature_slope": _feature_slopes(s, relevance, design),
        "tuning_shift": s["tuning_shift"],
        "family_scale": family_scale,
        "recipe_scale": family_scale * s["recipe_ratio"],
        "llm_scale": family_scale * s["llm_ratio"],
    }
    root = _root(s)
    effects |= {
        f"{group}_effect": effects[f"{group}_scale"] * _correlated(s[f"{group}_z"], root)
        for group in ("family", "recipe", "llm")
    }
    if spec.skills > 1:
        effects["communality"] = s["communality"]
    if spec.developers:
        effects["developer_scale"] = family_scale * s["developer_ratio"]
        effects["developer_effect"] = effects["developer_scale"] * _correlated(
            s["developer_z"], root
        )
        effects["family_effect"] = effects["family_effect"] + _of_family(
            effects["developer_effect"], design
        )
    ability = (
        xr.dot(x, effects["feature_slope"], dim="feature")
        + tuned * effects["tuning_shift"]
        + _of_llm(effects["family_effect"], family)
        + _of_llm(effects["recipe_effect"], recipe)
        + effects["llm_effect"]
    )
    if spec.family_slopes:
        effects["family_slope_scale"] = family_scale * s["family_slope_ratio"]
        effects["family_slope"] = effects["family_slope_scale"] * s["family_slope_z"]
        columns = slope_columns(design.encoding, spec.family_slopes)
        x_slope = typical.isel(feature=columns).rename(feature="slope_feature")
        x_slope = x_slope.assign_coords(slope_feature=list(spec.family_slopes))
        slopes = _of_llm(effects["family_slope"], family)
        ability = ability + xr.dot(x_slope, slopes, dim="slope_feature")
    return {"ability": ability, **effects}


def _correlated(z: xr.DataArray, root: np.ndarray) -> xr.DataArray:
    """Tell effects relative to their scales, which correlate between skills."""
    return z.copy(data=z.to_numpy() @ root.T)


def _root(s: xr.Dataset) -> np.ndarray:
    """Give the lower triangle of which the square is the correlation of effects between skills."""
    if "communality" not in s:
        return np.eye(s.sizes["skill"])
    common = np.sqrt(s["communality"].to_numpy())
    correlation = np.outer(common, common)
    np.fill_diagonal(correlation, 1.0)
    return np.linalg.cholesky(correlation)


def _loading(s: xr.Dataset, spec: ModelSpec) -> xr.DataArray:
    """Tell loadings: a benchmark's total, divided between skills by contrasts, or an anchor's."""
    share = s["total_loading"] / spec.skills
    loading = share.expand_dims(skill=s["skill"], axis=-1).copy()
    for k in range(1, spec.skills):
        # The k-th contrast sets skill k + 1 against the mean of those before it.
        against = np.array([1.0] * k + [-k] + [0.0] * (spec.skills - k - 1)) / np.sqrt(k * (k + 1))
        contrast = s["loading_contrast"].sel(contrast=k, drop=True)
        loading = loading + contrast * xr.DataArray(against, coords={"skill": s["skill"]})
    for k, anchor in enumerate(spec.anchors):
        own = np.arange(spec.skills) == k
        loading.loc[{"benchmark": anchor}] = own.astype(float)
    return loading


def _designs(
    s: xr.Dataset, design: Design, spec: ModelSpec
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Tell the design that skills see, that benchmarks' own slopes see, and the typical one."""
    x = by_family = design.x
    if "configuration" in s:
        chosen = s["configuration"].to_numpy()[None].astype(int)
        x, by_family = (d[0] for d in design.unknowns.design(x, design.family_of_llm, chosen))
    of_benchmarks = by_family if spec.deviations else design.x
    coords = {"llm": s["llm"], "feature": s["feature"]}
    found = [xr.DataArray(values, coords=coords) for values in (x, of_benchmarks, design.x)]
    return found[0], found[1], found[2]


def as_in_graph(s: xr.Dataset, told: xr.Dataset, design: Design, spec: ModelSpec) -> xr.Dataset:
    """Give what was drawn as the graph has it: effects that hold what configurations shift.

    Parameters
    ----------
    s, told : xarray.Dataset
        What :func:`draw_parameters` drew, and what :func:`tell` made of it.
    design : Design
    spec : ModelSpec

    Returns
    -------
    xarray.Dataset
        The random variables of the graph.
    """
    if "configuration" not in s:
        return s
    unknowns, chosen = design.unknowns, s["configuration"].to_numpy().astype(int)
    held = s.drop_vars("configuration").copy(deep=True)
    shift = unknowns.shift[np.arange(len(chosen)), chosen]
    off = unknowns.off[np.arange(len(unknowns.llm)), chosen[unknowns.of_llm]]
    slope = told["feature_slope"].to_numpy()[unknowns.columns]
    mixed = np.linalg.inv(_root(s)).T
    of_families = shift @ slope / told["family_scale"].to_numpy()
    held["family_z"].values[unknowns.family] += of_families @ mixed
    of_llms = off @ slope / told["llm_scale"].to_numpy()
    held["llm_z"].values[unknowns.llm] += of_llms @ mixed
    if spec.deviations and spec.benchmark_slopes:
        free = told["benchmark_slope"].sel(benchmark=s["free_benchmark"].to_numpy())
        own = free.to_numpy()[:, unknowns.columns]
        scale = told["family_deviation_scale"].to_numpy()
        held["family_deviation_z"].values[unknowns.family] += shift @ own.T / scale
    return held


def _relevances(s: xr.Dataset, design: Design) -> dict[str, xr.DataArray]:
    """Tell how much of its prior each term keeps, and each feature."""
    size = s["relevance_scale"] * s["relevance_local"]
    relevance = size / np.sqrt(1 + size**2)
    terms = design.shrinkage.term
    of_feature = np.where(terms < 0, 1.0, relevance.to_numpy()[np.maximum(terms, 0)])
    return {
        "relevance_scale": s["relevance_scale"],
        "relevance_local": s["relevance_local"],
        "relevance": relevance,
        "of feature": xr.DataArray(of_feature, coords={"feature": s["feature"]}),
    }


def _feature_slopes(
    s: xr.Dataset, relevance: Mapping[str, xr.DataArray], design: Design
) -> xr.DataArray:
    """Tell slopes: relative to their relevance where they are shrunk, of steps positive."""
    if not relevance:
        return s["feature_slope"]
    is_step = xr.DataArray(design.encoding.is_step, coords={"feature": s["feature"]})
    z = s["feature_slope_z"]
    slope: xr.DataArray = relevance["of feature"] * xr.where(is_step, np.exp(z), z)
    return slope.transpose("feature", "skill")


def _benchmark_slopes(s: xr.Dataset) -> dict[str, xr.DataArray]:
    """Tell slopes of benchmarks: an anchor has none beyond those of its skill."""
    own = _of_all(s["slope_scale"] * s["benchmark_slope_z"], s)
    slope = own.rename(own_feature="feature").reindex(feature=s["feature"], fill_value=0.0)
    return {
        "benchmark_slope": slope,
        "benchmark_tuning": _of_all(s["tuning_scale"] * s["benchmark_tuning_z"], s),
        "slope_scale": s["slope_scale"],
        "tuning_scale": s["tuning_scale"],
    }


def _of_all(values: xr.DataArray, s: xr.Dataset) -> xr.DataArray:
    """Give what only free benchmarks have to all of them; it is zero for anchors."""
    named = values.rename(free_benchmark="benchmark")
    return named.reindex(benchmark=s["benchmark"], fill_value=0.0)


def _labels(design: Design, group: str, llms: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(design.llms[group].to_numpy(dtype=object), coords={"llm": llms}, name=group)


def _of_llm(effect: xr.DataArray, group: xr.DataArray) -> xr.DataArray:
    """Give each LLM, or each group, the effect of the group that it belongs to."""
    return effect.sel({group.name: group}).drop_vars(str(group.name))


def _of_family(effect: xr.DataArray, design: Design) -> xr.DataArray:
    """Give each family the effect of its developer."""
    names = [design.developers[position] for position in design.developer_of_family]
    developer = xr.DataArray(names, coords={"family": list(design.families)}, name="developer")
    return _of_llm(effect, developer.astype(object))


def _ordered(told: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Put dims in the order of the posterior's."""
    groups = ("developer", "family", "recipe", "llm")
    order = (
        *groups, "benchmark", "free_benchmark", "condition", "feature", "own_feature",
        "slope_feature", "skill", "term", "unknown_family",
    )  # fmt: skip
    return xr.Dataset({name: value.transpose(*order, missing_dims="ignore")
                       for name, value in told.items()})  # fmt: skip


def scipy_of(prior: Prior) -> Any:
    """Give a prior as scipy's distribution.

    Parameters
    ----------
    prior : Prior

    Returns
    -------
    scipy.stats.rv_frozen

    Examples
    --------
    >>> float(scipy_of(Prior("LogNormal", mu=0, sigma=1)).median())
    1.0
    """
    p = dict(prior.parameters)
    make = {
        "Normal": lambda: stats.norm(p["mu"], p["sigma"]),
        "StudentT": lambda: stats.t(p["nu"], p["mu"], p["sigma"]),
        "Laplace": lambda: stats.laplace(p["mu"], p["b"]),
        "LogNormal": lambda: stats.lognorm(p["sigma"], scale=np.exp(p["mu"])),
        "HalfNormal": lambda: stats.halfnorm(scale=p["sigma"]),
        "HalfStudentT": lambda: _HALF_T(p["nu"], scale=p["sigma"]),
        "HalfCauchy": lambda: stats.halfcauchy(scale=p["beta"]),
        "Exponential": lambda: stats.expon(scale=1 / p["lam"]),
        "Gamma": lambda: stats.gamma(p["alpha"], scale=1 / p["beta"]),
        "InverseGamma": lambda: stats.invgamma(p["alpha"], scale=p["beta"]),
        "Beta": lambda: stats.beta(p["alpha"], p["beta"]),
    }
    return make[prior.family]()


class _HalfT(stats.rv_continuous):
    """The absolute value of a Student t, which scipy does not have."""

    def _pdf(self, x: Any, df: Any) -> Any:
        return 2 * stats.t.pdf(x, df)

    def _logpdf(self, x: Any, df: Any) -> Any:
        return np.log(2) + stats.t.logpdf(x, df)

    def _cdf(self, x: Any, df: Any) -> Any:
        return 2 * stats.t.cdf(x, df) - 1

    def _ppf(self, q: Any, df: Any) -> Any:
        return stats.t.ppf((1 + q) / 2, df)


_HALF_T = _HalfT(a=0.0, name="half_t", shapes="df")
