"""Slopes of features that are shrunk, from the coordinates that they are sampled in; and back.

A slope is relevance times z, where z has the prior. If scores tell the slope it is better sampled
itself, if they do not its z, and how much they tell depends on the relevance. So coordinates w
follow it. About a slope scores tell roughly, along axes U of skills, a Normal of information a
about pull / a (:mod:`latentscale.slope_guess`). With z standard Normal it would then have the mean
and the variance, axis by axis, and the coordinate is where z lies in these::

    z = U y,   y = pull r / (1 + a r^2) + w / sqrt(1 + a r^2),   log |dz / dw| = -log(1 + a r^2) / 2

summed over axes, where r is the relevance. With no information there is no pull, and w is z.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import array_giving, compiled
from latentscale.kernels.memory import empty, filled


@array_giving
def relevances(memory, suite, shared):
    """Give the share of its prior that each feature's slopes keep, dims (feature,).

    s / sqrt(1 + s^2) with s = relevance_scale relevance_local of the term; one for features that
    are not shrunk.
    """
    found = filled(memory, suite.term.shape, 1.0)
    for p in range(found.shape[0]):
        if suite.term[p] >= 0:
            size = shared.relevance_scale[0] * shared.relevance_local[suite.term[p]]
            found[p] = size / np.sqrt(1 + size * size)
    return found


@compiled
def pull_back_relevances(suite, shared, d_relevance, d_shared):
    """Reverse :func:`relevances`; adds to ``d_shared``."""
    for p in range(d_relevance.shape[0]):
        t = suite.term[p]
        if t >= 0:
            size = shared.relevance_scale[0] * shared.relevance_local[t]
            d_size = d_relevance[p] * (1 + size * size) ** -1.5
            d_shared.relevance_scale[0] += d_size * shared.relevance_local[t]
            d_shared.relevance_local[t] += d_size * shared.relevance_scale[0]


@compiled
def _axis(guess, relevance, p, k):
    """Give where y is expected along an axis, one over its variance, and the information r^2."""
    told = guess.information[p, k] * relevance[p] * relevance[p]
    return guess.pull[p, k] * relevance[p] / (1 + told), 1 + told, told


@compiled
def settle(memory, suite, guess, relevance, shared):
    """Write z over the coordinates of slopes; gives the log Jacobian."""
    log_jacobian, size = 0.0, shared.feature_slope.shape[1]
    y = empty(memory, (size,))
    for p in range(relevance.shape[0]):
        if suite.term[p] >= 0:
            for i in range(size):
                middle, precision, _ = _axis(guess, relevance, p, i)
                y[i] = middle + shared.feature_slope[p, i] / np.sqrt(precision)
                log_jacobian -= np.log(precision) / 2
            for k in range(size):
                shared.feature_slope[p, k] = 0.0
                for i in range(size):
                    shared.feature_slope[p, k] += guess.axes[p, k * size + i] * y[i]
    return log_jacobian


@compiled
def pull_back_settle(memory, suite, guess, relevance, shared, d_relevance, d_shared):
    """Reverse :func:`settle`, log Jacobian included, in place; adds to ``d_relevance``."""
    size = shared.feature_slope.shape[1]
    d_y = empty(memory, (size,))
    for p in range(relevance.shape[0]):
        if suite.term[p] >= 0:
            for i in range(size):
                middle, precision, told = _axis(guess, relevance, p, i)
                y, d_y[i] = 0.0, 0.0
                for k in range(size):
                    axis = guess.axes[p, k * size + i]
                    y += axis * shared.feature_slope[p, k]
                    d_y[i] += axis * d_shared.feature_slope[p, k]
                by_middle = guess.pull[p, i] * (1 - told) / (precision * precision)
                by_width = told / (relevance[p] * precision)
                d_relevance[p] += d_y[i] * (by_middle - (y - middle) * by_width) - by_width
                d_y[i] /= np.sqrt(precision)
            for i in range(size):
                d_shared.feature_slope[p, i] = d_y[i]


@array_giving
def slopes(memory, suite, shared, relevance):
    """Give the slopes of skills in features, dims (feature, skill); steps have positive ones."""
    found = empty(memory, shared.feature_slope.shape)
    for p in range(found.shape[0]):
        for k in range(found.shape[1]):
            z = shared.feature_slope[p, k]
            found[p, k] = relevance[p] * (np.exp(z) if suite.is_step[p] > 0 else z)
    return found


@compiled
def pull_back_slopes(suite, shared, relevance, slope, d_slope, d_relevance, d_shared):
    """Reverse :func:`slopes`; adds to ``d_relevance`` and ``d_shared``."""
    for p in range(slope.shape[0]):
        for k in range(slope.shape[1]):
            d, is_step = d_slope[p, k], suite.is_step[p] > 0
            d_relevance[p] += d * slope[p, k] / relevance[p]
            d_shared.feature_slope[p, k] += d * (slope[p, k] if is_step else relevance[p])
