"""What these data cannot tell of a feature, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from latentscale.derived import with_derived
from latentscale.formulas import required_columns
from latentscale.wording import count, first, quoted

if TYPE_CHECKING:
    from latentscale.design import Design

# Above this share of its variation between families, a feature competes with their effects.
_MOSTLY_BETWEEN = 0.9
# A kind that fewer developers use cannot be told from these.
_FEW_DEVELOPERS = 3


def features_of(design: Design) -> list[str]:
    """Name the features that can be set: what the formula names, and tuned where it differs."""
    encoding = design.encoding
    named = required_columns(encoding.formula, [*design.llms, *encoding.derived])
    return [*named, *(["tuned"] if design.llms["tuned"].nunique() > 1 else [])]


def values_of(design: Design, feature: str) -> pd.Series:
    """Give the values of a feature that fitted LLMs have."""
    return with_derived(design.llms, [n for n in design.encoding.derived if n == feature])[feature]


def share_between(design: Design, column: str) -> float:
    """Give the share of a feature's variation over LLMs that lies between families."""
    values = values_of(design, column)
    if is_datetime64_any_dtype(values):
        days = (values - pd.Timestamp(0)) / pd.Timedelta(days=1)
        numbers = days.to_numpy(dtype=float)[:, None]
    elif is_numeric_dtype(values) and not is_bool_dtype(values):
        numbers = values.to_numpy(dtype=float)[:, None]
        if not (numbers <= 0).any() and design.encoding.takes_logarithm(column):
            numbers = np.log(numbers)
    else:
        known = values.notna().to_numpy()[:, None]
        numbers = np.where(known, pd.get_dummies(values).to_numpy(dtype=float), np.nan)
    return share_of_columns(design, numbers)


def share_of_columns(design: Design, values: np.ndarray) -> float:
    """Give the share of the variation of columns, dims (llm, column), between families.

    Of what is known; NaN where they do not vary.
    """
    known = ~np.isnan(values).any(axis=1)
    centred = values[known] - values[known].mean(axis=0)
    _, family = np.unique(design.family_of_llm[known], return_inverse=True)
    n = np.bincount(family)
    total = 0.0
    for column in centred.T:
        means = np.bincount(family, column) / n
        total += float((n * means**2).sum())
    whole = float((centred**2).sum())
    return total / whole if whole > 0 else float("nan")


def caveat(design: Design, column: str) -> str:
    """Say plainly what cannot be told of a feature."""
    share, known = share_between(design, column), values_of(design, column).notna()
    of = design.llms.loc[known, "family"].nunique()
    families = count(of, "family", "families")
    lacking = "" if known.all() else (
        f" It is known of {int(known.sum())} of the {len(known)} LLMs; of the others it is drawn, "
        "as if it were missing at random."
    )  # fmt: skip
    lacking = _of_few(design, column) + lacking
    if np.isnan(share):
        return f"{column}: is the same for all LLMs, which say nothing of it.{lacking}"
    if share > _MOSTLY_BETWEEN:
        return (
            f"{column}: {100 * share:.0f} % of its variation lies between the {families}. What "
            "else families that differ in it have in common cannot be told from it, but for the "
            f"prior of family effects.{lacking}"
        )
    return (
        f"{column}: {100 * (1 - share):.0f} % of its variation lies within families, where LLMs "
        f"share all else that their developers do not change along with it.{lacking}"
    )


def _of_few(design: Design, column: str) -> str:
    """Name the kinds that one or two developers alone use, or families where there are none."""
    if column not in design.encoding.levels:
        return ""
    owners = design.owner_of_llm.groupby(design.llms[column]).unique()
    few = owners[owners.map(len) < _FEW_DEVELOPERS]
    said = [f"{name!r} of {' and '.join(quoted(sorted(who)))}" for name, who in few.items()]
    if not said:
        return ""
    return f" Some kinds are of few alone, and cannot be told from these: {first(said, 4)}."
