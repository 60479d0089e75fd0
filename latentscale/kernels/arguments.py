"""What the kernels take, in named groups.

Names are those of the graph (:mod:`latentscale.graph`); a precision of effects is one over their
squared scale.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Cells(NamedTuple):
    """Scores and where they belong, dims (obs,).

    They are sorted by benchmark, and of each those at the ends of the scale come last.

    Attributes
    ----------
    score
        Successes of ``trials``; for fractions there is one trial.
    trials
    fraction
        Successes over trials.
    guess
        Rough expectations, as fractions.
    at_floor
        How little each tells of how far below it its LLM may be, from 0, well above the floor, to
        1.
    llm, recipe : int
    start : int, dims (benchmark + 1,)
        Where the scores on each benchmark begin, and where the last end.
    ends : int, dims (benchmark,)
        Where those at the ends of the scale begin.
    condition : dims (obs, condition)
        How each was evaluated.
    deviating : int, dims (free_benchmark,)
        The benchmarks that groups have deviations on: all but anchors, or none.
    x : dims (feature, obs)
    tuned : dims (obs,)
        Of its LLM: read in one go, where to look them up would take longer than to reckon.
    """

    score: Any
    trials: Any
    fraction: Any
    guess: Any
    at_floor: Any
    llm: Any
    recipe: Any
    start: Any
    ends: Any
    condition: Any
    deviating: Any
    x: Any
    tuned: Any


class Llms(NamedTuple):
    """What is known of LLMs.

    Attributes
    ----------
    x : dims (llm, feature)
        With what is unknown at its mean.
    slope_columns : int, dims (slope_feature,)
        The columns of ``x`` whose slopes differ between families.
    tuned : dims (llm,)
    recipe : int, dims (llm,)
    family_of_recipe : int, dims (recipe,)
    developer_of_family : int, dims (family,)
    recipe_tail : dims (one,)
        Degrees of freedom of the effects of recipes on skills; infinity for a Normal.
    """

    x: Any
    slope_columns: Any
    tuned: Any
    recipe: Any
    family_of_recipe: Any
    developer_of_family: Any
    recipe_tail: Any


class Unknown(NamedTuple):
    """What is unknown of LLMs (:class:`latentscale.unknown.Unknowns`), family by family.

    Attributes
    ----------
    family : int, dims (unknown family,)
    begin : int, dims (unknown family + 1,)
        Where the columns of each family begin, and where the last end.
    columns : int
        The features that move.
    shift
        By how much they move on average over the family's LLMs: of each family a matrix, dims
        (column, configuration).
    first_llm : int, dims (unknown family + 1,)
        Where the LLMs of each family begin that are off that average, and where the last end.
    llm : int, dims (unknown llm,)
    first_off : int, dims (unknown llm,)
        Where the matrix of each begins.
    off
        By how much they are off: of each LLM a matrix, dims (column, configuration).
    n_configurations : int
    """

    family: Any
    begin: Any
    columns: Any
    shift: Any
    first_llm: Any
    llm: Any
    first_off: Any
    off: Any
    n_configurations: Any


class Suite(NamedTuple):
    """What is known of benchmarks and features, dims (benchmark,) where nothing else is said.

    Attributes
    ----------
    chance
    mean
        The mean score.
    top
        Where the best score is: what the coordinate of a ceiling starts from
        (:func:`latentscale.transforms.ceiling_coordinate`).
    rough_slope
        The slope, at the mean score, of a sigmoid from chance to one.
    weights : dims (contrast, skill)
        What a contrast adds to each loading.
    anchored : int
        The skill whose anchor it is, or -1.
    placed : int, dims (3,)
        Whether difficulties, total loadings and contrasts are sampled relative to the middle.
    term : int, dims (feature,)
        The term with which the feature's slopes are shrunk, or -1.
    is_step : int, dims (feature,)
        Whether it is a step of a monotone term.
    own : int, dims (own_feature,)
        The features in which benchmarks have slopes of their own.
    own_power : dims (column,)
        To what power of their scale the coordinates of these slopes, and last of those in tuning,
        are relative.
    """

    chance: Any
    mean: Any
    top: Any
    rough_slope: Any
    weights: Any
    anchored: Any
    placed: Any
    term: Any
    is_step: Any
    own: Any
    own_power: Any


class SlopeMarks(NamedTuple):
    """What scores say roughly of slopes that are shrunk, along axes of skills.

    Attributes
    ----------
    axes : dims (feature, skill times axis)
        Orthonormal, of each feature row by row.
    information, pull : dims (feature, axis)
        Zeros, where coordinates are to be slopes over their relevance.
    """

    axes: Any
    information: Any
    pull: Any


class Laws(NamedTuple):
    """The priors of the shared parameters, one after the other, dims (variable,).

    Attributes
    ----------
    start : int, dims (variable + 1,)
        Where each begins among the shared parameters, and where the last ends.
    law : int
        As in :mod:`latentscale.kernels.laws`, or -1 where the density is not that of a prior.
    support : int
        Position in :data:`latentscale.kernels.laws.SUPPORTS`.
    numbers : dims (variable, 3)
        The parameters of the law.
    """

    start: Any
    law: Any
    support: Any
    numbers: Any


class Shared(NamedTuple):
    """The parameters that all LLMs share, in the order of the sampler's coordinates.

    Dims are those of the graph's variables; one that a model lacks has no rows. ``condition_z`` is
    a shift relative to its scale; ``benchmark_slope`` has the free benchmarks, in the features
    ``own`` and last in tuning. Where features are shrunk, ``feature_slope`` is relative to their
    relevance, and of steps it is the logarithm of that.
    """

    feature_slope: Any
    relevance_scale: Any
    relevance_local: Any
    tuning_shift: Any
    family_scale: Any
    developer_ratio: Any
    recipe_ratio: Any
    llm_ratio: Any
    communality: Any
    family_slope_ratio: Any
    developer_deviation_scale: Any
    family_deviation_scale: Any
    recipe_deviation_scale: Any
    total_loading: Any
    loading_contrast: Any
    difficulty: Any
    slope_scale: Any
    tuning_scale: Any
    condition_scale: Any
    floor_slack: Any
    ceiling_share: Any
    asymmetry: Any
    precision: Any
    tail: Any
    condition_z: Any
    benchmark_slope: Any


class Groups(NamedTuple):
    """The coordinates of the effects of groups, in the order of the sampler's coordinates.

    Dims are (group, skill), of slopes (family and feature, skill), of deviations (group,
    free_benchmark).
    """

    developer: Any
    family: Any
    recipe: Any
    llm: Any
    family_slope: Any
    developer_deviation: Any
    family_deviation: Any
    recipe_deviation: Any


class Known(NamedTuple):
    """Everything that is not sampled.

    Attributes
    ----------
    cells : Cells
    llms : Llms
    suite : Suite
    unknown : Unknown
    slopes : SlopeMarks
    laws : Laws
    places : int, dims (variable, 3)
        Of every variable of :class:`Shared` and :class:`Groups`: where it begins among all
        coordinates, its rows and its columns.
    """

    cells: Any
    llms: Any
    suite: Any
    unknown: Any
    slopes: Any
    laws: Any
    places: Any


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
    """What eta has of a benchmark, dims (benchmark,) or (benchmark, feature, skill, ...)."""

    difficulty: Any
    slope: Any
    tuning: Any
    loading: Any
    condition: Any


class OfSkills(NamedTuple):
    """One array for each level of the tree of effects on skills; the last dim is the skill.

    Precisions are matrices, the inverse covariances of effects between skills.
    """

    developer: Any
    family: Any
    recipe: Any
    llm: Any


class OfDeviations(NamedTuple):
    """One array for each level of the tree of deviations; the last dim is the free benchmark."""

    developer: Any
    family: Any
    recipe: Any


class Parameters(NamedTuple):
    """Everything that the density is differentiated by.

    Attributes
    ----------
    curve : Curve
    scatter : Scatter
    benchmarks : Benchmarks
    slope : dims (feature, skill)
    tuning_shift : dims (skill,)
    family_slope : dims (family and feature, skill)
    precisions, w : OfSkills
    deviation_precisions, deviation_w : OfDeviations
        A model without deviations has w without rows.
    """

    curve: Curve
    scatter: Scatter
    benchmarks: Benchmarks
    slope: Any
    tuning_shift: Any
    family_slope: Any
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
    lines : dims (benchmark, 7)
        Of the links.
    measuring
        What :func:`latentscale.kernels.measuring.measure` keeps.
    """

    own: Any
    left: Any
    information: Any
    rest: Any
    lines: Any
    measuring: Any


class Start(NamedTuple):
    """What leads from coordinates to parameters; the reverse needs it again.

    Attributes
    ----------
    logit, steepness : dims (benchmark,)
        The middle of each curve.
    middle : tuple
        Where the curve was reached there.
    scales : OfSkills
    inverse : dims (skill, skill)
        The inverse correlation of effects between skills.
    relevance : dims (feature,)
    """

    logit: Any
    steepness: Any
    middle: Any
    scales: Any
    inverse: Any
    relevance: Any
