"""The sampler's coordinates of shares between 0 and 1, and of ceilings among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from scipy.special import wrightomega

# Width of the bend at either end, which is also the unit of the coordinate. The data tell a ceiling
# to within 0.005 to 0.02 when all else is held, so that a bend of this width is smooth, and yet
# leaves nearly all of the way straight.
BEND = 0.03
ENDS = 1 / BEND
# Logarithm of the slope where it is straight.
LOG_SLOPE = float(np.log(BEND) + np.log1p(-np.exp(-ENDS)))


def bent_coordinate(share: Any, xp: Any = np) -> Any:
    """Give the coordinate of a share, as numbers or, with ``xp=pytensor.tensor``, in a graph."""
    return xp.log(xp.expm1(share / BEND)) - xp.log(-xp.expm1((share - 1) / BEND))


# The largest share that a coordinate stands for: the density of a Beta is undefined at one.
LARGEST = float(np.nextafter(1.0, 0.0))
# How far up the best score is taken to be, at least and at most: a ceiling has room on both sides.
_LEAST_TOP, _MOST_TOP = 0.02, 0.98


def top_of(share: Any) -> Any:
    """Give -log(1 - share) of the shares that the best scores have of the way from chance to 1."""
    return -np.log1p(-np.clip(share, _LEAST_TOP, _MOST_TOP))


def ceiling_coordinate(share: Any, top: Any) -> Any:
    """Give the coordinate of a ceiling, which knows where the best score is.

    Just above the best score the data tell a ceiling to within a hundredth, and far above it not at
    all. With one unit for both, steps that fit the second run into the first as into a wall: of
    12,000 trajectories on the bundled leaderboard 8 diverged so, and none in this coordinate t. It
    is straight up to the best score; above it, its unit grows with the distance; near one it is
    -log(1 - share)::

        share = 1 - exp(-d softplus(y / d)),   y = top + d exp(top) (t + exp(t))

    where d is :data:`BEND`. So t is about 0 at the best score.

    Parameters
    ----------
    share : float or numpy.ndarray
        In (0, 1).
    top : float or numpy.ndarray
        From :func:`top_of`.
    """
    z = -np.log1p(-share)
    y = z + BEND * np.log(-np.expm1(-z / BEND))
    above = (y - top) / (BEND * np.exp(top))
    # wrightomega(x) + log(wrightomega(x)) = x
    return above - np.real(wrightomega(above))


class Bent(Transform):
    """share = a straight line in the coordinate, bent to stay inside (0, 1).

    With d the width of the bends, share = d (softplus(t) - softplus(t - 1 / d)).

    Scores tell a floor or a ceiling about equally well wherever it is; of its probit or its logit
    they tell thirty times less near an end than in the middle, which a step size cannot follow.
    """

    name = "bent"

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Give the share."""
        return BEND * (pt.softplus(value) - pt.softplus(value - ENDS))

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Give the coordinate."""
        return bent_coordinate(value, pt)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Give the logarithm of d (sigmoid(t) - sigmoid(t - 1 / d))."""
        at_ends = pt.softplus(-value) + pt.softplus(value - ENDS)
        return LOG_SLOPE - at_ends
