"""What benchmarks have of their own, from the coordinates that they are sampled in; and back.

The data tell well at what ability a benchmark's mean score is reached, and by how much its score
rises there. They tell less well how floor, ceiling and asymmetry share in that: a higher ceiling
with a lower difficulty, or a steeper link with a smaller loading, gives nearly the same scores. So
difficulties and loadings are sampled relative to this point of the curve, its middle, which then
stays where it is while the rest of the curve moves::

    difficulty = w + logit of the middle,   loading = w / steepness of the middle

Benchmarks' own slopes are independent Normals, projected on what is orthogonal to the loadings.
With the anchors first, loading = [I; F], so that is b = [-F' w; w] for any w, and its density is
that of a Normal within the J - K dimensions that are left::

    log p(w) = -|b|^2 / (2 scale^2) - (J - K) log(scale sqrt(2 pi)) + log det(I + F'F) / 2

The plain coordinates have K more, along which only the prior acts, and a funnel where scores tell
the slopes well, which are then better not scaled. So a coordinate z is relative to some power of
the scale, w = c (scale / c)^power z, and the more families there are, the smaller the power.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.arguments import Curve
from latentscale.kernels.gram import log_gram_and_slope
from latentscale.kernels.jit import compiled, leaf
from latentscale.kernels.links import line_at, lines, pull_back_reach, reach, way_up

# About how large benchmarks' own slopes are: chains start where this is not absurd.
_SLOPE = 0.1
_CONSTANT = float(np.log(2 * np.pi) / 2)

# A mean score nearer to floor or ceiling than this says little about where its logit is.
EDGE = 0.02

# About how large a loading is: chains start there.
_LOADING = 1.0


@compiled
def curves(suite, shared):
    """Give floor, ceiling and asymmetry of every benchmark."""
    n = suite.chance.shape[0]
    floor, ceiling, asymmetry = np.empty(n), np.empty(n), np.empty(n)
    for j in range(n):
        chance = suite.chance[j]
        share = shared.ceiling_share[j] if shared.ceiling_share.shape[0] > 0 else 1.0
        floor[j] = chance * (1 - shared.floor_slack[j])
        ceiling[j] = chance + (1 - chance) * share
        asymmetry[j] = shared.asymmetry[j] if shared.asymmetry.shape[0] > 0 else 1.0
    return Curve(floor, ceiling, asymmetry)


@leaf
def pull_back_curves(suite, d_curve, d_shared):
    """Reverse :func:`curves`; adds to ``d_shared``."""
    for j in range(suite.chance.shape[0]):
        d_shared.floor_slack[j] -= suite.chance[j] * d_curve.floor[j]
        if d_shared.ceiling_share.shape[0] > 0:
            d_shared.ceiling_share[j] += (1 - suite.chance[j]) * d_curve.ceiling[j]
        if d_shared.asymmetry.shape[0] > 0:
            d_shared.asymmetry[j] += d_curve.asymmetry[j]


@compiled
def middles(suite, curve):
    """Give the logit at which each benchmark reaches its mean score, and how steep it is there.

    Steepness is relative to that of a sigmoid from chance to one, and for anchors, whose loadings
    are fixed, it is one. Also gives what the reverse needs again.
    """
    floor, ceiling, asymmetry = curve
    n = floor.shape[0]
    logit, steepness, share, rate = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    log_left, power, of_links = np.empty(n), np.empty(n), lines(asymmetry)
    for j in range(n):
        share[j], _ = way_up(suite.mean[j], floor[j], ceiling[j], EDGE)
        logit[j], rate[j], log_left[j], power[j] = reach(share[j], line_at(of_links, j))
        relative = (ceiling[j] - floor[j]) * rate[j] / suite.rough_slope[j]
        steepness[j] = 1.0 if suite.anchored[j] >= 0 else relative
    return logit, steepness, (of_links, share, rate, log_left, power)


@leaf
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


@leaf
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
def pull_back_place(suite, steepness, shared, d_shared):
    """Reverse :func:`place`, log Jacobian included, in place.

    Gives the derivatives by logit and steepness.
    """
    n, n_contrasts = steepness.shape[0], shared.loading_contrast.shape[1]
    d_logit, d_steepness = np.zeros(n), np.zeros(n)
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


@compiled
def loadings(n_skills, suite, shared):
    """Give loadings, dims (benchmark, skill): total / K + contrasts, and of anchors 1 or 0."""
    size = len(n_skills)
    loading = np.empty((suite.anchored.shape[0], size))
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


@leaf
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
def _scales_and_units(suite, shared):
    """Give the scale of each column of slopes, and what its coordinates are relative to.

    The last column is that of slopes in tuning.
    """
    n_own = suite.own.shape[0]
    scale, unit = np.empty(n_own + 1), np.empty(n_own + 1)
    for p in range(n_own + 1):
        scale[p] = shared.slope_scale[p] if p < n_own else shared.tuning_scale[0]
        unit[p] = _SLOPE * (scale[p] / _SLOPE) ** suite.own_power[p]
    return scale, unit


@compiled
def _columns(n_skills, suite, shared, loading, unit):
    """Give slopes from their coordinates, orthogonal to the loadings, dims (benchmark, column)."""
    n, m = loading.shape[0], unit.shape[0]
    found, of_anchors, free = np.empty((n, m)), np.zeros((len(n_skills), m)), 0
    anchored, z = suite.anchored, shared.benchmark_slope
    for j in range(n):
        if anchored[j] < 0:
            for p in range(m):
                found[j, p] = unit[p] * z[free, p]
                for k in range(len(n_skills)):
                    of_anchors[k, p] -= loading[j, k] * found[j, p]
            free += 1
    for j in range(n):
        if anchored[j] >= 0:
            for p in range(m):
                found[j, p] = of_anchors[anchored[j], p]
    return found


@compiled
def _pull_back_columns(
    n_skills, suite, shared, loading, unit, own, d_own, d_loading, d_shared
):  # fmt: skip
    """Reverse :func:`_columns`; writes over ``d_own`` and adds to the last two.

    Gives the derivatives by what the coordinates are relative to, dims (column,).
    """
    anchored, z, d_z = suite.anchored, shared.benchmark_slope, d_shared.benchmark_slope
    n, m = own.shape
    d_anchors, by_unit, free = np.empty((len(n_skills), m)), np.zeros(m), 0
    for j in range(n):
        if anchored[j] >= 0:
            for p in range(m):
                d_anchors[anchored[j], p] = d_own[j, p]
    for j in range(n):
        if anchored[j] < 0:
            for p in range(m):
                for k in range(len(n_skills)):
                    d_own[j, p] -= loading[j, k] * d_anchors[k, p]
                    d_loading[j, k] -= own[j, p] * d_anchors[k, p]
                d_z[free, p] += unit[p] * d_own[j, p]
                by_unit[p] += z[free, p] * d_own[j, p]
            free += 1
    return by_unit


@compiled
def _sums_of_squares(x):
    """Give the sum of squares of each column."""
    found = np.zeros(x.shape[1])
    for j in range(x.shape[0]):
        for p in range(x.shape[1]):
            found[p] += x[j, p] * x[j, p]
    return found


@compiled
def own_slopes(n_skills, suite, shared, loading):
    """Give benchmarks' own slopes in features and in tuning, and their log density."""
    n, n_own = loading.shape[0], suite.own.shape[0]
    slope, tuning = np.zeros((n, suite.term.shape[0])), np.zeros(n)
    n_free = shared.benchmark_slope.shape[0]
    if n_free == 0:
        return slope, tuning, 0.0
    scale, unit = _scales_and_units(suite, shared)
    own = _columns(n_skills, suite, shared, loading, unit)
    for j in range(n):
        for p in range(n_own):
            slope[j, suite.own[p]] = own[j, p]
        tuning[j] = own[j, n_own]
    value = (n_own + 1) * log_gram_and_slope(n_skills, loading)[0] / 2
    squares = _sums_of_squares(own)
    for p in range(n_own + 1):
        value -= squares[p] / (2 * scale[p] * scale[p])
        value -= n_free * (np.log(scale[p] / unit[p]) + _CONSTANT)
    return slope, tuning, value


