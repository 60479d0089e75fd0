"""Pictures: what features are associated with, and expected scores along one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from latentscale import associations
from latentscale.associations import Associations, FeatureCurve
from latentscale.errors import PredictionError
from latentscale.plots import style
from latentscale.plots.style import Visuals

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes

    from latentscale.fit import ScalingFit

_EFFECT_ELEMENTS = ("outer", "inner", "mean", "zero")
_CURVE_ELEMENTS = ("outer", "inner", "mean", "llms")


@style.styled
def feature_effects(
    data: ScalingFit | Associations,
    on: str = "skill",
    *,
    coords: Mapping[str, Any] | None = None,
    ci_prob: float | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show what features are associated with, on skills or on the scores of each benchmark.

    What has zero in its outer interval is grey.

    Parameters
    ----------
    data : ScalingFit or Associations
        A fit, or what ``fit.feature_effects()`` or ``fit.contrast()`` gave.
    on : {"skill", "score"}, default "skill"
        For a fit: effects on skills, or differences of expected scores.
    coords : mapping, optional
        Labels to keep, such as ``{"benchmark": ["MMLU", "BBH"]}``.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``. The inner one holds 50 %.
    visuals : mapping, optional
        By element (``outer``, ``inner``, ``mean``, ``zero``): False to leave it out, or arguments
        for matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel for each ``skill``, or each ``comparison`` of two values of a feature.
    """
    style.require_visuals(visuals, _EFFECT_ELEMENTS)
    if isinstance(data, FeatureCurve):
        raise PredictionError("This is a curve: plots.feature_curve draws it.")
    found = data if isinstance(data, Associations) else data.feature_effects(on=on, ci_prob=ci_prob)
    frame = style.keep_rows(found.summary, coords)
    panel, row = ("skill", "feature") if "skill" in frame else ("comparison", "benchmark")
    panels, rows = (frame[name].unique().tolist() for name in (panel, row))
    dataset = style.to_panels(frame, panel, panels, row, rows)
    pc = style.panels(
        dataset,
        panel,
        panel=(max(2.35, 4.2 / len(panels)), max(0.27 * len(rows), 1.0)),
        margin=(style.room_for(rows, 1.4), 1.2),
        pc_kwargs=pc_kwargs,
        sharex=panel == "skill",
        sharey=True,
    )
    _draw_rows(pc, dataset, row, visuals)
    _label_rows(pc, found, panel, rows)
    return pc


def _draw_rows(pc: PlotCollection, dataset: xr.Dataset, row: str, visuals: Visuals | None) -> None:
    y = np.arange(dataset.sizes[row])
    for target in style.axes_of(pc).values():
        style.stripes(target, len(y))
    zero = dataset["mean"].isel({row: 0})
    style.draw(pc, "zero", style.zero_line, zero, visuals, color=style.MUTED, lw=0.8, zorder=1)
    sure = dataset["outer"].prod("bound") > 0
    for element, width, alpha in (("outer", 1.0, 0.75), ("inner", 3.2, 1.0)):
        look = {"lw": width, "alpha": alpha, "zorder": 2}
        style.draw(pc, element, _segments, dataset[element], visuals, y=y, sure=sure, **look)
    style.draw(pc, "mean", _marks, dataset["mean"], visuals, y=y, sure=sure, s=12, zorder=4)


def _colours(sure: Any) -> np.ndarray:
    return np.where(np.asarray(sure), style.BLUE, style.MUTED)


def _segments(da: xr.DataArray, target: Axes, *, y: Any, sure: Any, **kwargs: Any) -> Any:
    return style.segments(da, target, y=y, **{"colors": _colours(sure), **kwargs})


def _marks(da: xr.DataArray, target: Axes, *, y: Any, sure: Any, **kwargs: Any) -> Any:
    look = {"facecolor": "white", "edgecolor": _colours(sure), "linewidth": 0.9}
    return style.points(da, target, y=y, **{**look, **kwargs})


def _label_rows(pc: PlotCollection, found: Associations, panel: str, rows: Sequence[str]) -> None:
    on_skills = panel == "skill"
    for name, target in style.axes_of(pc).items():
        style.name_panel(pc, target, name.replace(": ", "\n", 1))
        style.label_rows(target, rows)
        target.set_xlabel("logits of the anchor per SD" if on_skills else "expected score (points)")
        if not on_skills:
            style.score_axis(target.xaxis)
    style.title(
        pc,
        "What features are associated with" + ("" if on_skills else ", all else held"),
    )
    inner, outer = (style.percent_text(prob) for prob in found.ci_probs)
    handles = [
        Line2D([], [], color=style.BLUE, lw=3, label=f"{inner} interval"),
        Line2D([], [], color=style.BLUE, lw=1, label=f"{outer} interval"),
        Line2D([], [], color=style.MUTED, lw=1, label=f"{outer} interval with zero in it"),
    ]
    style.legend(pc, handles)


