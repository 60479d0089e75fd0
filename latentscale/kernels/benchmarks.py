"""What benchmarks have of their own, from the coordinates that they are sampled in; and back.

The data tell well at what ability a benchmark's mean score is reached, and by how much its score
rises there. They tell less well how floor, ceiling and asymmetry share in that: a higher ceiling
with a lower difficulty, or a steeper link with a smaller loading, gives nearly the same scores. So
difficulties and loadings are sampled relative to this point of the curve, its middle, which then
stays where it is while the rest of the curve moves::

    difficulty = w + logit of the middle,   loading = w / steepness of the middle

Own slopes of free benchmarks are independent Normals. Where scores tell them well they are best
sampled as they are, and where scores do not, relative to their scale; else there is a funnel. So a
coordinate z is relative to some power of the scale, slope = c (scale / c)^power z, and the more
families there are, the smaller the power.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.arguments import Curve
from latentscale.kernels.jit import array_giving, compiled
from latentscale.kernels.links import line_at, lines, pull_back_reach, reach, way_up
from latentscale.kernels.memory import empty, zeros

# About how large benchmarks' own slopes are: chains start where this is not absurd.
_SLOPE = 0.1
_CONSTANT = float(np.log(2 * np.pi) / 2)

# A mean score nearer to floor or ceiling than this says little about where its logit is.
EDGE = 0.02

# About how large a loading is: chains start there.
_LOADING = 1.0


@compiled
def curves(memory, suite, shared):
    """Give floor, ceiling and asymmetry of every benchmark."""
    n = suite.chance.shape[0]
    floor, ceiling, asymmetry = empty(memory, (n,)), empty(memory, (n,)), empty(memory, (n,))
    for j in range(n):
        chance = suite.chance[j]
        share = shared.ceiling_share[j] if shared.ceiling_share.shape[0] > 0 else 1.0
        floor[j] = chance * (1 - shared.floor_slack[j])
        ceiling[j] = chance + (1 - chance) * share
        asymmetry[j] = shared.asymmetry[j] if shared.asymmetry.shape[0] > 0 else 1.0
    return Curve(floor, ceiling, asymmetry)


@compiled
def pull_back_curves(suite, d_curve, d_shared):
    """Reverse :func:`curves`; adds to ``d_shared``."""
    for j in range(suite.chance.shape[0]):
        d_shared.floor_slack[j] -= suite.chance[j] * d_curve.floor[j]
        if d_shared.ceiling_share.shape[0] > 0:
            d_shared.ceiling_share[j] += (1 - suite.chance[j]) * d_curve.ceiling[j]
        if d_shared.asymmetry.shape[0] > 0:
            d_shared.asymmetry[j] += d_curve.asymmetry[j]


@compiled
def middles(memory, suite, curve):
    """Give the logit at which each benchmark reaches its mean score, and how steep it is there.

    Steepness is relative to that of a sigmoid from chance to one, and for anchors, whose loadings
    are fixed, it is one. Also gives what the reverse needs again.
    """
    floor, ceiling, asymmetry = curve
    n = floor.shape[0]
    logit, steepness = empty(memory, (n,)), empty(memory, (n,))
    share, rate = empty(memory, (n,)), empty(memory, (n,))
    log_left, power, of_links = empty(memory, (n,)), empty(memory, (n,)), lines(memory, asymmetry)
    for j in range(n):
        share[j], _ = way_up(suite.mean[j], floor[j], ceiling[j], EDGE)
        logit[j], rate[j], log_left[j], power[j] = reach(share[j], line_at(of_links, j))
        relative = (ceiling[j] - floor[j]) * rate[j] / suite.rough_slope[j]
        steepness[j] = 1.0 if suite.anchored[j] >= 0 else relative
    return logit, steepness, (of_links, share, rate, log_left, power)


@compiled
def pull_back_middles(suite, curve, logit, kept, d_logit, d_steepness, d_curve):
    """Reverse :func:`middles`; adds to ``d_curve``."""
    floor, ceiling, _ = curve
    of_links, shares, rate, log_left, power = kept
    for j in range(floor.shape[0]):
        share, height = shares[j], ceiling[j] - floor[j]
        d_relative = 0.0 if suite.anchored[j] >= 0 else d_steepness[j] / suite.rough_slope[j]
        d_share, d_asymmetry = pull_back_reach(
            share, line_at(of_links, j), logit[j], log_left[j], power[j], 1 / rate[j], d_logit[j],
            d_relative * height,
        )  # fmt: skip
        d_curve.asymmetry[j] += d_asymmetry
        _, free = way_up(suite.mean[j], floor[j], ceiling[j], EDGE)
        through = free * d_share / height
        d_height = d_relative * rate[j] - through * (suite.mean[j] - floor[j]) / height
        d_curve.ceiling[j] += d_height
        d_curve.floor[j] -= d_height + through


@compiled
def place(suite, logit, steepness, shared):
    """Write difficulties and loadings over their coordinates; gives the log Jacobian.

    Those whose prior is not of real numbers have coordinates of their own, and stay.
    """
    log_jacobian, n_contrasts = 0.0, shared.loading_contrast.shape[1]
    for j in range(logit.shape[0]):
        if suite.placed[0] > 0:
            shared.difficulty[j] += logit[j]
        if suite.placed[1] > 0:
            shared.total_loading[j] = (_LOADING + shared.total_loading[j]) / steepness[j]
            log_jacobian -= np.log(steepness[j])
        if suite.placed[2] > 0:
            for c in range(n_contrasts):
                shared.loading_contrast[j, c] /= steepness[j]
            log_jacobian -= n_contrasts * np.log(steepness[j])
    return log_jacobian


@compiled
def pull_back_place(memory, suite, steepness, shared, d_shared):
    """Reverse :func:`place`, log Jacobian included, in place.

    Gives the derivatives by logit and steepness.
    """
    n, n_contrasts = steepness.shape[0], shared.loading_contrast.shape[1]
    d_logit, d_steepness = zeros(memory, (n,)), zeros(memory, (n,))
    for j in range(n):
        if suite.placed[0] > 0:
            d_logit[j] = d_shared.difficulty[j]
        if suite.placed[1] > 0:
            d_shared.total_loading[j] /= steepness[j]
            d_steepness[j] -= d_shared.total_loading[j] * shared.total_loading[j]
            d_steepness[j] -= 1 / steepness[j]
        if suite.placed[2] > 0:
            for c in range(n_contrasts):
                d_shared.loading_contrast[j, c] /= steepness[j]
                d_steepness[j] -= d_shared.loading_contrast[j, c] * shared.loading_contrast[j, c]
            d_steepness[j] -= n_contrasts / steepness[j]
    return d_logit, d_steepness


@array_giving
def loadings(memory, n_skills, suite, shared):
    """Give loadings, dims (benchmark, skill): total / K + contrasts, and of anchors 1 or 0."""
    size = len(n_skills)
    loading = empty(memory, (suite.anchored.shape[0], size))
    for j in range(loading.shape[0]):
        for k in range(size):
            if suite.anchored[j] >= 0:
                loading[j, k] = 1.0 if suite.anchored[j] == k else 0.0
            else:
                total = shared.total_loading[j] / size
                for c in range(suite.weights.shape[0]):
                    total += shared.loading_contrast[j, c] * suite.weights[c, k]
                loading[j, k] = total
    return loading


@compiled
def pull_back_loadings(n_skills, suite, d_loading, d_shared):
    """Reverse :func:`loadings`; adds to ``d_shared``."""
    size = len(n_skills)
    for j in range(d_loading.shape[0]):
        if suite.anchored[j] < 0:
            for k in range(size):
                d_shared.total_loading[j] += d_loading[j, k] / size
                for c in range(suite.weights.shape[0]):
                    d_shared.loading_contrast[j, c] += d_loading[j, k] * suite.weights[c, k]


@compiled
def _scales_and_units(memory, suite, shared):
    """Give the scale of each column of slopes, and what its coordinates are relative to.

    The last column is that of slopes in tuning.
    """
    n_own = suite.own.shape[0]
    scale, unit = empty(memory, (n_own + 1,)), empty(memory, (n_own + 1,))
    for p in range(n_own + 1):
        scale[p] = shared.slope_scale[p] if p < n_own else shared.tuning_scale[0]
        unit[p] = _SLOPE * (scale[p] / _SLOPE) ** suite.own_power[p]
    return scale, unit


@compiled
def own_slopes(memory, suite, shared):
    """Give benchmarks' own slopes in features and in tuning, and their log density."""
    n, n_own = suite.anchored.shape[0], suite.own.shape[0]
    slope, tuning = zeros(memory, (n, suite.term.shape[0])), zeros(memory, (n,))
    z, free, value = shared.benchmark_slope, 0, 0.0
    if z.shape[0] == 0:
        return slope, tuning, value
    scale, unit = _scales_and_units(memory, suite, shared)
    for j in range(n):
        if suite.anchored[j] < 0:
            for p in range(n_own + 1):
                own = unit[p] * z[free, p]
                value -= own * own / (2 * scale[p] * scale[p])
                if p < n_own:
                    slope[j, suite.own[p]] = own
                else:
                    tuning[j] = own
            free += 1
    for p in range(n_own + 1):
        value -= free * (np.log(scale[p] / unit[p]) + _CONSTANT)
    return slope, tuning, value


