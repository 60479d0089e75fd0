"""Picture: whether intervals hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from latentscale.calibration import FEWEST, Calibration
from latentscale.calibration import calibration as calibrate
from latentscale.plots import style
from latentscale.plots.style import Visuals
from latentscale.wording import count

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes

    from latentscale.backtesting import Backtest

_ELEMENTS = ("zero", "outer", "inner", "gap")


@style.styled
def calibration(
    data: Backtest | pd.DataFrame | Calibration,
    by: str = "benchmark",
    *,
    ci_prob: float = 0.9,
    random_seed: int = 1,
    coords: Mapping[str, Any] | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show how far the ranks of hidden scores among their predictions are from uniform, by group.

    A calibrated model keeps to zero. A line above zero on the left and below it on the right says
    that it is too sure; the other way round, that its intervals are too wide; above zero
    throughout, that it expects too much. Bands come from resampling families; groups of fewer than
    five have none. Panels say what share of the scores lie in their 90 % interval.

    Parameters
    ----------
    data : Backtest, pandas.DataFrame or Calibration
        What :func:`latentscale.calibration.calibration` takes, or what it gave.
    by : str, default "benchmark"
        The column of the cells that makes the panels.
    ci_prob : float, default 0.9
        Of the outer band; the inner holds 50 %.
    random_seed : int, default 1
    coords : mapping, optional
        Labels to keep, such as ``{"benchmark": ["MMLU", "BBH"]}``.
    visuals : mapping, optional
        By element (``zero``, ``outer``, ``inner``, ``gap``): False to leave it out, or arguments
        for matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel for each group.

    Raises
    ------
    BacktestError
        The cells lack a column.
    """
    style.require_visuals(visuals, _ELEMENTS)
    found = (
        data
        if isinstance(data, Calibration)
        else calibrate(data, by, ci_prob=ci_prob, random_seed=random_seed)
    )
    dataset = style.select(found.draws, coords)
    pc = style.panels(
        dataset,
        found.by,
        panel=(2.05, 1.6),
        margin=(0.5, 1.1),
        pc_kwargs=pc_kwargs,
        sharey=True,
    )
    _draw_all(pc, dataset, visuals)
    _label(pc, found)
    return pc


def _draw_all(pc: PlotCollection, dataset: xr.Dataset, visuals: Visuals | None) -> None:
    at = dataset["grid"]
    nothing = dataset["gap"].isel(at=0) * 0
    style.draw(pc, "zero", style.horizontal_line, nothing, visuals, color=style.MUTED, lw=0.9)
    for element, alpha in (("outer", 0.2), ("inner", 0.35)):
        style.draw(
            pc, element, style.band, dataset[element], visuals, x=at, color=style.BLUE, lw=0,
            alpha=alpha, zorder=2,
        )  # fmt: skip
    style.draw(
        pc, "gap", style.line, dataset["gap"], visuals, x=at, color=style.INK, lw=1.3, zorder=4
    )


def _label(pc: PlotCollection, found: Calibration) -> None:
    told = {str(name): row for name, row in found.summary.iterrows()}
    for name, target in style.axes_of(pc).items():
        style.name_panel(pc, target, name)
        inside = f"{style.share_text(told[name]['coverage90'])} inside"
        n = int(told[name]["families"])
        few = f", {count(n, 'family', 'families')}" if n < FEWEST else ""
        target.annotate(
            inside + few, (0.03, 0.05), xycoords="axes fraction",
            color=style.INK, fontsize=style.SMALL,
        )  # fmt: skip
        target.set_xlabel("rank among the draws (%)")
        target.set_ylabel("excess (points)")
        style.score_axis(target.xaxis)
        target.yaxis.set_major_formatter(FuncFormatter(_signed))
    _centre(next(iter(style.axes_of(pc).values())))
    style.hide_inner_labels(pc)
    style.title(pc, "Hidden scores at or below a rank, in excess of those expected there")
    outer = style.percent_text(found.ci_prob)
    handles: list[Any] = [
        Line2D([], [], color=style.INK, lw=1.3, label="gap from uniform"),
        Patch(color=style.BLUE, alpha=0.5, lw=0, label="families resampled, 50 %"),
        Patch(color=style.BLUE, alpha=0.2, lw=0, label=f"families resampled, {outer}"),
    ]
    style.legend(pc, handles)


def _signed(value: float, _: int) -> str:
    points = round(100 * value)
    return f"{points:+d}" if points else "0"


def _centre(target: Axes) -> None:
    """Put zero in the middle of all panels, which share an axis; leave room for the shares."""
    reach = 1.35 * float(np.abs(target.get_ylim()).max())
    target.set_ylim(-reach, reach)