@style.styled
def feature_curve(
    data: ScalingFit | FeatureCurve,
    feature: str | None = None,
    *,
    benchmarks: Sequence[str] | None = None,
    ci_prob: float | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show expected scores along a feature, averaged over LLMs, and where the LLMs are.

    Parameters
    ----------
    data : ScalingFit or FeatureCurve
        A fit, or what ``fit.curve()`` gave.
    feature : str, optional
        A column of numbers that the formula uses; needed with a fit.
    benchmarks : sequence of str, optional
        For a fit: the panels to show; default: all.
    ci_prob : float, optional
        Of the outer band; default: ``arviz.rcParams``. The inner one holds 50 %.
    visuals : mapping, optional
        By element (``outer``, ``inner``, ``mean``, ``llms``): False to leave it out, or arguments
        for matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``, such as ``col_wrap=3``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel for each ``benchmark``; a tick at the bottom is a fitted LLM.

    Raises
    ------
    PredictionError
        The feature or a benchmark is not known.
    """
    style.require_visuals(visuals, _CURVE_ELEMENTS)
    if isinstance(data, Associations) and not isinstance(data, FeatureCurve):
        raise PredictionError("This is no curve: plots.feature_effects draws it.")
    curve = (
        data if isinstance(data, FeatureCurve) else _computed(data, feature, benchmarks, ci_prob)
    )
    names = curve.summary["benchmark"].unique().tolist()
    values = curve.summary["value"].unique().tolist()
    dataset = style.to_panels(curve.summary, "benchmark", names, "value", values)
    dataset["llms"] = (
        ("benchmark", "llm"),
        np.tile(curve.points["value"].to_numpy(dtype=float), (len(names), 1)),
    )
    pc = style.panels(
        dataset,
        "benchmark",
        panel=(2.05, 1.75),
        margin=(0.5, 1.0),
        pc_kwargs=pc_kwargs,
        sharex=True,
    )
    look: dict[str, Any] = {"color": style.BLUE, "lw": 0, "zorder": 2, "x": np.array(values)}
    style.draw(pc, "outer", style.band, dataset["outer"], visuals, alpha=0.16, **look)
    style.draw(pc, "inner", style.band, dataset["inner"], visuals, alpha=0.34, **look)
    style.draw(pc, "mean", style.line, dataset["mean"], visuals, **{**look, "lw": 1.4, "zorder": 3})
    style.draw(pc, "llms", _ticks, dataset["llms"], visuals, color=style.ORANGE, lw=0.6, alpha=0.6)
    _label_curve(pc, curve)
    return pc


def _computed(
    fit: ScalingFit, feature: str | None, benchmarks: Sequence[str] | None, ci_prob: float | None
) -> FeatureCurve:
    if feature is None:
        columns = fit.model.design.encoding.columns
        raise PredictionError(
            f"A curve needs a feature. Name one, as in plots.feature_curve(fit, {columns[0]!r})."
        )
    return associations.feature_curve(fit, feature, benchmarks, ci_prob=ci_prob)


def _ticks(da: xr.DataArray, target: Axes, **kwargs: Any) -> Any:
    """Mark values by short lines along the bottom."""
    values = np.unique(np.asarray(da))
    return target.vlines(
        values, 0, 0.05, transform=target.get_xaxis_transform(), **{"zorder": 1, **kwargs}
    )


def _label_curve(pc: PlotCollection, curve: FeatureCurve) -> None:
    is_log = curve.logarithmic and curve.summary["value"].min() > 0
    for name, target in style.axes_of(pc).items():
        style.name_panel(pc, target, name)
        target.set_xlabel(curve.feature)
        target.set_ylabel("expected score (%)")
        if is_log:
            style.size_axis(target)
        style.score_axis(target.yaxis)
    style.hide_inner_labels(pc)
    style.title(pc, f"Expected scores along {curve.feature}, all else held")
    inner, outer = (style.percent_text(prob) for prob in curve.ci_probs)
    handles = [
        Patch(color=style.BLUE, alpha=0.42, lw=0, label=f"{inner} interval"),
        Patch(color=style.BLUE, alpha=0.16, lw=0, label=f"{outer} interval"),
        Line2D([], [], color=style.ORANGE, lw=1, label="fitted LLMs"),
    ]
    style.legend(pc, handles)
