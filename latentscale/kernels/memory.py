"""Arrays of the kernels: on the stack, and in a memory that is given back as a whole.

numba counts who refers to an array, in a way that serves several threads at a time; that took a
seventh of a gradient, and making arrays and giving them up some more. So kernels have arrays that
nobody counts. Small ones of a fixed size lie on the stack. All others are taken one after the other
from a memory, which an evaluation begins with and gives back in the end: none outlives it.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from latentscale.kernels.jit import array_giving, compiled

# A memory is a few integers: where the next array begins, where the piece that it lies in ends, how
# many pieces there are and how large in all, and where each of them begins. A piece is a quarter of
# all before: there are few, and little of the last is in vain.
_NEXT, _END, _N_PIECES, _TOTAL, _FIRST = 0, 1, 2, 3, 4
_N_INTEGERS = 48
_LEAST_PIECE, _SHARE = 1 << 20, 4
# In bytes. Every array begins with a cache line.
_LINE, _NUMBER = 64, 8

_integer, _bytes = ir.IntType(64), ir.IntType(8).as_pointer()


def _array(kind: types.Array, context: Any, builder: Any, data: Any, sizes: list[Any]) -> Any:
    """Describe an array of which the numbers lie somewhere."""
    strides = [ir.Constant(_integer, _NUMBER)]
    for size in reversed(sizes[1:]):
        strides.insert(0, builder.mul(strides[0], size))
    array = make_array(kind)(context, builder)
    populate_array(
        array, data=data, shape=sizes, strides=strides, itemsize=strides[-1], meminfo=None
    )
    return array._getvalue()


def _on_stack(dtype: types.Number, *shape: int | None) -> Any:
    """Make an intrinsic that gives a small array; None stands for the length of its argument.

    The compiler sees that nothing else points to it, and keeps it in registers. It is not set to
    anything, and lives as long as the function that asks for it: never to be returned.
    """

    @intrinsic
    def room(typing_context: Any, skills: Any) -> Any:
        sizes = [len(skills) if size is None else size for size in shape]
        kind = types.Array(dtype, len(sizes), "C")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            number = context.get_value_type(dtype)
            data = cgutils.alloca_once(builder, number, size=math.prod(sizes))
            constants = [ir.Constant(_integer, size) for size in sizes]
            return _array(kind, context, builder, data, constants)

        return kind(skills), generate

    return room


vector: Any = _on_stack(types.float64, None)
one_row: Any = _on_stack(types.float64, 1, None)
matrix: Any = _on_stack(types.float64, None, None)
integers: Any = _on_stack(types.int64, _N_INTEGERS)


@intrinsic
def _at_address(typing_context: Any, address: Any, shape: Any) -> Any:
    """Give the array that lies at an address."""
    kind = types.Array(types.float64, len(shape), "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
        return _array(kind, context, builder, data, cgutils.unpack_tuple(builder, arguments[1]))

    return kind(types.int64, types.UniTuple(types.int64, len(shape))), generate


@intrinsic
def _allocate(typing_context: Any, n_bytes: Any) -> Any:
    """Get so many bytes; gives their address, zero if there are not as many."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_bytes, [_integer])
        function = cgutils.get_or_insert_function(builder.module, kind, "NRT_Allocate")
        return builder.ptrtoint(builder.call(function, arguments), _integer)

    return types.int64(types.int64), generate


@intrinsic
def _free(typing_context: Any, address: Any) -> Any:
    """Give the bytes at an address back."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_bytes])
        function = cgutils.get_or_insert_function(builder.module, kind, "NRT_Free")
        builder.call(function, [builder.inttoptr(arguments[0], _bytes)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


# mypy takes an intrinsic for the function that it is made of.
_array_at: Any = _at_address
_get: Any = _allocate
_give: Any = _free


@compiled
def _add_piece(memory, n_bytes):
    """Go on in a new piece, of at least so many bytes."""
    n = memory[_N_PIECES]
    size = max(_LEAST_PIECE, memory[_TOTAL] // _SHARE, n_bytes) + _LINE
    begin = _get(size) if _FIRST + n < _N_INTEGERS else 0
    if begin == 0:
        raise MemoryError
    memory[_FIRST + n] = begin
    memory[_N_PIECES], memory[_TOTAL] = n + 1, memory[_TOTAL] + size
    memory[_NEXT] = (begin + _LINE - 1) // _LINE * _LINE
    memory[_END] = begin + size


@compiled
def _take(memory, n):
    """Give the address of room for so many numbers."""
    n_bytes = (n * _NUMBER + _LINE - 1) // _LINE * _LINE
    if memory[_NEXT] + n_bytes > memory[_END]:
        _add_piece(memory, n_bytes)
    begin = memory[_NEXT]
    memory[_NEXT] = begin + n_bytes
    return begin


@compiled
def _size_of(shape):
    """Give how many numbers an array holds."""
    size = 1
    for n in shape:
        size *= n
    return size


@array_giving
def begin(memory):
    """Begin a memory in some integers, and give it: nothing is taken from it yet."""
    for i in range(_N_INTEGERS):
        memory[i] = 0
    return memory


@compiled
def give_back(memory):
    """Give back all that was taken: no array from this memory may be used after it."""
    for piece in range(memory[_N_PIECES]):
        _give(memory[_FIRST + piece])


@array_giving
def empty(memory, shape):
    """Give an array of which nothing is set."""
    return _array_at(_take(memory, _size_of(shape)), shape)


@array_giving
def filled(memory, shape, value):
    """Give an array that holds a number everywhere."""
    size = _size_of(shape)
    at = _take(memory, size)
    flat = _array_at(at, (size,))
    for i in range(size):
        flat[i] = value
    return _array_at(at, shape)


@array_giving
def zeros(memory, shape):
    """Give an array of zeros."""
    return filled(memory, shape, 0.0)


@array_giving
def zeros_like(memory, array):
    """Give an array of zeros that is as large as another."""
    return filled(memory, array.shape, 0.0)


@array_giving
def copy(memory, array):
    """Give a copy of an array."""
    found = empty(memory, array.shape)
    flat, given = found.ravel(), array.ravel()
    for i in range(flat.shape[0]):
        flat[i] = given[i]
    return found
