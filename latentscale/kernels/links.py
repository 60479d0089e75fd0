"""The curve of a benchmark, as :mod:`latentscale.links` defines it, with its derivatives."""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled

_LOG_2 = float(np.log(2.0))


@compiled
def line(asymmetry):
    """Give b and log(2^a - 1) of each asymmetry a, and the derivatives of both by it."""
    n = asymmetry.shape[0]
    steep, start, d_steep, d_start = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for j in range(n):
        a = asymmetry[j]
        rest = -np.expm1(-a * _LOG_2)
        steep[j] = a / (2 * rest)
        start[j] = np.log(np.expm1(a * _LOG_2))
        d_steep[j] = (1 - a * (1 - rest) * _LOG_2 / rest) / (2 * rest)
        d_start[j] = _LOG_2 / rest
    return steep, start, d_steep, d_start


@compiled
def reach(share, a, b, start):
    """Give the logit at which a share is reached, and the slope of the rise there.

    Also the logarithm of what is left of the way, and that to the power of a, for the derivatives.
    Shares are well inside (0, 1), so that nothing is lost by plain logarithms.
    """
    left = 1 - share
    log_left = np.log(left)
    v = np.exp(a * log_left)
    at = (np.log(1 - v) - a * log_left - start) / b
    return at, left * (1 - v) * b / a, log_left, v


@compiled
def pull_back_reach(share, a, b, d_b, d_start, reached, d_at, d_rate):
    """Give the derivatives by share and asymmetry; ``d_b`` and ``d_start`` are those of the line.

    ``reached`` is what :func:`reach` gave.
    """
    at, rate, log_left, v = reached
    ratio = b / a
    d_share = d_at / rate + d_rate * ratio * (a * v - (1 - v))
    d_asymmetry = d_at * (-log_left / (1 - v) - d_start - at * d_b) / b
    d_ratio = (d_b - ratio) / a
    d_asymmetry += d_rate * (1 - share) * ((1 - v) * d_ratio - v * log_left * ratio)
    return d_share, d_asymmetry


@compiled
def left_of_the_way(eta, a, b, start):
    """Give 1 - rise(eta), and with it softplus and sigmoid of the line, for the derivatives."""
    u = b * eta + start
    odds = np.exp(-abs(u))
    softplus = max(u, 0.0) + np.log1p(odds)
    sigmoid = (1.0 if u > 0 else odds) / (1 + odds)
    return np.exp(-softplus / a), softplus, sigmoid
