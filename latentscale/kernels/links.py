"""The curve of a benchmark, as :mod:`latentscale.links` defines it, with its derivatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from latentscale.kernels.elementary import exp, log
from latentscale.kernels.jit import array_giving, compiled, unrolled
from latentscale.kernels.memory import empty

_LOG_2 = float(np.log(2.0))

# What is smaller adds to one so much less that it is better not added.
_LITTLE = 1e-9


class Line(NamedTuple):
    """What the link of an asymmetry a is made of.

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
def line(a):
    """Give what the link of an asymmetry is made of."""
    rest = -np.expm1(-a * _LOG_2)
    start = np.log(np.expm1(a * _LOG_2))
    d_steep = (1 - a * (1 - rest) * _LOG_2 / rest) / (2 * rest)
    return Line(a, 1 / a, a / (2 * rest), start, 0.5 / rest, d_steep, _LOG_2 / rest)


@array_giving
def lines(memory, asymmetry):
    """Give the lines of some asymmetries, one a row: they cost more than the link of a score."""
    found = empty(memory, (asymmetry.shape[0], 7))
    for j in range(found.shape[0]):
        one = line(asymmetry[j])
        for position in range(7):
            found[j, position] = one[position]
    return found


@unrolled
def line_at(lines, j):
    """Give the line in a row of :func:`lines`."""
    return Line(
        lines[j, 0], lines[j, 1], lines[j, 2], lines[j, 3], lines[j, 4], lines[j, 5], lines[j, 6]
    )


@unrolled
def way_up(score, floor, ceiling, edge):
    """Give how far on the way from floor to ceiling a score is: a share, off both by an edge.

    Parabolas lead to the edges and end two edges from them, so that the derivative does not jump::

        share + low^2 / (8 edge) - high^2 / (8 edge)

    with low and high how far a share, if no further than an edge outside, is beyond their ends.
    Also gives the derivative by what the share would be if it were not kept off.
    """
    share = min(max((score - floor) * (1 / (ceiling - floor)), -edge), 1 + edge)
    low, high = max(3 * edge - share, 0.0), max(share - (1 - 3 * edge), 0.0)
    return share + (low * low - high * high) * (1 / (8 * edge)), 1 - (low + high) * (0.25 / edge)


@unrolled
def reach(share, line):
    """Give the logit at which a share is reached, and the slope of the rise there.

    The share is well inside (0, 1), so that nothing is lost by plain logarithms. Also gives, for
    the derivatives, the logarithm of what is left of the way, and that to the power of a.
    """
    log_left = log(1 - share)
    power = exp(line.a * log_left)
    at = (log(1 - power) - line.a * log_left - line.start) * (1 / line.steep)
    return at, rate_at(share, power, line), log_left, power


@unrolled
def rate_at(share, power, line):
    """Give the slope of the rise where it has reached a share; ``power`` is as in :func:`reach`."""
    return (1 - share) * (1 - power) * line.ratio


@unrolled
def pull_back_reach(share, line, at, log_left, power, per_rate, d_at, d_rate):
    """Reverse :func:`reach`: give the derivatives by the share and by the asymmetry.

    ``at``, ``log_left`` and ``power`` are what :func:`reach` gave, ``per_rate`` is one over its
    slope.
    """
    left, rest = 1 - share, 1 - power
    d_share = d_at * per_rate + d_rate * line.ratio * (line.a * power - rest)
    per_rest = left * line.ratio * per_rate
    d_asymmetry = d_at * (-log_left * per_rest - line.d_start - at * line.d_steep)
    d_ratio = (line.d_steep - line.ratio) * line.per_a
    d_asymmetry = d_asymmetry * (1 / line.steep) + d_rate * left * (
        rest * d_ratio - power * log_left * line.ratio
    )
    return d_share, d_asymmetry


@unrolled
def left_of_the_way(eta, line):
    """Give 1 - rise(eta), and with it softplus and sigmoid of the line, for the derivatives."""
    u = line.steep * eta + line.start
    odds = exp(-abs(u))  # of the smaller side
    softplus = max(u, 0.0) + (odds if odds < _LITTLE else log(1 + odds))
    sigmoid = (1.0 if u > 0 else odds) / (1 + odds)
    return exp(-softplus * line.per_a), softplus, sigmoid


@unrolled
def risen(left, softplus, line):
    """Give rise(eta) from what :func:`left_of_the_way` gave: above zero however far down."""
    little = softplus * line.per_a
    return little if little < _LITTLE else 1 - left


@unrolled
def pull_back_left_of_the_way(eta, line, left, softplus, sigmoid, d_rise):
    """Reverse :func:`left_of_the_way`: give the derivatives by eta and by the asymmetry.

    ``d_rise`` is that by what is not left.
    """
    d_softplus = d_rise * left * line.per_a
    d_u = d_softplus * sigmoid
    d_asymmetry = d_u * (eta * line.d_steep + line.d_start) - d_softplus * softplus * line.per_a
    return d_u * line.steep, d_asymmetry
