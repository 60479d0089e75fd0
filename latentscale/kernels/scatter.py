"""How a score scatters about its expectation: log densities and informations, with derivatives.

Each function gives its value and the derivatives, in this order, by expectation (``d_mean``),
precision and tail. All but those of scores at the ends of the scale have no branches and call
nothing from outside, so that loops take several scores at a time.

``score`` counts successes of ``trials``; a score that is a fraction has one trial.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from latentscale.kernels.elementary import log
from latentscale.kernels.jit import compiled, unrolled
from latentscale.likelihoods import EDGE
from latentscale.tails import POINTS, WEIGHTS

_HALF_LOG_2_PI = math.log(2 * math.pi) / 2
# Below this, log Phi(z) is computed from its asymptotic series: erfc would vanish.
_FAR = -20.0
# From here on the series of log gamma is exact to 1e-14.
_LARGE = 8


class Likelihood(NamedTuple):
    """What the kernels ask of a likelihood of :mod:`latentscale.likelihoods`.

    Attributes
    ----------
    constant
        The part of the log density that does not depend on the expectation, of ``(precision,
        tail)``: computed once for each benchmark. It has no derivative by the expectation.
    inside, at_ends
        The log density of ``(score, trials, mean, precision, tail, constant)``, inside the scale
        and at its ends.
    information
        That of a score about its expectation, of ``(trials, mean, inverse, precision, tail)``; the
        inverse is that of mean (1 - mean).
    """

    constant: Any
    inside: Any
    at_ends: Any
    information: Any


@unrolled
def log_gamma_and_slope(x):
    """Give log gamma and its derivative, for positive numbers, by Stirling's series.

    Small numbers are moved up by log gamma(x) = log gamma(x + n) - log(x (x + 1) ... (x + n - 1)).
    All are moved, so that several can be taken at a time.
    """
    product, d_product = x, 1.0
    for i in range(1, _LARGE):
        d_product = d_product * (x + i) + product
        product *= x + i
    x += _LARGE
    log_x, r = log(x), 1 / x
    s = r * r
    value = (x - 0.5) * log_x - x + _HALF_LOG_2_PI - log(product)
    value += r * (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (
        1 / 1188 - s * (691 / 360360 - s / 156))))))  # fmt: skip
    slope = log_x - r / 2 - d_product / product
    slope -= s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (
        1 / 132 - s * (691 / 32760 - s / 12))))))  # fmt: skip
    return value, slope


@compiled
def log_cdf_and_slope(z):
    """Give log Phi(z) of a standard Normal, and its derivative."""
    if z > _FAR:
        value = math.log(math.erfc(-z / math.sqrt(2.0)) / 2)
    else:
        s = 1 / (z * z)
        series = -s * (1 - s * (3 - s * (15 - s * 105)))
        value = -z * z / 2 - _HALF_LOG_2_PI - math.log(-z) + math.log1p(series)
    return value, math.exp(-z * z / 2 - _HALF_LOG_2_PI - value)


@unrolled
def _moment_information(trials, mean, inverse, precision, tail):
    """Give 1 / v of v = m (1 - m) / (1 + precision)."""
    value = (1 + precision) * inverse
    return value, -value * (1 - 2 * mean) * inverse, inverse, 0.0


@compiled
def _normal_constant(precision, tail):
    return math.log1p(precision) / 2 - _HALF_LOG_2_PI, 0.5 / (1 + precision), 0.0


@unrolled
def _normal(score, trials, mean, precision, tail, constant):
    q = mean * (1 - mean)
    per_q, gap = 1 / q, score - mean
    inverse = (1 + precision) * per_q
    half = gap * gap * inverse / 2
    value = constant[0] - log(q) / 2 - half
    d_mean = gap * inverse + (half - 0.5) * (1 - 2 * mean) * per_q
    # constant[1] is 0.5 / (1 + precision)
    return value, d_mean, constant[1] * (1 - 2 * half), 0.0


@compiled
def _end(score, mean, precision):
    """Give how many scales the end that a score is at lies off the mean, as a negative number.

    With it come the derivatives by mean and precision.
    """
    per_q = 1 / (mean * (1 - mean))
    root = math.sqrt((1 + precision) * per_q)
    sign = -1.0 if score <= 0 else 1.0
    gap = sign * mean if score <= 0 else mean - 1
    d_mean = root * (sign - gap * (1 - 2 * mean) * per_q / 2)
    return gap * root, d_mean, gap * root / (2 * (1 + precision))


@compiled
def _normal_beyond(score, trials, mean, precision, tail, constant):
    """Give the log mass of all that lies beyond the end that the score is at."""
    x, d_mean, d_precision = _end(score, mean, precision)
    value, slope = log_cdf_and_slope(x)
    return value, slope * d_mean, slope * d_precision, 0.0


@compiled
def _student_t_constant(precision, tail):
    above, d_above = log_gamma_and_slope((tail + 1) / 2)
    below, d_below = log_gamma_and_slope(tail / 2)
    value = above - below - math.log(tail * math.pi) / 2 + math.log1p(precision) / 2
    return value, 0.5 / (1 + precision), (d_above - d_below - 1 / tail) / 2


@unrolled
def _student_t(score, trials, mean, precision, tail, constant):
    q = mean * (1 - mean)
    inverse = (1 + precision) / q
    gap = score - mean
    square = gap * gap * inverse / tail
    pull = (tail + 1) / (1 + square)  # minus twice the derivative by the square
    value = constant[0] - log(q) / 2 - (tail + 1) / 2 * log(1 + square)
    d_mean = pull * gap * inverse / tail + (pull * square - 1) * (1 - 2 * mean) / (2 * q)
    d_precision = constant[1] - pull * square / (2 * (1 + precision))
    d_tail = constant[2] - log(1 + square) / 2 + pull * square / (2 * tail)
    return value, d_mean, d_precision, d_tail


@compiled
def log_t_cdf_and_slopes(x, tail):
    """Give the log mass of a Student t below x, at most zero, and its derivatives by both.

    The equations are in :mod:`latentscale.tails`.
    """
    root, square = math.sqrt(tail), tail + x * x
    angle = math.atan2(root, -x)
    sine, integral, d_power = math.sin(angle), 0.0, 0.0
    for i in range(len(POINTS)):
        log_ratio = math.log(math.sin(angle * POINTS[i]) / sine)
        term = WEIGHTS[i] * math.exp((tail - 1) * log_ratio)
        integral += term
        d_power += term * log_ratio
    above, d_above = log_gamma_and_slope((tail + 1) / 2)
    below, d_below = log_gamma_and_slope(tail / 2)
    value = above - below - math.log(math.pi) / 2
    value += (tail - 1) * math.log(sine) + math.log(angle * integral)
    d_angle = 1 / (angle * integral)
    d_tail = (d_above - d_below) / 2 + math.log(sine) + d_power / integral
    return value, d_angle * root / square, d_tail - d_angle * x / (2 * root * square)


@compiled
def _student_t_beyond(score, trials, mean, precision, tail, constant):
    """Give the log mass of all that lies beyond the end that the score is at."""
    x, d_mean, d_precision = _end(score, mean, precision)
    value, slope, d_tail = log_t_cdf_and_slopes(x, tail)
    return value, slope * d_mean, slope * d_precision, d_tail


@unrolled
def _student_t_information(trials, mean, inverse, precision, tail):
    value, d_mean, d_precision, _ = _moment_information(trials, mean, inverse, precision, tail)
    factor = (tail + 1) / (tail + 3)
    return value * factor, d_mean * factor, d_precision * factor, value * 2 / (tail + 3) ** 2


@compiled
def _beta_constant(precision, tail):
    value, slope = log_gamma_and_slope(precision)
    return value, slope, 0.0


@unrolled
def _beta(score, trials, mean, precision, tail, constant):
    score = min(max(score, EDGE), 1 - EDGE)
    log_score, log_rest = log(score), log(1 - score)
    alpha, beta = mean * precision, (1 - mean) * precision
    of_alpha, slope_alpha = log_gamma_and_slope(alpha)
    of_beta, slope_beta = log_gamma_and_slope(beta)
    value = constant[0] - of_alpha - of_beta + (alpha - 1) * log_score + (beta - 1) * log_rest
    d_alpha, d_beta = log_score - slope_alpha, log_rest - slope_beta
    d_precision = constant[1] + mean * d_alpha + (1 - mean) * d_beta
    return value, precision * (d_alpha - d_beta), d_precision, 0.0


@compiled
def _no_constant(precision, tail):
    return 0.0, 0.0, 0.0


@unrolled
def _log_choices(score, trials):
    chosen, left = log_gamma_and_slope(score + 1)[0], log_gamma_and_slope(trials - score + 1)[0]
    return log_gamma_and_slope(trials + 1)[0] - chosen - left


@unrolled
def _binomial(score, trials, mean, precision, tail, constant):
    value = _log_choices(score, trials) + score * log(mean) + (trials - score) * log(1 - mean)
    return value, score / mean - (trials - score) / (1 - mean), 0.0, 0.0


@unrolled
def _binomial_information(trials, mean, inverse, precision, tail):
    return trials * inverse, -trials * (1 - 2 * mean) * inverse * inverse, 0.0, 0.0


@unrolled
def _beta_binomial(score, trials, mean, precision, tail, constant):
    alpha, beta = mean * precision, (1 - mean) * precision
    before_a, d_before_a = log_gamma_and_slope(alpha)
    before_b, d_before_b = log_gamma_and_slope(beta)
    after_a, d_after_a = log_gamma_and_slope(alpha + score)
    after_b, d_after_b = log_gamma_and_slope(beta + trials - score)
    after, d_after = log_gamma_and_slope(precision + trials)
    value = _log_choices(score, trials) + constant[0] - after
    value += after_a - before_a + after_b - before_b
    d_alpha, d_beta = d_after_a - d_before_a, d_after_b - d_before_b
    d_precision = constant[1] - d_after + mean * d_alpha + (1 - mean) * d_beta
    return value, precision * (d_alpha - d_beta), d_precision, 0.0


@unrolled
def _beta_binomial_information(trials, mean, inverse, precision, tail):
    """Give the information of items that share a scatter of the LLM's own."""
    worth = trials * (precision + 1) / (precision + trials)
    d_worth = worth * (1 / (precision + 1) - 1 / (precision + trials))
    return worth * inverse, -worth * (1 - 2 * mean) * inverse * inverse, d_worth * inverse, 0.0


LIKELIHOODS = {
    "normal": Likelihood(_normal_constant, _normal, _normal_beyond, _moment_information),
    "student_t": Likelihood(
        _student_t_constant, _student_t, _student_t_beyond, _student_t_information
    ),
    "beta": Likelihood(_beta_constant, _beta, _beta, _moment_information),
    "binomial": Likelihood(_no_constant, _binomial, _binomial, _binomial_information),
    "beta_binomial": Likelihood(
        _beta_constant, _beta_binomial, _beta_binomial, _beta_binomial_information
    ),
}
