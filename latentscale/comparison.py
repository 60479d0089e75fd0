"""Which of several models predicts best, and whether the difference is real."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import pandas as pd

from latentscale.backtesting import Backtest, Rival, backtest
from latentscale.errors import BacktestError
from latentscale.estimates import require_probability
from latentscale.metrics import CELL, summarise_cells
from latentscale.paired import paired_difference, paired_gain
from latentscale.splits import Splits
from latentscale.wording import first, quoted, with_nearest

_SHOWN = ["n", "mae", "crps", "coverage50", "coverage90", "width90", "rank_correlation"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Backtests of several models on the same splits.

    Attributes
    ----------
    backtests : dict of str to dict of str to Backtest
        By the name of the splits, then by that of the model.
    """

    backtests: Mapping[str, Mapping[str, Backtest]]

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Every hidden score that all models predicted, with what each predicted of it.

        Columns ``splits`` and ``model``, then those of :attr:`latentscale.Backtest.cells`. A score
        that some model could not predict is left out, so that all are judged by the same.
        """
        frames = []
        for name, of_models in self.backtests.items():
            cells = {model: found.cells for model, found in of_models.items()}
            shared = reduce(pd.Index.intersection, map(_index, cells.values()))
            for model, frame in cells.items():
                kept = frame[_index(frame).isin(shared)]
                frames.append(kept.assign(splits=name, model=model))
        found = pd.concat(frames, ignore_index=True)
        return found[["splits", "model", *found.columns.drop(["splits", "model"])]]

    def metrics(self, by: str | Iterable[str] | None = None) -> pd.DataFrame:
        """Give error, sharpness and calibration of every model.

        Parameters
        ----------
        by : str or iterable of str, optional
            More columns of :attr:`cells` to group by, such as ``"benchmark"``.

        Returns
        -------
        pandas.DataFrame
            As :func:`latentscale.metrics.summarise_cells` gives it, by splits and model, of each
            splits the least CRPS first.
        """
        asked = [by] if isinstance(by, str) else list(by or ())
        more = [name for name in asked if name not in ("splits", "model")]
        found = summarise_cells(self.cells, ["splits", *more, "model"])
        order = found.sort_values("crps", kind="stable").sort_index(
            level=["splits", *more], sort_remaining=False, kind="stable"
        )
        return order.reindex(list(self.backtests), level="splits") if not more else order

    def differences(
        self, to: str | None = None, *, ci_prob: float = 0.95, random_seed: int = 1
    ) -> pd.DataFrame:
        """Say how much each model differs from one of them, and how surely.

        Parameters
        ----------
        to : str, optional
            The model to compare with; default: on each splits the one of the least CRPS.
        ci_prob : float, default 0.95
            Of the intervals, which come from resampling families.
        random_seed : int, default 1
            The same seed gives the same intervals.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``splits``, ``model`` and ``metric``: the model's mean loss ``one``, that of
            the other, ``other``, their ``difference`` (above zero, the model is worse), and the
            rest of :func:`latentscale.paired.paired_difference`. Column ``to`` names the other.

        Raises
        ------
        BacktestError
            ``to`` is none of the models.
        """
        best = self.metrics()["crps"].groupby("splits").idxmin()
        parts = {}
        for name, of_splits in self.cells.groupby("splits", sort=False):
            cells = {str(model): frame for model, frame in of_splits.groupby("model", sort=False)}
            other = to or best[name][1]
            if other not in cells:
                raise BacktestError(
                    f"to={first(with_nearest([other], list(cells)))} is none of the models that "
                    f"were compared: {first(quoted(cells), 20)}."
                )
            for model, frame in cells.items():
                if model != other:
                    found = paired_difference(
                        frame, cells[other], ci_prob=ci_prob, random_seed=random_seed
                    )
                    parts[name, model] = found.assign(to=other)
        return pd.concat(parts, names=["splits", "model"])

    def __repr__(self) -> str:
        """Show the metrics of each splits, the best model first."""
        return str(self.metrics()[_SHOWN].to_string(float_format=lambda x: f"{x:.2f}"))


def compare(
    models: Mapping[str, Rival],
    splits: Splits | Iterable[Splits],
    executor: Executor | None = None,
    *,
    folder: str | Path | None = None,
    random_seed: int = 1,
    progressbar: bool = True,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Comparison:
    """Backtest several models on the same splits.

    Parameters
    ----------
    models : mapping of str to ScalingModel or other Rival
        By the names that they are shown under.
    splits : Splits or iterable of Splits
        From :mod:`latentscale.splits`.
    executor, folder, random_seed, progressbar
        As for :func:`latentscale.backtest`.
    settings : mapping of str to mapping, optional
        For the fits of some models, by their names, such as ``{"default": {"draws": 500}}``.

    Returns
    -------
    Comparison

    Raises
    ------
    BacktestError
        There are no two models, settings name none of them, splits have the same name, or a fold
        failed; finished folds are kept.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard(benchmarks="MMLU").select(families=["opt", "pythia"])
    >>> found = ls.compare(
    ...     {"mean": ls.baselines.FamilyMean(table), "sibling": ls.baselines.NearestSibling(table)},
    ...     ls.splits.leave_family_out(table, observed=1),
    ...     progressbar=False,
    ... )
    >>> found.differences().loc["leave family out, 1 observed"].index.get_level_values("model")[0]
    'sibling'
    """
    every = [splits] if isinstance(splits, Splits) else list(splits)
    asked = dict(settings or {})
    _require(models, every, asked)
    found: dict[str, dict[str, Backtest]] = {}
    for each in every:
        found[each.name] = {
            name: backtest(
                model, each, executor, folder=folder, random_seed=random_seed,
                progressbar=progressbar, **asked.get(name, {}),
            )
            for name, model in models.items()
        }  # fmt: skip
    return Comparison(found)


def relative_gain(
    model: Rival,
    baseline: Rival,
    splits: Splits | Iterable[Splits],
    executor: Executor | None = None,
    *,
    ci_prob: float = 0.95,
    random_seed: int = 1,
    **settings: Any,
) -> pd.DataFrame:
    """Say by what share a model's errors are smaller than a baseline's, such as scale alone.

    Under :func:`latentscale.splits.leave_family_out` this is what more features are worth for a
    family that nobody has seen; under :func:`latentscale.splits.random_cells`, as of studies whose
    folds cut through families, it also has in it what leaks from an LLM's siblings.

    Parameters
    ----------
    model, baseline : ScalingModel or other Rival
    splits : Splits or iterable of Splits
    executor : concurrent.futures.Executor, optional
        As for :func:`latentscale.backtest`.
    ci_prob : float, default 0.95
        Of the intervals, which come from resampling families.
    random_seed : int, default 1
        The same seed gives the same figures.
    **settings
        As for :func:`latentscale.backtest`.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``splits``, ``benchmark`` (``"all"`` for all of them together) and ``metric``
        (``mae``, ``crps``, ``interval_score90``): the losses ``one`` of the model and ``other`` of
        the baseline in points, ``gain`` = 1 - one / other with its interval ``lower`` and
        ``upper``, ``n`` cells and ``clusters``, families. Only scores that both predicted count,
        and benchmarks with those of two families or more.

    Raises
    ------
    BacktestError
        A fold failed, or the two have not the cells of two families of a benchmark in common.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard(benchmarks="MMLU").select(families=["opt", "pythia", "llama"])
    >>> found = ls.relative_gain(
    ...     ls.baselines.NearestSibling(table), ls.baselines.FamilyMean(table),
    ...     ls.splits.leave_family_out(table, observed=1), progressbar=False,
    ... )
    >>> bool(found.loc[("leave family out, 1 observed", "all", "mae"), "gain"] > 0)
    True
    """
    every = [splits] if isinstance(splits, Splits) else list(splits)
    _require({"model": model, "baseline": baseline}, every, {})
    require_probability(ci_prob, BacktestError)
    parts = {}
    for each in every:
        one, other = (
            backtest(which, each, executor, random_seed=random_seed, **settings).cells
            for which in (model, baseline)
        )
        shared = other.merge(one[CELL])
        families = shared.groupby("benchmark")["family"].nunique()
        for name in ("all", *families.index[families > 1]):
            parts[each.name, name] = paired_gain(
                *(
                    part if name == "all" else part[part["benchmark"] == name]
                    for part in (one, other)
                ),
                ci_prob=ci_prob,
                random_seed=random_seed,
            )
    return pd.concat(parts, names=["splits", "benchmark"])


def _index(cells: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(cells[CELL])


def _require(
    models: Mapping[str, Rival], splits: list[Splits], settings: Mapping[str, Any]
) -> None:
    if len(models) < 2:
        raise BacktestError(
            f"A comparison needs at least two models, and {len(models)} was given. "
            "latentscale.backtest takes one."
        )
    unknown = [name for name in settings if name not in models]
    if unknown:
        raise BacktestError(
            f"settings= names {first(with_nearest(unknown, list(models)))}, which is none of the "
            f"models: {first(quoted(models), 20)}."
        )
    names = [each.name for each in splits]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        what = f"Two splits are called {twice[0]!r}" if twice else "There are no splits"
        raise BacktestError(f"{what}: give each splits once.")
