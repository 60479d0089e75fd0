"""Picture: what each benchmark measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D

from latentscale import effects
from latentscale.estimates import Estimates
from latentscale.plots import style
from latentscale.plots.style import Visuals

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes

    from latentscale.fit import ScalingFit

_ELEMENTS = ("outer", "inner", "mean", "zero")
_ROLES = ("free", "anchor", "fixed")


@style.styled
def loadings(
    data: ScalingFit | Estimates,
    *,
    coords: Mapping[str, Any] | None = None,
    ci_prob: float | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show how strongly each benchmark measures each skill.

    A filled diamond marks the anchor that gives a skill its meaning; a cross marks a loading that
    is zero by construction, because the benchmark anchors another skill.

    Parameters
    ----------
    data : ScalingFit or Estimates
        A fit, or what :func:`latentscale.effects.loadings` gave.
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
        With one panel for each ``skill``.
    """
    style.require_visuals(visuals, _ELEMENTS)
    found = data if isinstance(data, Estimates) else effects.loadings(data, ci_prob)
    frame = style.keep_rows(found.summary, coords)
    skills, benchmarks = frame["skill"].unique().tolist(), frame["benchmark"].unique().tolist()
    dataset = style.to_panels(frame, "skill", skills, "benchmark", benchmarks)
    dataset["role"] = _role_codes(frame, dataset)
    pc = style.panels(
        dataset,
        "skill",
        panel=(max(2.35, 4.2 / len(skills)), max(0.27 * len(benchmarks), 1.0)),
        margin=(style.room_for(benchmarks, 1.0), 1.2),
        pc_kwargs=pc_kwargs,
        sharex=True,
        sharey=True,
    )
    _draw_rows(pc, dataset, visuals)
    _label(pc, benchmarks, found.ci_probs)
    return pc


def _role_codes(frame: pd.DataFrame, dataset: xr.Dataset) -> xr.DataArray:
    """Turn roles into numbers, so that they travel with the draws to their panels."""
    codes = frame.set_index(["skill", "benchmark"])["role"].map(_ROLES.index).to_xarray()
    return codes.reindex_like(dataset["mean"])


def _draw_rows(pc: PlotCollection, dataset: xr.Dataset, visuals: Visuals | None) -> None:
    y = np.arange(dataset.sizes["benchmark"])
    for target in style.axes_of(pc).values():
        style.stripes(target, len(y))
    zero = dataset["mean"].isel(benchmark=0)
    style.draw(pc, "zero", style.zero_line, zero, visuals, color=style.MUTED, lw=0.8, zorder=1)
    # An interval of no width would leave a dot under the cross.
    moving = dataset["role"] != _ROLES.index("fixed")
    for element, width, alpha in (("outer", 1.0, 0.75), ("inner", 3.2, 1.0)):
        style.draw(
            pc,
            element,
            style.segments,
            dataset[element].where(moving),
            visuals,
            y=y,
            colors=style.BLUE,
            lw=width,
            alpha=alpha,
            zorder=2,
        )
    style.draw(pc, "mean", _marks, dataset["mean"], visuals, y=y, role=dataset["role"])


def _marks(da: Any, target: Axes, *, y: Any, role: Any, **kwargs: Any) -> Any:
    """One kind of mark for each role; gives the marks of free loadings back."""
    looks: dict[str, dict[str, Any]] = {
        "fixed": {"marker": "x", "color": style.MUTED, "s": 16, "linewidth": 1.0},
        "anchor": {
            "marker": "D",
            "color": style.ORANGE,
            "edgecolor": "white",
            "s": 20,
            "linewidth": 0.6,
        },
        "free": {
            "marker": "o",
            "color": "white",
            "edgecolor": style.BLUE,
            "s": 12,
            "linewidth": 0.9,
        },
    }
    values, roles = np.asarray(da), np.asarray(role)
    drawn = None
    for name, look in looks.items():
        of = roles == _ROLES.index(name)
        drawn = target.scatter(values[of], y[of], **{"zorder": 4, **look, **kwargs})
    return drawn


def _label(pc: PlotCollection, benchmarks: Sequence[str], probs: tuple[float, float]) -> None:
    for name, target in style.axes_of(pc).items():
        style.name_panel(pc, target, name)
        style.label_rows(target, benchmarks)
        target.set_xlabel("loading (logits per logit of the anchor)")
    style.title(pc, "What benchmarks measure")
    inner, outer = (style.percent_text(prob) for prob in probs)
    alone: dict[str, Any] = {"ls": "", "markeredgecolor": "white"}
    handles = [
        Line2D([], [], marker="D", color=style.ORANGE, markersize=5.5, label="anchor", **alone),
        Line2D([], [], marker="x", color=style.MUTED, ls="", markersize=5, label="zero by design"),
        Line2D([], [], color=style.BLUE, lw=3, label=f"{inner} interval"),
        Line2D([], [], color=style.BLUE, lw=1, label=f"{outer} interval"),
    ]
    style.legend(pc, handles)
