"""Checks of the scores' labels: whose score it is, on what, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from latentscale.table.findings import Finding, bullet, cells, offending, problem_rows
from latentscale.table.intake import Draft
from latentscale.wording import count, first, with_nearest

MIN_SCORES = 2


def missing_labels(draft: Draft) -> Iterator[Finding]:
    """Find scores that do not say whose they are, or on what."""
    for column in ("llm", "benchmark"):
        if column in draft.scores:
            yield from _missing_label(draft, column)


def _missing_label(draft: Draft, column: str) -> Iterator[Finding]:
    rows = draft.scores[draft.scores[column].isna()]
    if len(rows):
        text = bullet(
            f"{count(len(rows), 'row')} of `scores` with a blank {column!r} "
            f"({draft.row_names('scores', rows)})",
            "A score says nothing unless it is known what was evaluated, and on what.",
            "Fill in the label or drop the rows:",
            f'scores = scores[scores["{column}"].astype("string").str.strip().fillna("") != ""]',
        )
        yield Finding(text, offending(f"blank {column}", "scores", rows))


def duplicate_scores(draft: Draft) -> Iterator[Finding]:
    """Find pairs of LLM and benchmark that have more than one score."""
    # A wide frame repeats a pair only by repeating the LLM, which is reported as such.
    if draft.wide or not {"llm", "benchmark"} <= set(draft.scores):
        return
    known = draft.scores.dropna(subset=["llm", "benchmark"])
    rows = known[known.duplicated(["llm", "benchmark"], keep=False)]
    if len(rows):
        pairs = rows.drop_duplicates(["llm", "benchmark"])
        text = bullet(
            f"{count(len(pairs), 'pair')} of LLM and benchmark with more than one score: "
            f"{first(cells(pairs))}",
            "An evaluation that counts twice makes the posterior too sure.",
            "Average repeated runs, or keep one score of each pair:",
            'scores = scores.drop_duplicates(["llm", "benchmark"], keep="last")',
        )
        value = "score" if "score" in rows else None
        yield Finding(text, offending("duplicate score", "scores", rows, value))


def unknown_llms(draft: Draft) -> Iterator[Finding]:
    """Find scores of LLMs that the LLMs' frame does not describe."""
    if "llm" in draft.scores and "llm" in draft.llms and len(draft.llms):
        known = list(draft.llms["llm"].dropna())
        why = "Its family and features must be known for a score to be of use."
        yield from _unknown(draft.scores, "llm", "LLM", known, "llms", why)


def unknown_benchmarks(draft: Draft) -> Iterator[Finding]:
    """Find scores on benchmarks that the benchmarks' frame, if given, does not describe."""
    frame = draft.benchmarks
    if "benchmark" in draft.scores and frame is not None and len(frame) and "benchmark" in frame:
        known = list(frame["benchmark"].dropna())
        why = "A benchmarks frame describes all benchmarks of the table: their chance levels count."
        yield from _unknown(draft.scores, "benchmark", "benchmark", known, "benchmarks", why)


def _unknown(
    scores: pd.DataFrame, column: str, noun: str, known: Sequence[str], frame: str, why: str
) -> Iterator[Finding]:
    rows = scores[scores[column].notna() & ~scores[column].isin(known)]
    if len(rows):
        names = list(rows[column].unique())
        text = bullet(
            f"{count(len(names), noun)} of `scores` absent from `{frame}` "
            f"({count(len(rows), 'score')}): {first(with_nearest(names, known))}",
            why,
            f"Correct the name, add it to `{frame}`, or drop the scores:",
            f'scores = scores[scores["{column}"].isin({frame}["{column}"])]',
        )
        value = "score" if "score" in rows else None
        yield Finding(text, offending(f"unknown {noun}", "scores", rows, value))


def few_scores(draft: Draft) -> Iterator[Finding]:
    """Find benchmarks with too few scores to say anything about them."""
    nothing = draft.llms.empty if draft.wide else draft.scores.empty
    if draft.new or nothing or "benchmark" not in draft.scores:
        return
    number = draft.scores["benchmark"].value_counts(sort=False)
    if draft.benchmarks is not None and "benchmark" in draft.benchmarks:
        # An undescribed benchmark is reported as unknown; the described ones may have no score.
        number = number.reindex(list(draft.benchmarks["benchmark"].dropna().unique()))
    few = number.fillna(0).astype(int)
    few = few[few < MIN_SCORES]
    if len(few):
        text = bullet(
            f"{count(len(few), 'benchmark')} with fewer than {MIN_SCORES} scores: "
            f"{first([f'{name!r} ({n})' for name, n in few.items()])}",
            "How hard a benchmark is and which skills it asks for cannot be told from that.",
            *_few_remedy(draft, list(few.index)),
        )
        rows = problem_rows(
            "too few scores", "scores", benchmark=list(few.index), value=few.tolist()
        )
        yield Finding(text, rows)


def _few_remedy(draft: Draft, names: list[str]) -> list[str]:
    if draft.wide:
        return ["Add scores, or leave the columns out of `benchmarks`."]
    code = [f'scores = scores[~scores["benchmark"].isin({names})]']
    if draft.benchmarks is not None:
        code += [f'benchmarks = benchmarks[~benchmarks["benchmark"].isin({names})]']
    return ["Add scores, or leave the benchmarks out:", *code]
