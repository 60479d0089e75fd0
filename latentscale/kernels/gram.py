"""The log determinant of the Gram matrix of loadings, and its reverse.

Of so small a matrix LAPACK's own would take longest of all.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled
from latentscale.kernels.skills import fill_covariance, invert_factor


@compiled
def _invert_gram(skills, loading):
    """Give C^-1 of loading' loading = C C'."""
    size = len(skills)
    gram, inverse = np.zeros((size, size)), np.empty((1, size, size))
    for j in range(loading.shape[0]):
        for a in range(size):
            for b in range(size):
                gram[a, b] += loading[j, a] * loading[j, b]
    invert_factor(skills, gram, inverse, 0)
    return inverse


@compiled
def log_gram_and_slope(skills, loading):
    """Give log det(loading' loading) and its derivative, 2 loading (loading' loading)^-1."""
    size = len(skills)
    inverse, covariance = _invert_gram(skills, loading), np.empty((size, size))
    fill_covariance(skills, inverse, 0, covariance)
    value, slope = 0.0, np.empty(loading.shape)
    for a in range(size):
        value -= 2 * np.log(inverse[0, a, a])
    for j in range(loading.shape[0]):
        for a in range(size):
            total = 0.0
            for b in range(size):
                total += loading[j, b] * covariance[b, a]
            slope[j, a] = 2 * total
    return value, slope
