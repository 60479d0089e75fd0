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
def _shares(guess, of, curve):
    """Give how far on the way from floor to ceiling the rough expectations are."""
    share = np.empty(guess.shape[0])
    for o in range(share.shape[0]):
        j = of[o]
        free = (guess[o] - curve.floor[j]) / (curve.ceiling[j] - curve.floor[j])
        share[o] = min(max(free, _NEAREST), 1 - _NEAREST)
    return share


@compiled
def measure(information_of, cells, curve, scatter):
    """Give the measured eta and the information about it, dims (obs,).

    Parameters are those of :func:`latentscale.kernels.posterior.density`. The third result is where
    the curve was reached, for the derivatives.
    """
    score, trials, guess, _, of = cells
    (floor, ceiling, asymmetry), (precision, tail) = curve, scatter
    share = _shares(guess, of, curve)
    lines = line(asymmetry)
    at, rate, log_left, power = reach(share, of, lines)
    n = score.shape[0]
    measured, information = np.empty(n), np.empty(n)
    for o in range(n):
        j = of[o]
        height = ceiling[j] - floor[j]
        expected = floor[j] + height * share[o]
        slope = height * rate[o]
        worth = information_of(trials[o], expected, precision[j], tail[0])[0]
        measured[o] = at[o] + (score[o] / trials[o] - expected) / slope
        information[o] = slope * slope * worth
    return measured, information, (lines, share, at, rate, log_left, power)


@compiled
def pull_back_measure(
    information_of, cells, curve, scatter, reached, d_measured, d_information, d_curve, d_scatter
):
    """Reverse :func:`measure`; adds to ``d_curve`` and ``d_scatter``."""
    score, trials, _, _, of = cells
    (floor, ceiling, _), (precision, tail) = curve, scatter
    (d_floor, d_ceiling, d_asymmetry), (d_precision, d_tail) = d_curve, d_scatter
    lines, shares, at, rates, log_left, power = reached
    for o in range(score.shape[0]):
        j = of[o]
        share, rate, height = shares[o], rates[o], ceiling[j] - floor[j]
        expected = floor[j] + height * share
        slope = height * rate
        per_slope = 1 / slope
        worth, worth_m, worth_p, worth_t = information_of(
            trials[o], expected, precision[j], tail[0]
        )
        d_worth = d_information[o] * slope * slope
        d_precision[j] += d_worth * worth_p
        d_tail[0] += d_worth * worth_t
        gap = (score[o] / trials[o] - expected) * per_slope
        d_gap = d_measured[o] * per_slope
        d_slope = 2 * d_information[o] * slope * worth - d_gap * gap
        d_expected = d_worth * worth_m - d_gap
        d_share, d_a = pull_back_reach(
            share, j, lines, at[o], log_left[o], power[o], d_measured[o], d_slope * height
        )
        d_asymmetry[j] += d_a
        d_share += d_expected * height
        d_height = d_slope * rate + d_expected * share
        d_floor[j] += d_expected
        if _NEAREST < share < 1 - _NEAREST:
            d_floor[j] -= d_share / height
            d_height -= d_share * share / height
        d_ceiling[j] += d_height
        d_floor[j] -= d_height
