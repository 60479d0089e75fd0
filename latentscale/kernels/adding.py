"""Adding arrays to others, derivatives above all, and adding up products.

For arrays ``total += part`` would do, but brings the words of an error about shapes, which take
seconds to compile.
"""

from __future__ import annotations

from latentscale.kernels.jit import array_giving, compiled, summed
from latentscale.kernels.memory import empty


@compiled
def add(total, part):
    """Add an array to another that is as long, or to nothing."""
    flat, more = total.ravel(), part.ravel()
    for i in range(flat.shape[0]):
        flat[i] += more[i]


@array_giving
def difference(memory, one, other):
    """Give one vector less another that is as long."""
    found = empty(memory, one.shape)
    for i in range(found.shape[0]):
        found[i] = one[i] - other[i]
    return found


@compiled
def add_level(total, parts):
    """Add the arrays of each level of a tree."""
    for level in range(len(parts)):
        add(total[level], parts[level])


@summed
def product(row, x):
    """Give the product of a row with as many of the first numbers."""
    total = 0.0
    for i in range(row.shape[0]):
        total += row[i] * x[i]
    return total
