"""Simulated tables of scores whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.cohort import draw_cells, draw_llms, named_benchmarks
from latentscale.design import Design
from latentscale.errors import SpecError
from latentscale.estimates import require_probability, tails
from latentscale.likelihoods import likelihood_of
from latentscale.model import ScalingModel
from latentscale.spec import ModelSpec, listed
from latentscale.story import DRAWN, draw_parameters, tell
from latentscale.table import ScoreTable
from latentscale.wording import count


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
        ``model.to_pymc()``, by name; and where features are unknown, their ``configuration``, whose
        shifts the graph's effects hold beside.
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

        Raises
        ------
        PredictionError
            ``ci_prob`` is no probability.
        """
        require_probability(ci_prob)
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
    families_per_developer: float | None = None,
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
    families_per_developer : float, optional
        The mean, at least 1. Default: nobody knows who the developers are.
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
        and ``tokens_t``), ``likelihood``, ``priors``, ``anchors``, ``link``, ``ceiling``,
        ``deviations``, ``benchmark_slopes``, ``family_slopes``, ``squares``, ``tuning_slopes``,
        ``developers``, ``recipe_tail``, ``conditions`` (where ``like`` has them).

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
    Simulation of 26 LLMs in 6 families on 4 benchmarks: 65 scores, 2 skills, likelihood student_t
    >>> simulation.truth["loading"].sizes
    Frozen({'benchmark': 4, 'skill': 2})
    """
    streams = np.random.SeedSequence(random_seed).spawn(3 + len(DRAWN))
    for_llms, for_cells, for_scores = (np.random.default_rng(seed) for seed in streams[:3])
    if like is None:
        llms = draw_llms(
            n_families, recipes_per_family, llms_per_recipe, tuned_share, families_per_developer,
            for_llms,
        )  # fmt: skip
        info = named_benchmarks(benchmarks, chance)
        cells = draw_cells(llms, info, missing, missing_by, for_cells)
    else:
        llms, info = like.llms, like.benchmarks
        wanted = ("llm", "benchmark", "trials", *listed(settings.get("conditions", ())))
        cells = like.scores[[column for column in wanted if column in like.scores]]
    _require_items(n_items)
    settings = {"skills": skills, **settings}
    shape = ScalingModel(_blank_table(cells, n_items, llms, info), **settings)
    generators = [np.random.default_rng(seed) for seed in streams[3:]]
    sampled = draw_parameters(shape, dict(zip(DRAWN, generators, strict=True)), truth or {})
    told = tell(sampled, shape.design, shape.spec)
    scores = _draw_scores(told, shape.design, shape.spec, for_scores)
    expected = told["expected"]
    model = ScalingModel(
        ScoreTable.from_long(scores, llms, info, missing="keep"),
        **settings | {"anchors": shape.spec.anchors},
    )
    return Simulation(model, told.drop_vars("expected"), sampled, expected)


def _blank_table(
    cells: pd.DataFrame, n_items: int, llms: pd.DataFrame, info: pd.DataFrame
) -> ScoreTable:
    """Make a table whose scores are not drawn yet: about one half everywhere."""
    trials = cells["trials"].fillna(n_items) if "trials" in cells else n_items
    blank = cells.assign(trials=trials, successes=trials // 2)
    return ScoreTable.from_long(blank, llms, info, missing="keep")


def _draw_scores(
    told: xr.Dataset, design: Design, spec: ModelSpec, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the score of each observed cell; counts where the likelihood counts."""
    likelihood = likelihood_of(spec.likelihood)
    cells = design.scores[["llm", "benchmark", *spec.conditions]]
    llm, benchmark = (
        xr.DataArray(cells[name].to_numpy(dtype=object), dims="obs")
        for name in ("llm", "benchmark")
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


def _covered(truth: xr.DataArray, draws: xr.DataArray, ci_prob: float) -> tuple[int, float, float]:
    varies = draws.std(("chain", "draw")) > 1e-12
    lower, upper = (draws.quantile(q, ("chain", "draw"), skipna=False) for q in tails(ci_prob))
    inside = ((lower <= truth) & (truth <= upper)).where(varies)
    width = (upper - lower).where(varies)
    return int(varies.sum()), float(inside.mean()), float(width.mean())


def _require_items(n_items: int) -> None:
    if not isinstance(n_items, int | np.integer) or n_items < 1:
        raise SpecError(f"n_items={n_items!r} must be a whole number of at least 1. Use 1000.")
