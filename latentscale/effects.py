"""What the posterior says of families, LLMs and benchmarks: numbers and draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.errors import SpecError
from latentscale.estimates import Estimates, interval_probs, known_labels, summarise, tails

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit


def family_effects(fit: ScalingFit, ci_prob: float | None = None) -> Estimates:
    """Say what each family is good at beyond what its features and tuning explain.

    What it shares with the other families of its developer is part of it.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Estimates
        ``summary``: ``skill``, ``family``, ``n_llms``, then mean, sd and intervals in logits of
        the skill's anchor, and ``p_positive``, the probability that the effect is above zero;
        best families of each skill first. ``draws``: ``family_effect``.
    """
    return _group_effects(fit, "family", fit.model.design.llms["family"], "n_llms", ci_prob)


def developer_effects(fit: ScalingFit, ci_prob: float | None = None) -> Estimates:
    """Say what the families of each developer have in common beyond features and tuning.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Estimates
        As :func:`family_effects`, with ``developer`` and ``n_families``. ``draws``:
        ``developer_effect``.

    Raises
    ------
    SpecError
        The model has no developers.
    """
    design = fit.model.design
    if not design.developers:
        raise SpecError(
            "This model has no developers: the LLMs' frame has no column 'developer', or none of "
            "them has several families, or they were left out by developers=False. Ask for "
            "family_effects()."
        )
    whose = pd.Series([design.developers[position] for position in design.developer_of_family])
    return _group_effects(fit, "developer", whose, "n_families", ci_prob)


def _group_effects(
    fit: ScalingFit, group: str, members: pd.Series, counted: str, ci_prob: float | None
) -> Estimates:
    """Summarise the effects of groups on skills; ``members`` names the group of each member."""
    effect = fit.posterior[f"{group}_effect"]
    probs = interval_probs(ci_prob)
    positive = (effect > 0).mean(("chain", "draw")).to_series().rename("p_positive").reset_index()
    frame = summarise(effect, probs).merge(positive, on=[group, "skill"])
    frame.insert(1, counted, frame[group].map(members.value_counts()).astype(int))
    frame.insert(0, "skill", frame.pop("skill"))
    ordered = _in_order(frame, "skill", effect["skill"].values, "mean")
    return Estimates(ordered, effect.to_dataset(), probs)


def ability_ranking(
    fit: ScalingFit,
    skill: str | None = None,
    llms: Sequence[str] | None = None,
    ci_prob: float | None = None,
) -> Estimates:
    """Rank LLMs by their ability in one skill.

    Parameters
    ----------
    fit : ScalingFit
    skill : str, optional
        Its name or its anchor's; default: the first skill.
    llms : sequence of str, optional
        Show these only; ranks stay those among all fitted LLMs.
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Estimates
        ``summary``, best first: ``rank`` (by posterior mean), ``rank_lb`` and ``rank_ub`` (the
        outer equal-tailed interval of the rank), ``llm``, ``family``, ``recipe``, ``tuned``,
        ``skill``, then mean, sd and intervals of the ability in logits of the skill's
        anchor. ``draws``: ``ability``, dims (chain, draw, llm).

    Raises
    ------
    PredictionError
        The skill or an LLM is not known.
    """
    names = fit.posterior["skill"].values.tolist()
    chosen = skill_names_of(fit, None if skill is None else [skill])[0] if skill else names[0]
    ability = fit.posterior["ability"].sel(skill=chosen, drop=True)
    probs = interval_probs(ci_prob)
    frame = summarise(ability, probs)
    frame.insert(0, "rank", frame["mean"].rank(ascending=False, method="first").astype(int))
    lower, upper = tails(probs[1])
    frame.insert(1, "rank_lb", _rank_bound(ability, lower))
    frame.insert(2, "rank_ub", _rank_bound(ability, upper))
    known = fit.model.design.llms.set_index("llm")
    for place, column in enumerate(("family", "recipe", "tuned"), start=4):
        frame.insert(place, column, frame["llm"].map(known[column]))
    frame.insert(7, "skill", chosen)
    if llms is not None:
        shown = known_labels(llms, frame["llm"].tolist(), "llms", "LLMs")
        frame, ability = frame[frame["llm"].isin(shown)], ability.sel(llm=shown)
    ordered = frame.sort_values("rank", kind="stable").reset_index(drop=True)
    return Estimates(ordered, ability.to_dataset(), probs)


def _rank_bound(ability: xr.DataArray, prob: float) -> np.ndarray:
    """Give a quantile, by LLM, of its rank among all in each draw; 1 is the best."""
    flat = ability.stack(sample=("chain", "draw")).transpose("sample", "llm").to_numpy()
    ranks = np.argsort(np.argsort(-flat, axis=1), axis=1) + 1
    bound: np.ndarray = np.quantile(ranks, prob, axis=0, method="nearest").astype(int)
    return bound


def loadings(fit: ScalingFit, ci_prob: float | None = None) -> Estimates:
    """Say how strongly each benchmark measures each skill.

    Parameters
    ----------
    fit : ScalingFit
    ci_prob : float, optional
        Of the outer interval; default: ``arviz.rcParams``.

    Returns
    -------
    Estimates
        ``summary``: ``skill``, ``benchmark``, ``role`` (``anchor`` of this skill, ``fixed`` at zero
        because the benchmark anchors another skill, or ``free``), then mean, sd and intervals in
        logits per logit of the anchor. Benchmarks are grouped by the skill that they
        measure most. ``draws``: ``loading``.
    """
    loading = fit.posterior["loading"]
    probs = interval_probs(ci_prob)
    frame = summarise(loading, probs)
    skills = loading["skill"].values.tolist()
    anchor_of = dict(zip(fit.spec.anchors, skills, strict=True))
    home = frame["benchmark"].map(anchor_of)
    role = np.where(home.isna(), "free", np.where(home == frame["skill"], "anchor", "fixed"))
    frame.insert(2, "role", role)
    order = benchmark_order(frame, skills)
    frame = frame.set_index("benchmark").loc[order].reset_index()
    frame.insert(0, "skill", frame.pop("skill"))
    ordered = frame.set_index("skill").loc[skills].reset_index()
    return Estimates(ordered, loading.to_dataset(), probs)


def benchmark_order(frame: pd.DataFrame, skills: Sequence[str]) -> list[str]:
    """Group benchmarks by the skill they load on most, the anchor first, then by loading."""
    table = frame.pivot(index="benchmark", columns="skill", values="mean")[list(skills)]
    anchors = frame.loc[frame["role"] == "anchor", "benchmark"].tolist()
    keys = pd.DataFrame(
        {
            "home": table.to_numpy().argmax(axis=1),
            "place": [name not in anchors for name in table.index],
            "size": -table.max(axis=1),
        }
    )
    return [str(name) for name in keys.sort_values(["home", "place", "size"]).index]


def skill_names_of(fit: ScalingFit, skills: Sequence[str] | None) -> list[str]:
    """Find skills by name or by their anchors' names; None gives all.

    Raises
    ------
    PredictionError
        A skill is not known.
    """
    names = [str(name) for name in fit.posterior["skill"].values]
    return resolve_skills(names, fit.spec.anchors, skills)


def anchors_of(names: Sequence[str]) -> list[str]:
    """Read the anchors off the names of skills, ``skill 1 (HellaSwag)``."""
    return [name.partition("(")[2].removesuffix(")") for name in names]


def resolve_skills(
    names: Sequence[str], anchors: Sequence[str], skills: Sequence[str] | None
) -> list[str]:
    """Find skills among names such as ``skill 1 (MMLU)``, by the whole name or the anchor's.

    Examples
    --------
    >>> resolve_skills(["skill 1 (MMLU)", "skill 2 (GSM8K)"], ["MMLU", "GSM8K"], ["GSM8K"])
    ['skill 2 (GSM8K)']
    """
    if skills is None:
        return list(names)
    by_anchor = dict(zip(anchors, names, strict=True))
    asked = [skills] if isinstance(skills, str) else list(skills)
    return known_labels([by_anchor.get(s, s) for s in asked], names, "skills", "skills")


def _in_order(frame: pd.DataFrame, group: str, order: Any, by: str) -> pd.DataFrame:
    """Sort rows by group, in the given order, and descending by a column within it."""
    place = frame[group].map({label: i for i, label in enumerate(order)})
    keys = pd.DataFrame({"place": place, "size": -frame[by]})
    return frame.loc[keys.sort_values(["place", "size"]).index].reset_index(drop=True)
