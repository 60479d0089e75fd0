"""Every score as a Normal measurement of its eta, by a step of Fisher scoring.

Where the current curve reaches the rough expectation of a score, at the logit ``at``, a score
differs from it by ``score - expected``; divided by the slope of the curve this is how far eta lies
from ``at``. The information of the measurement is that of the score about its expectation, times
the squared slope.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.jit import compiled
from latentscale.kernels.links import line, pull_back_reach, reach

# A rough expectation nearer to floor or ceiling than this says little of its logit.
_NEAREST = 0.005


@compiled
def measure(information_of, cells, curve, scatter):
    """Give the measured eta and the information about it, dims (obs,).

    Parameters are those of :func:`latentscale.kernels.posterior.density`. The third result is where
    the curve was reached, for the derivatives.
    """
    score, trials, guess, _, of = cells
    (floor, ceiling, asymmetry), (precision, tail) = curve, scatter
    steep, start, _, _ = line(asymmetry)
    n = score.shape[0]
    measured, information, kept = np.empty(n), np.empty(n), np.empty((n, 4))
    for o in range(n):
        j = of[o]
        height = ceiling[j] - floor[j]
        share = min(max((guess[o] - floor[j]) / height, _NEAREST), 1 - _NEAREST)
        expected = floor[j] + height * share
        at, rate, log_left, v = reach(share, asymmetry[j], steep[j], start[j])
        kept[o, 0], kept[o, 1], kept[o, 2], kept[o, 3] = at, rate, log_left, v
        slope = height * rate
        worth = information_of(trials[o], expected, precision[j], tail[0])[0]
        measured[o] = at + (score[o] / trials[o] - expected) / slope
        information[o] = slope * slope * worth
    return measured, information, kept


@compiled
def pull_back_measure(
    information_of, cells, curve, scatter, kept, d_measured, d_information, d_curve, d_scatter
):
    """Reverse :func:`measure`; adds to ``d_curve`` and ``d_scatter``."""
    score, trials, guess, _, of = cells
    (floor, ceiling, asymmetry), (precision, tail) = curve, scatter
    (d_floor, d_ceiling, d_asymmetry), (d_precision, d_tail) = d_curve, d_scatter
    steep, _, d_steep, d_start = line(asymmetry)
    for o in range(score.shape[0]):
        j = of[o]
        a, b, height = asymmetry[j], steep[j], ceiling[j] - floor[j]
        free = (guess[o] - floor[j]) / height
        share = min(max(free, _NEAREST), 1 - _NEAREST)
        expected = floor[j] + height * share
        reached = (kept[o, 0], kept[o, 1], kept[o, 2], kept[o, 3])
        rate = reached[1]
        slope = height * rate
        worth, worth_m, worth_p, worth_t = information_of(
            trials[o], expected, precision[j], tail[0]
        )
        d_worth = d_information[o] * slope * slope
        d_precision[j] += d_worth * worth_p
        d_tail[0] += d_worth * worth_t
        gap = (score[o] / trials[o] - expected) / slope
        d_slope = 2 * d_information[o] * slope * worth - d_measured[o] * gap / slope
        d_expected = d_worth * worth_m - d_measured[o] / slope
        d_share, d_a = pull_back_reach(
            share, a, b, d_steep[j], d_start[j], reached, d_measured[o], d_slope * height
        )
        d_asymmetry[j] += d_a
        d_share += d_expected * height
        d_height = d_slope * rate + d_expected * share
        d_floor[j] += d_expected
        if free == share:
            d_floor[j] -= d_share / height
            d_height -= d_share * share / height
        d_ceiling[j] += d_height
        d_floor[j] -= d_height
