"""Simulated LLMs and benchmarks: who was evaluated, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentscale.errors import SpecError
from latentscale.table.columns import MANY_TOKENS
from latentscale.wording import count, first, with_nearest

# Chance levels of numbered benchmarks, in turn: four options, none, two options, ten options.
_CHANCE = (0.25, 0.0, 0.5, 0.1)


def draw_llms(
    n_families: int,
    recipes: float,
    llms: float,
    tuned_share: float,
    families: float | None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw families, their recipes and their LLMs, with sizes, tokens and perhaps developers.

    The arguments are those of :func:`latentscale.simulate`.
    """
    _require_usable(n_families, recipes, llms, tuned_share, families)
    rows = []
    for number in range(1, n_families + 1):
        family = f"family {number:0{len(str(n_families))}d}"
        n_llms = 1 + rng.poisson(llms - 1, size=1 + rng.poisson(recipes - 1))
        params, tokens = _draw_sizes(int(n_llms.max()), rng)
        for position, n in enumerate(n_llms.tolist()):
            recipe = family if position == 0 else f"{family} recipe {position + 1}"
            tuned = int(position > 0 and rng.random() < tuned_share)
            for size in sorted(rng.choice(len(params), size=n, replace=False).tolist()):
                name = f"{recipe} {params[size]:.3g}B"
                rows.append((name, family, recipe, tuned, params[size], tokens[size]))
    columns = ["llm", "family", "recipe", "tuned", "params_b", "tokens_t"]
    found = pd.DataFrame(rows, columns=columns)
    if families is None:
        return found
    # Each family is of the developer of the one before it, or of the next one.
    is_next = rng.random(n_families) < 1 / families
    whose = (1 + is_next.cumsum() - is_next[0])[pd.factorize(found["family"])[0]]
    return found.assign(developer=[f"developer {i}" for i in whose.tolist()])


def _draw_sizes(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw parameters (1e9) and training tokens (1e12) of the sizes of one family."""
    steps = rng.uniform(np.log(1.8), np.log(4.5), size=n)
    params = np.exp(rng.normal(np.log(5), 0.9) + np.cumsum(steps) - steps.sum() / 2)
    tokens = np.exp(rng.normal(np.log(2), 1.0) + rng.normal(0, 0.25, size=n))
    return params, np.minimum(tokens, MANY_TOKENS)  # of thousands of families one has more


def named_benchmarks(
    benchmarks: int | Sequence[str], chance: float | Sequence[float] | None
) -> pd.DataFrame:
    """Name the benchmarks, and give them chance levels where these are known.

    The arguments are those of :func:`latentscale.simulate`.
    """
    if isinstance(benchmarks, int | np.integer):
        names = [f"benchmark {j + 1}" for j in range(int(benchmarks))]
        level: Any = np.resize(_CHANCE, len(names)) if chance is None else chance
    else:
        names, level = [str(name) for name in benchmarks], chance
    if not names:
        raise SpecError("benchmarks names no benchmark to simulate. Use benchmarks=12.")
    frame = pd.DataFrame({"benchmark": names})
    if level is None:
        return frame
    if np.ndim(level) == 1 and len(level) != len(names):
        raise SpecError(
            f"chance has {count(len(level), 'level')} for {count(len(names), 'benchmark')}. Give "
            "one for each, or a single number for all."
        )
    return frame.assign(chance=level)


def draw_cells(
    llms: pd.DataFrame,
    info: pd.DataFrame,
    missing: float,
    missing_by: str,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw which cells are observed, one row a cell."""
    _require_missing(missing, missing_by)
    shape = (len(llms), len(info))
    seen = rng.random(shape) >= missing
    if missing_by == "suite":
        lacking = rng.random(shape[0]) < 2 * missing
        lacks_second = rng.random(shape[0]) < 0.5
        is_second = np.arange(shape[1]) >= shape[1] / 2
        seen = ~(lacking[:, None] & (is_second == lacks_second[:, None]))
    for unseen in np.flatnonzero(~seen.any(axis=1)):
        seen[unseen, rng.integers(shape[1])] = True
    for rare in np.flatnonzero(seen.sum(axis=0) < 2):
        seen[rng.choice(shape[0], size=2, replace=False), rare] = True
    i, j = np.nonzero(seen)
    names = {"llm": llms["llm"].to_numpy()[i], "benchmark": info["benchmark"].to_numpy()[j]}
    return pd.DataFrame(names)


def _require_usable(
    n_families: int, recipes: float, llms: float, tuned_share: float, families: float | None
) -> None:
    if not isinstance(n_families, int | np.integer) or n_families < 2:
        raise SpecError(
            f"n_families={n_families!r} must be a whole number of at least 2: with one family, no "
            "feature that families share could be told from it. Use n_families=40."
        )
    means = {"recipes_per_family": recipes, "llms_per_recipe": llms}
    if families is not None:
        means["families_per_developer"] = families
    for name, value in means.items():
        if not value >= 1:
            raise SpecError(
                f"{name}={value!r} must be at least 1: it is a mean, and none is empty. Use "
                f"{name}=2.2."
            )
    if not 0 <= tuned_share <= 1:
        raise SpecError(f"tuned_share={tuned_share!r} is not a share from 0 to 1. Use 0.8.")


def _require_missing(missing: float, missing_by: str) -> None:
    options = ("cell", "suite")
    if missing_by not in options:
        raise SpecError(
            f"missing_by={first(with_nearest([str(missing_by)], options))} is not known. Use "
            "'cell' or 'suite'."
        )
    if not 0 <= missing < 1:
        raise SpecError(
            f"missing={missing!r} is not a share of cells from 0 to below 1. Use missing=0.3."
        )
    if missing_by == "suite" and missing > 0.5:
        raise SpecError(
            f"missing={missing!r} with missing_by='suite' would leave LLMs without any score: an "
            "LLM lacks one half of the benchmarks or none. Use missing=0.5 or less."
        )
