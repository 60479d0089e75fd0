"""Picture: what a family would score at other sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from latentscale import curves
from latentscale.curves import ScalingCurve
from latentscale.errors import PredictionError
from latentscale.plots import style
from latentscale.plots.style import Visuals
from latentscale.wording import first

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes

    from latentscale.fit import ScalingFit

_ELEMENTS = ("new_score", "expected_band", "expected", "points", "chance", "ceiling")

# A ceiling is drawn if it is no further above the scores than this multiple of their range.
_NEAR = 0.5


@style.styled
def scaling_curves(
    data: ScalingFit | ScalingCurve,
    family: str | None = None,
    *,
    benchmarks: Sequence[str] | None = None,
    ci_prob: float | None = None,
    random_seed: int | None = 1,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show the scores of a family against size: its curve, two bands, and its LLMs.

    The dark band holds the expected score of a typical LLM of the base recipe, the light band a new
    score of one new LLM. Base LLMs are filled points, tuned ones hollow.

    Parameters
    ----------
    data : ScalingFit or ScalingCurve
        A fit, or what :func:`latentscale.curves.scaling_curve` gave.
    family : str, optional
        A fitted family; needed with a fit.
    benchmarks : sequence of str, optional
        Panels to show; default: all.
    ci_prob : float, optional
        Of both bands; default: ``arviz.rcParams``.
    random_seed : int, default 1
    visuals : mapping, optional
        By element (``new_score``, ``expected_band``, ``expected``, ``points``, ``chance``,
        ``ceiling``): False to leave it out, or arguments for matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``, such as ``col_wrap=3``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel for each ``benchmark``.

    Raises
    ------
    PredictionError
        The family or a benchmark is not known.
    """
    style.require_visuals(visuals, _ELEMENTS)
    asked = {"benchmarks": benchmarks, "ci_prob": ci_prob, "random_seed": random_seed}
    curve = data if isinstance(data, ScalingCurve) else _computed(data, family, **asked)
    dataset = _dataset(curve)
    pc = style.panels(
        dataset,
        "benchmark",
        panel=(2.05, 1.75),
        margin=(0.5, 1.1),
        pc_kwargs=pc_kwargs,
        sharex=True,
    )
    _draw_all(pc, dataset, _points_of(curve), visuals)
    _label(pc, curve)
    return pc


def _computed(fit: ScalingFit, family: str | None, **asked: Any) -> ScalingCurve:
    if family is None:
        raise PredictionError(
            "A curve needs a family. Name one, as in plots.scaling_curves(fit, "
            f"{fit.model.design.families[0]!r})."
        )
    return curves.scaling_curve(fit, family, **asked)


def _dataset(curve: ScalingCurve) -> xr.Dataset:
    """Lay the summary out by quantity, dims (benchmark, params_b[, bound])."""
    names = list(curve.levels.index)
    parts = {}
    for quantity, frame in curve.summary.groupby("quantity"):
        sizes = frame["params_b"].unique().tolist()
        wide = style.to_panels(frame, "benchmark", names, "params_b", sizes)
        parts[str(quantity)] = wide
    levels = curve.levels.to_xarray()[["chance", "ceiling"]].sel(benchmark=names)
    return xr.Dataset(
        {
            "new_score": parts["score"]["outer"],
            "expected_band": parts["expected"]["outer"],
            "expected": parts["expected"]["mean"],
            **levels.data_vars,
        }
    )


def _points_of(curve: ScalingCurve) -> xr.DataArray:
    """Observed scores, dims (benchmark, row, field)."""
    points: xr.DataArray = style.cells(
        curve.points, "benchmark", list(curve.levels.index), ["params_b", "score", "tuned"]
    )
    return points


