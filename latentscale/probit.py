"""The probit transform: the sampler's coordinate of a share between 0 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

_SQRT_2 = float(np.sqrt(2))


class Probit(Transform):
    """share = Phi(coordinate).

    A share that the data do not tell, with a Beta prior near an end, has a nearly Normal probit;
    its logit has a long tail, along which NUTS is slow.
    """

    name = "probit"

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Give the share."""
        return pt.erfc(-value / _SQRT_2) / 2

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Give the coordinate."""
        return _SQRT_2 * pt.erfinv(2 * value - 1)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Give the log density of a standard Normal, the derivative of Phi."""
        return -(value**2) / 2 - np.log(2 * np.pi) / 2
