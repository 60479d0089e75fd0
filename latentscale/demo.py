"""The demo: fit the bundled leaderboard without one family, then predict that family.

It is a script that tells a story, so it prints. What it does is what a notebook would do.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentscale.catalog import load_leaderboard
from latentscale.errors import ConvergenceWarning, TableError
from latentscale.report import (
    draw_without_display,
    family_effects_text,
    figures_of_fit,
    save_figures,
)
from latentscale.table import ScoreTable
from latentscale.wording import count, first, quoted

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit
    from latentscale.prediction import Prediction

_CI_PROB = 0.9
# With Qwen2 left out the slowest parameter gave 110 effective draws per 1,000. With the default
# acceptance rate of 0.8 two of 8,000 trajectories diverged, with 0.9 none, in the same time.
_ENOUGH = {"draws": 2000, "tune": 300, "chains": 4, "target_accept": 0.9}
# Short enough to see every step in a minute; far too short to be trusted.
_QUICK = {"draws": 150, "tune": 200, "chains": 2}


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A family that the fit does not see.

    Attributes
    ----------
    family : str
    training : ScoreTable
        The leaderboard without the family.
    llms : pandas.DataFrame
        The family's base LLMs, the smallest first; its scores are known.
    known, truth : pandas.DataFrame
        ``llm``, ``benchmark``, ``score`` of the smallest LLM, and of the others.
    """

    family: str
    training: ScoreTable
    llms: pd.DataFrame
    known: pd.DataFrame
    truth: pd.DataFrame

    @property
    def small(self) -> str:
        """The LLM whose scores are known."""
        return str(self.llms["llm"].iloc[0])


