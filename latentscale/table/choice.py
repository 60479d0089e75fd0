"""Which LLMs, benchmarks or scores a selection means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latentscale.errors import TableError
from latentscale.table.findings import Finding, bullet, problem_rows, raise_findings
from latentscale.table.plain import label
from latentscale.wording import count, first, with_nearest

if TYPE_CHECKING:
    from latentscale.table.score_table import ScoreTable

Names = str | Iterable[object] | None
Mask = npt.NDArray[np.bool_]

# Keyword of a selection: its column, and its noun for one and for many.
KINDS: Mapping[str, tuple[str, str, str]] = {
    "llms": ("llm", "LLM", "LLMs"),
    "families": ("family", "family", "families"),
    "recipes": ("recipe", "recipe", "recipes"),
    "developers": ("developer", "developer", "developers"),
    "benchmarks": ("benchmark", "benchmark", "benchmarks"),
}


def scored_llms(table: ScoreTable) -> pd.DataFrame:
    """Give the LLMs of a table that have scores: rows of its ``llms``."""
    return table.llms[table.llms["llm"].isin(table.scores["llm"])]


def llms_with(llms: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Keep the LLMs of which some columns are all known; none if one is absent."""
    if any(name not in llms for name in columns):
        return llms.iloc[:0]
    known = llms[list(columns)].notna().all(axis=1)
    return llms[known].reset_index(drop=True)


def developer_or_own(llms: pd.DataFrame) -> pd.Series:
    """Give each LLM its developer; a family whose developer is unknown has one of its own."""
    own = llms["family"] + " (developer unknown)"
    if "developer" not in llms:
        return own
    return llms["developer"].where(llms["developer"].notna(), own)


def read_names(asked: Mapping[str, Names]) -> dict[str, list[str | None]]:
    """Read the names of each keyword that is not None, once: they may come from an iterator."""
    return {
        kind: [label(name) for name in (names if pd.api.types.is_list_like(names) else [names])]
        for kind, names in asked.items()
        if names is not None
    }


def rows_to_keep(
    frame: pd.DataFrame, asked: Mapping[str, list[str | None]], *, named: bool
) -> Mask:
    """Mark the rows that every keyword names, or (``named=False``) that no keyword names."""
    keep = np.ones(len(frame), dtype=bool)
    for kind, names in asked.items():
        keep &= frame[KINDS[kind][0]].isin(names).to_numpy() == named
    return keep


def check_known(
    llms: pd.DataFrame, benchmarks: pd.DataFrame, asked: Mapping[str, list[str | None]]
) -> None:
    """Raise one TableError for all names that the table does not hold."""
    findings = [
        finding
        for kind, names in asked.items()
        for finding in _unknown(kind, names, benchmarks if kind == "benchmarks" else llms)
    ]
    raise_findings("The selection", findings)


def row_mask(mask: Any, scores: pd.DataFrame) -> Mask:
    """Read a boolean mask over score rows."""
    if isinstance(mask, pd.Series) and not mask.index.equals(scores.index):
        raise TableError(
            "The mask's index differs from that of the table's scores, so that its rows cannot be "
            "matched with confidence. Compute it from the table itself, or pass plain values:\n"
            "      table.where(mask.to_numpy())",
            problem_rows("unusable mask", "scores"),
        )
    values = np.asarray(mask)
    if values.dtype == object and all(isinstance(value, bool | np.bool_) for value in values.flat):
        values = values.astype(bool)
    if values.dtype != bool or values.shape != (len(scores),):
        raise TableError(
            f"A mask has one True or False for each of the {count(len(scores), 'score')}, and this "
            f"one has shape {values.shape} and dtype {values.dtype}. Compare a column of the "
            'table:\n      table.where(table.joined()["params_b"] < 10)',
            problem_rows("unusable mask", "scores"),
        )
    return values


def _unknown(kind: str, names: list[str | None], frame: pd.DataFrame) -> Iterator[Finding]:
    column, noun, plural = KINDS[kind]
    known = frame[column].dropna().unique() if column in frame else np.array([], dtype=object)
    unknown = [str(name) for name in dict.fromkeys(names) if name not in set(known)]
    if unknown:
        text = bullet(
            f"{count(len(unknown), noun, plural)} not in the table: "
            f"{first(with_nearest(unknown, known))}",
            "Names are compared exactly, case and blanks included.",
            f"The table's are listed by `table.{column}_names`.",
        )
        where = "benchmarks" if kind == "benchmarks" else "llms"
        rows = problem_rows(f"unknown {noun}", where, value=unknown)
        yield Finding(text, rows)
