"""Finished folds of a backtest on disk, where the same backtest finds them again."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from latentscale.netcdf import temporary_beside
from latentscale.one_fold import Rival
from latentscale.splits import Splits
from latentscale.table import ScoreTable

_OURS = (__package__, "builtins", "abc")

# Other versions may draw other numbers.
_DRAWN_BY = ("numpy", "scipy", "pandas", "formulaic", "numba", "nutpie", "scikit-learn")


@dataclass(frozen=True)
class FinishedFolds:
    """Finished folds on disk, one file each.

    Attributes
    ----------
    path : pathlib.Path
    """

    path: Path

    @classmethod
    def of(
        cls,
        model: Rival,
        splits: Splits,
        folder: str | Path | None,
        seed: int,
        settings: Mapping[str, Any],
    ) -> FinishedFolds:
        """Find the folder of this very backtest: other settings, data or code have another."""
        base = _user_cache() / "backtests" if folder is None else Path(folder)
        path = base / _fingerprint(model, splits, seed, settings)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def has(self, position: int) -> bool:
        """Say whether a fold is finished."""
        return self._file(position).is_file()

    def write(self, position: int, fold: xr.Dataset) -> None:
        """Write a fold; it appears only once all of it is written."""
        with temporary_beside(self._file(position)) as temporary:
            fold.to_netcdf(temporary, engine="h5netcdf")
            os.replace(temporary, self._file(position))

    def read(self, position: int) -> xr.Dataset:
        """Read a fold."""
        with xr.open_dataset(self._file(position), engine="h5netcdf") as fold:
            return fold.load()

    def _file(self, position: int) -> Path:
        return self.path / f"fold-{position:04d}.nc"


def _user_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "latentscale"


def _fingerprint(model: Rival, splits: Splits, seed: int, settings: Mapping[str, Any]) -> str:
    """Tell a backtest from every other: by model, folds, settings, seed, and the code itself."""
    told = hashlib.sha256(_code_of(type(model)))
    spec = getattr(model, "spec", None)
    told.update(f"{type(model).__qualname__} {spec!r}".encode())
    told.update(_state_of(model))
    told.update(json.dumps([seed, dict(settings)], sort_keys=True, default=repr).encode())
    for split in splits:
        told.update(split.name.encode())
        told.update(pd.util.hash_pandas_object(split.hidden, index=False).to_numpy().tobytes())
    tables = {id(split.table): split.table for split in splits}
    if (own := getattr(model, "table", None)) is not None:  # where chains start depends on it
        tables[id(own)] = own
    for table in tables.values():
        told.update(_digest(table).encode())
    for package in _DRAWN_BY:
        told.update(f"{package} {_version(package)}".encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        told.update(source.read_bytes())
    return told.hexdigest()[:16]


def _code_of(kind: type) -> bytes:
    """Give the source of a class that is not of this package, and of what it inherits.

    Of a class whose source is nowhere, something that no other backtest has.
    """
    own = [each for each in kind.__mro__ if each.__module__.partition(".")[0] not in _OURS]
    try:
        return "".join(map(inspect.getsource, own)).encode()
    except (OSError, TypeError):
        return os.urandom(16)


def _digest(table: ScoreTable) -> str:
    """Tell a table from every other by what is in it."""
    told = hashlib.sha256()
    for frame in (table.scores, table.llms, table.benchmarks):
        told.update(frame.to_csv(index=False).encode())
    return told.hexdigest()


class _StatePickler(pickle.Pickler):
    """Writes what a model holds, of a table its digest: frames are not pickled alike each time."""

    def persistent_id(self, held: object) -> str | None:
        return _digest(held) if isinstance(held, ScoreTable) else None


def _state_of(model: Rival) -> bytes:
    """Give what tells a model from others of its class.

    Of one that is not of this package its fields: its ``repr`` may leave out a setting, or hold an
    address. If they cannot be written down, something that no other backtest has.
    """
    if type(model).__module__.partition(".")[0] in _OURS:
        return repr(model).encode()
    names = [each.name for each in fields(model)] if is_dataclass(model) else sorted(vars(model))
    written = io.BytesIO()
    try:
        _StatePickler(written).dump({name: getattr(model, name) for name in names})
    except (TypeError, AttributeError, pickle.PicklingError):
        return os.urandom(16)
    return written.getvalue()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # not all of them are needed
        return "none"
