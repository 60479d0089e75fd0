"""The log determinant of the Gram matrix of loadings, compiled by numba, and its reverse."""

from __future__ import annotations

import numba
import numpy as np

from latentscale.recursions import fill_covariance, invert_factor

_compiled = numba.njit(cache=True, error_model="numpy")


@_compiled
def _invert_gram(skills, loading):
    """Give C^-1 of loading' loading = C C'."""
    size = len(skills)
    gram, inverse = np.zeros((size, size)), np.empty((size, size))
    for j in range(loading.shape[0]):
        for a in range(size):
            for b in range(size):
                gram[a, b] += loading[j, a] * loading[j, b]
    invert_factor(skills, gram, inverse)
    return inverse


@_compiled
def forward(skills, loading):
    """Give log det(loading' loading), as an array of one element."""
    inverse = _invert_gram(skills, loading)
    total = 0.0
    for a in range(len(skills)):
        total -= 2 * np.log(inverse[a, a])
    return (np.array([total]),)


@_compiled
def backward(skills, loading, d_log):
    """Give its derivative, 2 loading (loading' loading)^-1."""
    size = len(skills)
    inverse, covariance = _invert_gram(skills, loading), np.empty((size, size))
    fill_covariance(skills, inverse, covariance)
    d_loading = np.empty(loading.shape)
    for j in range(loading.shape[0]):
        for a in range(size):
            total = 0.0
            for b in range(size):
                total += loading[j, b] * covariance[b, a]
            d_loading[j, a] = 2 * d_log[0] * total
    return (d_loading,)
