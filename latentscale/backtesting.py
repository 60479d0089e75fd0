"""Backtests: hide scores, fit the rest, predict what was hidden, fold after fold.

Every fold is an exact refit: no importance sampling stands in for it. Folds run side by side on any
executor of the kind of :mod:`concurrent.futures`, and each is written to disk when it is done, so
that a backtest that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import BacktestError, ExtrapolationWarning, MissingFeatureWarning
from latentscale.joint import score_pairs
from latentscale.metrics import CELL, score_cells, summarise_cells
from latentscale.netcdf import temporary_beside
from latentscale.paired import paired_difference
from latentscale.parallel import run_each
from latentscale.progress import counted
from latentscale.splits import Split, Splits
from latentscale.wording import count

if TYPE_CHECKING:
    from latentscale.prediction import Prediction
    from latentscale.table import ScoreTable


class Fitted(Protocol):
    """What a rival's ``fit`` gives."""

    def predict(self, llms: pd.DataFrame, *, random_seed: int | None) -> Prediction:
        """Predict LLMs on all benchmarks."""


@runtime_checkable
class Judging(Protocol):
    """What a rival's ``fit`` gives that can judge scores jointly."""

    def log_density(
        self, llms: pd.DataFrame, scores: pd.DataFrame, *, random_seed: int | None
    ) -> pd.DataFrame:
        """Give ``family``, ``n``, ``log_density`` and ``mcse``, one row a family."""