@compiled
def _slopes_less_prior(suite, own, precision, d_benchmarks):
    """Give the derivatives by slopes, that of their prior included, dims (benchmark, column)."""
    n_own = suite.own.shape[0]
    found = np.empty(own.shape)
    for j in range(own.shape[0]):
        for p in range(n_own):
            found[j, p] = d_benchmarks.slope[j, suite.own[p]] - own[j, p] * precision[p]
        found[j, n_own] = d_benchmarks.tuning[j] - own[j, n_own] * precision[n_own]
    return found


@compiled
def pull_back_own_slopes(n_skills, suite, shared, benchmarks, d_benchmarks, d_shared):
    """Reverse :func:`own_slopes`, log density included.

    Adds to the last and to the derivatives by the loadings.
    """
    loading, d_loading = benchmarks.loading, d_benchmarks.loading
    n, n_own, n_free = loading.shape[0], suite.own.shape[0], shared.benchmark_slope.shape[0]
    if n_free == 0:
        return
    volume = log_gram_and_slope(n_skills, loading)[1]
    for j in range(n):
        for k in range(len(n_skills)):
            d_loading[j, k] += (n_own + 1) * volume[j, k] / 2
    scale, unit = _scales_and_units(suite, shared)
    own = _columns(n_skills, suite, shared, loading, unit)
    d_own = _slopes_less_prior(suite, own, 1 / (scale * scale), d_benchmarks)
    by_unit = _pull_back_columns(
        n_skills, suite, shared, loading, unit, own, d_own, d_loading, d_shared
    )
    squares = _sums_of_squares(own)
    for p in range(n_own + 1):
        d_scale = (squares[p] / (scale[p] * scale[p]) - n_free) / scale[p]
        d_unit = by_unit[p] + n_free / unit[p]
        d_scale += d_unit * suite.own_power[p] * unit[p] / scale[p]
        if p < n_own:
            d_shared.slope_scale[p] += d_scale
        else:
            d_shared.tuning_scale[0] += d_scale
