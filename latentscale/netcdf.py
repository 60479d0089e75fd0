"""Datasets that netCDF can hold, and back: mixed labels, multi-level indices, odd attributes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.frames import as_python

# Attributes of our own on groups and variables, which mark what netCDF cannot hold as it is.
_JSON_ATTRS, _JSON_VALUES, _LEVELS = "_json_attrs", "_json_values", "_index_levels"


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Give a name in the same folder, since a file can be moved whole only within one disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def to_netcdf_types(dataset: xr.Dataset) -> xr.Dataset:
    """Give a Dataset that netCDF can hold.

    Parameters
    ----------
    dataset : xarray.Dataset
        Whatever its labels and attributes are.

    Returns
    -------
    xarray.Dataset
        With labels of mixed types, and attributes that are neither text nor a number, as JSON text;
        and with multi-level indices as plain coordinates.

    Examples
    --------
    >>> dataset = xr.Dataset(coords={"x": np.array(["a", 1, None], dtype=object)})
    >>> dataset.attrs = {"flag": True, "note": None}
    >>> from_netcdf_types(to_netcdf_types(dataset)).identical(dataset)
    True
    """
    plain = dataset.drop_encoding()
    levels = {
        str(index.name): [str(name) for name in index.names]
        for index in plain.indexes.values()
        if isinstance(index, pd.MultiIndex)
    }
    plain = plain.reset_index(list(levels))
    if levels:
        plain = plain.assign_attrs({_LEVELS: levels})
    plain = _each_variable(plain, _plain_variable)
    plain.attrs = _plain_attrs(plain.attrs)
    return plain


def from_netcdf_types(dataset: xr.Dataset) -> xr.Dataset:
    """Undo :func:`to_netcdf_types`."""
    restored = _each_variable(dataset.drop_encoding(), _restored_variable)
    attrs = _restored_attrs(restored.attrs)
    levels = attrs.pop(_LEVELS, {})
    restored.attrs = attrs
    return restored.set_index(levels) if levels else restored


def _each_variable(dataset: xr.Dataset, change: Callable[[xr.Variable], xr.Variable]) -> xr.Dataset:
    """Change variables and coordinates one by one; indices are kept, or made anew if changed."""
    changed = {name: change(variable) for name, variable in dataset.variables.items()}
    new = {name: value for name, value in changed.items() if value is not dataset.variables[name]}
    coords = {name: value for name, value in new.items() if name in dataset.coords}
    return dataset.assign({k: v for k, v in new.items() if k not in coords}).assign_coords(coords)


def _plain_variable(variable: xr.Variable) -> xr.Variable:
    attrs = _plain_attrs(variable.attrs)
    numpy_dtype = isinstance(variable.dtype, np.dtype)
    if numpy_dtype and variable.dtype.kind not in "OT":
        same = attrs == dict(variable.attrs)
        return variable if same else xr.Variable(variable.dims, variable.data, attrs)
    values = np.asarray(variable.values, dtype=object)
    if all(isinstance(value, str) for value in values.flat):
        return xr.Variable(variable.dims, values.astype(str), attrs)
    texts = [json.dumps(value, default=as_python) for value in values.flat]
    data = np.array(texts, dtype=str).reshape(values.shape)
    return xr.Variable(variable.dims, data, attrs | {_JSON_VALUES: 1})


def _restored_variable(variable: xr.Variable) -> xr.Variable:
    attrs = _restored_attrs(variable.attrs)
    if attrs.pop(_JSON_VALUES, None):
        values = np.empty(variable.shape, dtype=object)
        values.flat = [json.loads(str(text)) for text in variable.values.flat]
        return xr.Variable(variable.dims, values, attrs)
    if attrs == dict(variable.attrs):
        return variable
    return xr.Variable(variable.dims, variable.data, attrs)


def _plain_attrs(attrs: dict[Any, Any]) -> dict[str, Any]:
    """Keep text and numbers; write None, truth values, lists and mappings as one JSON text."""
    plain = {str(name): value for name, value in attrs.items() if _is_plain(value)}
    other = {str(name): value for name, value in attrs.items() if not _is_plain(value)}
    return plain | ({_JSON_ATTRS: json.dumps(other, default=as_python)} if other else {})


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value)
    number = isinstance(value, float | np.integer | np.floating)
    small = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return number or small


def _restored_attrs(attrs: dict[Any, Any]) -> dict[str, Any]:
    restored = {str(name): value for name, value in attrs.items() if name != _JSON_ATTRS}
    return restored | json.loads(attrs.get(_JSON_ATTRS, "{}"))
