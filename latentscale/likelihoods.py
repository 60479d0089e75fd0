"""How a score scatters around its expectation: one small class for each likelihood.

All share one meaning of ``precision``: the variance of a score with expectation m is
``m (1 - m) / (1 + precision)`` (for Student t, the squared scale), so precision counts the
independent items that a score is worth, and priors and plots carry over between likelihoods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import special, stats

from latentscale.errors import SpecError
from latentscale.tails import log_mass_below

# A Beta density has no mass at 0 and 1. Exact zeros and ones, which mean "less than one item in a
# thousand or so", are read as half an item of 1,000.
EDGE = 5e-4

# Draws and known scores need the expectation strictly inside (0, 1).
_INSIDE = 1e-6


class Likelihood(Protocol):
    """What a likelihood must do, in PyMC for fitting and in numpy for prediction."""

    @property
    def uses_counts(self) -> bool:
        """Whether it needs successes and trials rather than scores."""

    @property
    def has_tail(self) -> bool:
        """Whether it has the parameter ``tail``."""

    def observe(self, name: str, expected: Any, parameters: Mapping[str, Any], data: Any) -> None:
        """Declare the observed variable in the model on the context stack, dims (obs,)."""

    def log_density(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Give the log density of observed cells, broadcast over draws; last dim is the cell."""

    def draw(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        parameters: Mapping[str, np.ndarray],
        trials: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw new scores, fractions in [0, 1], with the shape of ``expected``."""

    def curvature(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give gradient and information of the log density in ``expected``, if need be roughly."""


def score_sd(expected: Any, precision: Any) -> Any:
    """Give the standard deviation of a score, sqrt(m (1 - m) / (1 + precision)).

    Examples
    --------
    >>> score_sd(0.5, 99.0)
    0.05
    """
    return (expected * (1 - expected) / (1 + precision)) ** 0.5


class _MomentCurvature:
    """Gradient and information of a Normal with the same mean and variance."""

    def curvature(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give (score - m) / v and 1 / v."""
        expected = _inside(expected)
        trials = data["trials"].to_numpy() if "trials" in data else None
        information: np.ndarray = self._information(expected, parameters, trials)
        return (data["score"].to_numpy() - expected) * information, information

    def _information(
        self, expected: Any, parameters: Mapping[str, Any], trials: Any | None = None
    ) -> Any:
        """Give 1 / v."""
        return (1 + parameters["precision"]) / (expected * (1 - expected))


def _inside(expected: np.ndarray) -> np.ndarray:
    return np.clip(expected, _INSIDE, 1 - _INSIDE)


@dataclass(frozen=True)
class BetaLikelihood(_MomentCurvature):
    """score ~ Beta(m p, (1 - m) p): bounded, skewed near 0 and 1."""

    uses_counts: bool = False
    has_tail: bool = False

    def observe(self, name: str, expected: Any, parameters: Mapping[str, Any], data: Any) -> None:
        """Declare a Beta with mean ``expected``."""
        import pymc as pm

        precision = parameters["precision"]
        score = data["score"].clip(EDGE, 1 - EDGE)
        alpha, beta = expected * precision, (1 - expected) * precision
        pm.Beta(name, alpha=alpha, beta=beta, observed=score, dims="obs")

    def log_density(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Beta log density."""
        expected, precision = _inside(expected), parameters["precision"]
        score = np.clip(data["score"].to_numpy(), EDGE, 1 - EDGE)
        density: np.ndarray = stats.beta.logpdf(
            score, expected * precision, (1 - expected) * precision
        )
        return density

    def draw(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        parameters: Mapping[str, np.ndarray],
        trials: np.ndarray | None = None,
    ) -> np.ndarray:
        """Beta draws."""
        expected, precision = _inside(expected), parameters["precision"]
        return rng.beta(expected * precision, (1 - expected) * precision)


@dataclass(frozen=True)
class NormalLikelihood(_MomentCurvature):
    """score ~ Normal(m, score_sd(m, p)) censored to [0, 1]: what falls outside counts as 0 or 1."""

    uses_counts: bool = False
    has_tail: bool = False

    def observe(self, name: str, expected: Any, parameters: Mapping[str, Any], data: Any) -> None:
        """Declare a censored Normal.

        PyMC's own would compute both tails for every score; only exact zeros and ones need them.
        """
        import pymc as pm

        sd = score_sd(expected, parameters["precision"])
        args = (expected, sd, data["edge_of_obs"])
        pm.CustomDist(
            name, *args, logp=_censored_logp, random=_censored_draw, observed=data["score"],
            dims="obs", signature="(n),(n),(e)->(n)",
        )  # fmt: skip

    def log_density(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Give the Normal log density inside, the log tail mass at exactly 0 and 1."""
        score = data["score"].to_numpy()
        expected = _inside(expected)
        sd = score_sd(expected, parameters["precision"])
        inside = stats.norm.logpdf(score, expected, sd)
        at_zero, at_one = special.log_ndtr(-expected / sd), special.log_ndtr((expected - 1) / sd)
        return np.where(score <= 0, at_zero, np.where(score >= 1, at_one, inside))

    def draw(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        parameters: Mapping[str, np.ndarray],
        trials: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw from the Normal, clip to [0, 1]."""
        expected = _inside(expected)
        sd = score_sd(expected, parameters["precision"])
        return np.clip(rng.normal(expected, sd), 0, 1)


def _censored_logp(value: Any, mean: Any, sd: Any, edge: Any) -> Any:
    """Give the log density inside (0, 1), and the log tail mass of the cells at its edge."""
    import pymc as pm
    import pytensor.tensor as pt

    inside = pm.logp(pm.Normal.dist(mean, sd), value)
    beyond = pm.logcdf(pm.Normal.dist(0.0, 1.0), _end(value, mean, sd, edge))
    return pt.set_subtensor(inside[edge], beyond)


def _end(value: Any, mean: Any, sd: Any, edge: Any) -> Any:
    """Give how many scales the end of a cell lies off its mean, as a negative number."""
    import pytensor.tensor as pt

    at_zero = pt.lt(value[edge], 0.5)
    return pt.switch(at_zero, -mean[edge], mean[edge] - 1) / sd[edge]


def _censored_draw(
    mean: np.ndarray,
    sd: np.ndarray,
    edge: np.ndarray,
    rng: np.random.Generator | None = None,
    size: Any = None,
) -> np.ndarray:
    rng = rng or np.random.default_rng()
    return np.clip(rng.normal(mean, sd, size=size or mean.shape), 0, 1)


@dataclass(frozen=True)
class StudentTLikelihood(_MomentCurvature):
    """score ~ StudentT(tail, m, score_sd(m, p)) censored to [0, 1]: some runs are simply broken."""

    uses_counts: bool = False
    has_tail: bool = True

    def observe(self, name: str, expected: Any, parameters: Mapping[str, Any], data: Any) -> None:
        """Declare a censored Student t, as the Normal is."""
        import pymc as pm

        sd = score_sd(expected, parameters["precision"])
        args = (expected, sd, parameters["tail"], data["edge_of_obs"])
        pm.CustomDist(
            name, *args, logp=_censored_t_logp, random=_censored_t_draw, observed=data["score"],
            dims="obs", signature="(n),(n),(),(e)->(n)",
        )  # fmt: skip

    def log_density(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Give the Student t log density inside, the log tail mass at exactly 0 and 1."""
        score, tail = data["score"].to_numpy(), parameters["tail"]
        expected = _inside(expected)
        sd = score_sd(expected, parameters["precision"])
        inside = stats.t.logpdf(score, tail, expected, sd)
        at_zero, at_one = (
            stats.t.logcdf(-expected / sd, tail),
            stats.t.logcdf((expected - 1) / sd, tail),
        )
        return np.where(score <= 0, at_zero, np.where(score >= 1, at_one, inside))

    def draw(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        parameters: Mapping[str, np.ndarray],
        trials: np.ndarray | None = None,
    ) -> np.ndarray:
        """Student t draws, clipped to [0, 1]."""
        expected = _inside(expected)
        sd = score_sd(expected, parameters["precision"])
        tail = np.broadcast_to(parameters["tail"], expected.shape)
        return np.clip(expected + sd * rng.standard_t(tail), 0, 1)

    def curvature(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Student t: a score far out pulls little, and tells little.

        The information is that of the Normal which a Student t is given how wide it is there
        (Lange, Little and Taylor 1989). A step of scoring by it leads to the score, however far off
        it is; by the Fisher information steps get the shorter the further off.
        """
        expected, tail = _inside(expected), parameters["tail"]
        variance = score_sd(expected, parameters["precision"]) ** 2
        gap = data["score"].to_numpy() - expected
        information = (tail + 1) / (tail * variance + gap**2)
        return gap * information, information

    def _information(
        self, expected: Any, parameters: Mapping[str, Any], trials: Any | None = None
    ) -> Any:
        """Give the Fisher information of the location of a Student t."""
        tail = parameters["tail"]
        return (tail + 1) / (tail + 3) * super()._information(expected, parameters)


def _censored_t_logp(value: Any, mean: Any, sd: Any, tail: Any, edge: Any) -> Any:
    """Give the log density inside (0, 1), and the log tail mass of the cells at its edge."""
    import pymc as pm
    import pytensor.tensor as pt

    inside = pm.logp(pm.StudentT.dist(nu=tail, mu=mean, sigma=sd), value)
    return pt.set_subtensor(inside[edge], log_mass_below(_end(value, mean, sd, edge), tail))


def _censored_t_draw(
    mean: np.ndarray,
    sd: np.ndarray,
    tail: np.ndarray,
    edge: np.ndarray,
    rng: np.random.Generator | None = None,
    size: Any = None,
) -> np.ndarray:
    rng = rng or np.random.default_rng()
    return np.clip(mean + sd * rng.standard_t(tail, size=size or mean.shape), 0, 1)


@dataclass(frozen=True)
class BinomialLikelihood(_MomentCurvature):
    """successes ~ Binomial(trials, m): items are independent and nothing else scatters."""

    uses_counts: bool = True
    has_tail: bool = False

    def observe(self, name: str, expected: Any, parameters: Mapping[str, Any], data: Any) -> None:
        """Declare a Binomial."""
        import pymc as pm

        pm.Binomial(name, n=data["trials"], p=expected, observed=data["successes"], dims="obs")

    def log_density(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Binomial log probability."""
        density: np.ndarray = stats.binom.logpmf(
            data["successes"].to_numpy(), data["trials"].to_numpy(), _inside(expected)
        )
        return density

    def draw(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        parameters: Mapping[str, np.ndarray],
        trials: np.ndarray | None = None,
    ) -> np.ndarray:
        """Share of successes in ``trials`` items."""
        n = _require_trials(trials)
        return rng.binomial(n, _inside(expected)) / n

    def _information(
        self, expected: Any, parameters: Mapping[str, Any], trials: Any | None = None
    ) -> Any:
        """Give n / (m (1 - m))."""
        return trials / (expected * (1 - expected))


@dataclass(frozen=True)
class BetaBinomialLikelihood(_MomentCurvature):
    """successes ~ BetaBinomial(trials, m p, (1 - m) p): items plus a scatter of the LLM's own."""

    uses_counts: bool = True
    has_tail: bool = False

    def observe(self, name: str, expected: Any, parameters: Mapping[str, Any], data: Any) -> None:
        """Declare a beta-binomial."""
        import pymc as pm

        precision = parameters["precision"]
        alpha, beta = expected * precision, (1 - expected) * precision
        observed, n = data["successes"], data["trials"]
        pm.BetaBinomial(name, n=n, alpha=alpha, beta=beta, observed=observed, dims="obs")

    def log_density(
        self, data: pd.DataFrame, expected: np.ndarray, parameters: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Beta-binomial log probability."""
        expected, precision = _inside(expected), parameters["precision"]
        density: np.ndarray = stats.betabinom.logpmf(
            data["successes"].to_numpy(),
            data["trials"].to_numpy(),
            expected * precision,
            (1 - expected) * precision,
        )
        return density

    def draw(
        self,
        rng: np.random.Generator,
        expected: np.ndarray,
        parameters: Mapping[str, np.ndarray],
        trials: np.ndarray | None = None,
    ) -> np.ndarray:
        """Share of successes in ``trials`` items whose success rate scatters."""
        n, precision = _require_trials(trials), parameters["precision"]
        expected = _inside(expected)
        rate = rng.beta(expected * precision, (1 - expected) * precision)
        return rng.binomial(n, rate) / n

    def _information(
        self, expected: Any, parameters: Mapping[str, Any], trials: Any | None = None
    ) -> Any:
        """Give the information of items that share an LLM's own scatter."""
        precision = parameters["precision"]
        worth = trials * (precision + 1) / (precision + trials)
        return worth / (expected * (1 - expected))


def _require_trials(trials: np.ndarray | None) -> np.ndarray:
    if trials is None:
        raise SpecError(
            "A binomial score needs its number of items. Give the benchmarks frame a column "
            "n_items, or the scores their trials."
        )
    return trials


_BY_NAME: dict[str, Likelihood] = {
    "beta": BetaLikelihood(),
    "normal": NormalLikelihood(),
    "student_t": StudentTLikelihood(),
    "binomial": BinomialLikelihood(),
    "beta_binomial": BetaBinomialLikelihood(),
}


def likelihood_of(name: str) -> Likelihood:
    """Look a likelihood up by the name that a specification gives it."""
    return _BY_NAME[name]
