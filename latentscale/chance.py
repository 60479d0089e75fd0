"""Chance levels of well-known benchmarks, looked up by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from latentscale.bundled import read_bundled

# Other names under which the same evaluation is published.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "ARC": "ARC-C",
        "ARC challenge": "ARC-C",
        "AI2 Reasoning Challenge": "ARC-C",
        "BIG-Bench Hard": "BBH",
        "MATH Hard": "MATH Lvl 5",
        "MATH Level 5": "MATH Lvl 5",
        "TruthfulQA MC2": "TruthfulQA",
    }
)


def known_chance(benchmark: str) -> float | None:
    """Give the chance level of a benchmark that the bundled tables know, else None.

    The name is matched exactly first, then without regard to case, hyphens, underscores and
    blanks, then through a few aliases such as ``ARC``.

    Parameters
    ----------
    benchmark : str
        A benchmark's name as the user spells it.

    Returns
    -------
    float or None
        Expected score of random guessing, a fraction in [0, 1). TruthfulQA (MC2) has no such
        level: its empirical floor on the leaderboard stands in.

    Raises
    ------
    CatalogError
        The bundled tables are not part of this installation.

    Examples
    --------
    >>> known_chance("MMLU-PRO"), known_chance("mmlu_pro"), known_chance("ARC")
    (0.1, 0.1, 0.25)
    >>> known_chance("my own benchmark") is None
    True
    """
    exact, normalised = _levels()
    return exact.get(benchmark, normalised.get(_normalise(benchmark)))


@cache
def _levels() -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Read the levels once: by exact name, and by normalised name and alias."""
    frame = read_bundled("leaderboard", "benchmarks.csv")
    level = frame["chance"].fillna(frame["empirical_floor"])
    exact = {str(name): float(value) for name, value in zip(frame["benchmark"], level, strict=True)}
    normalised = {_normalise(name): value for name, value in exact.items()}
    aliases = {_normalise(alias): exact[name] for alias, name in ALIASES.items()}
    return MappingProxyType(exact), MappingProxyType(aliases | normalised)


def _normalise(name: str) -> str:
    return re.sub(r"[-_\s]", "", name).casefold()