class Rival(Protocol):
    """What can be backtested: :class:`latentscale.ScalingModel`, and whatever has its verbs."""

    def with_table(self, table: ScoreTable) -> Rival:
        """Give the same model of another table."""

    def predictable(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Keep the LLMs of which all is known that a prediction needs."""

    def refit(self, random_seed: int, **settings: Any) -> Fitted:
        """Fit one fold, on one core and without a word."""


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
        Hidden scores that were not predicted, because a feature of the LLM is unknown or nothing is
        known of the benchmark: ``split``, ``llm``, ``benchmark``, ``score``.
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
        )


def backtest(
    model: Rival,
    splits: Splits,
    executor: Executor | None = None,
    *,
    folder: str | Path | None = None,
    random_seed: int = 1,
    progressbar: bool = True,
    **settings: Any,
) -> Backtest:
    """Hide the scores of each fold, fit the rest, and predict them.

    A category that only hidden LLMs have is unknown to the fold: nothing is learnt about it.

    Parameters
    ----------
    model : ScalingModel or other Rival
        Its settings are used; its table is not.
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
    keep = _Folder.of(model, splits, folder, random_seed, settings)
    seeds = np.random.SeedSequence(random_seed).generate_state(len(splits)).tolist()
    folds = [
        _Fold(model, split, model.predictable(split.llms), seed, settings)
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
        run_each(_run, [folds[position] for position in waiting], collect, executor)
    _require_all(failed, keep, len(usable))
    finished = tuple(keep.read(position) for position in usable)
    return Backtest(splits.name, finished, _left_out(splits, finished))


def _left_out(splits: Splits, folds: Sequence[xr.Dataset]) -> pd.DataFrame:
    """List the hidden scores that no fold predicted."""
    hidden = pd.concat([split.hidden.assign(split=split.name) for split in splits])
    predicted = [
        pd.DataFrame({name: fold[name].to_numpy() for name in ("llm", "benchmark")}).assign(
            split=fold.attrs["split"]
        )
        for fold in folds
    ]
    found = pd.MultiIndex.from_frame(pd.concat(predicted)[CELL])
    rest = hidden[~pd.MultiIndex.from_frame(hidden[CELL]).isin(found)]
    return rest[[*CELL, "score"]].reset_index(drop=True)


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


@dataclass(frozen=True, eq=False)
class _Fold:
    """What a worker needs for one fold."""

    model: Rival
    split: Split
    llms: pd.DataFrame
    seed: int
    settings: Mapping[str, Any]


def _run(fold: _Fold) -> xr.Dataset:
    """Fit and predict one fold; runs in the worker."""
    part = fold.model.with_table(fold.split.known)
    fit, llms = part.refit(fold.seed, **fold.settings), part.predictable(fold.llms)
    hidden = fold.split.hidden
    told = getattr(getattr(fit, "spec", None), "conditions", ())
    # How the hidden scores were evaluated is known of them.
    scores = fold.split.table.scores
    more = {"conditions": scores[["llm", "benchmark", *told]]} if told else {}
    draws = fit.predict(llms, random_seed=fold.seed, **more).draws
    if "sample" not in draws.dims:
        draws = draws.stack(sample=("chain", "draw")).reset_index("sample", drop=True)
    predicted = pd.MultiIndex.from_arrays([draws["llm"].to_numpy(), draws["benchmark"].to_numpy()])
    at = predicted.get_indexer(pd.MultiIndex.from_frame(hidden[["llm", "benchmark"]]))
    found = draws.isel(obs=at[at >= 0]).rename(obs="cell").drop_vars("cell")
    found = found[["score", "expected"]].transpose("sample", "cell").astype(np.float32)
    observed = hidden["score"].to_numpy(dtype=float)[at >= 0]
    found = found.drop_vars("family_status").assign(observed=("cell", observed))
    if isinstance(fit, Judging):
        found = found.merge(_judged(fit, llms, hidden[at >= 0], fold.seed))
    return found.assign_attrs(split=fold.split.name)


def _judged(fit: Judging, llms: pd.DataFrame, hidden: pd.DataFrame, seed: int) -> xr.Dataset:
    """Give the joint log density of each family's hidden scores."""
    judged = fit.log_density(llms, hidden, random_seed=seed)
    return xr.Dataset(
        {
            "log_density": ("hidden", judged["log_density"].to_numpy()),
            "log_density_mcse": ("hidden", judged["mcse"].to_numpy()),
        },
        coords={
            "hidden_family": ("hidden", judged["family"].to_numpy(dtype=str)),
            "n_hidden": ("hidden", judged["n"].to_numpy()),
        },
    )


def _collect(
    future: Future[xr.Dataset],
    keep: _Folder,
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


def _require_all(failed: Mapping[str, BaseException], keep: _Folder, n: int) -> None:
    if not failed:
        return
    name, error = next(iter(failed.items()))
    why = str(error).removesuffix(".")
    lost = " (a worker was lost)" if isinstance(error, BrokenExecutor) else ""
    raise BacktestError(
        f"{count(len(failed), 'fold')} of {n} failed{lost}, the first one ({name!r}) with "
        f"{type(error).__name__}: {why}. The other {n - len(failed)} are kept in "
        f"{str(keep.path)!r}. Run the same backtest again to do only what is missing."
    ) from error


@dataclass(frozen=True)
class _Folder:
    """Finished folds on disk, one file each.

    Attributes
    ----------
    path : pathlib.Path
    """

    path: Path

    @classmethod
    def of(
        cls,
        model: Rival,
        splits: Splits,
        folder: str | Path | None,
        seed: int,
        settings: Mapping[str, Any],
    ) -> _Folder:
        """Find the folder of this very backtest: other settings, data or code have another."""
        base = _user_cache() / "backtests" if folder is None else Path(folder)
        path = base / _fingerprint(model, splits, seed, settings)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def has(self, position: int) -> bool:
        """Say whether a fold is finished."""
        return self._file(position).is_file()

    def write(self, position: int, fold: xr.Dataset) -> None:
        """Write a fold; it appears only once all of it is written."""
        with temporary_beside(self._file(position)) as temporary:
            fold.to_netcdf(temporary, engine="h5netcdf")
            os.replace(temporary, self._file(position))

    def read(self, position: int) -> xr.Dataset:
        """Read a fold."""
        with xr.open_dataset(self._file(position), engine="h5netcdf") as fold:
            return fold.load()

    def _file(self, position: int) -> Path:
        return self.path / f"fold-{position:04d}.nc"


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "latentscale"


def _fingerprint(model: Rival, splits: Splits, seed: int, settings: Mapping[str, Any]) -> str:
    """Tell a backtest from every other: by model, folds, settings, seed, and the code itself."""
    told = hashlib.sha256()
    spec = getattr(model, "spec", None)
    told.update(f"{type(model).__qualname__} {model!r} {spec!r}".encode())
    told.update(json.dumps([seed, dict(settings)], sort_keys=True, default=repr).encode())
    for split in splits:
        told.update(split.name.encode())
        told.update(pd.util.hash_pandas_object(split.hidden, index=False).to_numpy().tobytes())
    tables = {id(split.table): split.table for split in splits}
    for table in tables.values():
        for frame in (table.scores, table.llms, table.benchmarks):
            told.update(frame.to_csv(index=False).encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        told.update(source.read_bytes())
    return told.hexdigest()[:16]
