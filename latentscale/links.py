"""The link: how far on the way from floor to ceiling a logit is.

With the asymmetry a of a benchmark::

    rise(eta) = 1 - (1 + (2^a - 1) exp(b eta))^(-1/a),   b = a / (2 (1 - 2^-a))

For every a it passes through 1/2 at eta = 0 with the slope 1/4, so that there logits mean the
same; with a = 1 it is the sigmoid. With a > 1 a benchmark stays at its floor up to some ability,
leaves it abruptly and nears its ceiling slowly, as where a skill emerges; with a < 1 it is the
other way round.

This is the asymmetric family of Aranda-Ordaz (1981, Biometrika 68), shifted and scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit


def rise(eta: np.ndarray, asymmetry: np.ndarray | None = None) -> np.ndarray:
    """Give the share of the way from floor to ceiling.

    Parameters
    ----------
    eta : numpy.ndarray
        Logits.
    asymmetry : numpy.ndarray, optional
        Broadcast against the logits; None for the sigmoid.

    Returns
    -------
    numpy.ndarray
        In (0, 1), with the shape of both.

    Examples
    --------
    >>> rise(np.array([-2.0, 0.0, 2.0]), np.array(4.0)).round(3)
    array([0.047, 0.5  , 0.825])
    """
    if asymmetry is None:
        return np.asarray(expit(eta))
    steepness, start = _line(asymmetry, np)
    log_left, _ = _to_go(eta, asymmetry, steepness, start, _softplus)
    return np.asarray(-np.expm1(log_left))


def rise_and_slope(
    eta: np.ndarray, asymmetry: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Give the share of the way from floor to ceiling, and its derivative by the logit.

    Parameters are those of :func:`rise`.
    """
    if asymmetry is None:
        share = expit(eta)
        return share, share * (1 - share)
    steepness, start = _line(asymmetry, np)
    log_left, u = _to_go(eta, asymmetry, steepness, start, _softplus)
    slope = np.exp(log_left) * expit(u) * steepness / asymmetry
    return -np.expm1(log_left), slope


def symbolic_rise(eta: Any, asymmetry: Any, benchmark: Any) -> Any:
    """Give :func:`rise` in a PyTensor graph.

    Parameters
    ----------
    eta : dims (obs,)
    asymmetry : dims (benchmark,), or None for the sigmoid
    benchmark : dims (obs,)
        The position of the benchmark of each logit.
    """
    import pytensor.tensor as pt

    if asymmetry is None:
        return pt.sigmoid(eta)
    steepness, start = (value[benchmark] for value in _line(asymmetry, pt))
    log_left, _ = _to_go(eta, asymmetry[benchmark], steepness, start, pt.softplus)
    return -pt.expm1(log_left)


def _softplus(u: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp(0.0, u))


def _line(asymmetry: Any, xp: Any) -> tuple[Any, Any]:
    """Give b, and log(2^a - 1), with which the link passes through 1/2 at 0 with slope 1/4."""
    steepness = asymmetry / (2 * (1 - 2.0**-asymmetry))
    return steepness, xp.log(xp.expm1(np.log(2) * asymmetry))


def _to_go(
    eta: Any, asymmetry: Any, steepness: Any, start: Any, softplus: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """Give the logarithm of what is left of the way, and the log odds that it is made of."""
    u = steepness * eta + start
    return -softplus(u) / asymmetry, u
