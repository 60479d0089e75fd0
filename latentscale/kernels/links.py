"""The curve of a benchmark, as :mod:`latentscale.links` defines it, with its derivatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from latentscale.kernels.elementary import exp_all, log_all
from latentscale.kernels.jit import compiled

_LOG_2 = float(np.log(2.0))


class Line(NamedTuple):
    """What the links of the asymmetries a are made of, dims (benchmark,).

    Attributes
    ----------
    a, per_a
        And 1 / a.
    steep, start
        b and log(2^a - 1).
    ratio
        b / a.
    d_steep, d_start
        Derivatives by a.
    """

    a: Any
    per_a: Any
    steep: Any
    start: Any
    ratio: Any
    d_steep: Any
    d_start: Any


@compiled
def line(asymmetry):
    """Give what the links of some asymmetries are made of."""
    n = asymmetry.shape[0]
    steep, start, ratio = np.empty(n), np.empty(n), np.empty(n)
    d_steep, d_start, per_a = np.empty(n), np.empty(n), np.empty(n)
    for j in range(n):
        a = asymmetry[j]
        rest = -np.expm1(-a * _LOG_2)
        steep[j] = a / (2 * rest)
        ratio[j] = 0.5 / rest
        per_a[j] = 1 / a
        start[j] = np.log(np.expm1(a * _LOG_2))
        d_steep[j] = (1 - a * (1 - rest) * _LOG_2 / rest) / (2 * rest)
        d_start[j] = _LOG_2 / rest
    return Line(asymmetry, per_a, steep, start, ratio, d_steep, d_start)


@compiled
def reach(share, of, line):
    """Give the logits at which shares are reached, and the slopes of the rise there.

    Shares are well inside (0, 1), so that nothing is lost by plain logarithms. ``of`` are the
    benchmarks that they belong to. Also gives, for the derivatives, the logarithm of what is left
    of the way, and that to the power of a.
    """
    n = share.shape[0]
    log_left, power, at, rate = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for o in range(n):
        log_left[o] = 1 - share[o]
    log_all(log_left)
    for o in range(n):
        power[o] = line.a[of[o]] * log_left[o]
    exp_all(power)
    for o in range(n):
        at[o] = 1 - power[o]
    log_all(at)
    for o in range(n):
        j = of[o]
        at[o] = (at[o] - line.a[j] * log_left[o] - line.start[j]) / line.steep[j]
        rate[o] = (1 - share[o]) * (1 - power[o]) * line.ratio[j]
    return at, rate, log_left, power


@compiled
def pull_back_reach(share, j, line, at, log_left, power, d_at, d_rate):
    """Reverse :func:`reach` for a single share: give the derivatives by it and by the asymmetry.

    ``at``, ``log_left`` and ``power`` are what :func:`reach` gave.
    """
    left, rest, ratio = 1 - share, 1 - power, line.ratio[j]
    inverse = 1 / rest
    d_share = d_at * inverse / (left * ratio) + d_rate * ratio * (line.a[j] * power - rest)
    d_asymmetry = d_at * (-log_left * inverse - line.d_start[j] - at * line.d_steep[j])
    d_ratio = (line.d_steep[j] - ratio) * line.per_a[j]
    d_asymmetry = d_asymmetry / line.steep[j] + d_rate * left * (
        rest * d_ratio - power * log_left * ratio
    )
    return d_share, d_asymmetry


@compiled
def left_of_the_way(eta, of, line):
    """Give 1 - rise(eta), and with it softplus and sigmoid of the line, for the derivatives."""
    n = eta.shape[0]
    left, softplus, sigmoid = np.empty(n), np.empty(n), np.empty(n)
    for o in range(n):
        sigmoid[o] = -abs(line.steep[of[o]] * eta[o] + line.start[of[o]])
    exp_all(sigmoid)  # the odds of the smaller side
    for o in range(n):
        softplus[o] = 1 + sigmoid[o]
    log_all(softplus)
    for o in range(n):
        u = line.steep[of[o]] * eta[o] + line.start[of[o]]
        odds = sigmoid[o]
        sigmoid[o] = (1.0 if u > 0 else odds) / (1 + odds)
        softplus[o] += max(u, 0.0)
        left[o] = -softplus[o] * line.per_a[of[o]]
    exp_all(left)
    return left, softplus, sigmoid
