"""How predicted scores are evaluated: their conditions, and of how many items they are."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from latentscale.design import Design, condition_values
from latentscale.errors import PredictionError
from latentscale.forward import Members
from latentscale.likelihoods import likelihood_of
from latentscale.table import ScoreTable
from latentscale.table.columns import COUNTS
from latentscale.table.plain import to_number
from latentscale.wording import count, first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.model import ScalingModel

_CELL = ("llm", "benchmark")


def conditions_of(model: ScalingModel, scores: pd.DataFrame) -> pd.DataFrame | None:
    """Give what rows of scores say of how they were evaluated, None if the model asks nothing."""
    told = [name for name in _told(model) if name in scores]
    of_fit = scores["benchmark"].isin(model.design.benchmarks)
    return scores.loc[of_fit, [*_CELL, *told]] if told else None


def _told(model: ScalingModel) -> list[str]:
    """List the columns of cells that say how a new score is evaluated."""
    counts = ["trials"] if likelihood_of(model.spec.likelihood).uses_counts else []
    return [*model.design.conditions, *counts]


def condition_of_llms(design: Design, llms: pd.DataFrame, llm: np.ndarray) -> np.ndarray:
    """Find how LLMs are evaluated, dims (llm, benchmark, condition).

    As they say in columns of their own, else as their fitted scores were, else as is usual.

    Parameters
    ----------
    design : Design
    llms : pandas.DataFrame
    llm : numpy.ndarray of int, dims (llm,)
        Their positions among the fitted ones; new ones stand behind them.
    """
    found = design.usual_condition(llms["tuned"].to_numpy())
    is_fitted = llm < len(design.llms)
    found[is_fitted] = design.condition_of_llm[llm[is_fitted]]
    for position, name in enumerate(design.conditions):
        if name in llms:
            told = llms[name].notna().to_numpy()
            found[told, :, position] = condition_values(llms, [name])[told]
    return found


def with_conditions(
    design: Design, members: Members, llms: pd.DataFrame, cells: pd.DataFrame
) -> Members:
    """Note how single cells, rows with ``llm`` and ``benchmark``, are evaluated, if they say so."""
    said = [name for name in design.conditions if name in cells]
    if not said or members.condition is None:
        return members
    llm, benchmark = positions_of(design, llms, cells)
    condition = members.condition.copy()
    for name in said:
        told = cells[name].notna().to_numpy()
        at = (llm[told], benchmark[told], design.conditions.index(name))
        condition[at] = condition_values(cells, [name])[told, 0]
    return dataclasses.replace(members, condition=condition)


def as_asked(
    design: Design, members: Members, asked: ScoreTable, conditions: pd.DataFrame | None
) -> Members:
    """Note how scores are to be predicted, which may be otherwise than known ones were evaluated.

    As single cells say, else as the LLM says in a column of its own, else as its known score on the
    benchmark was evaluated, else as ``members`` have it.
    """
    silent = asked.scores.copy()
    for name in design.conditions:
        if name in silent and name in asked.llms:
            says = asked.llms.set_index("llm")[name].notna()
            silent[name] = silent[name].where(~silent["llm"].map(says).astype(bool))
    members = with_conditions(design, members, asked.llms, silent)
    return (
        members if conditions is None else with_conditions(design, members, asked.llms, conditions)
    )


def trials_of(
    model: ScalingModel, llms: pd.DataFrame, cells: pd.DataFrame | None
) -> np.ndarray | None:
    """Find of how many items new scores are, dims (llm, benchmark); None if nothing is counted.

    As single cells say, else as many as the benchmark has, else the median of the fitted scores.
    """
    if not likelihood_of(model.spec.likelihood).uses_counts:
        return None
    design, frame = model.design, model.table.benchmarks.set_index("benchmark")
    median = design.scores.groupby("benchmark")["trials"].median()
    items = frame.get("n_items", median).reindex(list(design.benchmarks)).fillna(median)
    found = np.tile(items.to_numpy(dtype=np.int64), (len(llms), 1))
    if cells is not None and "trials" in cells:
        told = cells[cells["trials"].notna()]
        found[positions_of(design, llms, told)] = told["trials"]
    return found


def require_conditions(model: ScalingModel, llms: pd.DataFrame, cells: pd.DataFrame) -> None:
    """Check what is said of how single scores are evaluated.

    Raises
    ------
    PredictionError
        It is no frame of cells, says nothing that the model knows, or is of an LLM or benchmark
        that is not predicted.
    """
    design, known = model.design, _told(model)
    if not known:
        raise PredictionError(
            "conditions= says how scores are evaluated, and this model has no conditions: "
            "ScalingModel(table, conditions=[...]) learns what they shift. Leave it out."
        )
    if not isinstance(cells, pd.DataFrame) or not {*_CELL} < {*cells} or not {*known} & {*cells}:
        has = (
            f"columns {first(quoted(map(str, cells)), 9)}"
            if isinstance(cells, pd.DataFrame)
            else f"a {type(cells).__name__}"
        )
        raise PredictionError(
            "conditions= must be a DataFrame with the columns 'llm', 'benchmark' and at least one "
            f"of {first(quoted(known), 9)}, and is {has}."
        )
    for column, names in (("llm", list(llms["llm"])), ("benchmark", list(design.benchmarks))):
        strange = sorted(set(cells[column].astype(str)) - set(names))
        if strange:
            raise PredictionError(
                f"conditions= names {first(with_nearest(strange, names))}, which is no {column} "
                "that is predicted. Correct the name, or leave these rows out."
            )
    if "trials" in known and "trials" in cells:
        _require_trials(cells.loc[cells["trials"].notna()])


def _require_trials(cells: pd.DataFrame) -> None:
    """Check of how many items new scores are."""
    trials = to_number(cells["trials"])
    unusable = ~(trials >= 1) | (trials % 1 != 0) | ~np.isfinite(trials)
    if unusable.any():
        rows = cells.loc[unusable, [*_CELL, "trials"]].to_numpy()
        named = [f"{llm!r} on {name!r} ({value!r})" for llm, name, value in rows]
        raise PredictionError(
            f"{count(len(named), 'number')} of trials in conditions= not usable: {first(named)}. "
            "A score is of a whole number of items, one or more."
        )


def require_counts(model: ScalingModel, scores: pd.DataFrame) -> None:
    """Check that known scores are counts, if the likelihood counts.

    Raises
    ------
    PredictionError
    """
    if not likelihood_of(model.spec.likelihood).uses_counts or scores.empty:
        return
    counts = scores.reindex(columns=[*COUNTS])
    lacking = counts.isna().any(axis=1)
    if lacking.any():
        cells = [f"{llm!r} on {name!r}" for llm, name in scores.loc[lacking, [*_CELL]].to_numpy()]
        raise PredictionError(
            f"{count(int(lacking.sum()), 'known score')} without successes and trials: "
            f"{first(cells)}. The likelihood {model.spec.likelihood!r} counts right answers: give "
            "both columns, such as scores.assign(trials=1000, successes=lambda known: "
            '(1000 * known["score"]).round()).'
        )


def positions_of(
    design: Design, llms: pd.DataFrame, cells: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Find the LLM and the benchmark of each cell, by position among those asked about.

    Names may be numbers in a frame of the user's; tables have made them text.
    """
    llm, benchmark = (pd.Index(cells[column].astype(str)) for column in _CELL)
    return (
        pd.Index(llms["llm"]).get_indexer(llm),
        pd.Index(design.benchmarks).get_indexer(benchmark),
    )
