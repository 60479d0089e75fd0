"""What was asked for: the settings of a model, frozen and JSON-able."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from typing import Any

from latentscale.errors import SpecError
from latentscale.wording import first, quoted, with_nearest

LINKS = ("asymmetric", "logistic")

LIKELIHOODS = ("beta", "normal", "student_t", "binomial", "beta_binomial")

MAX_SKILLS = 6

_TUPLES = ("anchors", "family_slopes", "squares", "tuning_slopes", "shrunk", "conditions")

# The benchmarks that skills are pinned to, in this order, where a table has them. An anchor must be
# explained well by its skill, or the skill is free to rotate, and differ from the anchors before
# it. On the bundled leaderboard the strongest groups are common sense (HellaSwag, ARC, Winogrande),
# maths (GSM8K) and knowledge (MMLU, MMLU-PRO, BBH, GPQA). With IFEval third, a skill that is mostly
# MMLU was pinned to a benchmark that it hardly explains: the worst bulk ESS of 4,000 draws was 78
# in plain coordinates, against 174 with MMLU third.
DEFAULT_ANCHORS = ("HellaSwag", "GSM8K", "MMLU", "TruthfulQA", "IFEval", "BBH")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The settings of a model, checked as far as they can be without a table.

    Configuration
    -------------
    skills : int
        Number of latent skills K, 1 to 6.
    anchors : tuple of str
        One benchmark per skill; it loads on its own skill only, by 1, and has neither deviations
        nor slopes of its own.
    features : str
        Wilkinson formula of the features that drive ability.
    likelihood : str
        One of ``beta``, ``normal``, ``student_t``, ``binomial``, ``beta_binomial``.
    link : str
        ``asymmetric``, with an asymmetry that is learnt for each benchmark, or ``logistic``.
    ceiling : bool
        Learn the best attainable score of each benchmark; otherwise it is 1.
    deviations : bool
        Let families and recipes deviate from their skills on single benchmarks but anchors.
    benchmark_slopes : bool
        Let each benchmark but anchors have slopes of its own in what is not shrunk.
    family_slopes : tuple of str
        Design columns whose slopes differ between families.
    squares : tuple of str
        Design columns that also enter squared.
    tuning_slopes : tuple of str
        Design columns in which tuned LLMs have slopes of their own.
    shrunk : tuple of str
        Design columns whose slopes are shrunk towards none together.
    developers : bool
        Let families of one developer be alike.
    recipe_tail : float or None
        Degrees of freedom of the Student t that recipes' effects on skills are drawn from; None for
        a Normal.
    conditions : tuple of str
        Columns of the scores that say how they were evaluated; each shifts every benchmark.
    """

    skills: int
    anchors: tuple[str, ...]
    features: str
    likelihood: str
    link: str = "asymmetric"
    ceiling: bool = True
    deviations: bool = True
    benchmark_slopes: bool = True
    family_slopes: tuple[str, ...] = ()
    squares: tuple[str, ...] = ()
    tuning_slopes: tuple[str, ...] = ()
    shrunk: tuple[str, ...] = ()
    developers: bool = False
    recipe_tail: float | None = None
    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every setting that needs no table."""
        if isinstance(self.skills, Integral):  # such as numpy's
            object.__setattr__(self, "skills", int(self.skills))
        if not isinstance(self.skills, int) or not 1 <= self.skills <= MAX_SKILLS:
            raise SpecError(
                f"skills={self.skills!r} is not a number of skills from 1 to {MAX_SKILLS}. More "
                "skills than that cannot be told apart on a leaderboard; 1 to 3 usually predict "
                "as well as more. Use skills=2."
            )
        for setting, choices in (("likelihood", LIKELIHOODS), ("link", LINKS)):
            asked = getattr(self, setting)
            if asked not in choices:
                raise SpecError(
                    f"{setting}={first(with_nearest([str(asked)], choices))} is not known. Use "
                    f"one of {first(quoted(choices), 9)}."
                )
        if self.recipe_tail is not None:
            _require_tail(self.recipe_tail)
            object.__setattr__(self, "recipe_tail", float(self.recipe_tail))

    @property
    def levels(self) -> tuple[str, ...]:
        """Up to where effects can be drawn anew, the highest level last; ``score`` keeps all."""
        return ("score", "llm", "recipe", "family", *(["developer"] if self.developers else []))

    @property
    def skill_names(self) -> list[str]:
        """Name each skill after the benchmark that it is anchored to."""
        return [f"skill {k + 1} ({anchor})" for k, anchor in enumerate(self.anchors)]

    def with_anchors(self, anchors: tuple[str, ...]) -> ModelSpec:
        """Give the same settings with these anchors."""
        return replace(self, anchors=anchors)

    def to_json(self) -> str:
        """Write the settings as JSON.

        Examples
        --------
        >>> spec = ModelSpec(skills=1, anchors=("ARC",), features="params_b", likelihood="beta")
        >>> ModelSpec.from_json(spec.to_json()) == spec
        True
        """
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read settings that :meth:`to_json` wrote."""
        read = json.loads(text)
        # What a file of before a setting lacks is as its default says.
        known: dict[str, Any] = {
            field.name: read[field.name] for field in fields(cls) if field.name in read
        }
        known |= {name: tuple(known[name]) for name in _TUPLES if name in known}
        return cls(**known)


