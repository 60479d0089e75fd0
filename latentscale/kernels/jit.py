"""How every kernel is compiled: with IEEE division, and to be called by compiled code alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

# Wrappers for callers in Python or C would take a third of the time to compile.
_SETTINGS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

compiled: Callable[..., Any] = numba.njit(error_model="numpy", **_SETTINGS)

# For a function with a single caller: a part of it with a name. Compiled apart, all that it calls
# would be optimised once more, which takes seconds.
inlined: Callable[..., Any] = numba.njit(error_model="numpy", inline="always", **_SETTINGS)
