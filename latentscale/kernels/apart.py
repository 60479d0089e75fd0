"""Calling what was compiled apart: by its address, which is not known before.

What calls a function by its name is compiled together with it, by numba and once more by LLVM. By
its address, both can be compiled at once, by two processes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic


def caller_of(signature: Signature) -> Any:
    """Make what calls a C function of a signature.

    Parameters
    ----------
    signature : numba signature
        As :func:`numba.cfunc` takes it. What the function gives may have arrays that it made.

    Returns
    -------
    intrinsic
        Of the address, an integer, and a tuple of the arguments.
    """

    @intrinsic
    def call(typing_context: Any, address: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: Any, found: Any, values: Any) -> Any:
            kinds = [context.get_value_type(kind) for kind in signature.args]
            result = context.get_value_type(signature.return_type)
            pointer = ir.FunctionType(result, kinds).as_pointer()
            passed = [builder.extract_value(values[1], i) for i in range(len(kinds))]
            return builder.call(builder.inttoptr(values[0], pointer), passed)

        return signature.return_type(types.int64, types.Tuple(signature.args)), generate

    return call
