"""The sampler's coordinate of a share between 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

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
