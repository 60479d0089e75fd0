"""What validation found: bullets for the reader, rows for the program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from latentscale.errors import TableError
from latentscale.wording import count, with_values

PROBLEM_COLUMNS = ["problem", "frame", "row", "llm", "benchmark", "value"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of problem: the bullet that explains it, and the rows that show it."""

    text: str
    rows: pd.DataFrame


def bullet(what: str, why: str, do: str, *code: str) -> str:
    """Compose a bullet: what is wrong, why it matters, what to do, and code that does it."""
    return "\n".join([f"{what}. {why} {do}", *(f"      {line}" for line in code)])


def offending(
    problem: str, frame: str, rows: pd.DataFrame, value: str | pd.Series | None = None
) -> pd.DataFrame:
    """Turn offending rows of a user's frame into rows of the ``problems`` frame."""
    values = rows[value] if isinstance(value, str) else value
    return problem_rows(
        problem,
        frame,
        row=list(rows.index),
        llm=_column(rows, "llm"),
        benchmark=_column(rows, "benchmark"),
        value=[None] * len(rows) if values is None else list(values),
    )


def problem_rows(problem: str, frame: str, **columns: Sequence[Any]) -> pd.DataFrame:
    """Make rows of the ``problems`` frame; a column that is not given is None."""
    n_rows = max((len(column) for column in columns.values()), default=1)
    filled = {name: [None] * n_rows for name in PROBLEM_COLUMNS} | columns
    filled |= {"problem": [problem] * n_rows, "frame": [frame] * n_rows}
    return pd.DataFrame(
        {name: pd.Series(list(filled[name]), dtype=object) for name in PROBLEM_COLUMNS}
    )


def raise_findings(subject: str, findings: Sequence[Finding]) -> None:
    """Raise one TableError for all findings, if there are any."""
    if not findings:
        return
    lines = [f"{subject} has {count(len(findings), 'problem')}:"]
    lines += [f"- {found.text}" for found in findings]
    lines += ["All offending rows are in the `problems` frame of this error."]
    problems = pd.concat([found.rows for found in findings], ignore_index=True)
    raise TableError("\n".join(lines), problems)


def cells(rows: pd.DataFrame, value: pd.Series | None = None) -> list[str]:
    """Name scores by LLM and benchmark, with their value if one is given."""
    names = [f"{llm!r} on {benchmark!r}" for llm, benchmark in _pairs(rows)]
    return names if value is None else with_values(names, value)


def _pairs(rows: pd.DataFrame) -> Iterable[tuple[Any, Any]]:
    return zip(_column(rows, "llm"), _column(rows, "benchmark"), strict=True)


def _column(rows: pd.DataFrame, name: str) -> list[Any]:
    return list(rows[name]) if name in rows else [None] * len(rows)
