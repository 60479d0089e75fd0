"""The kernels as plain Python: for a few cells, compiling them would take far longer."""

from __future__ import annotations

import pytest
from numba.core.dispatcher import Dispatcher

from latentscale.kernels import (
    deviations,
    gram,
    links,
    measuring,
    operations,
    posterior,
    scatter,
    scoring,
    skills,
)

_MODULES = (deviations, gram, links, measuring, operations, posterior, scatter, scoring, skills)


def uncompile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchange every compiled function for the Python function that it was compiled from."""
    for module in _MODULES:
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher):
                monkeypatch.setattr(module, name, value.py_func)
    for name, functions in scatter.FUNCTIONS.items():
        monkeypatch.setitem(scatter.FUNCTIONS, name, tuple(f.py_func for f in functions))
    monkeypatch.setattr(operations, "_apart", lambda make, n, name: make(n, name)[0])
    monkeypatch.setattr(operations, "numba_njit", lambda **settings: lambda function: function)
    monkeypatch.setattr(operations, "_for_python", lambda op: op.kernel(for_python=True))
