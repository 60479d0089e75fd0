"""Picture: would the model produce scores like the observed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from latentscale import checks
from latentscale.checks import PredictiveCheck
from latentscale.plots import style
from latentscale.plots.style import Visuals

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

    from latentscale.fit import ScalingFit

_ELEMENTS = ("outer", "inner", "observed")


@style.styled
def predictive_check(
    data: ScalingFit | PredictiveCheck,
    *,
    level: str | None = None,
    ci_prob: float = 0.9,
    random_seed: int | None = 1,
    coords: Mapping[str, Any] | None = None,
    visuals: Visuals | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Show the distribution of observed scores within that of replicates, by benchmark.

    Each panel has the cumulative share of LLMs that score at or below a score: a line for the
    observed scores, bands for what the model produces. Its title says what share of the scores lie
    in their own predictive interval, which should be near ``ci_prob``; it is orange where it is
    further from it than 5 points and than twice its sampling error.

    Parameters
    ----------
    data : ScalingFit or PredictiveCheck
        A fit, or what :func:`latentscale.checks.predictive_check` gave.
    level : {"score", "llm", "recipe", "family", "developer"}, optional
        The highest level whose effects are drawn anew; default: the highest there is.
    ci_prob : float, default 0.9
        Of the intervals whose coverage is counted, and of the outer band. The inner holds 50 %.
    random_seed : int, default 1
    coords : mapping, optional
        Labels to keep, such as ``{"benchmark": ["MMLU", "BBH"]}``.
    visuals : mapping, optional
        By element (``outer``, ``inner``, ``observed``): False to leave it out, or arguments for
        matplotlib.
    **pc_kwargs
        For ``PlotCollection.wrap``.

    Returns
    -------
    arviz_plots.PlotCollection
        With one panel for each ``benchmark``.
    """
    style.require_visuals(visuals, _ELEMENTS)
    check = (
        data
        if isinstance(data, PredictiveCheck)
        else checks.predictive_check(data, level, ci_prob, random_seed)
    )
    dataset = style.select(check.draws, coords)
    pc = style.panels(
        dataset,
        "benchmark",
        panel=(2.05, 1.6),
        margin=(0.5, 1.1),
        pc_kwargs=pc_kwargs,
        sharey=True,
    )
    _draw_all(pc, dataset, visuals)
    _label(pc, check)
    return pc


def _draw_all(pc: PlotCollection, dataset: xr.Dataset, visuals: Visuals | None) -> None:
    band: dict[str, Any] = {"color": style.BLUE, "lw": 0, "zorder": 2}
    for element, alpha in (("outer", 0.2), ("inner", 0.35)):
        style.draw(
            pc,
            element,
            style.band,
            dataset[element],
            visuals,
            x=dataset["grid"],
            alpha=alpha,
            **band,
        )
    style.draw(
        pc,
        "observed",
        style.line,
        dataset["observed"],
        visuals,
        x=dataset["grid"],
        color=style.INK,
        lw=1.3,
        zorder=4,
    )


def _label(pc: PlotCollection, check: PredictiveCheck) -> None:
    for name, target in style.axes_of(pc).items():
        share, off = check.summary["coverage"][name], check.summary["off"][name]
        colour = style.ORANGE if off else style.INK
        style.name_panel(pc, target, f"{name}   {style.share_text(share)}", color=colour)
        target.set_xlabel("score (%)")
        target.set_ylabel("LLMs at or below (%)")
        target.set_ylim(-0.02, 1.02)
        style.score_axis(target.xaxis)
        style.score_axis(target.yaxis)
    style.hide_inner_labels(pc)
    outer = style.percent_text(check.ci_prob)
    style.title(
        pc, f"Observed scores against replicates, with the share inside the {outer} interval"
    )
    handles: list[Any] = [
        Line2D([], [], color=style.INK, lw=1.3, label="observed"),
        Patch(color=style.BLUE, alpha=0.5, lw=0, label="replicates, 50 %"),
        Patch(color=style.BLUE, alpha=0.2, lw=0, label=f"replicates, {outer}"),
    ]
    if check.summary["off"].any():
        handles.append(Patch(color=style.ORANGE, lw=0, label="share off by over 5 points"))
    style.legend(pc, handles)