def _require_tail(tail: Any) -> None:
    is_number = isinstance(tail, Real) and not isinstance(tail, bool)
    if not is_number or not 0 < tail < float("inf"):
        raise SpecError(
            f"recipe_tail={tail!r} is not a number of degrees of freedom: a positive number, 4 for "
            "heavy tails and 30 for hardly any, or None for a Normal."
        )


def listed(names: str | Sequence[str]) -> tuple[str, ...]:
    """Give names as a tuple; a single one may be given alone."""
    return (names,) if isinstance(names, str) else tuple(names)


def choose_anchors(
    anchors: Sequence[str] | None, skills: int, benchmarks: Sequence[str], n_scores: Sequence[int]
) -> tuple[str, ...]:
    """Choose the benchmark that each skill is pinned to, or check the user's choice.

    Parameters
    ----------
    anchors : sequence of str or None
        The user's choice, one benchmark per skill; None takes the defaults of the field that the
        table has, then the benchmarks with most scores.
    skills : int
        Number of skills K.
    benchmarks : sequence of str
        The table's benchmarks.
    n_scores : sequence of int
        The number of scores of each.

    Returns
    -------
    tuple of str

    Raises
    ------
    SpecError
        There are fewer benchmarks than the skills need, or an anchor is unknown or named twice.

    Examples
    --------
    >>> choose_anchors(None, 2, ["MMLU", "HellaSwag", "mine", "yours"], [9, 9, 10, 7])
    ('HellaSwag', 'MMLU')
    """
    _require_enough(skills, benchmarks)
    if anchors is not None:
        return _checked(tuple(anchors), skills, benchmarks)
    known = [name for name in DEFAULT_ANCHORS if name in benchmarks]
    by_count = sorted(range(len(benchmarks)), key=lambda i: -n_scores[i])
    others = [benchmarks[i] for i in by_count if benchmarks[i] not in known]
    return tuple((known + others)[:skills])


def _require_enough(skills: int, benchmarks: Sequence[str]) -> None:
    """K skills need two benchmarks each, or one skill one benchmark: else loadings are free."""
    needed = 1 if skills == 1 else 2 * skills
    if len(benchmarks) < needed:
        carried = max(1, len(benchmarks) // 2)
        raise SpecError(
            f"skills={skills} needs at least {needed} benchmarks, and the table has "
            f"{len(benchmarks)} with scores: {first(quoted(benchmarks), 12)}. With fewer, several "
            f"loadings explain the scores equally well and the skills mean nothing. Use "
            f"skills={carried}, or add benchmarks."
        )


def _checked(anchors: tuple[str, ...], skills: int, benchmarks: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in anchors if name not in benchmarks]
    if unknown:
        raise SpecError(
            f"anchors={list(anchors)!r} names benchmarks that the table has no scores of: "
            f"{first(with_nearest(unknown, benchmarks))}. An anchor gives its skill its meaning. "
            f"The table's benchmarks are {first(quoted(benchmarks), 20)}."
        )
    if len(anchors) != skills or len(set(anchors)) != skills:
        raise SpecError(
            f"anchors={list(anchors)!r} must name {skills} different benchmarks, one for each of "
            f"skills={skills}. Without an anchor of its own a skill can rotate into another."
        )
    return anchors
