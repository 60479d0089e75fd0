"""What the kernels take, in named groups.

Names are those of the graph (:mod:`latentscale.graph`); a precision of effects is one over their
squared scale.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Cells(NamedTuple):
    """Scores and where they belong, dims (obs,).

    Attributes
    ----------
    score
        Successes of ``trials``; for fractions there is one trial.
    trials
    guess
        Rough expectations, as fractions.
    llm, benchmark : int
    """

    score: Any
    trials: Any
    guess: Any
    llm: Any
    benchmark: Any


class Llms(NamedTuple):
    """What is known of LLMs.

    Attributes
    ----------
    x : dims (llm, feature)
    tuned : dims (llm,)
    recipe : int, dims (llm,)
    family_of_recipe : int, dims (recipe,)
    """

    x: Any
    tuned: Any
    recipe: Any
    family_of_recipe: Any


class Curve(NamedTuple):
    """From logits to expected scores, dims (benchmark,) each; an asymmetry of 1 is a sigmoid."""

    floor: Any
    ceiling: Any
    asymmetry: Any


class Scatter(NamedTuple):
    """Parameters of the likelihood, which may ignore them: dims (benchmark,) and (1,)."""

    precision: Any
    tail: Any


class Benchmarks(NamedTuple):
    """What eta has of a benchmark, dims (benchmark,), (benchmark, feature) and (.., skill)."""

    difficulty: Any
    slope: Any
    tuning: Any
    loading: Any


class OfSkills(NamedTuple):
    """One array for each level of the tree of effects on skills; the last dim is the skill."""

    family: Any
    recipe: Any
    llm: Any


class OfDeviations(NamedTuple):
    """One array for each level of the tree of deviations; the last dim is the benchmark."""

    family: Any
    recipe: Any


class Parameters(NamedTuple):
    """Everything that the density is differentiated by.

    Attributes
    ----------
    curve : Curve
    scatter : Scatter
    benchmarks : Benchmarks
    explained : dims (llm, skill)
        Ability without the group effects.
    precisions, w : OfSkills
    deviation_precisions, deviation_w : OfDeviations
        A model without deviations has w without rows.
    """

    curve: Curve
    scatter: Scatter
    benchmarks: Benchmarks
    explained: Any
    precisions: OfSkills
    w: OfSkills
    deviation_precisions: OfDeviations
    deviation_w: OfDeviations


class Way(NamedTuple):
    """What leads from parameters to effects, dims (obs,); the reverse needs it again.

    Attributes
    ----------
    own
        eta without the group effects.
    left
        The measured eta less that.
    information
        About the measured eta.
    rest
        What is left less the effects on skills.
    recipe : int
    reached : dims (obs, 4)
        Where the curve reached the rough expectation.
    """

    own: Any
    left: Any
    information: Any
    rest: Any
    recipe: Any
    reached: Any
