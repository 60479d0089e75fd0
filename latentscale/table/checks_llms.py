"""Checks of the LLMs' frame: who is who, developers, families, recipes, sizes, features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from latentscale.table.columns import DATE, IDENTITY, MANY_TOKENS, RAW_PARAMS, RAW_TOKENS, SIZES
from latentscale.table.findings import Finding, bullet, offending
from latentscale.table.intake import Draft
from latentscale.table.plain import to_date, to_number
from latentscale.wording import count, first, quoted, with_values

# No LLM has fewer parameters than 1e6 (1e-3), or saw fewer tokens than 1e9 (1e-3).
_SMALLEST = 1e-3


def blank_llms(draft: Draft) -> Iterator[Finding]:
    """Find rows that do not say which LLM they describe."""
    name = draft.llms_name
    rows = draft.llms[draft.llms["llm"].isna()] if "llm" in draft.llms else draft.llms.head(0)
    if len(rows):
        text = bullet(
            f"{count(len(rows), 'row')} of `{name}` with a blank 'llm' "
            f"({draft.row_names('llms', rows)})",
            "An LLM without a name cannot be found again in any result.",
            "Fill in the name or drop the rows:",
            f'{name} = {name}[{name}["llm"].astype("string").str.strip().fillna("") != ""]',
        )
        yield Finding(text, offending("blank llm", "llms", rows))


def duplicate_llms(draft: Draft) -> Iterator[Finding]:
    """Find LLMs that are described more than once."""
    if "llm" not in draft.llms:
        return
    known, name = draft.llms.dropna(subset=["llm"]), draft.llms_name
    rows = known[known.duplicated("llm", keep=False)]
    if len(rows):
        text = bullet(
            f"{count(rows['llm'].nunique(), 'LLM')} in more than one row of `{name}`: "
            f"{first(quoted(rows['llm'].unique()))}",
            "Which features are the LLM's cannot be told.",
            "Keep one row each, or name the versions differently:",
            f'{name} = {name}.drop_duplicates("llm", keep="last")',
        )
        yield Finding(text, offending("duplicate LLM", "llms", rows))


def missing_families(draft: Draft) -> Iterator[Finding]:
    """Find LLMs without a family."""
    if "family" not in draft.llms:
        return
    rows, name = draft.llms[draft.llms["family"].isna()], draft.llms_name
    if len(rows):
        text = bullet(
            f"{count(len(rows), 'LLM')} without a family: {first(_names(rows))}",
            "LLMs learn from each other through their pretraining family.",
            "Fill it in; an LLM that stands alone is a family of its own:",
            f'known = {name}["family"].astype("string").str.strip().fillna("") != ""',
            f'{name}["family"] = {name}["family"].where(known, {name}["llm"])',
        )
        yield Finding(text, offending("missing family", "llms", rows))


def recipes_across_families(draft: Draft) -> Iterator[Finding]:
    """Find recipes that belong to more than one family."""
    llms, name = draft.llms, draft.llms_name
    if not {"family", "recipe"} <= set(llms):
        return
    known = llms.assign(recipe=recipe_or_family(llms)).dropna(subset=["family", "recipe"])
    rows = known[known.groupby("recipe")["family"].transform("nunique") > 1]
    if len(rows):
        families = rows.groupby("recipe", sort=False)["family"].unique()
        shown = [f"{recipe!r} in {', '.join(quoted(held))}" for recipe, held in families.items()]
        text = bullet(
            f"{count(len(families), 'recipe')} in more than one family: {first(shown)}",
            "A recipe is one post-training of one pretraining family, and its effect is learnt "
            "inside that family.",
            "Correct the label, or make it the family's own:",
            f'{name}["recipe"] = {name}["family"] + " " + {name}["recipe"]',
        )
        yield Finding(text, offending("recipe in two families", "llms", rows, "family"))


def families_across_developers(draft: Draft) -> Iterator[Finding]:
    """Find families that more than one developer is named for."""
    llms, name = draft.llms, draft.llms_name
    if not {"family", "developer"} <= set(llms):
        return
    known = llms.dropna(subset=["family", "developer"])
    rows = known[known.groupby("family")["developer"].transform("nunique") > 1]
    if len(rows):
        developers = rows.groupby("family", sort=False)["developer"].unique()
        shown = [f"{family!r} of {' and '.join(quoted(who))}" for family, who in developers.items()]
        text = bullet(
            f"{count(len(developers), 'family', 'families')} of more than one developer: "
            f"{first(shown)}",
            "A family is pretrained by one developer, whose families are alike; who tunes an LLM "
            "makes a recipe of it.",
            "Name whoever pretrained it:",
            f'{name}["developer"] = {name}.groupby("family")["developer"].transform("first")',
        )
        yield Finding(text, offending("family of two developers", "llms", rows, "developer"))


def bad_tuned(draft: Draft) -> Iterator[Finding]:
    """Find values of ``tuned`` other than 0 and 1."""
    llms, name = draft.llms, draft.llms_name
    if "tuned" not in llms:
        return
    rows = llms[~to_number(llms["tuned"]).isin([0, 1])]
    if len(rows):
        text = bullet(
            f"{count(len(rows), 'LLM')} whose 'tuned' is neither 0 nor 1: "
            f"{first(with_values(_names(rows), rows['tuned']))}",
            "The shift that tuning brings is added to tuned LLMs (1) and to no others (0).",
            "Use 1 for an LLM tuned to follow instructions or to chat, else 0:",
            f'{name}["tuned"] = {name}["llm"].isin(["name of a tuned LLM"]).astype(int)',
        )
        yield Finding(text, offending("tuned neither 0 nor 1", "llms", rows, "tuned"))


def mixed_tuned(draft: Draft) -> Iterator[Finding]:
    """Find recipes that hold both tuned and untuned LLMs."""
    llms, name = draft.llms, draft.llms_name
    if not {"family", "tuned"} <= set(llms):
        return
    recipe, tuned = recipe_or_family(llms), to_number(llms["tuned"])
    usable = recipe.notna() & tuned.isin([0, 1])
    mixed = tuned[usable].groupby(recipe[usable]).transform("nunique") > 1
    rows = llms[usable][mixed]
    if len(rows):
        named = '"recipe"' if "recipe" in llms else '"family"'
        suffix = f'{name}["tuned"].astype(int).map({{0: "", 1: " tuned"}})'
        default = "" if "recipe" in llms else " (without a 'recipe' column, the family stands in)"
        text = bullet(
            f"{count(recipe[rows.index].nunique(), 'recipe')} with tuned and untuned LLMs: "
            f"{first(quoted(recipe[usable][mixed].unique()))}{default}",
            "A recipe is one post-training, so that all its LLMs are tuned or none is.",
            "Give the tuned ones a recipe of their own:",
            f'{name}["recipe"] = {name}[{named}] + {suffix}',
        )
        yield Finding(text, offending("tuned mixed within a recipe", "llms", rows, "tuned"))


def recipe_or_family(llms: pd.DataFrame) -> pd.Series:
    """Give each LLM its recipe; where none is given, its family stands in."""
    if "recipe" not in llms:
        return llms["family"]
    return llms["recipe"].where(llms["recipe"].notna(), llms["family"])


def developer_of_family(llms: pd.DataFrame) -> pd.Series:
    """Give each LLM the developer that any LLM of its family names; unknown, if none does."""
    return llms.groupby("family")["developer"].transform("first")


def garbled_sizes(draft: Draft) -> Iterator[Finding]:
    """Find sizes that are not numbers."""
    name = draft.llms_name
    for column in _sizes(draft.llms):
        written = draft.llms[column]
        rows = draft.llms[written.notna() & to_number(written).isna()]
        if len(rows):
            text = bullet(
                f"{count(len(rows), 'value')} of {column!r} not a number: "
                f"{first(with_values(_names(rows), rows[column]))}",
                "Formulas take logarithms of it.",
                f"Write plain numbers, in {_unit(column)}, or make them unknown (NaN) and pass "
                'missing="keep":',
                f'{name}["{column}"] = pd.to_numeric({name}["{column}"], errors="coerce")',
            )
            yield Finding(text, offending(f"{column} not a number", "llms", rows, column))


def nonpositive_sizes(draft: Draft) -> Iterator[Finding]:
    """Find sizes that are not above 0."""
    name = draft.llms_name
    for column in _sizes(draft.llms):
        value = to_number(draft.llms[column])
        rows = draft.llms[value <= 0]
        if len(rows):
            text = bullet(
                f"{count(len(rows), 'value')} of {column!r} not above 0: "
                f"{first(with_values(_names(rows), value[value <= 0]))}",
                "Formulas take logarithms of it.",
                'Correct it, or make it unknown (NaN) and pass missing="keep":',
                f'{name}["{column}"] = {name}["{column}"].where({name}["{column}"] > 0)',
            )
            yield Finding(text, offending(f"{column} not above 0", "llms", rows, column))


def raw_sizes(draft: Draft) -> Iterator[Finding]:
    """Find sizes that were given in another unit: raw counts, or tokens in 1e9."""
    if "params_b" in draft.llms:
        yield from _other_unit(draft, "params_b", RAW_PARAMS, np.inf, "raw counts", "1e9")
    if "tokens_t" in draft.llms:
        yield from _other_unit(draft, "tokens_t", RAW_TOKENS, np.inf, "raw counts", "1e12")
        yield from _other_unit(draft, "tokens_t", MANY_TOKENS, RAW_TOKENS, "1e9 tokens", "1e3")


def _other_unit(
    draft: Draft, column: str, low: float, high: float, unit: str, divisor: str
) -> Iterator[Finding]:
    value = to_number(draft.llms[column])
    off = value.between(low, high, inclusive="right") & np.isfinite(value)
    rows = draft.llms[off]
    if len(rows):
        # If what is left would do in that unit too, the whole column is in it.
        is_most = off.sum() > value.notna().sum() / 2
        of_all = is_most and value.min() / float(divisor) >= _SMALLEST
        divided = f"{column} / {divisor}"
        if not of_all:
            divided = f"{column}.where({column} <= {_plain(low)}, {divided})"
        text = bullet(
            f"{count(len(rows), 'value')} of {column!r} beyond any LLM: "
            f"{first(with_values(_names(rows), value[off]))}",
            f"{column} is in {_unit(column)}; numbers like these are {unit}.",
            f"Divide by {divisor}:",
            f'{column} = {draft.llms_name}["{column}"]',
            f'{draft.llms_name}["{column}"] = {divided}',
        )
        yield Finding(text, offending(f"{column} in another unit", "llms", rows, value[off]))


def garbled_dates(draft: Draft) -> Iterator[Finding]:
    """Find release dates that cannot be read."""
    llms, name = draft.llms, draft.llms_name
    if DATE not in llms:
        return
    rows = llms[llms[DATE].notna() & to_date(llms[DATE]).isna()]
    if len(rows):
        text = bullet(
            f"{count(len(rows), 'value')} of {DATE!r} not a date: "
            f"{first(with_values(_names(rows), rows[DATE]))}",
            "Dates count in years; as text each would be a category of its own.",
            'Write dates such as "2024-06-07", or make them unknown:',
            f'{name}["{DATE}"] = pd.to_datetime({name}["{DATE}"], format="mixed", errors="coerce")',
        )
        yield Finding(text, offending(f"{DATE} not a date", "llms", rows, DATE))


def missing_features(draft: Draft) -> Iterator[Finding]:
    """Find unknown numeric features, unless they are to be carried as unknown."""
    if draft.missing == "keep":
        return
    llms, name = draft.llms, draft.llms_name
    unknown = {column: llms[llms[column].isna()] for column in _numeric_features(llms)}
    unknown = {column: rows for column, rows in unknown.items() if len(rows)}
    if unknown:
        n_values = sum(len(rows) for rows in unknown.values())
        affected = llms[llms[list(unknown)].isna().any(axis=1)]
        columns = [f"{column!r} ({len(rows)})" for column, rows in unknown.items()]
        text = bullet(
            f"{count(n_values, 'missing value')} in {count(len(unknown), 'numeric feature')}: "
            f"{first(columns, 6)}; {count(len(affected), 'LLM')}: {first(_names(affected))}",
            "Where an LLM stands on a feature that is unknown for it can only be guessed."
            + (" (A column that holds scores belongs in `benchmarks`.)" if draft.wide else ""),
            'Pass missing="keep" to carry them as unknown (a model then draws them given what is '
            "known; the bundled leaderboard is read this way), or leave these LLMs out now:",
            f"{name} = {name}.dropna(subset={list(unknown)})",
            *([] if draft.wide else ['scores = scores[scores["llm"].isin(llms["llm"])]']),
        )
        found = [offending(f"missing {column}", "llms", rows) for column, rows in unknown.items()]
        yield Finding(text, pd.concat(found, ignore_index=True))


def infinite_features(draft: Draft) -> Iterator[Finding]:
    """Find infinite features."""
    llms, name = draft.llms, draft.llms_name
    for column in _numeric_features(llms):
        rows = llms[np.isinf(to_number(llms[column]))]
        if len(rows):
            text = bullet(
                f"{count(len(rows), 'infinite value')} of {column!r}: {first(_names(rows))}",
                "One infinite feature makes every slope undefined.",
                'Correct it, or make it unknown (NaN) and pass missing="keep":',
                f'{name}["{column}"] = {name}["{column}"].replace([np.inf, -np.inf], np.nan)',
            )
            yield Finding(text, offending(f"infinite {column}", "llms", rows, column))


def _numeric_features(llms: pd.DataFrame) -> list[str]:
    columns = [column for column in llms if column not in IDENTITY]
    numeric = set(llms.select_dtypes("number").columns)
    return [column for column in columns if column in numeric or column in SIZES]


def _sizes(llms: pd.DataFrame) -> list[str]:
    return [column for column in SIZES if column in llms]


def _unit(column: str) -> str:
    return {"params_b": "1e9 parameters", "tokens_t": "1e12 tokens"}[column]


def _plain(number: float) -> str:
    """Write a power of ten the way a reader would: ``1e5``."""
    return f"1e{round(np.log10(number))}"


def _names(rows: pd.DataFrame) -> list[str]:
    if "llm" in rows:
        return quoted(rows["llm"])
    return [f"row {label}" for label in rows.index]
