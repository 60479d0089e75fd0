"""What nutpie drew, laid out as a DataTree of kept draws.

nutpie's own conversion copies tuning draws as well, and its trace stays until all is copied. Here
the memory of a variable is let go as soon as its kept draws are laid out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xarray as xr

from latentscale.coordinates import Variable

# Columns of nutpie's statistics that number the rows.
_NUMBERS_ROWS = ("chain", "draw", "tuning")


@dataclass(frozen=True)
class _Rows:
    """The kept draws of a chain: so many rows of its batch from one on."""

    chain: int
    start: int
    n: int


def lay_out(
    trace: Any, reported: Sequence[Variable], coords: Mapping[str, Iterable]
) -> xr.DataTree:
    """Lay the kept draws of a trace out.

    Parameters
    ----------
    trace : nutpie's raw trace
        Of as many draws as asked for, or of fewer, if sampling was interrupted.
    reported : sequence of Variable
        In which order draws hold their numbers.
    coords : mapping of str to iterable
        Labels of their dims.

    Returns
    -------
    xarray.DataTree
        With the groups ``posterior`` and ``sample_stats``. Of an interrupted trace it has the
        chains, cut to the shortest of them, that leave the most draws (as PyMC keeps them); no
        groups, if there is no kept draw.
    """
    drawn, stats = ([pa.record_batch(each) for each in half] for half in trace.get_arrow_trace())
    rows = _longest([_kept_rows(chain, each) for chain, each in enumerate(stats)])
    if not rows:
        return xr.DataTree()
    posterior = {each.name: _taken(drawn, each.name, rows, each.shape) for each in reported}
    names = [each.name for each in stats[0].schema if not pa.types.is_nested(each.type)]
    sample_stats = {name: _taken(stats, name, rows) for name in names if name not in _NUMBERS_ROWS}
    tree: xr.DataTree = az.from_dict(
        {"posterior": posterior, "sample_stats": sample_stats},
        coords={dim: pd.Index(labels) for dim, labels in coords.items()},
        dims={each.name: list(each.dims) for each in reported},
        attrs={"sample_stats": _origin()},
    )
    return tree


def _origin() -> dict[str, str]:
    """Say what drew, by ArviZ's names."""
    return {"inference_library": "nutpie", "inference_library_version": version("nutpie")}


def _kept_rows(chain: int, stats: pa.RecordBatch) -> _Rows:
    n_tuning = pc.sum(stats.column("tuning")).as_py() or 0
    return _Rows(chain, n_tuning, stats.num_rows - n_tuning)


def _longest(rows: Sequence[_Rows]) -> list[_Rows]:
    """Choose chains and cut them to the shortest, so that the most draws are left."""
    falling = sorted(rows, key=lambda each: -each.n)
    n_chains = 1 + int(np.argmax([(i + 1) * each.n for i, each in enumerate(falling)]))
    n = falling[n_chains - 1].n
    chosen = sorted(falling[:n_chains], key=lambda each: each.chain)
    return [_Rows(each.chain, each.start, n) for each in chosen] if n else []


def _taken(
    batches: list[pa.RecordBatch], name: str, rows: Sequence[_Rows], shape: tuple[int, ...] = ()
) -> np.ndarray:
    """Take a variable out of the batches; (chain, draw, ...)."""
    found = np.stack(
        [_numbers(batches[each.chain].column(name), each).reshape(each.n, *shape) for each in rows]
    )
    batches[:] = [each.drop_columns([name]) for each in batches]
    return found


def _numbers(column: pa.Array, rows: _Rows) -> np.ndarray:
    kept = column.slice(rows.start, rows.n)
    if pa.types.is_nested(kept.type):
        kept = kept.flatten()
    values: np.ndarray = kept.to_numpy(zero_copy_only=False)
    return values
