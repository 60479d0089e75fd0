"""Every score as a Normal measurement of its eta, by a step of Fisher scoring.

Where the current curve reaches the rough expectation of a score, at the logit ``at``, a score
differs from it by ``score - expected``; divided by the slope of the curve this is how far eta lies
from ``at``. The information of the measurement is that of the score about its expectation, times
the squared slope.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import merged, merged_sum
from latentscale.kernels.links import line_at, pull_back_reach, reach, way_up

# A rough expectation nearer to floor or ceiling than this says little of its logit.
_NEAREST = 0.005


@merged
def measure(likelihood, cells, curve, lines, scatter):
    """Give the measured eta and the information about it, dims (obs,).

    Parameters are those of :func:`latentscale.kernels.posterior.density`, ``lines`` those of
    :func:`latentscale.kernels.links.lines`.
    """
    measured, information = np.empty(cells.llm.shape[0]), np.empty(cells.llm.shape[0])
    for j in range(curve.floor.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _measure_on(
            likelihood, cells.score[rows], cells.trials[rows], cells.guess[rows], line_at(lines, j),
            curve.floor[j], curve.ceiling[j], scatter.precision[j], scatter.tail[0],
            measured[rows], information[rows],
        )  # fmt: skip
    return measured, information


@merged
def _measure_on(likelihood, score, trials, guess, line, floor, ceiling, precision, tail, measured,
                information):  # fmt: skip
    """Write the measured eta of the scores on one benchmark, and the information about it."""
    height = ceiling - floor
    for o in range(score.shape[0]):
        share, _ = way_up(guess[o], floor, ceiling, _NEAREST)
        at, rate, _, _ = reach(share, line)
        expected, slope = floor + height * share, height * rate
        worth = likelihood.information(trials[o], expected, precision, tail)[0]
        measured[o] = at + (score[o] / trials[o] - expected) / slope
        information[o] = slope * slope * worth


@merged
def pull_back_measure(likelihood, cells, curve, lines, scatter, d_measured, d_information, d_curve,
                      d_scatter):  # fmt: skip
    """Reverse :func:`measure`; adds to ``d_curve`` and ``d_scatter``."""
    for j in range(curve.floor.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        d_floor, d_ceiling, d_asymmetry, d_precision, d_tail = _pull_back_measure_on(
            likelihood, cells.score[rows], cells.trials[rows], cells.guess[rows], line_at(lines, j),
            curve.floor[j], curve.ceiling[j], scatter.precision[j], scatter.tail[0],
            d_measured[rows], d_information[rows],
        )  # fmt: skip
        d_curve.floor[j] += d_floor
        d_curve.ceiling[j] += d_ceiling
        d_curve.asymmetry[j] += d_asymmetry
        d_scatter.precision[j] += d_precision
        d_scatter.tail[0] += d_tail


@merged_sum
def _pull_back_measure_on(likelihood, score, trials, guess, line, floor, ceiling, precision, tail,
                          d_measured, d_information):  # fmt: skip
    """Reverse :func:`_measure_on`; what that computed is computed again, faster than it is kept.

    Gives the derivatives by floor, ceiling, asymmetry, precision and tail.
    """
    height = ceiling - floor
    d_floor, d_height, d_asymmetry, d_precision, d_tail = 0.0, 0.0, 0.0, 0.0, 0.0
    for o in range(score.shape[0]):
        share, free = way_up(guess[o], floor, ceiling, _NEAREST)
        at, rate, log_left, power = reach(share, line)
        expected, slope = floor + height * share, height * rate
        worth, worth_m, worth_p, worth_t = likelihood.information(
            trials[o], expected, precision, tail
        )
        d_worth = d_information[o] * slope * slope
        d_precision += d_worth * worth_p
        d_tail += d_worth * worth_t
        d_gap = d_measured[o] / slope
        gap = (score[o] / trials[o] - expected) / slope
        d_slope = 2 * d_information[o] * slope * worth - d_gap * gap
        d_expected = d_worth * worth_m - d_gap
        d_share, d_a = pull_back_reach(
            share, line, at, log_left, power, d_measured[o], d_slope * height
        )
        d_asymmetry += d_a
        d_share += d_expected * height
        # Where the share is kept off an end, it moves less with the curve, or not at all.
        through = free * d_share / height
        d_floor += d_expected - through
        d_height += d_slope * rate + d_expected * share - through * (guess[o] - floor) / height
    return d_floor - d_height, d_height, d_asymmetry, d_precision, d_tail
