"""Checks of the scores' values: numbers, fractions, counts."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from latentscale.table.columns import COUNTS, ROUNDING
from latentscale.table.findings import Finding, bullet, cells, offending
from latentscale.table.intake import Draft
from latentscale.table.plain import to_number
from latentscale.table.reading import COUNT_REMEDIES, not_whole
from latentscale.wording import count, first, quoted, with_values


def missing_scores(draft: Draft) -> Iterator[Finding]:
    """Find rows of the long form that hold neither a score nor counts that make one."""
    scores = draft.scores
    if "score" not in scores and not set(COUNTS) <= set(scores):
        return
    read = draft.read
    rows = scores[read.score.isna() & ~read.garbled & read.count_problem.isna()]
    if len(rows):
        columns = '["score"]' if "score" in scores else '["successes", "trials"]'
        text = bullet(
            f"{count(len(rows), 'missing score')}: {first(cells(rows))}",
            "An LLM that was not evaluated on a benchmark has no row in the long form.",
            "Drop the rows:",
            f"scores = scores.dropna(subset={columns})",
        )
        yield Finding(text, offending("missing score", "scores", rows))


def garbled_scores(draft: Draft) -> Iterator[Finding]:
    """Find scores that are not numbers."""
    rows = draft.scores[draft.read.garbled]
    if len(rows):
        code = ['scores["score"] = pd.to_numeric(scores["score"], errors="coerce")']
        code += ['scores = scores.dropna(subset=["score"])']
        if draft.wide:
            names = list(rows["benchmark"].unique())
            code = [f'frame[{names}] = frame[{names}].apply(pd.to_numeric, errors="coerce")']
        text = bullet(
            f"{count(len(rows), 'score')} not a number: {first(cells(rows, rows['score']))}",
            "Only numbers can be compared.",
            "Correct the cells, or count them as not evaluated:",
            *code,
        )
        yield Finding(text, offending("score not a number", "scores", rows, "score"))


def percent_scores(draft: Draft) -> Iterator[Finding]:
    """Find benchmarks whose scores are evidently in percent."""
    names = draft.percent
    if not names:
        return
    scores = draft.scores[draft.scores["benchmark"].isin(names)]
    above = to_number(scores["score"]) > 1
    rows = scores[above]
    everything = set(names) == set(draft.scores["benchmark"].dropna())
    text = bullet(
        f"Scores in percent {'throughout' if everything else 'on ' + first(quoted(names))}: "
        f"{len(rows):,} of {count(len(scores), 'score')} above 1, "
        f"such as {first(cells(rows, to_number(rows['score'])))}",
        "A score is a fraction in [0, 1]: 0.94, not 94.",
        "Divide by 100" + (":" if everything else ", and the other benchmarks too if needed:"),
        _percent_code(draft, names, everything),
    )
    yield Finding(text, offending("score in percent", "scores", rows, to_number(rows["score"])))


def _percent_code(draft: Draft, names: list[str], everything: bool) -> str:
    if draft.wide:
        return f"frame[{names}] = frame[{names}] / 100"
    if everything:
        return 'scores["score"] = scores["score"] / 100'
    fraction = f'~scores["benchmark"].isin({names})'
    return f'scores["score"] = scores["score"].where({fraction}, scores["score"] / 100)'


def scores_out_of_range(draft: Draft) -> Iterator[Finding]:
    """Find scores outside [0, 1] that are not a matter of percent."""
    scores = draft.scores
    if "score" not in scores:
        return
    value = to_number(scores["score"])
    percent = scores.get("benchmark", value).isin(draft.percent)
    outside = value.notna() & ~value.between(0, 1) & ~percent
    rows, value = scores[outside], value[outside]
    if len(rows):
        code = ['scores = scores[scores["score"].between(0, 1)]']
        if draft.wide:
            names = list(rows["benchmark"].unique())
            inside = f"frame[{names}].ge(0) & frame[{names}].le(1)"
            code = [f"frame[{names}] = frame[{names}].where({inside})"]
        text = bullet(
            f"{count(len(rows), 'score')} outside [0, 1]: {first(cells(rows, value))}",
            "A score is the fraction of answers that are right.",
            "Correct the cells, or count them as not evaluated:",
            *code,
        )
        yield Finding(text, offending("score outside [0, 1]", "scores", rows, value))


def bad_counts(draft: Draft) -> Iterator[Finding]:
    """Find pairs of successes and trials that cannot be counts."""
    read = draft.read
    for problem, code in COUNT_REMEDIES.items():
        rows = draft.scores[read.count_problem == problem]
        if len(rows):
            value = rows["successes"].map(_count_shown) + " of " + rows["trials"].map(_count_shown)
            named = zip(cells(rows), value, strict=True)
            text = bullet(
                f"{count(len(rows), 'row')} with {problem}: "
                f"{first([f'{cell} ({pair})' for cell, pair in named])}",
                "Each trial counts as one right or wrong answer.",
                "Correct the rows or leave them out:",
                code,
            )
            yield Finding(text, offending(problem, "scores", rows, value))


def contradicted_scores(draft: Draft) -> Iterator[Finding]:
    """Find scores that differ from successes / trials by more than rounding."""
    read = draft.read
    off = read.score.between(0, 1) & ((read.score - read.implied).abs() > ROUNDING + 1e-9)
    rows, score = draft.scores[off], read.score[off]
    if len(rows):
        named = zip(with_values(cells(rows), score), read.implied[off], strict=True)
        text = bullet(
            f"{count(len(rows), 'score')} unlike successes / trials: "
            f"{first([f'{cell}, counts say {other:.6g}' for cell, other in named])}",
            "One of the two is wrong, and which one cannot be told.",
            "Correct the counts, or let them make the score:",
            'scores = scores.drop(columns="score")',
        )
        yield Finding(text, offending("score contradicts its counts", "scores", rows, score))


def bad_n_items(draft: Draft) -> Iterator[Finding]:
    """Find numbers of items that are not whole numbers above 0, in either frame."""
    for name, frame in (("scores", draft.scores), ("benchmarks", draft.benchmarks)):
        if frame is None or "n_items" not in frame:
            continue
        rows = frame[frame["n_items"].notna() & not_whole(to_number(frame["n_items"]), 1)]
        if len(rows):
            labels = cells(rows) if name == "scores" else quoted(rows.get("benchmark", []))
            text = bullet(
                f"{count(len(rows), 'value')} of 'n_items' in `{name}` that "
                f"{'is' if len(rows) == 1 else 'are'} no whole number above 0: "
                f"{first(with_values(labels, rows['n_items']))}",
                "How precise a score can be depends on the number of items behind it.",
                "Correct it, or leave it empty (NaN) where it is unknown:",
                f'known = pd.to_numeric({name}["n_items"], errors="coerce")',
                f'{name}["n_items"] = known.where((known > 0) & (known % 1 == 0))',
            )
            yield Finding(text, offending("n_items not a whole number", name, rows, "n_items"))


def _count_shown(value: object) -> str:
    number = to_number(pd.Series([value], dtype=object)).iloc[0]
    if pd.notna(number):
        return f"{number:.6g}"
    return "?" if pd.isna(pd.Series([value], dtype=object).iloc[0]) else str(value)
