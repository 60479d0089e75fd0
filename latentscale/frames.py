"""A frame as JSON text that gives exactly the same frame back: values, dtypes, what is missing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from latentscale.errors import SaveError
from latentscale.wording import first


def frame_text(frame: pd.DataFrame, name: str) -> str:
    """Write a frame with text column names and numbered rows as JSON.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of numbers, text, truth values, dates, durations or categories, with unknown values.
    name : str
        What the frame is, for the message.

    Returns
    -------
    str

    Raises
    ------
    SaveError
        A column would not come back exactly as it is.

    Examples
    --------
    >>> frame = pd.DataFrame({"llm": ["a", "b"], "day": pd.to_datetime(["2024-06-07", None])})
    >>> read_frame(frame_text(frame, "llms")).equals(frame)
    True
    """
    columns = []
    for label, column in frame.items():
        written = _write_column(column)
        text = json.dumps(written, default=as_python)
        if written is None or not _same(_read_column(json.loads(text)), column):
            raise _no_exact_form(column, str(label), name)
        columns.append([label, written])
    return json.dumps(columns, default=as_python)


def read_frame(text: str) -> pd.DataFrame:
    """Read a frame that :func:`frame_text` wrote."""
    return pd.DataFrame({label: _read_column(written) for label, written in json.loads(text)})


def _write_column(column: pd.Series) -> dict[str, Any] | None:
    """Write a column as what JSON knows; None for a type that has no such form."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _write_column(dtype.categories.to_series())
        codes = column.cat.codes.tolist()
        return {"categories": categories, "ordered": dtype.ordered, "values": codes}
    if dtype.kind in "mM":
        return {"dtype": str(dtype), "values": column.astype("int64").tolist()}
    if isinstance(dtype, pd.StringDtype) or (isinstance(dtype, np.dtype) and dtype.kind in "biufO"):
        return {"dtype": str(dtype), "values": column.tolist()}
    return None


def _read_column(written: dict[str, Any]) -> pd.Series:
    if "categories" in written:
        categories = pd.Index(_read_column(written["categories"]))
        values = pd.Categorical.from_codes(
            written["values"], categories=categories, ordered=written["ordered"]
        )
        return pd.Series(values)
    if written["dtype"].startswith(("datetime", "timedelta")):
        return pd.Series(written["values"], dtype="int64").astype(written["dtype"])
    return pd.Series(written["values"], dtype=written["dtype"])


def _same(read: pd.Series, column: pd.Series) -> bool:
    """Compare values and dtype; in a column of any objects also the types of the values."""
    if column.dtype == object and [*map(type, read)] != [*map(_stored_type, column)]:
        return False
    return read.equals(column)


def _stored_type(value: Any) -> type:
    return type(value.item()) if isinstance(value, np.generic) else type(value)


def as_python(value: Any) -> Any:
    """Give numpy's numbers and arrays as Python's, and of anything else what it is called."""
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else repr(value)


def _no_exact_form(column: pd.Series, label: str, frame: str) -> SaveError:
    kinds = sorted({type(value).__name__ for value in column})
    return SaveError(
        f"The column {label!r} of the table's {frame} cannot be saved without loss: it holds "
        f"values of type {first(kinds)} in a column of dtype {str(column.dtype)!r}. A file keeps "
        "numbers, text, truth values, dates and categories. Before the table is made, write\n"
        f"      {frame}[{label!r}] = {frame}[{label!r}].astype(str)"
    )
