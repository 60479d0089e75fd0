"""Laws of priors: their log densities, and the coordinates of what they are about.

A law is a number: the position of its name in ``latentscale.priors.FAMILIES``. So one compilation
serves all priors.
"""

from __future__ import annotations

import math

from latentscale.kernels.jit import compiled
from latentscale.kernels.scatter import log_gamma_and_slope
from latentscale.priors import FAMILIES, POSITIVE, REAL, UNIT
from latentscale.transforms import BEND, ENDS, LARGEST, LOG_SLOPE

_HALF_LOG_2_PI = math.log(2 * math.pi) / 2
_LOG_2, _LOG_PI = math.log(2.0), math.log(math.pi)

_NAMES = list(FAMILIES)
_NORMAL, _LOG_NORMAL, _HALF_NORMAL = map(_NAMES.index, ("Normal", "LogNormal", "HalfNormal"))
_STUDENT_T, _HALF_STUDENT_T = map(_NAMES.index, ("StudentT", "HalfStudentT"))
_LAPLACE, _HALF_CAUCHY, _EXPONENTIAL = map(_NAMES.index, ("Laplace", "HalfCauchy", "Exponential"))
_GAMMA, _INVERSE_GAMMA, _BETA = map(_NAMES.index, ("Gamma", "InverseGamma", "Beta"))

# Numbers of what a variable can be.
SUPPORTS = (REAL, POSITIVE, UNIT)
_REAL, _POSITIVE = 0, 1


@compiled
def log_density(law, a, b, c, x):
    """Give the log density of a law at x, and its derivative; a, b, c are its parameters."""
    if law in (_NORMAL, _HALF_NORMAL, _LOG_NORMAL):
        return _of_normal(law, a, b, x)
    if law == _STUDENT_T:
        return _of_student_t(a, (x - b) / c, c)
    if law == _HALF_STUDENT_T:
        value, slope = _of_student_t(a, x / b, b)
        return value + _LOG_2, slope
    if law == _LAPLACE:
        return -abs(x - a) / b - math.log(2 * b), math.copysign(1 / b, a - x)
    if law == _HALF_CAUCHY:
        square = (x / a) ** 2
        return _LOG_2 - _LOG_PI - math.log(a) - math.log1p(square), -2 * x / (a * a + x * x)
    if law == _EXPONENTIAL:
        return math.log(a) - a * x, -a
    if law == _BETA:
        log_beta = _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b)
        value = (a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - log_beta
        return value, (a - 1) / x - (b - 1) / (1 - x)
    constant = a * math.log(b) - _log_gamma(a)
    if law == _GAMMA:
        return constant + (a - 1) * math.log(x) - b * x, (a - 1) / x - b
    return constant - (a + 1) * math.log(x) - b / x, (b / x - a - 1) / x  # InverseGamma


@compiled
def _log_gamma(x):
    return log_gamma_and_slope(x)[0]


@compiled
def _of_normal(law, a, b, x):
    """Give the log density of a Normal of x, of its logarithm, or of its absolute value."""
    if law == _LOG_NORMAL:
        log_x = math.log(x)
        z = (log_x - a) / b
        return -z * z / 2 - math.log(b) - _HALF_LOG_2_PI - log_x, -(z / b + 1) / x
    if law == _HALF_NORMAL:
        z = x / a
        return _LOG_2 - z * z / 2 - math.log(a) - _HALF_LOG_2_PI, -z / a
    z = (x - a) / b
    return -z * z / 2 - math.log(b) - _HALF_LOG_2_PI, -z / b


@compiled
def _of_student_t(nu, z, scale):
    constant = _log_gamma((nu + 1) / 2) - _log_gamma(nu / 2) - (math.log(nu) + _LOG_PI) / 2
    value = constant - math.log(scale) - (nu + 1) / 2 * math.log1p(z * z / nu)
    return value, -(nu + 1) * z / (nu + z * z) / scale


@compiled
def value_at(support, x):
    """Give what a coordinate stands for and its slope, and their log Jacobian and its slope.

    As PyMC does for the plain graph: the logarithm of what is positive, and
    :class:`latentscale.transforms.Bent` of what lies between 0 and 1.
    """
    if support == _REAL:
        return x, 1.0, 0.0, 0.0
    if support == _POSITIVE:
        value = math.exp(x)
        return value, value, x, 1.0
    log_jacobian = LOG_SLOPE - _softplus(-x) - _softplus(x - ENDS)
    value = BEND * (_softplus(x) - _softplus(x - ENDS))
    return value, math.exp(log_jacobian), log_jacobian, _sigmoid(-x) - _sigmoid(x - ENDS)


@compiled
def ceiling_at(x, top):
    """Give what :func:`value_at` gives, of :func:`latentscale.transforms.ceiling_coordinate`."""
    unit, rise = BEND * math.exp(top), math.exp(x)
    y, d_y = top + unit * (x + rise), unit * (1 + rise)
    z, d_z = BEND * _softplus(y / BEND), _sigmoid(y / BEND)
    value = min(-math.expm1(-z), LARGEST)
    log_jacobian = math.log(d_y) + math.log(d_z) - z
    d_log_jacobian = rise / (1 + rise) + d_y * ((1 - d_z) / BEND - d_z)
    return value, d_y * d_z * math.exp(-z), log_jacobian, d_log_jacobian


@compiled
def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@compiled
def _sigmoid(x):
    odds = math.exp(-abs(x))
    return (1.0 if x > 0 else odds) / (1 + odds)