def main(
    out: str | Path = "out", family: str = "qwen2", *, quick: bool = False, seed: int = 1
) -> list[Path]:
    """Run the demo.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder for the posterior and the figures; made if need be.
    family : str, default "qwen2"
        The family to leave out of the fit and to predict.
    quick : bool, default False
        Few draws, to see the steps; nothing of it is to be trusted.
    seed : int, default 1

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    TableError
        The family is unknown, or has no two base LLMs with scores and known features.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    held_out = hold_out(load_leaderboard(), family)
    _introduce(held_out)
    fit = _fit_the_rest(held_out.training, quick, seed)
    _show_health(fit)
    _show_family_effects(fit)
    prediction = predict_held_out(fit, held_out, seed)
    _compare(prediction, held_out)
    files = [fit.save(out / "fit.nc"), *_save_figures(fit, prediction, held_out, out)]
    _list_files(files)
    return files


def hold_out(table: ScoreTable, family: str) -> HeldOut:
    """Split a family off a table, and keep the scores of its smallest base LLM as known.

    Raises
    ------
    TableError
        The family is unknown, or has no two base LLMs with scores and known features.

    Examples
    --------
    >>> held_out = hold_out(load_leaderboard(), "qwen2")
    >>> held_out.small, len(held_out.llms)
    ('Qwen/Qwen2-0.5B', 5)
    """
    training = table.drop(families=family)
    usable = _usable(table)
    own = usable[usable["family"] == family].sort_values("params_b", ignore_index=True)
    if len(own) < 2:
        sizes = usable["family"].value_counts()
        raise TableError(
            f"The family {family!r} has {count(len(own), 'base LLM')} with scores and known "
            "features, and the demo needs one whose scores are known and others to predict. Use "
            f"one of {first(quoted(sizes.index[sizes > 1]), 40)}."
        )
    scores = table.scores[["llm", "benchmark", "score"]]
    is_small = scores["llm"] == own["llm"].iloc[0]
    is_other = scores["llm"].isin(own["llm"].iloc[1:])
    return HeldOut(family, training, own, scores[is_small], scores[is_other])


def predict_held_out(fit: ScalingFit, held_out: HeldOut, seed: int | None = 1) -> Prediction:
    """Predict a family that was left out, given the scores of its smallest LLM."""
    return fit.predict(held_out.llms, scores=held_out.known, ci_prob=_CI_PROB, random_seed=seed)


def compared(prediction: Prediction, truth: pd.DataFrame) -> pd.DataFrame:
    """Put predictions beside the truth, in points of score.

    Returns
    -------
    pandas.DataFrame
        ``llm``, ``benchmark``, ``predicted``, ``lower``, ``upper``, ``truth`` (all in points, 0 to
        100) and ``inside``, whether the truth lies in the interval.
    """
    percent = f"{100 * prediction.ci_prob:g}"
    names = {"mean": "predicted", f"eti{percent}_lb": "lower", f"eti{percent}_ub": "upper"}
    frame = prediction.summary.merge(truth, on=["llm", "benchmark"]).rename(columns=names)
    frame = frame.rename(columns={"score": "truth"})
    numbers = ["predicted", "lower", "upper", "truth"]
    frame[numbers] *= 100
    frame["inside"] = frame["truth"].between(frame["lower"], frame["upper"])
    return frame[["llm", "benchmark", *numbers, "inside"]]


def _usable(table: ScoreTable) -> pd.DataFrame:
    """Give the base LLMs that have scores and the default features."""
    llms = table.llms
    scored = llms["llm"].isin(table.scores["llm"])
    known = llms[["params_b", "tokens_t"]].notna().all(axis=1)
    return llms[scored & known & (llms["tuned"] == 0)]


def _introduce(held_out: HeldOut) -> None:
    _say(f"The leaderboard without the family {held_out.family!r}:")
    _say(repr(held_out.training))
    _say(
        f"\nOf {held_out.family!r} only the {count(len(held_out.known), 'score')} of "
        f"{held_out.small} will be known."
    )


def _fit_the_rest(training: ScoreTable, quick: bool, seed: int) -> ScalingFit:
    from latentscale.model import ScalingModel

    _say("\nFitting (compiling takes a minute, the first time; sampling a minute or two):")
    started = time.perf_counter()
    with warnings.catch_warnings():
        if quick:
            warnings.simplefilter("ignore", ConvergenceWarning)
        settings: dict[str, Any] = _QUICK if quick else _ENOUGH
        fit = ScalingModel(training).fit(random_seed=seed, **settings)
    _say(f"\n{fit!r}\n  time     {time.perf_counter() - started:.0f} seconds")
    if quick:
        _say("  This was the quick demo: with so few draws nothing below is to be trusted.")
    return fit


def _show_health(fit: ScalingFit) -> None:
    """Print the worst of every parameter that the summary shows."""
    health = fit.diagnose()
    worst = health.summary
    rhat, bulk, tail = (
        _worst(worst, name, largest)
        for name, largest in (("r_hat", True), ("ess_bulk", False), ("ess_tail", False))
    )
    _say("\nHealth of the chains, over every parameter that the summary shows:")
    _say(f"  worst R-hat     {worst['r_hat'].max():.4f} ({rhat})")
    _say(f"  worst bulk ESS  {worst['ess_bulk'].min():,.0f} ({bulk})")
    _say(f"  worst tail ESS  {worst['ess_tail'].min():,.0f} ({tail})")
    _say(f"  divergences     {health.divergences}")


def _worst(summary: pd.DataFrame, column: str, largest: bool) -> str:
    return str(summary[column].idxmax() if largest else summary[column].idxmin())


def _show_family_effects(fit: ScalingFit) -> None:
    _say("\n" + family_effects_text(fit, shown=3, ci_prob=_CI_PROB))


def _compare(prediction: Prediction, held_out: HeldOut) -> None:
    """Print predictions beside the truth, and how far off they were."""
    frame = compared(prediction, held_out.truth)
    error = np.abs(frame["predicted"] - frame["truth"])
    _say(
        f"\nPrediction of the left-out family {held_out.family!r}, given {held_out.small}: points "
        "of score,\n90 % interval, and the truth (* where it lies outside):"
    )
    for llm, rows in frame.groupby("llm", sort=False):
        _say(f"  {llm}")
        for _, row in rows.iterrows():
            _say(_comparison_line(row))
    _say(
        f"\n  mean absolute error  {error.mean():.1f} points over {count(len(frame), 'score')}\n"
        f"  inside the interval  {frame['inside'].mean():.0%} (90 % expected)"
    )


def _comparison_line(row: pd.Series) -> str:
    interval = f"[{row['lower']:5.1f}, {row['upper']:5.1f}]"
    mark = "" if row["inside"] else " *"
    predicted = f"{row['benchmark']:<12}{row['predicted']:5.1f}  {interval}"
    return f"    {predicted}  was {row['truth']:5.1f}{mark}"


def _save_figures(
    fit: ScalingFit, prediction: Prediction, held_out: HeldOut, out: Path
) -> list[Path]:
    from latentscale import plots

    _say("\nDrawing the figures ...")
    draw_without_display()
    files = save_figures(figures_of_fit(fit), out)
    compared_plot = plots.predicted_vs_observed(prediction, observed=held_out.truth)
    return [*files, *save_figures([("left_out_family", compared_plot)], out)]


def _list_files(files: list[Path]) -> None:
    _say("\nWritten:")
    for file in files:
        _say(f"  {file} ({file.stat().st_size / 1e6:.1f} MB)")


def _say(text: str) -> None:
    print(text, flush=True)
