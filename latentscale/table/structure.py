"""Checks of the shape of the frames: their type and their columns, before any value is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import pandas as pd

from latentscale.table.columns import COUNTS, DESCRIBING, PURPOSE, REQUIRED, RESERVED, SYNONYMS
from latentscale.table.findings import Finding, bullet, problem_rows
from latentscale.wording import count, first, nearest, quoted, with_nearest


def check_structure(
    name: str, frame: object, *, shown: str | None = None, may_be_empty: bool = False
) -> Iterator[Finding]:
    """Find what is wrong with one frame as a whole.

    ``name`` is the frame's part in the table, ``shown`` what the user's code calls it.
    """
    shown = shown or name
    if not isinstance(frame, pd.DataFrame):
        yield _wrong_type(name, frame, shown)
        return
    columns = [str(column) for column in frame.columns]
    absent = [column for column in _required(name, columns) if column not in columns]
    yield from _repeated_columns(name, columns, shown)
    for column in absent:
        yield _missing_column(name, column, frame, shown)
    yield from _reserved_columns(name, columns, absent, shown)
    if name == "scores":
        yield from _lonely_count(columns)
    if not absent and not may_be_empty and frame.empty:
        yield _empty(name, shown)


def check_wide_names(
    names: Collection[str], chance: Mapping[str, float] | None, columns: Collection[str]
) -> Iterator[Finding]:
    """Find benchmarks that a wide frame has no column for, and chance levels of no benchmark."""
    if not names:
        yield _no_names()
    yield from _repeated_columns("scores", [name for name in columns if name in names], "frame")
    describing = [name for name in names if name in DESCRIBING]
    if describing:
        text = bullet(
            f"{count(len(describing), 'name')} in `benchmarks` of no benchmark: "
            f"{first(quoted(describing))}",
            "Such columns describe the LLMs.",
            "List only columns that hold scores.",
        )
        yield Finding(text, problem_rows("not a benchmark", "benchmarks", benchmark=describing))
    unknown = [name for name in names if name not in columns and name not in DESCRIBING]
    if unknown:
        text = bullet(
            f"{count(len(unknown), 'benchmark')} without a column in `frame`: "
            f"{first(with_nearest(unknown, columns))}",
            "Each name in `benchmarks` must be a column that holds scores.",
            "Correct the name or leave it out.",
        )
        yield Finding(text, problem_rows("no such column", "benchmarks", benchmark=unknown))
    stray = [str(name) for name in chance or {} if str(name) not in names]
    if stray:
        text = bullet(
            f"{count(len(stray), 'chance level')} of no benchmark in this table: "
            f"{first(with_nearest(stray, names))}",
            "The level would be ignored, and the benchmark that was meant would get another.",
            "Use the names in `benchmarks` as the keys of `chance`.",
        )
        yield Finding(text, problem_rows("chance of no benchmark", "benchmarks", benchmark=stray))


def _no_names() -> Finding:
    text = bullet(
        "`benchmarks` names no benchmark",
        "Nothing tells which columns of `frame` hold scores.",
        "Pass their names:",
        'ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])',
    )
    return Finding(text, problem_rows("no benchmarks", "benchmarks"))


def _wrong_type(name: str, frame: object, shown: str) -> Finding:
    kind = type(frame).__name__
    advice = ["Pass a DataFrame."]
    if hasattr(frame, "to_pandas"):
        advice = ["Convert it first:", f"{shown} = {shown}.to_pandas()"]
    elif isinstance(frame, list | tuple | dict):
        advice = ["Convert it first:", f"{shown} = pd.DataFrame({shown})"]
    text = bullet(
        f"`{shown}` is of type {kind}, not a pandas DataFrame",
        "Its columns are read by name.",
        *advice,
    )
    return Finding(text, problem_rows("not a DataFrame", name, value=[kind]))


def _required(name: str, columns: Collection[str]) -> list[str]:
    """List what a frame must have; counts of right answers stand in for a score."""
    counted = name == "scores" and any(column in columns for column in COUNTS)
    return [column for column in REQUIRED[name] if not (counted and column == "score")]


def _repeated_columns(name: str, columns: list[str], shown: str) -> Iterator[Finding]:
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        text = bullet(
            f"{count(len(repeated), 'column name')} used more than once in `{shown}`: "
            f"{first(quoted(repeated))}",
            "Which of them is meant cannot be told.",
            "Rename or drop the others:",
            f"{shown} = {shown}.loc[:, ~{shown}.columns.duplicated()]",
        )
        yield Finding(text, problem_rows("repeated column", name, value=repeated))


def _missing_column(name: str, column: str, frame: pd.DataFrame, shown: str) -> Finding:
    columns = [str(other) for other in frame.columns]
    advice, code = _remedy(name, column, frame, shown)
    text = bullet(
        f"`{shown}` has no column {column!r} (it has {first(quoted(columns), 6) or 'no columns'})",
        PURPOSE[name, column],
        advice,
        code,
    )
    return Finding(text, problem_rows("missing column", name, value=[column]))


def _remedy(name: str, column: str, frame: pd.DataFrame, shown: str) -> tuple[str, str]:
    if column in frame.index.names:
        return "It is in the index; make it a column:", f"{shown} = {shown}.reset_index()"
    stand_in = _stand_in(name, column, [str(other) for other in frame.columns])
    if stand_in is None:
        return "Add it:", f"{shown} = {shown}.assign({column}=...)"
    rename = f"{shown} = {shown}.rename(columns={{{stand_in!r}: {column!r}}})"
    return f"{stand_in!r} may be what is meant; rename it:", rename


def _stand_in(name: str, column: str, columns: Iterable[str]) -> str | None:
    """Find the column that most likely holds what is missing."""
    free = {other.casefold(): other for other in columns if other not in REQUIRED[name]}
    known = [free[synonym] for synonym in (column, *SYNONYMS[column]) if synonym in free]
    return known[0] if known else nearest(column, free.values())


def _reserved_columns(
    name: str, columns: list[str], absent: list[str], shown: str
) -> Iterator[Finding]:
    # A reserved name that stands in for a missing column is renamed by that advice already.
    stand_ins = {_stand_in(name, column, columns) for column in absent}
    taken = [column for column in columns if column in RESERVED[name] - stand_ins]
    if taken:
        renames = ", ".join(f"{column!r}: '{column}_'" for column in dict.fromkeys(taken))
        text = bullet(
            f"{count(len(taken), 'reserved column name')} in `{shown}`: {first(quoted(taken))}",
            "The table's other frames or the posterior's dimensions use these names, so that "
            "results could not be told apart.",
            "Rename or drop what carries them:",
            f"{shown} = {shown}.rename(columns={{{renames}}})",
        )
        yield Finding(text, problem_rows("reserved column name", name, value=taken))


def _lonely_count(columns: Collection[str]) -> Iterator[Finding]:
    given = [column for column in COUNTS if column in columns]
    if len(given) == 1:
        [other] = set(COUNTS) - set(given)
        advice = ["Add the other column, or give scores as fractions in `score`."]
        if "score" in columns:
            code = f"scores = scores.drop(columns={given!r})"
            advice = ["Add the other column, or let `score` stand alone:", code]
        text = bullet(
            f"`scores` has {given[0]!r} but no {other!r}",
            "A count of right answers says something only with the number of trials.",
            *advice,
        )
        yield Finding(text, problem_rows("only one of successes and trials", "scores", value=given))


def _empty(name: str, shown: str) -> Finding:
    text = bullet(
        f"`{shown}` has no rows",
        "There is nothing to learn from.",
        "Check the file or the filter that it came from.",
    )
    return Finding(text, problem_rows("no rows", name))
