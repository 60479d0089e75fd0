"""What all pictures share: colours, type, sizes, and the panels they are drawn on.

Pictures are matplotlib figures in an ArviZ ``PlotCollection``; its ``viz`` holds the figure, the
panels and every drawn element by name. Nothing here opens a window.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from latentscale.errors import PredictionError
from latentscale.estimates import known_labels
from latentscale.wording import first, quoted, with_nearest

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Told apart with any kind of colour vision (after Okabe and Ito), and in grey.
BLUE, ORANGE, GREEN, PURPLE = "#0B6FAE", "#D5590F", "#0A8F6C", "#A8528D"
GOLD, SKY, BROWN = "#C99700", "#4FB0E8", "#7A5230"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, GOLD, SKY, BROWN)
INK, MUTED, FAINT, STRIPE = "#22262B", "#7A828C", "#C9CED6", "#F3F5F8"

# Sizes in points; none below 7, at the size that the figure is saved.
SMALL, TEXT, TITLE = 7.5, 8.5, 11.0

# Row labels of more letters are shortened.
_LONGEST = 52
# No picture is smaller, in inches: title and legend need room.
_LEAST = (5.2, 2.6)
# Digits that sizes are marked at, the fewest first.
_STEPS = ([1, 3], [1, 2, 3, 5, 7], range(1, 10))

# A family in a forest, an LLM in a ranking: inches of height.
ROW_HEIGHT = 0.165

RC: dict[str, Any] = {
    "axes.edgecolor": MUTED,
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": TEXT + 0.5,
    "axes.titleweight": "bold",
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "figure.titlesize": TITLE,
    "font.size": TEXT,
    "legend.fontsize": TEXT - 0.5,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "savefig.facecolor": "white",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "xtick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": SMALL,
    "ytick.major.size": 2.5,
    "ytick.minor.size": 0,
}

Visuals = Mapping[str, Any]


def styled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Draw with the package's style, and leave the user's matplotlib settings as they are."""
    rc: Any = RC

    @functools.wraps(function)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(rc):
            result = function(*args, **kwargs)
            interactive = mpl.is_interactive()
        # The first figure of a notebook switches the interactive mode on; leaving the context
        # would switch it off again, and no later figure would be shown.
        mpl.interactive(interactive)
        return result

    return drawn


