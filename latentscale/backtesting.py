"""Backtests: hide scores, fit the rest, predict what was hidden, fold after fold.

Every fold is an exact refit: no importance sampling stands in for it. Folds run side by side on any
executor of the kind of :mod:`concurrent.futures`, and each is written to disk when it is done, so
that a backtest that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import (
    BacktestError,
    ExtrapolationWarning,
    LatentScaleError,
    MissingFeatureWarning,
)
from latentscale.finished_folds import FinishedFolds
from latentscale.joint import score_pairs
from latentscale.metrics import CELL, score_cells, summarise_cells
from latentscale.one_fold import Fold, NothingPredictedError, Rival, run_fold
from latentscale.paired import paired_difference
from latentscale.parallel import run_each
from latentscale.progress import counted
from latentscale.splits import Splits
from latentscale.wording import count

if TYPE_CHECKING:
    from latentscale.calibration import Calibration

# Of chains as short as a fold's, R-hat is itself noisy.
_POOR_RHAT = 1.1
_HEALTH = ("r_hat", "which", "divergences")


@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """What a model predicted of scores that were hidden from it.

    Attributes
    ----------
    name : str
        How the folds were made.
    folds : tuple of xarray.Dataset
        One for each fold: ``score`` and ``expected``, dims (sample, cell), the draws of a new score
        and of the expected one, joint across cells; ``observed``, dims (cell,); the coords ``llm``,
        ``family`` and ``benchmark`` label the cells. Of a model that can give it, ``log_density``,
        the joint one of each family's hidden scores, and ``log_density_mcse``, dims (hidden,), with
        the coords ``hidden_family`` and ``n_hidden``.
    left_out : pandas.DataFrame
        Hidden scores that were not predicted: ``split``, ``llm``, ``benchmark``, ``score`` and
        ``why``.
    """

    name: str
    folds: tuple[xr.Dataset, ...]
    left_out: pd.DataFrame

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Every hidden score, with what was predicted of it.

        Columns ``split``, ``llm``, ``family``, ``benchmark``, ``score``, and those of
        :func:`latentscale.metrics.score_cells`.
        """
        frames = []
        for fold in self.folds:
            observed = fold["observed"].to_numpy()
            labels = {name: fold[name].to_numpy() for name in ("llm", "family", "benchmark")}
            known = pd.DataFrame({"split": fold.attrs["split"], **labels, "score": observed})
            frames.append(known.join(score_cells(fold["score"].to_numpy(), observed)))
        return pd.concat(frames, ignore_index=True)

    def metrics(self, by: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Give error, sharpness and calibration.

        Parameters
        ----------
        by : str or sequence of str, optional
            Columns of :attr:`cells` to group by, such as ``"benchmark"``.

        Returns
        -------
        pandas.DataFrame
            As :func:`latentscale.metrics.summarise_cells` gives it; errors and widths in points.
        """
        return summarise_cells(self.cells, by)

    def log_densities(self) -> pd.DataFrame:
        """Give the joint log predictive density of the hidden scores of each family.

        Returns
        -------
        pandas.DataFrame
            Columns ``split``, and those of :meth:`latentscale.ScalingFit.log_density`.

        Raises
        ------
        BacktestError
            The model has none: the errors of a baseline are drawn apart.
        """
        frames = [
            pd.DataFrame(
                {
                    "split": fold.attrs["split"],
                    "family": fold["hidden_family"].to_numpy(),
                    "n": fold["n_hidden"].to_numpy(),
                    "log_density": fold["log_density"].to_numpy(),
                    "mcse": fold["log_density_mcse"].to_numpy(),
                }
            )
            for fold in self.folds
            if "log_density" in fold
        ]
        if not frames:
            raise BacktestError(
                "The model that was backtested gives no joint density of scores, only draws of "
                "them. ScalingModel gives one; compare others by metrics()."
            )
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def health(self) -> pd.DataFrame:
        """How well the chains of each fold mixed.

        Columns ``split``; ``r_hat``, the worst of the parameters that all LLMs share, and of
        ``which`` it is; ``divergences``. No rows, if the model has no chains.
        """
        rows = [
            {"split": fold.attrs["split"], **{name: fold.attrs[name] for name in _HEALTH}}
            for fold in self.folds
            if "r_hat" in fold.attrs
        ]
        return pd.DataFrame(rows, columns=["split", *_HEALTH])

    def pairs(self, *, random_seed: int = 1) -> pd.DataFrame:
        """Say where differences of two hidden LLMs of a family lie among the predicted ones.

        Where predictions are jointly calibrated, ``pit`` is uniform.

        Parameters
        ----------
        random_seed : int, default 1
            The same seed gives the same pairs.

        Returns
        -------
        pandas.DataFrame
            Columns ``split``, and those of :func:`latentscale.joint.score_pairs`.
        """
        rng = np.random.default_rng(random_seed)
        frames = [score_pairs(fold, rng).assign(split=fold.attrs["split"]) for fold in self.folds]
        found = pd.concat(frames, ignore_index=True)
        return found[["split", *found.columns.drop("split")]]

    def calibration(
        self, by: str = "benchmark", *, ci_prob: float = 0.9, random_seed: int = 1
    ) -> Calibration:
        """Say whether intervals hold, group by group.

        ``ls.plots.calibration`` draws it.

        Parameters
        ----------
        by : str, default "benchmark"
            The column of :attr:`cells` that groups them.
        ci_prob : float, default 0.9
            Of the intervals of the gap, from resampling families.
        random_seed : int, default 1

        Returns
        -------
        Calibration
            As :func:`latentscale.calibration.calibration` gives it.

        Raises
        ------
        BacktestError
            The cells lack the column, or ``ci_prob`` is no probability.
        """
        from latentscale.calibration import calibration

        return calibration(self, by, ci_prob=ci_prob, random_seed=random_seed)

    def compare(
        self, other: Backtest, *, ci_prob: float = 0.95, random_seed: int = 1
    ) -> pd.DataFrame:
        """Say how much better this is than another backtest of the same splits, and how surely.

        Parameters
        ----------
        other : Backtest
        ci_prob : float, default 0.95
            Of the interval of the difference, from resampling families.
        random_seed : int, default 1
            The same seed gives the same interval.

        Returns
        -------
        pandas.DataFrame
            As :func:`latentscale.paired.paired_difference` gives it: a difference below zero means
            that this one is better.

        Raises
        ------
        BacktestError
            The two have not the cells of at least two families in common.
        """
        return paired_difference(self.cells, other.cells, ci_prob=ci_prob, random_seed=random_seed)

    def __repr__(self) -> str:
        """Give the folds and the main figures."""
        row = self.metrics().iloc[0]
        apart = f", {len(self.left_out)} more not predicted" if len(self.left_out) else ""
        return (
            f"Backtest, {self.name}: {count(len(self.folds), 'fold')}, "
            f"{count(int(row['n']), 'hidden score')}{apart}\n"
            f"mean absolute error {row['mae']:.1f} points, CRPS {row['crps']:.1f}, 90 % intervals "
            f"cover {100 * row['coverage90']:.0f} % at a mean width of {row['width90']:.0f} points"
            f"{self._poorly_mixed()}"
        )

    def _poorly_mixed(self) -> str:
        poor = self.health[self.health["r_hat"] > _POOR_RHAT]
        if poor.empty:
            return ""
        worst = poor.iloc[int(poor["r_hat"].argmax())]
        return (
            f"\nR-hat above {_POOR_RHAT} in {count(len(poor), 'fold')}, at most "
            f"{worst['r_hat']:.2f} ({worst['which']} in {worst['split']!r}): see .health; more "
            "draws= and tune= help"
        )


def backtest(
    model: Rival,
    splits: Splits,
    executor: Executor | None = None,
    *,
    folder: str | Path | None = None,
    random_seed: int = 1,
    progressbar: bool = True,
    on_error: Literal["raise", "leave out"] = "raise",
    **settings: Any,
) -> Backtest:
    """Hide the scores of each fold, fit the rest, and predict them.

    A category that only hidden LLMs have is unknown to the fold: nothing is learnt about it.

    Parameters
    ----------
    model : ScalingModel or other Rival
        Its settings are used. Of its table only where chains start from: folds of the same
        benchmarks start near an approximation of the posterior of all of it.
    splits : Splits
        From :mod:`latentscale.splits`.
    executor : concurrent.futures.Executor, optional
        Runs the folds: a ProcessPoolExecutor, or the ``get_executor()`` of a Dask client for a
        cluster. Default: threads, as many as there are cores, which share what is compiled.
    folder : str or pathlib.Path, optional
        Where finished folds are kept, and found again if the same backtest is run once more.
        Default: a folder of its own under the user's cache.
    random_seed : int, default 1
        The same seed gives the same result.
    progressbar : bool, default True
        Count the folds.
    on_error : {"raise", "leave out"}, default "raise"
        What to do about folds that cannot be fitted, such as those without any LLM that differs in
        a feature: stop once all others are finished, or list their scores in ``left_out``.
    **settings
        For the fit of each fold, such as ``draws=``.

    Returns
    -------
    Backtest

    Raises
    ------
    BacktestError
        A fold failed, or workers were lost. The finished folds are kept.
    """
    _require_on_error(on_error)
    keep = FinishedFolds.of(model, splits, folder, random_seed, settings)
    seeds = np.random.SeedSequence(random_seed).generate_state(len(splits)).tolist()
    folds = [
        Fold(model, split, model.predictable(split.llms), seed, settings)
        for split, seed in zip(splits, seeds, strict=True)
    ]
    usable = [position for position, fold in enumerate(folds) if len(fold.llms)]
    _require_usable(usable, splits)
    waiting = [position for position in usable if not keep.has(position)]
    failed: dict[str, BaseException] = {}
    done = len(usable) - len(waiting)
    bar = counted(splits.name, done, len(usable)) if progressbar else nullcontext(_nothing)

    def collect(at: int, future: Future[xr.Dataset]) -> None:
        _collect(future, keep, waiting[at], splits[waiting[at]].name, failed)
        advance()

    with _quiet(), bar as advance:
        run_each(run_fold, [folds[position] for position in waiting], collect, executor)
    _require_finished(failed, keep, len(usable), on_error)
    finished = tuple(keep.read(position) for position in usable if keep.has(position))
    return Backtest(splits.name, finished, _left_out(splits, finished, failed))


def _left_out(
    splits: Splits, folds: Sequence[xr.Dataset], failed: Mapping[str, BaseException]
) -> pd.DataFrame:
    """List the hidden scores that no fold predicted, and why."""
    hidden = pd.concat([split.hidden.assign(split=split.name) for split in splits])
    predicted = [
        pd.DataFrame({name: fold[name].to_numpy() for name in ("llm", "benchmark")}).assign(
            split=fold.attrs["split"]
        )
        for fold in folds
    ]
    found = pd.MultiIndex.from_frame(pd.concat(predicted)[CELL])
    rest = hidden[~pd.MultiIndex.from_frame(hidden[CELL]).isin(found)]
    reasons = {
        name: str(error)
        if isinstance(error, NothingPredictedError)
        else f"{type(error).__name__}: {error}"
        for name, error in failed.items()
    }
    unknown = "nothing is known of its features or the benchmark"
    why = [reasons.get(name, unknown) for name in rest["split"]]
    return rest.assign(why=why)[[*CELL, "score", "why"]].reset_index(drop=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what every fold would repeat: who has no features, and how far off a fold lies.

    Around all threads, since Python before 3.14 has one set of filters for all of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingFeatureWarning)
        warnings.simplefilter("ignore", ExtrapolationWarning)
        yield


def _nothing() -> None:
    """Stand for a progress bar that is not shown."""


def _collect(
    future: Future[xr.Dataset],
    keep: FinishedFolds,
    position: int,
    name: str,
    failed: dict[str, BaseException],
) -> None:
    """Write a finished fold to disk, or remember why it failed."""
    error = future.exception()
    if error is None:
        keep.write(position, future.result())
    else:
        failed[name] = error


def _require_usable(usable: Sequence[int], splits: Splits) -> None:
    if not usable:
        raise BacktestError(
            f"None of the hidden LLMs of {splits!r} can be predicted: features that the model "
            "needs are unknown for all of them. Fill them in, or use a model without them."
        )


def _require_on_error(on_error: object) -> None:
    if on_error not in ("raise", "leave out"):
        raise BacktestError(
            f'on_error={on_error!r} is not known. Use "raise", or "leave out" to do without folds '
            "that cannot be fitted."
        )


def _require_finished(
    failed: Mapping[str, BaseException], keep: FinishedFolds, n: int, on_error: str
) -> None:
    """Check that no fold failed, or that those that did would fail again and may be left out."""
    hopeless = all(isinstance(error, LatentScaleError) for error in failed.values())
    harmless = all(isinstance(error, NothingPredictedError) for error in failed.values())
    if (harmless or (hopeless and on_error == "leave out")) and len(failed) < n:
        return
    name, error = next(iter(failed.items()))
    why = str(error).removesuffix(".")
    lost = " (a worker was lost)" if isinstance(error, BrokenExecutor) else ""
    advice = (
        "They would fail again: change the model or the splits"
        + (', or pass on_error="leave out".' if len(failed) < n else ".")
        if hopeless
        else "Run the same backtest again to do only what is missing."
    )
    raise BacktestError(
        f"{count(len(failed), 'fold')} of {n} failed{lost}, the first one ({name!r}) with "
        f"{type(error).__name__}: {why}. The other {n - len(failed)} are kept in "
        f"{str(keep.path)!r}. {advice}"
    ) from error
