"""The words that messages are made of: counts, lists of labels, nearest names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: ``1 score``, ``2 scores``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def chains_of(chains: int, draws: int) -> str:
    """Write how much was drawn: ``4 chains of 1,000 draws``."""
    return f"{count(chains, 'chain')} of {count(draws, 'draw')}"


def first(items: Iterable[str], shown: int = 3) -> str:
    """List the first few items, and say how many follow."""
    items = list(items)
    rest = len(items) - shown
    return ", ".join(items[:shown]) + (f" and {rest:,} more" if rest > 0 else "")


def quoted(labels: Iterable[object]) -> list[str]:
    """Quote labels the way Python does."""
    return [repr(label) for label in labels]


def with_values(names: Iterable[str], values: Iterable[Any]) -> list[str]:
    """Append each value to its name."""
    return [f"{name} = {_shown(value)}" for name, value in zip(names, values, strict=True)]


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Find the option that a misspelt name most likely meant."""
    by_key = {option.casefold(): option for option in options}
    found = difflib.get_close_matches(name.casefold(), list(by_key), n=1)
    return by_key[found[0]] if found else None


def with_nearest(names: Iterable[str], options: Iterable[str]) -> list[str]:
    """Quote unknown names, each with the known name that comes nearest."""
    options = list(options)
    near = [(name, nearest(name, options)) for name in names]
    return [repr(name) + (f" (nearest: {hint!r})" if hint else "") for name, hint in near]


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
