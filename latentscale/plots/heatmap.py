"""Picture: what every feature is associated with on every benchmark, the uncertain ones faded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from latentscale.associations import Associations
from latentscale.errors import PredictionError
from latentscale.plots import style
from latentscale.plots.style import Visuals

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes

    from latentscale.fit import ScalingFit

_ELEMENTS = ("cells", "numbers", "groups", "bar")
# A probability of direction of a half says nothing, and is shown as good as white.
_FAINTEST = 0.04


@style.styled
def feature_heatmap(
    data: ScalingFit | Associations,
    *,
    groups: Mapping[str, str] | None = None,
    coords: Mapping[str, Any] | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show differences of expected scores by comparison and benchmark, all else held.

    The colour says how many points a comparison of two values of a feature makes; the less sure
    its sign is, the paler. Numbers stand where the sign has a probability of at least 95 %. What
    makes most, for sure, stands first.

    Parameters
    ----------
    data : ScalingFit or Associations
        A fit, or what ``fit.feature_effects(on="score")`` or ``fit.contrast()`` gave.
    groups : mapping of str to str, optional
        What each benchmark tests; columns of a group stand together. Default: of a fit, the column
        ``task`` of its benchmarks, if they have it.
    coords : mapping, optional
        Labels to keep, such as ``{"feature": ["code_pct", "norm"]}``.
    visuals : mapping, optional
        By element (``cells``, ``numbers``, ``groups``, ``bar``): False to leave it out, or
        arguments for matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel.

    Raises
    ------
    PredictionError
        The effects are on skills, not on scores.
    """
    style.require_visuals(visuals, _ELEMENTS)
    found = data if isinstance(data, Associations) else data.feature_effects(on="score")
    if "comparison" not in found.summary or "p_direction" not in found.summary:
        raise PredictionError(
            'These effects are not differences of scores. Ask for feature_effects(on="score"), or '
            "for a contrast."
        )
    if groups is None and not isinstance(data, Associations) and "task" in data.table.benchmarks:
        benchmarks = data.table.benchmarks
        groups = dict(zip(benchmarks["benchmark"], benchmarks["task"], strict=True))
    frame = style.keep_rows(found.summary, coords)
    rows = _by_size(frame)
    columns = _grouped(frame["benchmark"].unique().tolist(), groups or {})
    wide = frame.set_index(["comparison", "benchmark"])[["mean", "p_direction"]].to_xarray()
    wide = wide.sel(comparison=rows, benchmark=columns).expand_dims(what=["scores"])
    pc = style.panels(
        wide,
        "what",
        panel=(0.42 * len(columns), 0.24 * len(rows)),
        margin=(style.room_for(rows, 3.1), max(1.5, 0.9 + 0.7 * style.room_for(columns, 0.5))),
        pc_kwargs=pc_kwargs,
    )
    (target,) = style.axes_of(pc).values()
    points = 100 * wide["mean"]
    most = float(np.abs(points).max()) or 1.0
    style.draw(pc, "cells", _cells, points, visuals, sure=wide["p_direction"], most=most)
    style.draw(pc, "bar", _bar, points, visuals, most=most)
    style.draw(pc, "numbers", _numbers, points, visuals, sure=wide["p_direction"], most=most)
    if groups:
        style.draw(pc, "groups", _groups, points, visuals, groups=groups)
    _label(target, rows, columns)
    style.title(pc, "Points of expected score, all else held; paler where the sign is less sure")
    return pc


def _by_size(frame: pd.DataFrame) -> list[str]:
    """Put comparisons first that make most points on some benchmark, less if the sign is unsure."""
    certain = frame["mean"].abs() * (2 * frame["p_direction"] - 1)
    most = certain.groupby(frame["comparison"], sort=False).max()
    names: list[str] = most.sort_values(ascending=False, kind="stable").index.tolist()
    return names


def _grouped(benchmarks: list[str], groups: Mapping[str, str]) -> list[str]:
    """Put benchmarks of a group together, groups in the order of their first."""
    names = list(dict.fromkeys(groups.get(benchmark, "") for benchmark in benchmarks))
    return sorted(benchmarks, key=lambda benchmark: names.index(groups.get(benchmark, "")))


def _table(da: xr.DataArray) -> np.ndarray:
    """Give the cells, dims (comparison, benchmark)."""
    found: np.ndarray = np.asarray(da).reshape(-1, da.sizes["benchmark"])
    return found


def _cells(da: xr.DataArray, target: Axes, *, sure: Any, most: float, **kwargs: Any) -> Any:
    certainty = np.clip(2 * _table(sure) - 1, _FAINTEST, 1)
    look = {"cmap": "RdBu", "vmin": -most, "vmax": most, "aspect": "auto", "zorder": 1}
    return target.imshow(_table(da), alpha=certainty, **{**look, **kwargs})


def _bar(da: xr.DataArray, target: Axes, *, most: float, **kwargs: Any) -> Any:
    """Draw the colours beside the cells; those of the cells themselves may be faded."""
    colours = ScalarMappable(Normalize(-most, most), "RdBu")
    look = {"fraction": 0.025, "pad": 0.015, "aspect": 25, "label": "points"}
    bar = target.figure.colorbar(colours, ax=target, **{**look, **kwargs})
    bar.outline.set_visible(False)
    return bar


def _numbers(da: xr.DataArray, target: Axes, *, sure: Any, most: float, **kwargs: Any) -> Any:
    values, drawn = _table(da), None
    for row, column in np.argwhere(_table(sure) >= 0.95):
        value = values[row, column]
        ink = "white" if abs(value) > 0.6 * most else style.INK
        look = {"ha": "center", "va": "center", "color": ink, "fontsize": style.SMALL - 0.5}
        drawn = target.text(column, row, f"{value:+.1f}", **{**look, **kwargs})
    return drawn


def _groups(da: xr.DataArray, target: Axes, *, groups: Mapping[str, str], **kwargs: Any) -> Any:
    """Name the groups of columns above them, and part them by lines."""
    names = [groups.get(str(name), "") for name in da["benchmark"].values]
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    look = {"color": style.INK, "fontsize": style.SMALL, "ha": "left", "va": "bottom",
            "rotation": 35}  # fmt: skip
    drawn = None
    for start in starts:
        if start:
            target.axvline(start - 0.5, color=style.INK, lw=0.6, zorder=2)
        drawn = target.text(start - 0.4, -0.6, names[start], **{**look, **kwargs})
    return drawn


def _label(target: Axes, rows: list[str], columns: list[str]) -> None:
    below = [style.short(name) for name in columns]
    target.set_xticks(range(len(columns)), below, rotation=45, ha="right")
    target.set_yticks(range(len(rows)), [style.short(name) for name in rows])
    target.set_xlim(-0.5, len(columns) - 0.5)
    target.set_ylim(len(rows) - 0.5, -0.5)
    target.tick_params(length=0)
    for spine in target.spines.values():
        spine.set_visible(False)
