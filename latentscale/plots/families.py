"""Picture: what each family is good at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from latentscale import effects
from latentscale.errors import PredictionError
from latentscale.estimates import Estimates
from latentscale.plots import style
from latentscale.plots.style import Visuals
from latentscale.wording import first, quoted

if TYPE_CHECKING:
    from arviz_plots import PlotCollection
    from matplotlib.axes import Axes

    from latentscale.fit import ScalingFit

_ELEMENTS = ("outer", "inner", "mean", "zero")


@style.styled
def family_effects(
    data: ScalingFit | Estimates,
    *,
    skills: Sequence[str] | None = None,
    top: int | None = None,
    sort_by: str | None = None,
    coords: Mapping[str, Any] | None = None,
    ci_prob: float | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show what each family is good at beyond its features and tuning: a forest by skill.

    Families whose outer interval lies wholly above zero are blue, wholly below zero orange, and
    those that could be either grey.

    Parameters
    ----------
    data : ScalingFit or Estimates
        A fit, or what :func:`latentscale.effects.family_effects` gave.
    skills : sequence of str, optional
        Panels to show, by the skill's name or its anchor's; default: all.
    top : int, optional
        Show only so many families: those with the largest absolute effect in any shown skill.
    sort_by : str, optional
        A skill, or ``"family"`` for the alphabet; default: the first shown skill.
    coords : mapping, optional
        Labels to keep, such as ``{"family": ["llama", "qwen"]}``.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``. The inner one holds 50 %.
    visuals : mapping, optional
        By element (``outer``, ``inner``, ``mean``, ``zero``): False to leave it out, or arguments
        for matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``, such as ``figure_kwargs={"figsize": (8, 10)}``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel for each ``skill``.

    Raises
    ------
    PredictionError
        A skill or a label is not known, or nothing is left to show.
    """
    style.require_visuals(visuals, _ELEMENTS)
    found = data if isinstance(data, Estimates) else effects.family_effects(data, ci_prob)
    _require_families(found, top)
    names = [str(name) for name in found.draws["skill"].values]
    kept = style.keep_rows(found.summary, coords)
    shown = [
        name
        for name in effects.resolve_skills(names, effects.anchors_of(names), skills)
        if name in set(kept["skill"])
    ]
    if not shown:
        raise PredictionError(
            f"skills= and coords= leave no skill to show. The skills are {first(quoted(names), 9)}."
        )
    frame = kept[kept["skill"].isin(shown)]
    everywhere = found.summary[found.summary["family"].isin(kept["family"])]
    families = _order(frame, everywhere, shown, top, sort_by)
    dataset = style.to_panels(frame, "skill", shown, "family", families)
    pc = style.panels(
        dataset,
        "skill",
        panel=(max(2.35, 4.2 / len(shown)), style.ROW_HEIGHT * len(families)),
        col_wrap=len(shown),
        margin=(style.room_for(families, 1.6), 1.25),
        pc_kwargs=pc_kwargs,
        sharey=True,
        sharex=True,
    )
    _draw_rows(pc, dataset, visuals)
    counts = frame.drop_duplicates("family").set_index("family")["n_llms"]
    _label(pc, [f"{name} ({counts[name]})" for name in families], found.ci_probs)
    return pc


def _require_families(found: Estimates, top: int | None) -> None:
    if "family" not in found.summary or "skill" not in found.summary:
        raise PredictionError(
            "These are no effects of families. Give a fit, or what fit.family_effects() gives."
        )
    style.require_top(top, "families")


def _order(
    frame: pd.DataFrame,
    everywhere: pd.DataFrame,
    skills: Sequence[str],
    top: int | None,
    sort_by: str | None,
) -> list[str]:
    """Sort families; they may be sorted by a skill that is not shown."""
    means = everywhere.pivot(index="family", columns="skill", values="mean")
    if top is not None:
        largest = frame["mean"].abs().groupby(frame["family"]).max().nlargest(top)
        means = means.loc[largest.index]
    if sort_by == "family":
        return sorted(means.index, key=str.casefold)
    names = list(means.columns)
    skill = (
        effects.resolve_skills(names, effects.anchors_of(names), [sort_by])[0]
        if sort_by
        else skills[0]
    )
    return [str(name) for name in means[skill].sort_values(ascending=False).index]


def _draw_rows(pc: PlotCollection, dataset: Any, visuals: Visuals | None) -> None:
    for target in style.axes_of(pc).values():
        style.stripes(target, dataset.sizes["family"])
    y = np.arange(dataset.sizes["family"])
    zero = dataset["mean"].isel(family=0) * 0
    style.draw(pc, "zero", style.zero_line, zero, visuals, color=style.MUTED, lw=0.8, zorder=1)
    for element, width, alpha in (("outer", 1.0, 0.75), ("inner", 3.0, 1.0)):
        bounds = dataset[element].assign_coords(bound=["lower", "upper"])
        sides = dataset["outer"]
        style.draw(pc, element, _coloured, bounds, visuals, y=y, outer=sides, lw=width, alpha=alpha)
    style.draw(
        pc,
        "mean",
        style.points,
        dataset["mean"],
        visuals,
        y=y,
        s=13,
        color="white",
        edgecolor=style.INK,
        linewidth=0.8,
        zorder=4,
    )


def _coloured(da: Any, target: Axes, *, y: Any, outer: Any, **kwargs: Any) -> Any:
    sides = np.asarray(outer)
    colours = np.where(
        sides[:, 0] > 0, style.BLUE, np.where(sides[:, 1] < 0, style.ORANGE, "#8C949E")
    )
    return style.segments(da, target, y=y, **{"colors": colours, "zorder": 2, **kwargs})


def _label(pc: PlotCollection, rows: Sequence[str], probs: tuple[float, float]) -> None:
    for name, target in style.axes_of(pc).items():
        style.name_panel(pc, target, name)
        style.label_rows(target, rows)
        target.set_xlabel("family effect (logits of the anchor)")
        target.tick_params(axis="y", labelsize=style.SMALL)
    next(iter(style.axes_of(pc).values())).set_ylabel("family (fitted LLMs)")
    style.title(pc, "What families are good at, beyond their features and tuning")
    inner, outer = (style.percent_text(prob) for prob in probs)
    handles = [
        Line2D([], [], color=style.BLUE, lw=2, label="above zero"),
        Line2D([], [], color="#8C949E", lw=2, label="could be either"),
        Line2D([], [], color=style.ORANGE, lw=2, label="below zero"),
        Line2D([], [], color=style.INK, lw=3, label=f"{inner} interval"),
        Line2D([], [], color=style.INK, lw=1, label=f"{outer} interval"),
    ]
    style.legend(pc, handles)