def _draw_all(
    pc: PlotCollection, dataset: xr.Dataset, points: xr.DataArray, visuals: Visuals | None
) -> None:
    reach = _reach(dataset, points)
    faint = {"color": style.MUTED, "lw": 0.9, "zorder": 1}
    style.draw(
        pc, "chance", style.horizontal_line, dataset["chance"], visuals, ls=(0, (1, 1.5)), **faint
    )
    style.draw(
        pc, "ceiling", _ceiling, dataset["ceiling"], visuals, reach=reach, ls=(0, (5, 2)), **faint
    )
    look: dict[str, Any] = {"x": dataset["params_b"].to_numpy(), "color": style.BLUE}
    band = {**look, "lw": 0, "zorder": 2}
    style.draw(pc, "new_score", style.band, dataset["new_score"], visuals, alpha=0.16, **band)
    style.draw(
        pc, "expected_band", style.band, dataset["expected_band"], visuals, alpha=0.34, **band
    )
    style.draw(pc, "expected", style.line, dataset["expected"], visuals, lw=1.4, zorder=3, **look)
    if points.size:
        style.draw(pc, "points", _scores, points, visuals, s=17, edgecolor=style.ORANGE, zorder=5)


def _reach(dataset: xr.Dataset, points: xr.DataArray) -> xr.DataArray:
    """Find the lowest and the highest score on each panel, dims (benchmark, end)."""
    band, chance = dataset["new_score"], dataset["chance"]
    seen = points.sel(field="score", drop=True)
    low = xr.concat([band.min(("params_b", "bound")), chance, seen.min("row")], "of").min("of")
    high = xr.concat([band.max(("params_b", "bound")), chance, seen.max("row")], "of").max("of")
    return xr.concat([low, high], "end").transpose("benchmark", "end")


def _ceiling(da: xr.DataArray, target: Axes, *, reach: Any, **kwargs: Any) -> Any:
    """Draw a line where the ceiling is near; else write its value, lest it flatten the curve."""
    low, high = np.asarray(reach)
    if float(da) - high < _NEAR * (high - low):
        return target.axhline(float(da), **kwargs)
    target.set_title(
        f"ceiling {100 * float(da):.0f} \u2191",
        loc="right",
        fontsize=style.SMALL,
        fontweight="normal",
        color=style.MUTED,
    )
    return None


def _scores(da: xr.DataArray, target: Axes, **kwargs: Any) -> Any:
    size, score, tuned = style.columns_of(da)
    face = np.where(tuned == 1, "white", style.ORANGE)
    return target.scatter(size, score, **{"facecolor": face, "linewidth": 1.0, **kwargs})


def _label(pc: PlotCollection, curve: ScalingCurve) -> None:
    for name, target in style.axes_of(pc).items():
        style.name_panel(pc, target, name)
        if "\n" in target.get_title("left"):  # no room beside it
            target.set_title("", loc="right")
        target.set_xlabel("parameters (1e9)")
        target.set_ylabel("score (%)")
        style.size_axis(target)
        style.score_axis(target.yaxis)
    style.hide_inner_labels(pc)
    style.title(pc, f"{curve.family}: scores against size ({_held(curve)})")
    drawn = [type(element) for element in style.elements_of(pc, "ceiling")]
    style.legend(pc, _handles(curve, has_ceiling=Line2D in drawn))


def _held(curve: ScalingCurve) -> str:
    """Say what is held fixed, as far as it is known: ``recipe llama-2, tokens_t = 2``."""
    known = {name: value for name, value in curve.at.items() if value is not None}
    others = [f"{name} = {_written(value)}" for name, value in known.items() if name != "tuned"]
    return f"recipe {curve.recipe}" + (f", {first(others)}" if others else "")


def _written(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return str(value.date())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _handles(curve: ScalingCurve, *, has_ceiling: bool) -> list[Any]:
    outer = style.percent_text(curve.ci_probs[1])
    dot: dict[str, Any] = {"ls": "", "marker": "o", "markersize": 4.5, "color": style.ORANGE}
    handles: list[Any] = [
        Patch(color=style.BLUE, alpha=0.42, lw=0, label=f"expected score, {outer}"),
        Patch(color=style.BLUE, alpha=0.16, lw=0, label=f"new score, {outer}"),
    ]
    tuned = pd.Series(curve.points["tuned"])
    if (tuned == 0).any():
        handles.append(Line2D([], [], label="base LLM", **dot))
    if (tuned == 1).any():
        handles.append(Line2D([], [], markerfacecolor="white", label="tuned LLM", **dot))
    line: dict[str, Any] = {"color": style.MUTED, "lw": 1}
    if has_ceiling:
        handles.append(Line2D([], [], ls=(0, (5, 2)), label="ceiling", **line))
    return [*handles, Line2D([], [], ls=(0, (1, 1.5)), label="chance", **line)]
