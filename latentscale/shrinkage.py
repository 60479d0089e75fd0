"""Which features are shrunk, and by which terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentscale.features import FeatureEncoding

# What says how large an LLM is, how long it was trained and when: these are not shrunk, as nobody
# doubts that they matter. Of all else few features matter, and nobody knows which.
_SCALE = frozenset(
    ("params_b", "active_params_b", "tokens_t", "release_date", "compute", "tokens_per_parameter",
     "tuned")
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """Which features are shrunk together.

    Attributes
    ----------
    terms : tuple of str
        Each with a relevance of its own.
    term : numpy.ndarray of int, dims (feature,)
        Positions among ``terms``, or -1 where a feature is not shrunk.
    """

    terms: tuple[str, ...]
    term: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """The features in which benchmarks have slopes of their own, dims (own_feature,).

        Those that are not shrunk: what few families say of the others is told of skills alone. (On
        the bundled base LLMs, families left out, 16 shrunk terms make the error 4.0 % smaller than
        scale alone; with slopes of benchmarks in them 2.1 %, and fits take a fifth longer.) And
        scores have to rise with skills, if these rise by steps of a monotone term.
        """
        found: np.ndarray = np.flatnonzero(self.term < 0)
        return found


def shrinkage_of(encoding: FeatureEncoding, shrunk: Sequence[str]) -> Shrinkage:
    """Give each shrunk design column its term: a category's columns have one, a smooth's bends too.

    Parameters
    ----------
    encoding : FeatureEncoding
    shrunk : sequence of str
        Names of design columns.

    Returns
    -------
    Shrinkage
    """
    parts = [
        part if name in shrunk else None
        for name, part in zip(encoding.names, encoding.parts, strict=True)
    ]
    terms = tuple(dict.fromkeys(part for part in parts if part is not None))
    return Shrinkage(terms, np.array([-1 if p is None else terms.index(p) for p in parts]))


def usually_shrunk(encoding: FeatureEncoding) -> tuple[str, ...]:
    """Name the design columns that are shrunk by default.

    All that scale and date do not make, and those that must be.
    """
    scale = _SCALE | encoding.dates
    variables = {*encoding.levels, *encoding.inputs} - scale
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in variables))
    must = always_shrunk(encoding)
    return tuple(n for n in encoding.names if n in must or (variables and pattern.search(n)))


def always_shrunk(encoding: FeatureEncoding) -> tuple[str, ...]:
    """Name the design columns that must be: slopes of monotone terms are so declared."""
    steps = encoding.is_step
    return tuple(name for name, step in zip(encoding.names, steps, strict=True) if step)
