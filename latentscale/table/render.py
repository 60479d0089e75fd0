"""A score table in one look, as text and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from latentscale.table.columns import IDENTITY, SIZES
from latentscale.wording import count

if TYPE_CHECKING:
    from latentscale.table.score_table import ScoreTable

SHOWN_FEATURES = 6


def as_text(table: ScoreTable) -> str:
    """Describe a table in a few lines."""
    facts = _facts(table)
    width = max(len(name) for name in facts)
    lines = [f"  {name:<{width}}  {value}" for name, value in facts.items()]
    return "\n".join(["ScoreTable", *lines])


def as_html(table: ScoreTable) -> str:
    """Describe a table as a small HTML table, for notebooks."""
    rows = "".join(
        f'<tr><th style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(value)}</td></tr>'
        for name, value in _facts(table).items()
    )
    return f"<table><caption>ScoreTable</caption><tbody>{rows}</tbody></table>"


def _facts(table: ScoreTable) -> dict[str, str]:
    families, recipes = len(table.family_names), len(table.recipe_names)
    groups = f"{count(families, 'family', 'families')}, {count(recipes, 'recipe')}"
    return {
        "LLMs": f"{len(table.llm_names):,} ({groups})",
        "benchmarks": f"{len(table.benchmark_names):,}",
        "scores": f"{table.n_obs:,} ({table.missing_share:.1%} of the cells missing)",
        "features": _features(table),
    }


def _features(table: ScoreTable) -> str:
    columns = [str(name) for name in table.llms if name not in IDENTITY]
    names = sorted(columns, key=lambda name: name not in SIZES)
    rest = len(names) - SHOWN_FEATURES
    more = f" and {rest} more" if rest > 0 else ""
    return ", ".join(names[:SHOWN_FEATURES]) + more or "none"
