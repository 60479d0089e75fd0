"""All checks of a score table in one pass, and the clean frames that come out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd

from latentscale.chance import known_chance
from latentscale.errors import TableWarning
from latentscale.table import checks_benchmarks, checks_llms, checks_scores, checks_values
from latentscale.table.columns import COUNTS, DATE, SIZES
from latentscale.table.findings import Finding, raise_findings
from latentscale.table.intake import Draft
from latentscale.table.plain import folded, to_date, to_number
from latentscale.wording import count, first, quoted

Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]

CHECKS: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    checks_scores.missing_labels,
    checks_scores.duplicate_scores,
    checks_scores.unknown_llms,
    checks_scores.unknown_benchmarks,
    checks_values.missing_scores,
    checks_values.garbled_scores,
    checks_values.percent_scores,
    checks_values.scores_out_of_range,
    checks_values.bad_counts,
    checks_values.contradicted_scores,
    checks_values.bad_n_items,
    checks_scores.few_scores,
    checks_llms.blank_llms,
    checks_llms.duplicate_llms,
    checks_llms.missing_families,
    checks_llms.recipes_across_families,
    checks_llms.families_across_developers,
    checks_llms.bad_tuned,
    checks_llms.mixed_tuned,
    checks_llms.garbled_sizes,
    checks_llms.nonpositive_sizes,
    checks_llms.raw_sizes,
    checks_llms.garbled_dates,
    checks_llms.missing_features,
    checks_llms.infinite_features,
    checks_benchmarks.blank_benchmarks,
    checks_benchmarks.duplicate_benchmarks,
    checks_benchmarks.bad_chance,
)

_PACKAGE = str(Path(__file__).resolve().parents[1])


def validated(draft: Draft) -> Frames:
    """Judge a draft, and give the clean scores, LLMs and benchmarks frames.

    Raises
    ------
    TableError
        With every problem of every frame.
    """
    judged = (draft.users_rows(found) for check in CHECKS for found in check(draft))
    raise_findings(draft.subject, [*draft.found, *judged])
    llms, benchmarks = _clean_llms(draft.llms), _clean_benchmarks(draft)
    _warn_lookalikes(llms, benchmarks, draft.llms_name)
    return _clean_scores(draft), llms, benchmarks


def _clean_scores(draft: Draft) -> pd.DataFrame:
    scores = draft.scores
    counts = [name for name in (*COUNTS, "n_items") if name in scores]
    whole = {name: _whole(to_number(scores[name])) for name in counts}
    clean = scores.assign(score=draft.read.score, **whole)
    return _tidy(clean, ["llm", "benchmark"], ["llm", "benchmark", "score"])


def _clean_llms(llms: pd.DataFrame) -> pd.DataFrame:
    tuned = to_number(llms["tuned"]) if "tuned" in llms else pd.Series(0, index=llms.index)
    sizes = {name: to_number(llms[name]) for name in SIZES if name in llms}
    dates = {name: to_date(llms[name]) for name in (DATE,) if name in llms}
    clean = llms.assign(
        recipe=checks_llms.recipe_or_family(llms), tuned=tuned.astype("int64"), **sizes, **dates
    )
    if "developer" in llms:
        clean["developer"] = checks_llms.developer_of_family(llms)
    return _tidy(clean, ["llm", "family", "recipe"], ["llm", "family", "recipe", "tuned"])


def _clean_benchmarks(draft: Draft) -> pd.DataFrame:
    frame = draft.benchmarks
    if frame is None:
        frame = pd.DataFrame({"benchmark": draft.scores["benchmark"].drop_duplicates()})
    given = to_number(frame["chance"]) if "chance" in frame else None
    clean = frame.assign(chance=_chance(frame["benchmark"], given))
    if "n_items" in clean:
        clean = clean.assign(n_items=_whole(to_number(clean["n_items"])))
    return _tidy(clean, ["benchmark"], ["benchmark", "chance"])


def _chance(names: pd.Series, given: pd.Series | None) -> list[float]:
    """Fill in the levels that were not given: the well-known one, else 0."""
    levels = [float("nan")] * len(names) if given is None else list(given)
    return [
        (known_chance(name) or 0.0) if pd.isna(level) else float(level)
        for name, level in zip(names, levels, strict=True)
    ]


def _whole(column: pd.Series) -> pd.Series:
    return column if column.hasnans else column.astype("int64")


def _tidy(frame: pd.DataFrame, labels: list[str], lead: list[str]) -> pd.DataFrame:
    """Put the known columns first, number the rows, and give labels pandas' text dtype."""
    rest = [name for name in frame if name not in lead]
    tidy = frame[[*lead, *rest]].reset_index(drop=True)
    return tidy.assign(**{name: tidy[name].astype(str) for name in labels})


def _warn_lookalikes(llms: pd.DataFrame, benchmarks: pd.DataFrame, llms_name: str) -> None:
    """Warn of labels that differ only by case or blanks; they are never merged."""
    families = llms["family"].unique()
    recipes = [recipe for recipe in llms["recipe"].unique() if recipe not in set(families)]
    developers = llms["developer"].dropna().unique() if "developer" in llms else ()
    for labels, noun, plural in (
        (llms["llm"].unique(), "LLM", "LLMs"),
        (developers, "developer", "developers"),
        (families, "family", "families"),
        (recipes, "recipe", "recipes"),
        (benchmarks["benchmark"].unique(), "benchmark", "benchmarks"),
    ):
        groups = _lookalikes(labels)
        if groups:
            shown = first([" and ".join(quoted(group)) for group in groups])
            warnings.warn(
                f"{count(len(groups), 'group')} of {noun} labels differing only by case or "
                f"blanks: {shown}. They count as different {plural}, so that what is known of "
                f"one does not help the other. {_one_way(noun, groups[0], llms_name)}",
                TableWarning,
                skip_file_prefixes=(_PACKAGE,),
            )


def _one_way(noun: str, group: list[str], llms_name: str) -> str:
    if noun not in ("developer", "family", "recipe"):
        return f"If one {noun} is meant, write it one way in every frame."
    column = f'{llms_name}["{noun}"]'
    merge = f"{column} = {column}.replace({dict.fromkeys(group[1:], group[0])})"
    return f"If one {noun} is meant, write it one way:\n      {merge}"


def _lookalikes(labels: Iterable[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(folded(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]
