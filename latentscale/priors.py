"""Default priors, each with its reason, and the merging of the user's.

Abilities and benchmarks are in logits, so one set of priors serves tables of any benchmark. Scales
of effects are LogNormal: a scale of exactly zero would open a funnel and a second mode in which a
skill vanishes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, log, nan
from numbers import Real
from typing import Any

from latentscale.errors import PriorError
from latentscale.wording import first, quoted, with_nearest

# What to do where the density is not finite.
LOOK_AT_PRIORS = (
    "Most often a prior puts mass where the likelihood is not defined. Look at "
    "model.prior_predictive(), then at the priors you changed."
)

REAL, POSITIVE, UNIT = "a real number", "a positive number", "a number in (0, 1)"

FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Normal": (REAL, ("mu", "sigma")),
    "StudentT": (REAL, ("nu", "mu", "sigma")),
    "Laplace": (REAL, ("mu", "b")),
    "LogNormal": (POSITIVE, ("mu", "sigma")),
    "HalfNormal": (POSITIVE, ("sigma",)),
    "HalfStudentT": (POSITIVE, ("nu", "sigma")),
    "HalfCauchy": (POSITIVE, ("beta",)),
    "Exponential": (POSITIVE, ("lam",)),
    "Gamma": (POSITIVE, ("alpha", "beta")),
    "InverseGamma": (POSITIVE, ("alpha", "beta")),
    "Beta": (UNIT, ("alpha", "beta")),
}


@dataclass(frozen=True, init=False)
class Prior:
    """A prior by the name of its PyMC distribution, the same for every element of a variable.

    Parameters
    ----------
    family : str
        A PyMC distribution: ``Normal``, ``StudentT``, ``Laplace``, ``LogNormal``, ``HalfNormal``,
        ``HalfStudentT``, ``HalfCauchy``, ``Exponential``, ``Gamma``, ``InverseGamma``, ``Beta``.
    **parameters : float
        Its parameters, by PyMC's names.

    Raises
    ------
    PriorError
        The distribution or one of its parameters is not known, or a parameter has no usable value.

    Examples
    --------
    >>> Prior("Normal", mu=0, sigma=0.5)
    Normal(mu=0, sigma=0.5)
    """

    family: str
    parameters: tuple[tuple[str, float], ...]

    def __init__(self, family: str, **parameters: float) -> None:
        if family not in FAMILIES:
            raise PriorError(
                f"{first(with_nearest([str(family)], FAMILIES))} is not a distribution that a "
                f"prior can have. Use one of {first(quoted(FAMILIES), 20)}."
            )
        expected = FAMILIES[family][1]
        if set(parameters) != set(expected):
            raise PriorError(
                f"Prior({family!r}) takes the parameters {first(quoted(expected))}, not "
                f"{first(quoted(parameters)) or 'none'}."
            )
        _require_usable(family, parameters)
        object.__setattr__(self, "family", family)
        object.__setattr__(self, "parameters", tuple((k, float(v)) for k, v in parameters.items()))

    @property
    def support(self) -> str:
        """What values the prior allows, in words."""
        return FAMILIES[self.family][0]

    def declare(self, name: str, *, dims: Any) -> Any:
        """Declare a variable with this prior in the PyMC model on the context stack."""
        import pymc as pm

        from latentscale.transforms import Bent

        settings: dict[str, Any] = {"dims": dims}
        if self.support == UNIT:
            settings["default_transform"] = Bent()
        return getattr(pm, self.family)(name, **dict(self.parameters), **settings)

    def dist(self, shape: tuple[int, ...]) -> Any:
        """Give the unnamed PyMC distribution, to draw from outside a model."""
        import pymc as pm

        make: Callable[..., Any] = getattr(pm, self.family).dist
        return make(**dict(self.parameters), shape=shape)

    def __repr__(self) -> str:
        """Write the prior as PyMC would."""
        inside = ", ".join(f"{name}={value:g}" for name, value in self.parameters)
        return f"{self.family}({inside})"


def _require_usable(family: str, parameters: Mapping[str, object]) -> None:
    """Check that parameters are finite numbers, and positive but for locations."""
    for name, value in parameters.items():
        number = nan
        if isinstance(value, Real) and not isinstance(value, bool):
            number = float(value)
        if not isfinite(number) or (name != "mu" and number <= 0):
            kind = "a finite number" if name == "mu" else "a finite number above zero"
            raise PriorError(
                f"Prior({family!r}) has {name}={value!r}, which must be {kind}. One prior holds "
                "for every element of a variable."
            )


@dataclass(frozen=True)
class DefaultPrior:
    """A default prior, what its variable must be, and why the prior is what it is."""

    prior: Prior
    reason: str


# How many terms matter of those that are shrunk, and how well their slopes are told.
_TERMS_THAT_MATTER, _TOLD = 3, 0.061

DEFAULTS: Mapping[str, DefaultPrior] = {
    "feature_slope": DefaultPrior(
        Prior("Normal", mu=0, sigma=1),
        "a standard deviation of a feature moves ability by up to two logits of the anchor",
    ),
    "relevance_scale": DefaultPrior(
        Prior("LogNormal", mu=-4.3, sigma=1),
        "three terms matter, and of 17 the median one keeps 0.2 to 10 % of its prior; of fewer it "
        "keeps more: see expected_relevance",
    ),
    "relevance_local": DefaultPrior(
        Prior("HalfStudentT", nu=3, sigma=1),
        "a few features escape what shrinks the others (arXiv 1707.01694). With tails as heavy as "
        "a half-Cauchy's one of two alike features has all or nothing, and chains are caught: on "
        "the bundled base LLMs R-hat is 1.27 after 400 draws, with these 1.03",
    ),
    "tuning_shift": DefaultPrior(
        Prior("Normal", mu=0, sigma=1), "tuning moves a skill by up to two logits of its anchor"
    ),
    "family_scale": DefaultPrior(
        Prior("LogNormal", mu=-0.5, sigma=0.7),
        "families of the same size differ by 0.15 to 2.5 logits of the anchor",
    ),
    "developer_ratio": DefaultPrior(
        Prior("LogNormal", mu=0, sigma=0.5),
        "developers differ as much as families of one do, give or take a factor of 2.7",
    ),
    "recipe_ratio": DefaultPrior(
        Prior("LogNormal", mu=-1, sigma=0.5),
        "recipes of one family differ less than families: by 0.14 to 1 of their spread",
    ),
    "llm_ratio": DefaultPrior(
        Prior("LogNormal", mu=-1, sigma=0.5),
        "LLMs of one recipe differ less than families: by 0.14 to 1 of their spread",
    ),
    "communality": DefaultPrior(
        Prior("Beta", alpha=2, beta=2),
        "skills have from 9 to 91 % of the variance of a group's effects in common",
    ),
    "family_slope_ratio": DefaultPrior(
        Prior("LogNormal", mu=-1.5, sigma=0.5),
        "families scale alike: their slopes differ by 0.08 to 0.6 of their spread",
    ),
    "total_loading": DefaultPrior(
        Prior("Normal", mu=1, sigma=0.7),
        "when all skills rise by a logit of their anchors, so does a benchmark, give or take 0.7",
    ),
    "loading_contrast": DefaultPrior(
        Prior("Normal", mu=0, sigma=0.5),
        "how a benchmark divides that between skills; it may load on some of them negatively",
    ),
    "difficulty": DefaultPrior(
        Prior("Normal", mu=-0.5, sigma=1.5),
        "the average LLM is anywhere from 5 % to 92 % of the way from floor to ceiling",
    ),
    "slope_scale": DefaultPrior(
        Prior("LogNormal", mu=-2.3, sigma=0.7),
        "0.03 to 0.4 logits per standard deviation of a feature beyond what the skills say",
    ),
    "tuning_scale": DefaultPrior(
        Prior("LogNormal", mu=-1.5, sigma=0.7),
        "tuning moves single benchmarks by 0.06 to 0.9 logits beyond what the skills say",
    ),
    "condition_scale": DefaultPrior(
        Prior("LogNormal", mu=-1.2, sigma=0.7),
        "evaluating otherwise moves single benchmarks by 0.1 to 1 logits",
    ),
    "developer_deviation_scale": DefaultPrior(
        Prior("LogNormal", mu=-2.5, sigma=0.5),
        "0.04 to 0.19 logits on a single benchmark: families of one are mostly alike in skills",
    ),
    "family_deviation_scale": DefaultPrior(
        Prior("LogNormal", mu=-1.9, sigma=0.5), "0.06 to 0.4 logits on a single benchmark"
    ),
    "recipe_deviation_scale": DefaultPrior(
        Prior("LogNormal", mu=-1.9, sigma=0.5), "0.06 to 0.4 logits on a single benchmark"
    ),
    "floor_slack": DefaultPrior(
        Prior("Beta", alpha=1, beta=20),
        "scores lie at most a tenth or so below the chance level",
    ),
    "ceiling_share": DefaultPrior(
        Prior("Beta", alpha=5, beta=1),
        "the best attainable score is 0.55 to 1 of the way from chance to 1: label errors, "
        "unparsed answers",
    ),
    "asymmetry": DefaultPrior(
        Prior("LogNormal", mu=0, sigma=1),
        "0.14 to 7, around the sigmoid (1): from late approach of the ceiling to late emergence",
    ),
    "precision": DefaultPrior(
        Prior("LogNormal", mu=5.7, sigma=0.7),
        "a score is as precise as 75 to 1,200 independent items; bounded away from infinity, where "
        "a skill would reproduce its anchor exactly",
    ),
    "tail": DefaultPrior(
        Prior("Gamma", alpha=4, beta=0.5),
        "degrees of freedom about 8: from heavy tails (2) to nearly Normal (20)",
    ),
}


def expected_relevance(n_terms: int) -> Prior:
    """Give the default prior of the scale of relevances, if three terms matter or half of fewer.

    With p of n terms that matter the median of the scale is p / (n - p) times how well slopes are
    told, the spread of families over the root of their number (Piironen and Vehtari 2017,
    Electronic Journal of Statistics 11, equation 11): on the bundled base LLMs 0.41 / sqrt(46).

    Parameters
    ----------
    n_terms : int
        How many terms are shrunk, at least one.

    Examples
    --------
    >>> expected_relevance(17), expected_relevance(4)
    (LogNormal(mu=-4.3, sigma=1), LogNormal(mu=-2.8, sigma=1))
    """
    matter = min(_TERMS_THAT_MATTER, n_terms / 2)
    return Prior("LogNormal", mu=round(log(_TOLD * matter / (n_terms - matter)), 1), sigma=1)


def merge_priors(
    overrides: Mapping[str, Prior] | None, n_terms: int | None = None
) -> dict[str, Prior]:
    """Put the user's priors in place of the defaults.

    Parameters
    ----------
    overrides : mapping of str to Prior, or None
        By the variable's name.
    n_terms : int, optional
        How many terms are shrunk, for :func:`expected_relevance`.

    Returns
    -------
    dict of str to Prior
        A prior for every variable.

    Raises
    ------
    PriorError
        A name is not a variable's, a value is not a :class:`Prior`, or its support is wrong.

    Examples
    --------
    >>> merge_priors({"precision": Prior("LogNormal", mu=6, sigma=0.5)})["precision"]
    LogNormal(mu=6, sigma=0.5)
    """
    overrides = dict(overrides or {})
    unknown = [str(name) for name in overrides if name not in DEFAULTS]
    if unknown:
        raise PriorError(
            f"There is no prior to override under {first(with_nearest(unknown, DEFAULTS))}. The "
            f"variables with a prior are {first(quoted(DEFAULTS), 30)}."
        )
    for name, prior in overrides.items():
        _require_fitting(name, prior)
    usual = {name: default.prior for name, default in DEFAULTS.items()}
    if n_terms:
        usual["relevance_scale"] = expected_relevance(n_terms)
    return usual | overrides


def _require_fitting(name: str, prior: Prior) -> None:
    if not isinstance(prior, Prior):
        raise PriorError(
            f"The prior of {name!r} is {prior!r}, which is not a Prior. Write, for instance, "
            f"priors={{{name!r}: ls.Prior({DEFAULTS[name].prior.family!r}, ...)}}."
        )
    needed = DEFAULTS[name].prior.support
    if needed not in (REAL, prior.support):
        raise PriorError(
            f"The prior {prior} of {name!r} allows {prior.support}, but {name!r} is {needed}. "
            f"Use a distribution of the kind of the default, {DEFAULTS[name].prior}."
        )
