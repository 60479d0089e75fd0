"""The columns that a score table knows by name, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Missing = Literal["error", "keep"]

COUNTS = ("successes", "trials")
IDENTITY = ("llm", "family", "recipe", "tuned", "developer")
SIZES = ("params_b", "tokens_t")
DATE = "release_date"
# What these columns of a wide frame hold is known, so that they cannot be benchmarks.
DESCRIBING = frozenset({*IDENTITY, *SIZES})

REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "scores": ("llm", "benchmark", "score"),
        "llms": ("llm", "family"),
        "benchmarks": ("benchmark",),
    }
)

# Why a frame cannot do without a column.
PURPOSE: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("scores", "llm"): "It says which LLM was evaluated.",
        ("scores", "benchmark"): "It says which benchmark the score is of.",
        ("scores", "score"): "It holds the fraction of answers that are right, in [0, 1].",
        ("llms", "llm"): "It says which LLM a row describes.",
        ("llms", "family"): "LLMs learn from each other through their pretraining family.",
        ("benchmarks", "benchmark"): "It says which benchmark a row describes.",
    }
)

# Names that other people's tables use for the same thing, most telling first.
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "llm": ("model", "model_name", "model_id", "llm_name", "fullname", "name"),
        "benchmark": ("task", "dataset", "bench", "evaluation", "test"),
        "score": ("accuracy", "acc", "value", "result", "metric_value"),
        "family": ("model_family", "llm_family", "base_family", "series"),
    }
)

# Dims of the posterior, and the two names that ArviZ keeps for itself.
_DIMS = frozenset({"chain", "draw", "sample", "obs", "skill", "feature", "model", "column"})

RESERVED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "scores": _DIMS | {"family", "recipe", "tuned"},
        "llms": _DIMS | {"benchmark", "score", "successes", "trials", "n_items"},
        "benchmarks": _DIMS | {"llm", "family", "recipe", "tuned", "score"},
    }
)

# No LLM comes near 1e14 parameters, while every raw count of parameters exceeds 1e5.
RAW_PARAMS = 1e5
# The largest corpora of today hold some 4e13 tokens (40), and the smallest of note 1e10 (10, if in
# 1e9 tokens): a number above 100 is in 1e9 tokens, and one above 1e6 is a raw count.
MANY_TOKENS = 1e2
RAW_TOKENS = 1e6

# A score may be rounded to two decimals and still agree with its counts.
ROUNDING = 0.005
