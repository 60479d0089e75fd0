"""What a fit has to say, for the command line: family effects and coverage as text, all figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit


def family_effects_text(fit: ScalingFit, *, shown: int = 5, ci_prob: float = 0.9) -> str:
    """List the families with the largest and the smallest effect on each skill.

    Parameters
    ----------
    fit : ScalingFit
    shown : int, default 5
        How many families at either end.
    ci_prob : float, default 0.9
        Of the intervals.

    Returns
    -------
    str
    """
    from latentscale.effects import family_effects

    frame = family_effects(fit, ci_prob).summary
    bounds = [f"{frame.columns[-3]}", f"{frame.columns[-2]}"]
    lines = [
        f"Family effects beyond {fit.spec.features} and tuning,\n"
        f"in logits of the skill's anchor, with {100 * ci_prob:g} % intervals:"
    ]
    for skill, group in frame.groupby("skill", sort=False):
        rows = [_effect_line(row, bounds) for _, row in group.iterrows()]
        if len(rows) > 2 * shown:
            between = f"    ... {len(rows) - 2 * shown} more"
            rows = [*rows[:shown], between, *rows[len(rows) - shown :]]
        lines += [f"  {skill}", *rows]
    return "\n".join(lines)


def _effect_line(row: pd.Series, bounds: list[str]) -> str:
    lower, upper = row[bounds]
    return f"    {row['family']:<18}{row['mean']:+.2f}  [{lower:+.2f}, {upper:+.2f}]"


def coverage_text(fit: ScalingFit, *, ci_prob: float = 0.9) -> str:
    """Say by benchmark how many observed scores lie in their predictive interval.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, default 0.9

    Returns
    -------
    str
    """
    coverage = fit.coverage(ci_prob)
    shown = pd.DataFrame(
        {
            "scores": coverage["n"],
            "inside": coverage["coverage"].map("{:.0%}".format),
            "width": (100 * coverage["width"]).map("{:.1f}".format),
            "error": (100 * coverage["mae"]).map("{:.1f}".format),
        }
    ).rename_axis(None)
    return (
        f"Observed scores inside their {100 * ci_prob:g} % predictive interval (for a family "
        "that nobody has seen),\nmean width of the intervals and mean absolute error, in points:\n"
        f"{shown.to_string()}"
    )


def figures_of_fit(fit: ScalingFit) -> Iterator[tuple[str, Any]]:
    """Draw what there is to see of a fit, one figure after the other.

    Parameters
    ----------
    fit : ScalingFit

    Yields
    ------
    tuple of str and PlotCollection
        A name for the file, and the plot.
    """
    from latentscale import plots

    yield "family_effects", plots.family_effects(fit)
    yield "ability_ranking", plots.ability_ranking(fit)
    yield "loadings", plots.loadings(fit)
    if "params_b" in fit.model.design.encoding.columns:
        yield "scaling_curves", plots.scaling_curves(fit, widest_family(fit))
    yield "predictive_check", plots.predictive_check(fit)
    yield "predicted_vs_observed", plots.predicted_vs_observed(fit)


def save_figures(named: Iterable[tuple[str, Any]], folder: Path) -> list[Path]:
    """Write the figures of plot collections as PNG files, and close them.

    Parameters
    ----------
    named : iterable of (str, PlotCollection)
        A name for each file, without its ending, and what a function of ``latentscale.plots`` gave.
    folder : pathlib.Path

    Returns
    -------
    list of pathlib.Path
    """
    import matplotlib.pyplot as plt

    files = []
    for name, collection in named:
        figure = collection.viz["figure"].item()
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=120, bbox_inches="tight")
        plt.close(figure)
    return files


def draw_without_display() -> None:
    """Draw to files only: a server has no display to open a window on."""
    import matplotlib as mpl

    mpl.use("Agg")


def widest_family(fit: ScalingFit) -> str:
    """Name the fitted family whose LLMs span the widest range of sizes.

    Only base LLMs count, unless there are none.
    """
    llms = fit.model.design.llms
    base = llms[llms["tuned"] == 0]
    sizes = (base if len(base) else llms).groupby("family", sort=False)["params_b"]
    return str((sizes.max() / sizes.min()).idxmax())
