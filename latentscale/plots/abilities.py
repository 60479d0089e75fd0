"""Picture: which LLMs are the most able."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from latentscale import effects
from latentscale.errors import PredictionError
from latentscale.estimates import Estimates, known_labels
from latentscale.plots import style
from latentscale.plots.style import Visuals

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

    from latentscale.fit import ScalingFit

_ELEMENTS = ("outer", "inner", "mean")

# So many rows do not fit on a screen: what explains them should stand on top.
_TALL = 60


@style.styled
def ability_ranking(
    data: ScalingFit | Estimates,
    *,
    skill: str | None = None,
    llms: Sequence[str] | None = None,
    top: int | None = 40,
    ci_prob: float | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show the most able LLMs of one skill, with intervals: base blue, tuned orange.

    Parameters
    ----------
    data : ScalingFit or Estimates
        A fit, or what :func:`latentscale.effects.ability_ranking` gave.
    skill : str, optional
        Its name or its anchor's; default: the first skill.
    llms : sequence of str, optional
        Show these only, whatever their rank.
    top : int or None, default 40
        Show so many; None shows all, in a tall figure.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``. The inner one holds 50 %.
    visuals : mapping, optional
        By element (``outer``, ``inner``, ``mean``): False to leave it out, or arguments for
        matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel.

    Raises
    ------
    PredictionError
        The skill or an LLM is not known.
    """
    style.require_visuals(visuals, _ELEMENTS)
    found = (
        data if isinstance(data, Estimates) else effects.ability_ranking(data, skill, llms, ci_prob)
    )
    frame = _kept(found, skill, llms, top)
    names = frame["llm"].tolist()
    dataset = style.to_panels(frame, "skill", [frame["skill"].iloc[0]], "llm", names)
    pc = style.panels(
        dataset,
        "skill",
        panel=(4.2, style.ROW_HEIGHT * len(names)),
        margin=(style.room_for([f"{name} 100" for name in names], 1.6), 1.15),
        pc_kwargs=pc_kwargs,
    )
    _draw_rows(pc, dataset, frame["tuned"].to_numpy() == 1, visuals)
    _label(pc, found, [f"{style.short(str(row.llm))}  {row.rank}" for row in frame.itertuples()],
           chosen=llms is not None)  # fmt: skip
    return pc


def _kept(
    found: Estimates, skill: str | None, llms: Sequence[str] | None, top: int | None
) -> pd.DataFrame:
    """Keep the LLMs to show, of the skill that the ranking is of."""
    if "rank" not in found.summary:
        raise PredictionError(
            "This is no ranking. Give a fit, or what fit.ability_ranking() gives."
        )
    name = str(found.summary["skill"].iloc[0])
    asked = None if skill is None else [skill]
    effects.resolve_skills([name], effects.anchors_of([name]), asked)
    if llms is not None:
        shown = known_labels(llms, found.summary["llm"].tolist(), "llms", "LLMs")
        return found.summary[found.summary["llm"].isin(shown)]
    style.require_top(top, "LLMs")
    return found.summary.head(len(found.summary) if top is None else top)


def _draw_rows(
    pc: PlotCollection, dataset: Any, tuned: np.ndarray, visuals: Visuals | None
) -> None:
    (target,) = style.axes_of(pc).values()
    style.stripes(target, len(tuned))
    y = np.arange(len(tuned))
    colours = np.where(tuned, style.ORANGE, style.BLUE)
    for element, width, alpha in (("outer", 1.0, 0.75), ("inner", 3.0, 1.0)):
        style.draw(
            pc,
            element,
            style.segments,
            dataset[element],
            visuals,
            y=y,
            colors=colours,
            lw=width,
            alpha=alpha,
            zorder=2,
        )
    style.draw(
        pc,
        "mean",
        style.points,
        dataset["mean"],
        visuals,
        y=y,
        s=14,
        facecolor=np.where(tuned, "white", style.BLUE),
        edgecolor=colours,
        linewidth=1.0,
        zorder=4,
    )


def _label(pc: PlotCollection, found: Estimates, rows: Sequence[str], *, chosen: bool) -> None:
    ((name, target),) = style.axes_of(pc).items()
    style.label_rows(target, rows)
    target.set_xlabel("ability (logits of the anchor)")
    target.margins(x=0.03)
    target.grid(axis="x", color=style.FAINT, lw=0.5, zorder=0)
    tall = len(rows) > _TALL
    if tall:
        target.tick_params(axis="x", top=True, labeltop=True)
    n, of = len(rows), found.draws.sizes["llm"]
    what = "Ability of chosen LLMs" if chosen else "The most able LLMs"
    style.title(pc, f"{what} in {name}" + ("" if n == of else f": {n} of {of}"))
    inner, outer = (style.percent_text(prob) for prob in found.ci_probs)
    dot: dict[str, Any] = {"marker": "o", "markersize": 4, "lw": 2}
    handles = [
        Line2D([], [], color=style.BLUE, label="base", **dot),
        Line2D([], [], color=style.ORANGE, markerfacecolor="white", label="tuned", **dot),
        Line2D([], [], color=style.INK, lw=3, label=f"{inner} interval"),
        Line2D([], [], color=style.INK, lw=1, label=f"{outer} interval"),
    ]
    if tall:  # the best stand on top and to the right, so that this corner is free
        target.legend(handles=handles, loc="upper left", frameon=True, edgecolor=style.FAINT)
    else:
        style.legend(pc, handles)
