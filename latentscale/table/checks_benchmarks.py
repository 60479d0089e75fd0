"""Checks of the benchmarks' frame: names and chance levels."""

from __future__ import annotations

from collections.abc import Iterator

from latentscale.table.findings import Finding, bullet, offending
from latentscale.table.intake import Draft
from latentscale.table.plain import to_number
from latentscale.wording import count, first, quoted, with_values


def blank_benchmarks(draft: Draft) -> Iterator[Finding]:
    """Find rows that do not say which benchmark they describe."""
    frame = draft.benchmarks
    if frame is None or "benchmark" not in frame:
        return
    rows = frame[frame["benchmark"].isna()]
    if len(rows):
        text = bullet(
            f"{count(len(rows), 'row')} of `benchmarks` with a blank name "
            f"({draft.row_names('benchmarks', rows)})",
            "A benchmark without a name can have no scores.",
            "Fill in the name or leave the rows out.",
        )
        yield Finding(text, offending("blank benchmark", "benchmarks", rows))


def duplicate_benchmarks(draft: Draft) -> Iterator[Finding]:
    """Find benchmarks that are described more than once."""
    frame = draft.benchmarks
    if frame is None or "benchmark" not in frame:
        return
    known = frame.dropna(subset=["benchmark"])
    rows = known[known.duplicated("benchmark", keep=False)]
    if len(rows):
        text = bullet(
            f"{count(rows['benchmark'].nunique(), 'benchmark')} named more than once in "
            f"`benchmarks`: {first(quoted(rows['benchmark'].unique()))}",
            "Which chance level is the benchmark's cannot be told.",
            "Name each benchmark once.",
        )
        yield Finding(text, offending("duplicate benchmark", "benchmarks", rows))


def bad_chance(draft: Draft) -> Iterator[Finding]:
    """Find chance levels outside [0, 1)."""
    frame = draft.benchmarks
    if frame is None or not {"benchmark", "chance"} <= set(frame):
        return
    level = to_number(frame["chance"])
    rows = frame[frame["chance"].notna() & ~((level >= 0) & (level < 1))]
    if len(rows):
        text = bullet(
            f"{count(len(rows), 'chance level')} outside [0, 1): "
            f"{first(with_values(quoted(rows['benchmark']), rows['chance']))}",
            "A chance level is the fraction that random guessing gets right: 0.25, not 25, for "
            "four options, and 0 where an answer cannot be guessed.",
            "Correct it, or leave it empty (NaN) for the level of a well-known benchmark, else 0.",
        )
        yield Finding(text, offending("chance outside [0, 1)", "benchmarks", rows, "chance"))
