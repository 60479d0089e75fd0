"""Every score as a Normal measurement of its eta, by a step of Fisher scoring.

Where the current curve reaches the rough expectation of a score, at the logit ``at``, a score
differs from it by ``score - expected``; divided by the slope of the curve this is how far eta lies
from ``at``. The information of the measurement is that of the score about its expectation, times
the squared slope.
"""

from __future__ import annotations

from latentscale.kernels.jit import merged, merged_sum, unrolled
from latentscale.kernels.links import line_at, pull_back_reach, rate_at, reach, way_up
from latentscale.kernels.memory import empty

# A rough expectation nearer to floor or ceiling than this says little of its logit.
_NEAREST = 0.005


@merged
def measure(memory, likelihood, cells, curve, lines, scatter):
    """Give the measured eta and the information about it, dims (obs,), and what the reverse needs.

    Parameters are those of :func:`latentscale.kernels.posterior.density`, ``lines`` those of
    :func:`latentscale.kernels.links.lines`.
    """
    n = cells.llm.shape
    measured, information = empty(memory, n), empty(memory, n)
    at, log_left, power = empty(memory, n), empty(memory, n), empty(memory, n)
    for j in range(curve.floor.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _measure_on(
            likelihood, cells.fraction[rows], cells.trials[rows], cells.guess[rows],
            line_at(lines, j), curve.floor[j], curve.ceiling[j], scatter.precision[j],
            scatter.tail[0], measured[rows], information[rows], at[rows], log_left[rows],
            power[rows],
        )  # fmt: skip
    return measured, information, (at, log_left, power)


@unrolled
def _inverses(slope, mean):
    """Give 1 / slope and 1 / (mean (1 - mean)): a division takes longer than all the products."""
    variance = mean * (1 - mean)
    both = 1 / (slope * variance)
    return both * variance, both * slope


@merged
def _measure_on(likelihood, fraction, trials, guess, line, floor, ceiling, precision, tail,
                measured, information, at, log_left, power):  # fmt: skip
    """Write the measured eta of the scores on one benchmark, and the information about it.

    Also writes what :func:`reach` gave and takes long.
    """
    height = ceiling - floor
    for o in range(fraction.shape[0]):
        share, _ = way_up(guess[o], floor, ceiling, _NEAREST)
        at[o], rate, log_left[o], power[o] = reach(share, line)
        expected, slope = floor + height * share, height * rate
        per_slope, inverse = _inverses(slope, expected)
        worth = likelihood.information(trials[o], expected, inverse, precision, tail)[0]
        measured[o] = at[o] + (fraction[o] - expected) * per_slope
        information[o] = slope * slope * worth


@merged
def pull_back_measure(likelihood, cells, curve, lines, scatter, kept, d_measured, d_information,
                      d_curve, d_scatter):  # fmt: skip
    """Reverse :func:`measure`; adds to ``d_curve`` and ``d_scatter``."""
    at, log_left, power = kept
    for j in range(curve.floor.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        d_floor, d_ceiling, d_asymmetry, d_precision, d_tail = _pull_back_measure_on(
            likelihood, cells.fraction[rows], cells.trials[rows], cells.guess[rows],
            line_at(lines, j), curve.floor[j], curve.ceiling[j], scatter.precision[j],
            scatter.tail[0], at[rows], log_left[rows], power[rows], d_measured[rows],
            d_information[rows],
        )  # fmt: skip
        d_curve.floor[j] += d_floor
        d_curve.ceiling[j] += d_ceiling
        d_curve.asymmetry[j] += d_asymmetry
        d_scatter.precision[j] += d_precision
        d_scatter.tail[0] += d_tail


@merged_sum
def _pull_back_measure_on(likelihood, fraction, trials, guess, line, floor, ceiling, precision,
                          tail, at, log_left, power, d_measured, d_information):  # fmt: skip
    """Reverse :func:`_measure_on`; what is cheap is computed again, faster than it is kept.

    Gives the derivatives by floor, ceiling, asymmetry, precision and tail.
    """
    height = ceiling - floor
    d_floor, d_height, d_asymmetry, d_precision, d_tail = 0.0, 0.0, 0.0, 0.0, 0.0
    for o in range(fraction.shape[0]):
        share, free = way_up(guess[o], floor, ceiling, _NEAREST)
        rate = rate_at(share, power[o], line)
        expected, slope = floor + height * share, height * rate
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
        d_share, d_a = pull_back_reach(
            share, line, at[o], log_left[o], power[o], height * per_slope, d_measured[o],
            d_slope * height,
        )  # fmt: skip
        d_asymmetry += d_a
        d_share += d_expected * height
        # Where the share is kept off an end, it moves less with the curve, or not at all.
        through = free * d_share * (1 / height)
        d_floor += d_expected - through
        d_height += d_slope * rate + d_expected * share
        d_height -= through * (guess[o] - floor) * (1 / height)
    return d_floor - d_height, d_height, d_asymmetry, d_precision, d_tail