def panels(
    data: xr.Dataset,
    dim: str,
    *,
    panel: tuple[float, float],
    col_wrap: int = 4,
    margin: tuple[float, float] = (0.4, 0.9),
    pc_kwargs: Mapping[str, Any],
    **figure_kwargs: Any,
) -> PlotCollection:
    """Lay out one panel for each label of a dim.

    Parameters
    ----------
    data : xarray.Dataset
        With the dim.
    dim : str
    panel : tuple of float
        Width and height of a panel in inches.
    col_wrap : int
        Most panels in a row.
    margin : tuple of float
        Inches added for labels and titles to width and height.
    pc_kwargs : mapping
        The caller's arguments of ``PlotCollection.wrap``; they go before the ones made here.
    **figure_kwargs
        For the figure.
    """
    from arviz_plots import PlotCollection

    col_wrap = int(pc_kwargs.get("col_wrap", col_wrap))
    n = data.sizes[dim]
    columns, rows = min(n, col_wrap), -(-n // col_wrap)
    made = {
        "figsize": (
            max(_LEAST[0], margin[0] + columns * panel[0]),
            max(_LEAST[1], margin[1] + rows * panel[1]),
        ),
        "layout": "constrained",
        **figure_kwargs,
        **pc_kwargs.get("figure_kwargs", {}),
    }
    others = {k: v for k, v in pc_kwargs.items() if k not in ("figure_kwargs", "col_wrap")}
    pc: PlotCollection = PlotCollection.wrap(
        data, cols=[dim], col_wrap=col_wrap, backend="matplotlib", figure_kwargs=made, **others
    )
    pc.viz.attrs["panel_width"] = (figure_of(pc).get_figwidth() - margin[0]) / columns
    for target in axes_of(pc).values():
        # Ticks are made when the figure is drawn, by then with the user's settings again.
        target.tick_params(color=MUTED, labelcolor=INK, labelsize=SMALL, length=2.5)
    return pc


def figure_of(pc: PlotCollection) -> Figure:
    """Give the matplotlib figure."""
    figure: Figure = pc.viz["figure"].item()
    return figure


def axes_of(pc: PlotCollection) -> dict[str, Axes]:
    """Give the panels by label, in their order."""
    plots = pc.viz["plot"]
    (dim,) = plots.dims
    return dict(zip(map(str, plots[dim].values), plots.to_numpy(), strict=True))


def elements_of(pc: PlotCollection, name: str) -> list[Any]:
    """Give what was drawn under a name, panel by panel; nothing if it was turned off."""
    if name not in pc.viz.children:
        return []
    return [element for element in pc.viz[name]["drawn"].to_numpy() if element is not None]


def draw(
    pc: PlotCollection,
    name: str,
    visual: Callable[..., Any],
    data: xr.DataArray,
    visuals: Visuals | None,
    **defaults: Any,
) -> None:
    """Draw one kind of element on every panel, unless the caller turned it off.

    Parameters
    ----------
    pc : PlotCollection
    name : str
        The element's name in ``visuals`` and in ``pc.viz``.
    visual : callable
        ``visual(da, target, **kwargs)``, with the part of the data that belongs to the panel.
    data : xarray.DataArray
        With the panels' dim, or with a coord of that name.
    visuals : mapping, optional
        By element: False, or arguments that go before the defaults.
    **defaults
    """
    asked = (visuals or {}).get(name, {})
    if asked is not False:
        pc.map(visual, name, data=data.rename("drawn"), **{**defaults, **asked})


def require_visuals(visuals: Visuals | None, known: Sequence[str]) -> None:
    """Refuse the name of an element that a picture does not have."""
    unknown = [str(name) for name in visuals or {} if name not in known]
    if unknown:
        raise PredictionError(
            f"visuals names {first(with_nearest(unknown, known))}, which this picture does not "
            f"draw. Its elements are {first(quoted(known), 20)}."
        )


def keep_rows(frame: pd.DataFrame, coords: Mapping[str, Any] | None) -> pd.DataFrame:
    """Keep the rows of the labels asked for.

    Raises
    ------
    PredictionError
        A column or a label is not in the picture.
    """
    for column, labels in (coords or {}).items():
        _require_dim(column, [str(name) for name in frame])
        kept = known_labels(labels, frame[column].unique().tolist(), *_named(column))
        frame = frame[frame[column].isin(kept)]
    return frame


def select(data: xr.Dataset, coords: Mapping[str, Any] | None) -> xr.Dataset:
    """Keep the labels asked for; a single label keeps its dim.

    Raises
    ------
    PredictionError
        A dim or a label is not in the picture.
    """
    kept = {}
    for dim, labels in (coords or {}).items():
        _require_dim(dim, [str(name) for name in data.dims if name in data.coords])
        kept[dim] = known_labels(labels, data[dim].values.tolist(), *_named(dim))
    return data.sel(kept)


def _named(dim: str) -> tuple[str, str]:
    """Give what messages call the labels of a dim."""
    return f"coords of {dim!r}", "labels there"


def _require_dim(dim: str, known: Sequence[str]) -> None:
    if dim not in known:
        raise PredictionError(
            f"coords names {first(with_nearest([str(dim)], known))}, by which this picture cannot "
            f"be cut. It has {first(quoted(known), 20)}."
        )


def bounds_of(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Find the interval columns, such as ``("eti89_lb", "eti89_ub")``, the narrowest first."""
    lower = [str(c) for c in frame if str(c).endswith("_lb") and str(c)[:3] in ("eti", "hdi")]
    return [(c, c.removesuffix("_lb") + "_ub") for c in sorted(lower, key=_percent)]


def _percent(column: str) -> float:
    return float(column[3:].removesuffix("_lb"))


def percent_text(ci_prob: float) -> str:
    """Write a probability: ``89 %``."""
    return f"{100 * ci_prob:g} %"


def share_text(share: float) -> str:
    """Write a share in whole percent: ``91 %``."""
    return f"{100 * share:.0f} %"


def segments(da: xr.DataArray, target: Axes, *, y: Any, **kwargs: Any) -> Any:
    """Draw horizontal intervals from ``da``, dims (row, bound)."""
    values = np.asarray(da)
    return target.hlines(np.asarray(y), values[:, 0], values[:, 1], **kwargs)


def zero_line(da: xr.DataArray, target: Axes, **kwargs: Any) -> Any:
    """Draw a vertical line at zero."""
    return target.axvline(0, **kwargs)


def points(da: xr.DataArray, target: Axes, *, y: Any, **kwargs: Any) -> Any:
    """Draw points at ``da``, one a row."""
    return target.scatter(np.asarray(da), np.asarray(y), **kwargs)


def horizontal_line(da: xr.DataArray, target: Axes, **kwargs: Any) -> Any:
    """Draw a line across the panel, at the one value of ``da``."""
    return target.axhline(float(da), **kwargs)


def band(da: xr.DataArray, target: Axes, *, x: Any, **kwargs: Any) -> Any:
    """Fill between the bounds of ``da``, dims (.., bound), over ``x``."""
    lower, upper = da.transpose(..., "bound").to_numpy().T
    return target.fill_between(np.asarray(x), lower, upper, **kwargs)


def line(da: xr.DataArray, target: Axes, *, x: Any, **kwargs: Any) -> Any:
    """Draw a line through ``da``, of one dim, over ``x``."""
    return target.plot(np.asarray(x), da.to_numpy(), **kwargs)[0]


def stripes(target: Axes, n_rows: int) -> None:
    """Shade every other row, so that the eye keeps to its row across panels."""
    for row in range(0, n_rows, 2):
        target.axhspan(row - 0.5, row + 0.5, color=STRIPE, lw=0, zorder=0)


def label_rows(target: Axes, labels: Sequence[str]) -> None:
    """Write a label at each row, the first on top."""
    target.set_yticks(np.arange(len(labels)), [short(label) for label in labels])
    target.tick_params(axis="y", length=0)
    target.set_ylim(len(labels) - 0.5, -0.5)
    target.spines["left"].set_visible(False)


def score_axis(axis: Axis) -> None:
    """Write fractions in percent, at few round numbers."""
    axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))


def size_axis(target: Axes) -> None:
    """Make a logarithmic axis of sizes, with plain numbers at 1, 3, 10 and so on."""
    target.set_xscale("log")
    low, high = target.get_xlim()
    target.set_xticks(_size_ticks(low, high))
    target.xaxis.set_minor_locator(NullLocator())
    target.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _size_ticks(low: float, high: float) -> np.ndarray:
    """Give round numbers within bounds: few, but two at least, where sizes are much alike too."""
    decades = 10 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    wide = np.log10(high / low) > 2.6
    found = np.empty(0)
    for steps in ([1], *_STEPS) if wide else _STEPS:
        ticks = np.outer(decades, steps).ravel()
        found = ticks[(ticks >= low) & (ticks <= high)]
        if len(found) > 1:
            return found
    return np.unique(np.append(MaxNLocator(3).tick_values(low, high), found))


def require_top(top: int | None, what: str) -> None:
    """Refuse to show less than one row."""
    if top is not None and top < 1:
        raise PredictionError(f"top={top!r} must be at least 1: how many {what} to show.")


def short(label: str) -> str:
    """Shorten a label in its middle: names of one kind often differ at their ends."""
    if len(label) <= _LONGEST:
        return label
    end = _LONGEST // 3
    return f"{label[: _LONGEST - end - 1]}\u2026{label[-end:]}"


def room_for(labels: Iterable[str], least: float) -> float:
    """Give the inches that row labels take, at least so many."""
    longest = max((len(short(label)) for label in labels), default=0)
    return max(least, 0.6 + 0.06 * longest)


def name_panel(pc: PlotCollection, target: Axes, name: str, **look: Any) -> None:
    """Write a panel's title, broken to its width."""
    width = int(pc.viz.attrs["panel_width"] / 0.082)
    lines = [line for part in short(name).split("\n") for line in _broken(part, width)]
    target.set_title("\n".join(lines), **look)


def _broken(text: str, width: int) -> list[str]:
    """Break a text into lines, at blanks where there are any; names may have none."""
    lines = []
    while len(text) > width:
        blank = text.rfind(" ", width // 2, width + 1)
        end = width if blank < 0 else blank
        lines.append(text[:end].strip())
        text = text[end:].strip()
    return [*lines, text]


def hide_inner_labels(pc: PlotCollection) -> None:
    """Keep the titles of y to the left column, those of x to the lowest panel of each column."""
    plots, rows, columns = (pc.viz[name].to_numpy() for name in ("plot", "row_index", "col_index"))
    for target, row, column in zip(plots, rows, columns, strict=True):
        if column != 0:
            target.set_ylabel("")
        if row != rows[columns == column].max():
            target.set_xlabel("")
        else:
            # matplotlib labels a shared axis in the last row only, where a panel may be missing.
            target.tick_params(axis="x", labelbottom=True)


def title(pc: PlotCollection, text: str) -> None:
    """Write the picture's title, left-aligned and broken to the figure's width."""
    figure = figure_of(pc)
    lines = textwrap.fill(text, max(20, int(figure.get_figwidth() / 0.098)))
    figure.suptitle(lines, x=0.01, ha="left", fontweight="bold")


def legend(pc: PlotCollection, handles: Sequence[Any]) -> None:
    """Write one legend below all panels, in as many columns as the width allows."""
    figure: Any = figure_of(pc)  # its stubs do not know of legends outside the panels
    longest = max(len(str(handle.get_label())) for handle in handles)
    fitting = max(1, int(figure.get_figwidth() / (0.6 + 0.07 * longest)))
    rows = -(-len(handles) // fitting)
    columns = -(-len(handles) // rows)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def to_panels(
    frame: pd.DataFrame, panel: str, panels_: Sequence[str], row: str, rows: Sequence[str]
) -> xr.Dataset:
    """Lay a summary out as ``mean``, ``inner`` and ``outer``, dims (panel, row[, bound]).

    Parameters
    ----------
    frame : pandas.DataFrame
        One row for each pair of labels, with ``mean`` and two intervals.
    panel, row : str
        The columns that become dims.
    panels_, rows : sequence of str
        Their labels, in order.
    """
    inner, outer = bounds_of(frame)
    indexed = frame.set_index([panel, row])
    wide = indexed.loc[:, ["mean", *inner, *outer]].to_xarray()
    wide = wide.sel({panel: list(panels_), row: list(rows)})
    return xr.Dataset(
        {
            "mean": wide["mean"],
            "inner": xr.concat([wide[name] for name in inner], "bound").transpose(..., "bound"),
            "outer": xr.concat([wide[name] for name in outer], "bound").transpose(..., "bound"),
        }
    )


def cells(frame: pd.DataFrame, panel: str, panels_: Sequence[str], fields: Sequence[str]) -> Any:
    """Lay ragged rows out by panel, dims (panel, row, field), filled up with NaN.

    ``PlotCollection.map`` wants the panels as a dim, in the order of the panels.
    """
    place = frame.groupby(panel).cumcount().to_numpy()
    where = pd.Index(panels_).get_indexer(pd.Index(frame[panel]))
    values = np.full((len(panels_), place.max(initial=0) + 1, len(fields)), np.nan)
    values[where, place] = frame[list(fields)].to_numpy(dtype=float)
    coords = {panel: list(panels_), "field": list(fields)}
    return xr.DataArray(values, dims=(panel, "row", "field"), coords=coords)


def columns_of(da: xr.DataArray) -> np.ndarray:
    """Give the fields of one panel's cells, dims (field, row), without the filling."""
    values = da.transpose("row", "field").to_numpy()
    known: np.ndarray = values[~np.isnan(values).all(axis=1)].T
    return known
