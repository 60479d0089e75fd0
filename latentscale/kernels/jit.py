"""How kernels are compiled.

All of them divide as IEEE asks and are to be called by compiled code alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

# Wrappers for callers in Python or C would take a third of the time to compile. Nobody counts who
# refers to an array: see :mod:`latentscale.kernels.memory`.
SETTINGS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
_ALONE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# A product and a sum may be rounded once instead of twice.
_ROUNDED = {"contract"}

# For loops that add up: terms may be added in any order, so several at a time. Infinities and what
# is not a number stay what they are. What such a loop calls keeps its own rules, on which the
# exponential and the logarithm rely.
_ANY_ORDER = {"contract", "reassoc", "nsz", "arcp"}


def _made(fastmath: set[str], **settings: Any) -> Callable[..., Any]:
    options = {**SETTINGS, **_ALONE, **settings}
    decorator: Callable[..., Any] = numba.njit(fastmath=fastmath, **options)
    return decorator


compiled = _made(_ROUNDED)

# For what gives one array, and not several or none: numba asks that it counts who refers to it. It
# counts nothing, as the array belongs to nobody.
array_giving = _made(_ROUNDED, _nrt=True)

# For a function with a single caller: a part of it with a name. Compiled apart, all that it calls
# would be optimised once more, which takes seconds.
inlined = _made(_ROUNDED, inline="always")

# For what takes other functions as arguments: merged into its caller. Else the addresses of those
# functions stay in the machine code, which could then not be kept for other processes.
merged = _made(_ROUNDED, forceinline=True)

summed = _made(_ANY_ORDER)
merged_sum = _made(_ANY_ORDER, forceinline=True)

# For what is done to a single score: a loop takes several at a time only if it calls nothing.
unrolled = _made(_ROUNDED, forceinline=True)
