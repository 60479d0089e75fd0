"""Picture: how near predicted scores come to observed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D

from latentscale import checks
from latentscale.checks import Agreement
from latentscale.estimates import interval_probs
from latentscale.plots import style
from latentscale.plots.style import Visuals

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes

    from latentscale.fit import ScalingFit
    from latentscale.prediction import Prediction

_ELEMENTS = ("identity", "outer", "inner", "points")


@style.styled
def predicted_vs_observed(
    data: ScalingFit | Prediction | Agreement,
    observed: pd.DataFrame | None = None,
    *,
    level: str | None = None,
    ci_prob: float = 0.9,
    random_seed: int | None = 1,
    coords: Mapping[str, Any] | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show predicted against observed scores with intervals, by benchmark.

    On the line a prediction is exact. Up to seven LLMs have a colour each; of more LLMs, those
    whose observed score lies outside its interval are orange.

    Parameters
    ----------
    data : ScalingFit, Prediction or Agreement
        A fit is shown against the scores it was fitted to.
    observed : pandas.DataFrame, optional
        For a prediction: columns ``llm``, ``benchmark``, ``score``. Scores that the prediction was
        given are left out.
    level : {"score", "llm", "recipe", "family", "developer"}, optional
        For a fit: the highest level whose effects are drawn anew; default: the highest there is.
    ci_prob : float, default 0.9
        For a fit; a prediction has its own.
    random_seed : int, default 1
    coords : mapping, optional
        Labels to keep, such as ``{"benchmark": ["MMLU", "BBH"]}``.
    visuals : mapping, optional
        By element (``identity``, ``outer``, ``inner``, ``points``): False to leave it out, or
        arguments for matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel for each ``benchmark``.

    Raises
    ------
    PredictionError
        There is nothing to compare.
    """
    style.require_visuals(visuals, _ELEMENTS)
    found = (
        data
        if isinstance(data, Agreement)
        else checks.agreement(data, observed, level=level, ci_prob=ci_prob, random_seed=random_seed)
    )
    frame = style.keep_rows(found.summary, coords)
    names = [name for name in found.benchmarks if (frame["benchmark"] == name).any()]
    cells, colours = _cells(frame, names)
    pc = style.panels(
        xr.Dataset(coords={"benchmark": names}),
        "benchmark",
        panel=(2.05, 2.0),
        margin=(0.5, 1.1),
        pc_kwargs=pc_kwargs,
    )
    _draw_all(pc, cells, colours, names, visuals)
    _label(pc, found, frame, colours)
    return pc


def _cells(frame: pd.DataFrame, names: list[str]) -> tuple[xr.DataArray, dict[str, str]]:
    """Lay cells out, dims (benchmark, row, field), and choose the colours of few LLMs."""
    inner, outer = style.bounds_of(frame)
    llms = frame["llm"].unique().tolist()
    few = len(llms) <= len(style.CYCLE)
    colours = dict(zip(llms, style.CYCLE, strict=False)) if few else {}
    kind = frame["llm"].map(llms.index) if few else frame["inside"].astype(int)
    fields = ["observed", "mean", *inner, *outer, "kind"]
    return style.cells(frame.assign(kind=kind), "benchmark", names, fields), colours


def _draw_all(
    pc: PlotCollection,
    cells: xr.DataArray,
    colours: Mapping[str, str],
    names: list[str],
    visuals: Visuals | None,
) -> None:
    palette = np.array(list(colours.values()) or [style.ORANGE, style.BLUE])
    few = bool(colours)
    panels = xr.DataArray(np.zeros(len(names)), dims="benchmark", coords={"benchmark": names})
    style.draw(pc, "identity", _identity, panels, visuals, color=style.MUTED, lw=0.9, zorder=1)
    for element, at, width, alpha in (("outer", 4, 0.7, 0.35), ("inner", 2, 1.6, 0.5)):
        look = {"lw": 1.4 * width if few else width, "alpha": 0.9 if few else alpha, "zorder": 2}
        style.draw(pc, element, _intervals, cells, visuals, palette=palette, at=at, **look)
    style.draw(
        pc,
        "points",
        _points,
        cells,
        visuals,
        palette=palette,
        s=22 if few else 8,
        linewidth=0.5,
        edgecolor="white",
        zorder=4,
    )


def _identity(da: xr.DataArray, target: Axes, **kwargs: Any) -> Any:
    return target.axline((0, 0), slope=1, **kwargs)


def _intervals(
    da: xr.DataArray, target: Axes, *, palette: np.ndarray, at: int, **kwargs: Any
) -> Any:
    fields = style.columns_of(da)
    colours = palette[fields[-1].astype(int)]
    return target.vlines(fields[0], fields[at], fields[at + 1], colors=colours, **kwargs)


def _points(da: xr.DataArray, target: Axes, *, palette: np.ndarray, **kwargs: Any) -> Any:
    observed, mean, _, _, lower, upper, kind = style.columns_of(da)
    low, high = min(observed.min(), lower.min()), max(observed.max(), upper.max())
    pad = 0.04 * max(high - low, 0.05)
    target.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
    return target.scatter(observed, mean, c=palette[kind.astype(int)], **kwargs)


def _label(
    pc: PlotCollection, found: Agreement, frame: pd.DataFrame, colours: Mapping[str, str]
) -> None:
    inside = frame.groupby("benchmark")["inside"]
    for name, target in style.axes_of(pc).items():
        hits, n = int(inside.sum()[name]), int(inside.size()[name])
        told = f"{hits} of {n}" if n < 20 else style.share_text(hits / n)
        style.name_panel(pc, target, f"{name}   {told}")
        target.set_xlabel("observed score (%)")
        target.set_ylabel("predicted score (%)")
        target.set_aspect("equal")
        style.score_axis(target.xaxis)
        style.score_axis(target.yaxis)
    style.hide_inner_labels(pc)
    inner, outer = (style.percent_text(prob) for prob in interval_probs(found.ci_prob))
    style.title(pc, f"Predicted and observed scores, with the share inside the {outer} interval")
    style.legend(pc, _handles(colours, inner, outer))


def _handles(colours: Mapping[str, str], inner: str, outer: str) -> list[Any]:
    dot: dict[str, Any] = {"marker": "o", "markersize": 4, "lw": 1.2}
    if colours:
        handles = [Line2D([], [], color=c, label=name, **dot) for name, c in colours.items()]
    else:
        handles = [
            Line2D([], [], color=style.BLUE, label="mean", **{**dot, "lw": 0}),
            Line2D([], [], color=style.BLUE, lw=3, alpha=0.6, label=f"{inner} interval"),
            Line2D([], [], color=style.BLUE, lw=1, alpha=0.6, label=f"{outer} interval"),
            Line2D([], [], color=style.ORANGE, lw=1, label=f"outside the {outer} interval"),
        ]
    return [*handles, Line2D([], [], color=style.MUTED, lw=1, label="predicted = observed")]
