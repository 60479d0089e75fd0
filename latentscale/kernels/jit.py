"""How kernels are compiled, and room for small arrays in them.

All of them divide as IEEE asks and are to be called by compiled code alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

# Wrappers for callers in Python or C would take a third of the time to compile.
_SETTINGS: dict[str, Any] = {
    "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True,
}  # fmt: skip

# A product and a sum may be rounded once instead of twice.
_ROUNDED = {"contract"}

# For loops that add up: terms may be added in any order, so several at a time. Infinities and what
# is not a number stay what they are. What such a loop calls keeps its own rules, on which the
# exponential and the logarithm rely.
_ANY_ORDER = {"contract", "reassoc", "nsz", "arcp"}


def _made(fastmath: set[str], **settings: Any) -> Callable[..., Any]:
    decorator: Callable[..., Any] = numba.njit(fastmath=fastmath, **settings, **_SETTINGS)
    return decorator


compiled = _made(_ROUNDED)

# For a function with a single caller: a part of it with a name. Compiled apart, all that it calls
# would be optimised once more, which takes seconds.
inlined = _made(_ROUNDED, inline="always")

# For what takes other functions as arguments: merged into its caller. Else the addresses of those
# functions stay in the machine code, which could then not be kept for other processes.
merged = _made(_ROUNDED, forceinline=True)

# The rest make and give no arrays. So they need not count who refers to one, which took a sixth of
# the time.
leaf = _made(_ROUNDED, _nrt=False)
summed = _made(_ANY_ORDER, _nrt=False)
merged_sum = _made(_ANY_ORDER, forceinline=True, _nrt=False)

# For what is done to a single score: a loop takes several at a time only if it calls nothing.
unrolled = _made(_ROUNDED, forceinline=True, _nrt=False)


def _on_stack(*shape: int | None) -> Any:
    """Make an intrinsic that gives a small array; None stands for the length of a tuple.

    The compiler sees that nothing else points to it, and keeps it in registers. It is not set to
    anything, and lives as long as the function that asks for it: never to be returned.
    """

    @intrinsic
    def room(typing_context: Any, skills: Any) -> Any:
        sizes = [len(skills) if size is None else size for size in shape]
        kind, width = types.Array(types.float64, len(sizes), "C"), 8
        strides = [width * math.prod(sizes[dim + 1 :]) for dim in range(len(sizes))]

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            number = context.get_value_type(types.float64)
            array = make_array(kind)(context, builder)
            populate_array(
                array,
                data=cgutils.alloca_once(builder, number, size=math.prod(sizes)),
                shape=[context.get_constant(types.intp, size) for size in sizes],
                strides=[context.get_constant(types.intp, stride) for stride in strides],
                itemsize=context.get_constant(types.intp, width),
                meminfo=None,
            )
            return array._getvalue()

        return kind(skills), generate

    return room


vector: Any = _on_stack(None)
one_row: Any = _on_stack(1, None)
matrix: Any = _on_stack(None, None)