@compiled
def pull_back_own_slopes(memory, suite, shared, d_benchmarks, d_shared):
    """Reverse :func:`own_slopes`, log density included; adds to the last."""
    n_own, free = suite.own.shape[0], 0
    z, d_z = shared.benchmark_slope, d_shared.benchmark_slope
    if z.shape[0] == 0:
        return
    scale, unit = _scales_and_units(memory, suite, shared)
    by_unit, squares = zeros(memory, (n_own + 1,)), zeros(memory, (n_own + 1,))
    for j in range(suite.anchored.shape[0]):
        if suite.anchored[j] < 0:
            for p in range(n_own + 1):
                own = unit[p] * z[free, p]
                d = d_benchmarks.tuning[j] if p == n_own else d_benchmarks.slope[j, suite.own[p]]
                d -= own / (scale[p] * scale[p])
                d_z[free, p] += unit[p] * d
                by_unit[p] += z[free, p] * d
                squares[p] += own * own
            free += 1
    for p in range(n_own + 1):
        d_scale = (squares[p] / (scale[p] * scale[p]) - free) / scale[p]
        d_unit = by_unit[p] + free / unit[p]
        d_scale += d_unit * suite.own_power[p] * unit[p] / scale[p]
        if p < n_own:
            d_shared.slope_scale[p] += d_scale
        else:
            d_shared.tuning_scale[0] += d_scale
