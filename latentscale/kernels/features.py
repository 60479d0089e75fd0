"""How far slopes of features are shrunk; and back."""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled


@compiled
def relevances(suite, shared):
    """Give the share of its prior that each feature's slopes keep, dims (feature,).

    s / sqrt(1 + s^2) with s = relevance_scale relevance_local of the term; one for features that
    are not shrunk.
    """
    found = np.ones(suite.term.shape[0])
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
def slopes(suite, shared, relevance):
    """Give the slopes of skills in features, dims (feature, skill); steps have positive ones."""
    found = np.empty(shared.feature_slope.shape)
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
