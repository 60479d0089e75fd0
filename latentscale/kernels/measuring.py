"""Every score as a Normal measurement of its eta, by a step of Fisher scoring.

Where the current curve reaches the rough expectation of a score, at the logit ``at``, a score
differs from it by ``score - expected``; divided by the slope of the curve this is how far eta lies
from ``at``. The information of the measurement is that of the score about its expectation, times
the squared slope.

A score at the floor, as it is where an LLM guesses, says that eta is not above some point, and
nothing of how far below it is. There the curve is level: measured where it reaches the score, eta
would be told far too well. So such a score is measured where the parameters expect it without the
effects of groups, if that is lower down the curve; the less it tells, the further down.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import array_giving, compiled, merged, merged_sum, summed, unrolled
from latentscale.kernels.links import (
    left_of_the_way,
    line_at,
    pull_back_left_of_the_way,
    pull_back_reach,
    rate_at,
    reach,
    way_up,
)
from latentscale.kernels.memory import empty

# A rough expectation nearer to floor or ceiling than this says little of its logit.
_NEAREST = 0.005

# What one that is expected lower is not below: the slope of the curve is divided by. So near the
# floor a score tells an eta, even of an asymmetry of 10, to within no more than 10.
_LOWEST = 0.001


@unrolled
def _lower(share, expected):
    """Give about the lower of two shares, smoothly: their squared inverses add up."""
    return _LOWEST + share * expected / np.sqrt(share * share + expected * expected)


@unrolled
def _pull_back_lower(share, expected):
    """Give the derivatives of :func:`_lower` by both."""
    root = 1 / np.sqrt(share * share + expected * expected)
    one, other = expected * root, share * root
    return one * one * one, other * other * other


@array_giving
def _shares(memory, cells, own, curve, lines):
    """Give how far up the curve each score is measured, dims (obs,)."""
    share = empty(memory, own.shape)
    for j in range(curve.floor.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _shares_on(cells.guess[rows], curve.floor[j], curve.ceiling[j], share[rows])
        if _any(cells.at_floor[rows]):
            _lower_on(cells.at_floor[rows], own[rows], line_at(lines, j), share[rows])
    return share


@compiled
def _any(x):
    """Tell whether any of some numbers is above zero."""
    largest = 0.0
    for o in range(x.shape[0]):
        largest = max(largest, x[o])
    return largest > 0


@compiled
def _shares_on(guess, floor, ceiling, share):
    """Write where the curve of a benchmark reaches rough expectations."""
    for o in range(guess.shape[0]):
        share[o] = way_up(guess[o], floor, ceiling, _NEAREST)[0]


@compiled
def _lower_on(at_floor, own, line, share):
    """Lower the shares of scores at the floor."""
    for o in range(share.shape[0]):
        expected = 1 - left_of_the_way(own[o], line)[0]
        share[o] += at_floor[o] * (_lower(share[o], expected) - share[o])


@summed
def _pull_back_lower_on(at_floor, own, line, guess, floor, ceiling, d_share, d_own):
    """Reverse :func:`_lower_on`; writes over ``d_share``, and adds to the last.

    Gives the derivative by the asymmetry.
    """
    d_asymmetry = 0.0
    for o in range(own.shape[0]):
        share, _ = way_up(guess[o], floor, ceiling, _NEAREST)
        left, softplus, sigmoid = left_of_the_way(own[o], line)
        by_share, by_expected = _pull_back_lower(share, 1 - left)
        d_eta, d_a = pull_back_left_of_the_way(
            own[o], line, left, softplus, sigmoid, at_floor[o] * by_expected * d_share[o]
        )
        d_own[o] += d_eta
        d_asymmetry += d_a
        d_share[o] *= 1 + at_floor[o] * (by_share - 1)
    return d_asymmetry


@summed
def _pull_back_shares_on(guess, floor, ceiling, d_share):
    """Reverse :func:`_shares_on`: give the derivatives by floor and by height."""
    d_floor, d_height, per_height = 0.0, 0.0, 1 / (ceiling - floor)
    for o in range(guess.shape[0]):
        # Where the share is kept off an end, it moves less with the curve, or not at all.
        _, free = way_up(guess[o], floor, ceiling, _NEAREST)
        through = free * d_share[o] * per_height
        d_floor -= through
        d_height -= through * (guess[o] - floor) * per_height
    return d_floor, d_height


@merged
def measure(memory, likelihood, cells, own, curve, lines, scatter):
    """Give the measured eta and the information about it, dims (obs,), and what the reverse needs.

    Parameters are those of :func:`latentscale.kernels.posterior.density`, ``lines`` those of
    :func:`latentscale.kernels.links.lines`, and ``own`` is eta without the effects of groups.
    """
    n = cells.llm.shape
    measured, information = empty(memory, n), empty(memory, n)
    at, log_left, power = empty(memory, n), empty(memory, n), empty(memory, n)
    share = _shares(memory, cells, own, curve, lines)
    for j in range(curve.floor.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _measure_on(
            likelihood, cells.fraction[rows], cells.trials[rows], share[rows], line_at(lines, j),
            curve.floor[j], curve.ceiling[j], scatter.precision[j], scatter.tail[0],
            measured[rows], information[rows], at[rows], log_left[rows], power[rows],
        )  # fmt: skip
    return measured, information, (share, at, log_left, power)


@unrolled
def _inverses(slope, mean):
    """Give 1 / slope and 1 / (mean (1 - mean)): a division takes longer than all the products."""
    variance = mean * (1 - mean)
    both = 1 / (slope * variance)
    return both * variance, both * slope


@merged
def _measure_on(likelihood, fraction, trials, share, line, floor, ceiling, precision, tail,
                measured, information, at, log_left, power):  # fmt: skip
    """Write the measured eta of the scores on one benchmark, and the information about it.

    Also writes what :func:`reach` gave and takes long.
    """
    height = ceiling - floor
    for o in range(fraction.shape[0]):
        at[o], rate, log_left[o], power[o] = reach(share[o], line)
        expected, slope = floor + height * share[o], height * rate
        per_slope, inverse = _inverses(slope, expected)
        worth = likelihood.information(trials[o], expected, inverse, precision, tail)[0]
        measured[o] = at[o] + (fraction[o] - expected) * per_slope
        information[o] = slope * slope * worth


@merged
def pull_back_measure(memory, likelihood, cells, own, curve, lines, scatter, kept, d_measured,
                      d_information, d_own, d_curve, d_scatter):  # fmt: skip
    """Reverse :func:`measure`; adds to the last three."""
    share, at, log_left, power = kept
    d_share = empty(memory, share.shape)
    for j in range(curve.floor.shape[0]):
        rows, line = slice(cells.start[j], cells.start[j + 1]), line_at(lines, j)
        floor, ceiling, guess = curve.floor[j], curve.ceiling[j], cells.guess[rows]
        d_floor, d_height, d_asymmetry, d_precision, d_tail = _pull_back_measure_on(
            likelihood, cells.fraction[rows], cells.trials[rows], share[rows], line, floor,
            ceiling, scatter.precision[j], scatter.tail[0], at[rows], log_left[rows], power[rows],
            d_measured[rows], d_information[rows], d_share[rows],
        )  # fmt: skip
        if _any(cells.at_floor[rows]):
            d_asymmetry += _pull_back_lower_on(
                cells.at_floor[rows], own[rows], line, guess, floor, ceiling, d_share[rows],
                d_own[rows],
            )  # fmt: skip
        of_shares = _pull_back_shares_on(guess, floor, ceiling, d_share[rows])
        d_height += of_shares[1]
        d_curve.floor[j] += d_floor + of_shares[0] - d_height
        d_curve.ceiling[j] += d_height
        d_curve.asymmetry[j] += d_asymmetry
        d_scatter.precision[j] += d_precision
        d_scatter.tail[0] += d_tail


@merged_sum
def _pull_back_measure_on(likelihood, fraction, trials, share, line, floor, ceiling, precision,
                          tail, at, log_left, power, d_measured, d_information,
                          d_share):  # fmt: skip
    """Reverse :func:`_measure_on`; what is cheap is computed again, faster than it is kept.

    Writes the derivative by the shares, and gives those by floor, height, asymmetry, precision and
    tail.
    """
    height = ceiling - floor
    d_floor, d_height, d_asymmetry, d_precision, d_tail = 0.0, 0.0, 0.0, 0.0, 0.0
    for o in range(fraction.shape[0]):
        rate = rate_at(share[o], power[o], line)
        expected, slope = floor + height * share[o], height * rate
        per_slope, inverse = _inverses(slope, expected)
        worth, worth_m, worth_p, worth_t = likelihood.information(
            trials[o], expected, inverse, precision, tail
        )
        d_worth = d_information[o] * slope * slope
        d_precision += d_worth * worth_p
        d_tail += d_worth * worth_t
        d_gap = d_measured[o] * per_slope
        gap = (fraction[o] - expected) * per_slope
        d_slope = 2 * d_information[o] * slope * worth - d_gap * gap
        d_expected = d_worth * worth_m - d_gap
        by_share, d_a = pull_back_reach(
            share[o], line, at[o], log_left[o], power[o], height * per_slope, d_measured[o],
            d_slope * height,
        )  # fmt: skip
        d_asymmetry += d_a
        d_share[o] = by_share + d_expected * height
        d_floor += d_expected
        d_height += d_slope * rate + d_expected * share[o]
    return d_floor, d_height, d_asymmetry, d_precision, d_tail
