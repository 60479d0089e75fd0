"""The generative story in numpy and xarray: tables of scores whose truth is known.

Written a second time, by label and without PyMC, on purpose: a test proves that it and graph.py
tell the same story, so that neither can lose a term unnoticed. Equations as in graph.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from latentscale.design import Design, slope_columns
from latentscale.errors import SpecError
from latentscale.likelihoods import likelihood_of
from latentscale.model import ScalingModel
from latentscale.priors import Prior
from latentscale.spec import ModelSpec
from latentscale.table import ScoreTable
from latentscale.wording import count, first, quoted, with_nearest

# Chance levels of numbered benchmarks, in turn: four options, none, two options, ten options.
_CHANCE = (0.25, 0.0, 0.5, 0.1)

# Dims of everything that is drawn, in the order of the story.
_DRAWN: Mapping[str, tuple[str, ...]] = {
    "feature_slope": ("feature", "skill"),
    "tuning_shift": ("skill",),
    "family_scale": ("skill",),
    "recipe_ratio": ("skill",),
    "llm_ratio": ("skill",),
    "family_z": ("family", "skill"),
    "recipe_z": ("recipe", "skill"),
    "llm_z": ("llm", "skill"),
    "family_slope_ratio": ("slope_feature", "skill"),
    "family_slope_z": ("family", "slope_feature", "skill"),
    "total_loading": ("benchmark",),
    "loading_contrast": ("benchmark", "contrast"),
    "difficulty": ("benchmark",),
    "slope_scale": ("feature",),
    "tuning_scale": (),
    "benchmark_slope_z": ("benchmark", "feature"),
    "benchmark_tuning_z": ("benchmark",),
    "family_deviation_scale": ("benchmark",),
    "family_deviation_z": ("family", "benchmark"),
    "recipe_deviation_scale": ("benchmark",),
    "recipe_deviation_z": ("recipe", "benchmark"),
    "floor_slack": ("benchmark",),
    "ceiling_share": ("benchmark",),
    "asymmetry": ("benchmark",),
    "precision": ("benchmark",),
    "tail": (),
}


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """A simulated table and the truth behind it.

    Attributes
    ----------
    model : ScalingModel
        The model that the table was simulated from, on that table: ``model.fit()`` is the fit that
        should find the truth.
    truth : xarray.Dataset
        The true value of every variable that the posterior reports, by the same names, dims and
        coords and with the same identification.
    sampled : xarray.Dataset
        What was drawn from the priors, before identification: the random variables of
        ``model.to_pymc()``, by name.
    expected : xarray.DataArray, dims (llm, benchmark)
        Expected score, a fraction, of each LLM on each benchmark, observed or not.
    """

    model: ScalingModel
    truth: xr.Dataset
    sampled: xr.Dataset
    expected: xr.DataArray

    @property
    def table(self) -> ScoreTable:
        """The simulated table."""
        return self.model.table

    def coverage(self, posterior: xr.Dataset, ci_prob: float = 0.9) -> pd.DataFrame:
        """Count, by variable, how many true values lie in their posterior interval.

        Parameters
        ----------
        posterior : xarray.Dataset, dims (chain, draw, ...)
            Of a fit to :attr:`table`, such as ``fit.posterior``.
        ci_prob : float, default 0.9
            Probability of the equal-tailed intervals.

        Returns
        -------
        pandas.DataFrame
            Indexed by variable: ``n`` (elements that vary; zero loadings of anchors do not),
            ``coverage`` (the share of them whose interval holds the truth) and ``width`` (mean
            width of the interval, in the variable's unit).
        """
        both = [name for name in self.truth if name in posterior]
        rows = {str(name): _covered(self.truth[name], posterior[name], ci_prob) for name in both}
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["n", "coverage", "width"])
        return frame[frame["n"] > 0].astype({"n": int}).rename_axis("variable")

    def __repr__(self) -> str:
        """Say what was simulated."""
        spec, design = self.model.spec, self.model.design
        return (
            f"Simulation of {count(len(design.llms), 'LLM')} in "
            f"{count(len(design.families), 'family', 'families')} on "
            f"{count(len(design.benchmarks), 'benchmark')}: {count(design.n_obs, 'score')}, "
            f"{count(spec.skills, 'skill')}, likelihood {spec.likelihood}"
        )


def simulate(
    *,
    n_families: int = 40,
    recipes_per_family: float = 2.25,
    llms_per_recipe: float = 2.2,
    benchmarks: int | Sequence[str] = 12,
    chance: float | Sequence[float] | None = None,
    missing: float = 0.3,
    missing_by: Literal["cell", "suite"] = "cell",
    tuned_share: float = 0.8,
    n_items: int = 1000,
    like: ScoreTable | None = None,
    truth: Mapping[Any, Any] | None = None,
    random_seed: int | None = None,
    skills: int = 2,
    **settings: Any,
) -> Simulation:
    """Simulate a table of benchmark scores from the model's priors, and keep the truth.

    Parameters
    ----------
    n_families : int, default 40
        Number of pretraining families.
    recipes_per_family, llms_per_recipe : float, default 2.25 and 2.2
        Means, at least 1. Every family has a base recipe that bears its name, and every recipe an
        LLM or more; the numbers beyond are Poisson.
    benchmarks : int or sequence of str, default 12
        How many (``"benchmark 1"``, ...), or their names.
    chance : float or sequence of float, optional
        Chance levels, fractions. Default: for numbered benchmarks 0.25, 0, 0.5 and 0.1 in turn;
        for named ones what the bundled tables know, else 0.
    missing : float, default 0.3
        The share of cells that are not observed, in [0, 1). Every LLM keeps one score and every
        benchmark two.
    missing_by : {"cell", "suite"}, default "cell"
        Cells are missing independently, or an LLM lacks the first or the second half of the
        benchmarks, as LLMs of different years do on leaderboards (``missing`` up to 0.5).
    tuned_share : float, default 0.8
        The share of the recipes beyond a family's first that are tuned.
    n_items : int, default 1000
        Items of each benchmark, for likelihoods of counts.
    like : ScoreTable, optional
        Take LLMs, benchmarks and observed cells from this table; only the scores are new. The
        arguments above then play no part, except ``n_items`` where the table has no ``trials``.
    truth : mapping of str to array, optional
        Values to use instead of draws from the priors, by the names of :attr:`Simulation.sampled`
        (whose values can be passed whole); scalars hold for every element.
    random_seed : int, optional
        The same seed gives the same table. Each variable has a stream of its own, so that fixing
        one leaves the others as they were.
    skills : int, default 2
        Number of latent skills K.
    **settings
        The other arguments of :class:`latentscale.ScalingModel`: ``features`` (over ``params_b``
        and ``tokens_t``), ``likelihood``, ``priors``, ``anchors``, ``ceiling``, ``deviations``,
        ``benchmark_slopes``, ``family_slopes``.

    Returns
    -------
    Simulation

    Raises
    ------
    SpecError, FeatureError, PriorError
        The sizes or the settings cannot be used.

    Notes
    -----
    Sizes spread over a factor of about 3 from one LLM of a family to the next, tokens hardly
    within a family, and the tuned LLMs of a family are among its sizes, as in the bundled table.

    Examples
    --------
    >>> simulation = simulate(n_families=6, benchmarks=4, random_seed=1)
    >>> simulation
    Simulation of 26 LLMs in 6 families on 4 benchmarks: 65 scores, 2 skills, likelihood normal
    >>> simulation.truth["loading"].sizes
    Frozen({'benchmark': 4, 'skill': 2})
    """
    streams = np.random.SeedSequence(random_seed).spawn(3 + len(_DRAWN))
    for_llms, for_cells, for_scores = (np.random.default_rng(seed) for seed in streams[:3])
    if like is None:
        _require_usable(n_families, recipes_per_family, llms_per_recipe, tuned_share)
        llms = _draw_llms(n_families, recipes_per_family, llms_per_recipe, tuned_share, for_llms)
        info = _benchmarks(benchmarks, chance)
        cells = _draw_cells(llms, info, missing, missing_by, for_cells)
    else:
        llms, info = like.llms, like.benchmarks
        cells = like.scores[[c for c in ("llm", "benchmark", "trials") if c in like.scores]]
    _require_items(n_items)
    settings = {"skills": skills, **settings}
    shape = ScalingModel(_blank_table(cells, n_items, llms, info), **settings)
    generators = [np.random.default_rng(seed) for seed in streams[3:]]
    sampled = _draw_parameters(shape, dict(zip(_DRAWN, generators, strict=True)), truth or {})
    told = _tell(sampled, shape.design, shape.spec)
    scores = _draw_scores(told, shape.design, shape.spec, for_scores)
    expected = told["expected"]
    model = ScalingModel(
        ScoreTable.from_long(scores, llms, info, missing="keep"),
        **settings | {"anchors": shape.spec.anchors},
    )
    return Simulation(model, told.drop_vars("expected"), sampled, expected)


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

# --- who was evaluated, and on what -------------------------------------------------------------


def _draw_llms(
    n_families: int, recipes: float, llms: float, tuned_share: float, rng: np.random.Generator
) -> pd.DataFrame:
    rows = []
    for number in range(1, n_families + 1):
        family = f"family {number:0{len(str(n_families))}d}"
        n_llms = 1 + rng.poisson(llms - 1, size=1 + rng.poisson(recipes - 1))
        params, tokens = _draw_sizes(int(n_llms.max()), rng)
        for position, n in enumerate(n_llms.tolist()):
            recipe = family if position == 0 else f"{family} recipe {position + 1}"
            tuned = int(position > 0 and rng.random() < tuned_share)
            for size in sorted(rng.choice(len(params), size=n, replace=False).tolist()):
                name = f"{recipe} {params[size]:.3g}B"
                rows.append((name, family, recipe, tuned, params[size], tokens[size]))
    columns = ["llm", "family", "recipe", "tuned", "params_b", "tokens_t"]
    return pd.DataFrame(rows, columns=columns)


def _draw_sizes(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw parameters (1e9) and training tokens (1e12) of the sizes of one family."""
    steps = rng.uniform(np.log(1.8), np.log(4.5), size=n)
    params = np.exp(rng.normal(np.log(5), 0.9) + np.cumsum(steps) - steps.sum() / 2)
    tokens = np.exp(rng.normal(np.log(2), 1.0) + rng.normal(0, 0.25, size=n))
    return params, tokens


def _benchmarks(
    benchmarks: int | Sequence[str], chance: float | Sequence[float] | None
) -> pd.DataFrame:
    if isinstance(benchmarks, int | np.integer):
        names = [f"benchmark {j + 1}" for j in range(int(benchmarks))]
        level: Any = np.resize(_CHANCE, len(names)) if chance is None else chance
    else:
        names, level = [str(name) for name in benchmarks], chance
    if not names:
        raise SpecError("benchmarks names no benchmark to simulate. Use benchmarks=12.")
    frame = pd.DataFrame({"benchmark": names})
    if level is None:
        return frame
    if np.ndim(level) == 1 and len(level) != len(names):
        raise SpecError(
            f"chance has {count(len(level), 'level')} for {count(len(names), 'benchmark')}. Give "
            "one for each, or a single number for all."
        )
    return frame.assign(chance=level)


def _draw_cells(
    llms: pd.DataFrame,
    info: pd.DataFrame,
    missing: float,
    missing_by: str,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw which cells are observed, one row a cell."""
    _require_missing(missing, missing_by)
    shape = (len(llms), len(info))
    seen = rng.random(shape) >= missing
    if missing_by == "suite":
        lacking = rng.random(shape[0]) < 2 * missing
        lacks_second = rng.random(shape[0]) < 0.5
        is_second = np.arange(shape[1]) >= shape[1] / 2
        seen = ~(lacking[:, None] & (is_second == lacks_second[:, None]))
    for unseen in np.flatnonzero(~seen.any(axis=1)):
        seen[unseen, rng.integers(shape[1])] = True
    for rare in np.flatnonzero(seen.sum(axis=0) < 2):
        seen[rng.choice(shape[0], size=2, replace=False), rare] = True
    i, j = np.nonzero(seen)
    names = {"llm": llms["llm"].to_numpy()[i], "benchmark": info["benchmark"].to_numpy()[j]}
    return pd.DataFrame(names)


def _blank_table(
    cells: pd.DataFrame, n_items: int, llms: pd.DataFrame, info: pd.DataFrame
) -> ScoreTable:
    """Make a table whose scores are not drawn yet: about one half everywhere."""
    trials = cells["trials"].fillna(n_items) if "trials" in cells else n_items
    blank = cells.assign(trials=trials, successes=trials // 2)
    return ScoreTable.from_long(blank, llms, info, missing="keep")


# --- the story ----------------------------------------------------------------------------------


def _draw_parameters(
    model: ScalingModel, generators: Mapping[str, np.random.Generator], truth: Mapping[Any, Any]
) -> xr.Dataset:
    """Draw every random variable from its prior, except those that are given."""
    spec = model.spec
    coords = model.design.coords(_skill_names(spec), spec.family_slopes)
    wanted = {name: dims for name, dims in _DRAWN.items() if _is_in(name, spec)}
    unknown = [str(name) for name in truth if name not in wanted]
    if unknown:
        raise SpecError(
            f"truth gives values of {first(with_nearest(unknown, wanted))}, which this model does "
            f"not draw. It draws {first(quoted(wanted), 30)}."
        )
    drawn = {}
    for name, dims in wanted.items():
        shape = tuple(len(coords[dim]) for dim in dims)
        prior = model.priors.get(name, Prior("Normal", mu=0, sigma=1))
        values = np.asarray(scipy_of(prior).rvs(size=shape, random_state=generators[name]))
        drawn[name] = (dims, _given(name, truth[name], shape) if name in truth else values)
    used = {dim for dims in wanted.values() for dim in dims}
    return xr.Dataset(drawn, coords={dim: coords[dim] for dim in coords if dim in used})


def _is_in(name: str, spec: ModelSpec) -> bool:
    """Say whether a model of these settings has a random variable."""
    if name.startswith("family_slope"):
        return bool(spec.family_slopes)
    if name.startswith(("slope_scale", "tuning_scale", "benchmark_")):
        return spec.benchmark_slopes
    if "_deviation_" in name:
        return spec.deviations
    if name == "loading_contrast":
        return spec.skills > 1
    if name == "ceiling_share":
        return spec.ceiling
    if name == "asymmetry":
        return spec.link == "asymmetric"
    if name == "precision":
        return spec.likelihood != "binomial"
    return name != "tail" or likelihood_of(spec.likelihood).has_tail


def _given(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(value, dtype=float)
    try:
        return np.broadcast_to(values, shape).copy()
    except ValueError as error:
        raise SpecError(
            f"truth[{name!r}] has the shape {values.shape}, and {name!r} has {shape}, dims "
            f"{_DRAWN[name]}. Give an array of that shape, or one number for all elements."
        ) from error


def _tell(s: xr.Dataset, design: Design, spec: ModelSpec) -> xr.Dataset:
    """Follow the equations from what was drawn to the expected scores."""
    llms = s["llm"]
    x = xr.DataArray(design.x, coords={"llm": llms, "feature": s["feature"]})
    tuned = xr.DataArray(design.tuned, coords={"llm": llms})
    family = _labels(design, "family", llms)
    recipe = _labels(design, "recipe", llms)

    told = _abilities(s, x, tuned, family, recipe, design, spec)
    told["loading"] = _loading(s, spec)
    told["difficulty"] = s["difficulty"]
    eta = told["difficulty"] + xr.dot(told["ability"], told["loading"], dim="skill")
    if spec.benchmark_slopes:
        told |= _benchmark_slopes(s, told["loading"])
        eta = eta + xr.dot(x, told["benchmark_slope"], dim="feature")
        eta = eta + tuned * told["benchmark_tuning"]
    if spec.deviations:
        for group, labels in (("family", family), ("recipe", recipe)):
            scale = s[f"{group}_deviation_scale"]
            told[f"{group}_deviation_scale"] = scale
            told[f"{group}_deviation"] = scale * s[f"{group}_deviation_z"]
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
    tuned: xr.DataArray,
    family: xr.DataArray,
    recipe: xr.DataArray,
    design: Design,
    spec: ModelSpec,
) -> dict[str, xr.DataArray]:
    """Tell abilities and all that makes them, in logits of the anchors."""
    family_scale = s["family_scale"]
    effects = {
        "feature_slope": s["feature_slope"],
        "tuning_shift": s["tuning_shift"],
        "family_scale": family_scale,
        "recipe_scale": family_scale * s["recipe_ratio"],
        "llm_scale": family_scale * s["llm_ratio"],
    }
    effects |= {
        f"{group}_effect": effects[f"{group}_scale"] * s[f"{group}_z"]
        for group in ("family", "recipe", "llm")
    }
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
        x_slope = x.isel(feature=columns).rename(feature="slope_feature")
        x_slope = x_slope.assign_coords(slope_feature=list(spec.family_slopes))
        slopes = _of_llm(effects["family_slope"], family)
        ability = ability + xr.dot(x_slope, slopes, dim="slope_feature")
    return {"ability": ability, **effects}


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


def _benchmark_slopes(s: xr.Dataset, loading: xr.DataArray) -> dict[str, xr.DataArray]:
    """Tell slopes of benchmarks: what is orthogonal, over benchmarks, to every skill's loadings."""
    directions = np.linalg.qr(loading.to_numpy())[0]

    def beyond(effect: xr.DataArray) -> xr.DataArray:
        values = effect.to_numpy()
        return effect.copy(data=values - directions @ (directions.T @ values))

    slope = (s["slope_scale"] * s["benchmark_slope_z"]).transpose("benchmark", "feature")
    return {
        "benchmark_slope": beyond(slope),
        "benchmark_tuning": beyond(s["tuning_scale"] * s["benchmark_tuning_z"]),
        "slope_scale": s["slope_scale"],
        "tuning_scale": s["tuning_scale"],
    }


def _labels(design: Design, group: str, llms: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(design.llms[group].to_numpy(dtype=object), coords={"llm": llms}, name=group)


def _of_llm(effect: xr.DataArray, group: xr.DataArray) -> xr.DataArray:
    """Give each LLM the effect of its group."""
    return effect.sel({group.name: group}).drop_vars(str(group.name))


def _ordered(told: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Put dims in the order of the posterior's."""
    order = ("family", "recipe", "llm", "benchmark", "feature", "slope_feature", "skill")
    return xr.Dataset({name: value.transpose(*order, missing_dims="ignore")
                       for name, value in told.items()})  # fmt: skip


def _draw_scores(
    told: xr.Dataset, design: Design, spec: ModelSpec, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the score of each observed cell; counts where the likelihood counts."""
    likelihood = likelihood_of(spec.likelihood)
    cells = design.scores[["llm", "benchmark"]]
    llm, benchmark = (
        xr.DataArray(cells[name].to_numpy(dtype=object), dims="obs") for name in cells
    )
    expected = told["expected"].sel(llm=llm, benchmark=benchmark).to_numpy()
    parameters = {}
    if "precision" in told:
        parameters["precision"] = told["precision"].sel(benchmark=benchmark).to_numpy()
    if likelihood.has_tail:
        parameters["tail"] = told["tail"].to_numpy()
    trials = design.scores["trials"].to_numpy(dtype=np.int64)
    score = likelihood.draw(rng, expected, parameters, trials)
    if not likelihood.uses_counts:
        return cells.assign(score=score)
    return cells.assign(successes=np.rint(score * trials).astype(np.int64), trials=trials)


def _skill_names(spec: ModelSpec) -> list[str]:
    return [f"skill {k} ({anchor})" for k, anchor in enumerate(spec.anchors, start=1)]


def _covered(truth: xr.DataArray, draws: xr.DataArray, ci_prob: float) -> tuple[int, float, float]:
    varies = draws.std(("chain", "draw")) > 1e-12
    tail = (1 - ci_prob) / 2
    lower, upper = (draws.quantile(q, ("chain", "draw"), skipna=False) for q in (tail, 1 - tail))
    inside = ((lower <= truth) & (truth <= upper)).where(varies)
    width = (upper - lower).where(varies)
    return int(varies.sum()), float(inside.mean()), float(width.mean())


# --- checks of the arguments --------------------------------------------------------------------


def _require_usable(n_families: int, recipes: float, llms: float, tuned_share: float) -> None:
    if not isinstance(n_families, int | np.integer) or n_families < 2:
        raise SpecError(
            f"n_families={n_families!r} must be a whole number of at least 2: with one family, no "
            "feature that families share could be told from it. Use n_families=40."
        )
    for name, value in (("recipes_per_family", recipes), ("llms_per_recipe", llms)):
        if not value >= 1:
            raise SpecError(
                f"{name}={value!r} must be at least 1: it is a mean, and none is empty. Use "
                f"{name}=2.2."
            )
    if not 0 <= tuned_share <= 1:
        raise SpecError(f"tuned_share={tuned_share!r} is not a share from 0 to 1. Use 0.8.")


def _require_missing(missing: float, missing_by: str) -> None:
    options = ("cell", "suite")
    if missing_by not in options:
        raise SpecError(
            f"missing_by={first(with_nearest([str(missing_by)], options))} is not known. Use "
            "'cell' or 'suite'."
        )
    if not 0 <= missing < 1:
        raise SpecError(
            f"missing={missing!r} is not a share of cells from 0 to below 1. Use missing=0.3."
        )
    if missing_by == "suite" and missing > 0.5:
        raise SpecError(
            f"missing={missing!r} with missing_by='suite' would leave LLMs without any score: an "
            "LLM lacks one half of the benchmarks or none. Use missing=0.5 or less."
        )


def _require_items(n_items: int) -> None:
    if not isinstance(n_items, int | np.integer) or n_items < 1:
        raise SpecError(f"n_items={n_items!r} must be a whole number of at least 1. Use 1000.")
