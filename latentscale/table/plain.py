"""Plain copies of a user's frames: text labels, numpy dtypes, numbered rows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

LABELS = frozenset({"llm", "benchmark", "family", "recipe", "developer"})


def plain_frame(frame: object) -> pd.DataFrame:
    """Copy a frame with text column names, text labels, numpy dtypes and numbered rows."""
    if not isinstance(frame, pd.DataFrame):
        return pd.DataFrame()
    named = frame.set_axis([str(column) for column in frame.columns], axis=1)
    unique = named.loc[:, ~named.columns.duplicated()].reset_index(drop=True)
    columns = {
        name: labels(column) if name in LABELS else plain(column) for name, column in unique.items()
    }
    return pd.DataFrame(columns, index=unique.index, columns=unique.columns)


def labels(column: pd.Series) -> pd.Series:
    """Write labels as text; a missing or blank one becomes None."""
    return pd.Series([label(value) for value in column], index=column.index, dtype=object)


def label(value: Any) -> str | None:
    """Write one label as text: 7 and 7.0 are both ``'7'``, a blank is None."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value) if str(value).strip() else None


def folded(label: str) -> str:
    """Write a label without blanks and cases, so that those that look alike are alike."""
    return re.sub(r"\s", "", label).casefold()


def plain(column: pd.Series) -> pd.Series:
    """Give a column a numpy dtype where it holds numbers, truth values or text.

    Categories and dates stay as they are: their order and unit mean something.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    if pd.api.types.is_bool_dtype(column.dtype):
        return _plain_object(column) if column.hasnans else column.astype(bool)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _plain_number(column)
    if pd.api.types.is_object_dtype(column.dtype) and _holds_numbers(column):
        return _plain_number(column)
    boxed = pd.api.types.is_object_dtype(column.dtype) or isinstance(column.dtype, pd.ArrowDtype)
    if boxed or pd.api.types.is_string_dtype(column.dtype):
        return _plain_object(column)
    return column


def to_number(column: pd.Series) -> pd.Series:
    """Read a column as float64; what is no number becomes NaN."""
    if column.dtype == np.float64 or column.dtype == np.int64:
        return column.astype(float)
    known = column.astype(object).where(column.notna(), np.nan)
    return pd.to_numeric(known, errors="coerce").astype(float)


def to_date(column: pd.Series) -> pd.Series:
    """Read a column of dates, or of text such as 2024-06-07; what is none becomes NaT.

    Numbers stay what they are: they may count years.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column
    known = column.astype(object).where(column.notna(), None)
    return pd.to_datetime(known, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)


def _holds_numbers(column: pd.Series) -> bool:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    return kind in {"integer", "floating", "mixed-integer-float", "decimal"}


def _plain_number(column: pd.Series) -> pd.Series:
    if pd.api.types.is_integer_dtype(column.dtype) and not column.hasnans:
        return column.astype("int64")
    return to_number(column)


def _plain_object(column: pd.Series) -> pd.Series:
    """Rebuild a column from Python values, so that pandas picks its own default dtype."""
    known = column.notna()
    values = column.astype(object).where(known, np.nan).tolist()
    # A column without any value stays an object column: nothing says that it holds numbers.
    return pd.Series(values, index=column.index, dtype=None if known.any() else object)
