"""From a table and a specification to the arrays of the model: rows, indices, coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from latentscale.errors import SpecError, TableError
from latentscale.features import FeatureEncoding, learn_encoding
from latentscale.population import FeaturePopulation
from latentscale.shrinkage import Shrinkage, always_shrunk, shrinkage_of, usually_shrunk
from latentscale.table import ScoreTable, developer_or_own
from latentscale.table.columns import DATE
from latentscale.table.plain import to_number
from latentscale.unknown import Unknowns, encode_with_unknowns, nothing_unknown, unknown_of
from latentscale.wording import first, quoted, with_nearest


@dataclass(frozen=True, eq=False)
class Design:
    """What the model sees of a table.

    Attributes
    ----------
    encoding : FeatureEncoding
        Learnt from the LLMs below.
    llms : pandas.DataFrame
        The LLMs in the model: those with a score.
    benchmarks : tuple of str
        Benchmarks with a score.
    chance : numpy.ndarray, dims (benchmark,)
        Chance levels.
    x : numpy.ndarray, dims (llm, feature)
        Standardised features; what is unknown is at its mean over configurations.
    unknowns : Unknowns
        What is unknown.
    shrinkage : Shrinkage
        Which features are shrunk.
    tuned : numpy.ndarray, dims (llm,)
        1.0 if tuned.
    family_of_llm, recipe_of_llm : numpy.ndarray of int, dims (llm,)
        Positions in ``families`` and ``recipes``.
    developers : tuple of str
        None, where the model has none. A family whose developer is unknown has one of its own.
    developer_of_family : numpy.ndarray of int, dims (family,)
        Positions in ``developers``; zeros where there are none.
    llm_of_obs, benchmark_of_obs : numpy.ndarray of int, dims (obs,)
        Positions in ``llms`` and ``benchmarks``.
    scores : pandas.DataFrame
        The observed cells, one row an ``obs``, with the table's own columns.
    conditions : tuple of str
        Columns of the scores that say how they were evaluated.
    condition : numpy.ndarray, dims (obs, condition)
        Their values; zero where unknown.
    """

    encoding: FeatureEncoding
    llms: pd.DataFrame
    benchmarks: tuple[str, ...]
    chance: np.ndarray
    x: np.ndarray
    unknowns: Unknowns
    shrinkage: Shrinkage
    tuned: np.ndarray
    families: tuple[str, ...]
    recipes: tuple[str, ...]
    family_of_llm: np.ndarray
    recipe_of_llm: np.ndarray
    developers: tuple[str, ...]
    developer_of_family: np.ndarray
    llm_of_obs: np.ndarray
    benchmark_of_obs: np.ndarray
    scores: pd.DataFrame
    conditions: tuple[str, ...]
    condition: np.ndarray

    @property
    def n_obs(self) -> int:
        """Number of observed cells."""
        return len(self.scores)

    @property
    def score(self) -> np.ndarray:
        """Observed scores, fractions, dims (obs,)."""
        return self.scores["score"].to_numpy(dtype=float)

    @property
    def condition_of_llm(self) -> np.ndarray:
        """How fitted LLMs are evaluated, dims (llm, benchmark, condition).

        As their scores were, and where they have none as is usual for LLMs like them.
        """
        found = self.usual_condition(self.tuned)
        found[self.llm_of_obs, self.benchmark_of_obs] = self.condition
        return found

    def usual_condition(self, tuned: np.ndarray) -> np.ndarray:
        """Give how tuned (1) and other LLMs (0) are mostly evaluated, dims (llm, benchmark, ..).

        The mean over the fitted scores on a benchmark of LLMs that are alike in this; zero where
        there are none.
        """
        usual = np.zeros((2, len(self.benchmarks), len(self.conditions)))
        n = np.zeros((2, len(self.benchmarks), 1))
        at = (self.tuned[self.llm_of_obs].astype(int), self.benchmark_of_obs)
        np.add.at(usual, at, self.condition)
        np.add.at(n, at, 1.0)
        found: np.ndarray = (usual / np.maximum(n, 1.0))[tuned.astype(int)]
        return found

    @cached_property
    def population(self) -> FeaturePopulation:
        """How features go together over the LLMs."""
        return FeaturePopulation.learn(self.encoding, self.llms)

    @property
    def owner_of_llm(self) -> pd.Series:
        """Give each LLM its developer; its family, where the model has no developers."""
        return developer_or_own(self.llms) if self.developers else self.llms["family"]

    @property
    def shrunk(self) -> tuple[str, ...]:
        """The design columns that are shrunk."""
        terms = zip(self.encoding.names, self.shrinkage.term, strict=True)
        return tuple(name for name, term in terms if term >= 0)

    @property
    def guessed(self) -> np.ndarray:
        """The features of whose slopes coordinates follow a guess, dims (guessed feature,).

        Those that are shrunk, but for steps, whose slopes are not Normal a priori.
        """
        is_shrunk = self.shrinkage.term >= 0
        found: np.ndarray = np.flatnonzero(is_shrunk & ~self.encoding.is_step)
        return found

    @property
    def unknown_families(self) -> list[str]:
        """The families of which something is unknown."""
        return [self.families[position] for position in self.unknowns.family]

    def free_benchmarks(self, anchors: Sequence[str]) -> np.ndarray:
        """Find the benchmarks that are no skill's anchor, dims (free_benchmark,)."""
        return np.array([j for j, name in enumerate(self.benchmarks) if name not in anchors], int)

    def coords(
        self, skills: Sequence[str], slope_features: Sequence[str], anchors: Sequence[str]
    ) -> dict[str, Any]:
        """Give the coordinates of every dim of the model."""
        free = self.free_benchmarks(anchors)
        return {
            "developer": list(self.developers),
            "family": list(self.families),
            "recipe": list(self.recipes),
            "llm": self.llms["llm"].tolist(),
            "benchmark": list(self.benchmarks),
            "free_benchmark": [self.benchmarks[position] for position in free],
            "skill": list(skills),
            "feature": list(self.encoding.names),
            "own_feature": [self.encoding.names[position] for position in self.shrinkage.own],
            "contrast": list(range(1, len(skills))),
            "slope_feature": list(slope_features),
            "condition": list(self.conditions),
            "term": list(self.shrinkage.terms),
            "unknown_family": self.unknown_families,
            "obs": np.arange(self.n_obs),
        }


_DEVELOPER = "developer"

# Columns of the scores that say what the scores are, not how they came about.
_NO_CONDITIONS = ("llm", "benchmark", "score", "successes", "trials", "n_items")
# As comma-separated files write them.
_TRUTHS = {"True": 1, "False": 0, "true": 1, "false": 0}

# By default ability bends along the first, and what tuning brings depends on the others. Evidence
# for the date: mean absolute error and CRPS in points, on the bundled leaderboard, families dealt
# to ten folds.
#               none known  smallest   two known  largest    suite      future     tuned
#   size        4.36 3.18   3.45 2.48  3.37 2.41  3.01 2.16  2.11 1.53  5.47 4.03  3.81 2.81
#   and date    4.21 3.07   3.27 2.36  3.25 2.34  3.02 2.18  2.10 1.53  5.39 3.96  3.57 2.62
# Intervals of the differences from resampling families exclude zero but for the largest and the
# suite. With the square of the date errors are 4.21, 3.28, 3.21, 3.04, 2.10, 5.32 and 3.52, but
# GPT-2, the earliest, is expected 20 points too high on MMLU: a parabola rises on both sides.
# Tokens beside size and date make tuned ones worse (3.72; none known 4.20, future 5.43), and
# whether an LLM was tuned by its own developer or by others changes little (4.16, 5.38, 3.54).
_SQUARED, _WITH_TUNING = ("log(params_b)",), ("log(params_b)", DATE)


def make_design(
    table: ScoreTable,
    features: str,
    *,
    squares: Sequence[str] | None = None,
    tuning_slopes: Sequence[str] | None = None,
    shrunk: Sequence[str] | None = None,
    developers: bool | None = None,
    conditions: Sequence[str] = (),
) -> Design:
    """Lay a table out for the model.

    Parameters
    ----------
    table : ScoreTable
    features : str
        Wilkinson formula.
    squares, tuning_slopes : sequence of str, optional
        Design columns that also enter squared, and those in which tuned LLMs have slopes of their
        own; default: of what the formula has, the logarithm of the size for both, and the release
        date for the latter (if an LLM is tuned).
    shrunk : sequence of str, optional
        Design columns whose slopes are shrunk together; default: all that size, tokens, date and
        tuning do not make. Steps of monotone terms always are.
    developers : bool, optional
        Whether families have developers; default: if any developer has several.
    conditions : sequence of str, default ()
        Columns of the scores that say how they were evaluated.

    Returns
    -------
    Design

    Raises
    ------
    FeatureError
        The formula cannot be used with this table.
    TableError
        No LLM has a score.
    SpecError
        ``squares``, ``tuning_slopes`` or ``shrunk`` names what is no design column, or the table
        does not say who the developers are.
    """
    llms = table.llms
    used = llms[llms["llm"].isin(table.scores["llm"])].reset_index(drop=True)
    if used.empty:
        raise TableError("No LLM of the table has a score, so there is nothing to fit. Add scores.")
    more = {"squares": squares, "tuning_slopes": tuning_slopes}
    encoding = _encoding(features, used, more)
    shrinkage = shrinkage_of(encoding, _shrunk(encoding, shrunk))
    families, family_of_llm = _positions(used["family"])
    x, unknowns = _encoded(encoding, used, family_of_llm)
    recipes, recipe_of_llm = _positions(used["recipe"])
    of_families, developer_of_family = _developers(used, developers)
    scores = table.scores
    scores = scores[scores["llm"].isin(used["llm"])].reset_index(drop=True)
    benchmarks = [name for name in table.benchmark_names if (scores["benchmark"] == name).any()]
    chance = table.benchmarks.set_index("benchmark")["chance"].loc[benchmarks]
    return Design(
        encoding=encoding,
        llms=used,
        benchmarks=tuple(benchmarks),
        chance=chance.to_numpy(dtype=float),
        x=x,
        unknowns=unknowns,
        shrinkage=shrinkage,
        tuned=used["tuned"].to_numpy(dtype=float),
        families=families,
        recipes=recipes,
        family_of_llm=family_of_llm,
        recipe_of_llm=recipe_of_llm,
        developers=of_families,
        developer_of_family=developer_of_family,
        llm_of_obs=pd.Index(used["llm"]).get_indexer(pd.Index(scores["llm"])),
        benchmark_of_obs=pd.Index(benchmarks).get_indexer(pd.Index(scores["benchmark"])),
        scores=scores,
        conditions=tuple(conditions),
        condition=condition_values(scores, conditions),
    )


def _encoding(
    features: str, llms: pd.DataFrame, more: Mapping[str, Sequence[str] | None]
) -> FeatureEncoding:
    """Learn the encoding of a formula, with more columns: by default of size and date."""
    encoding = learn_encoding(features, llms)
    with_tuning = _WITH_TUNING if (llms["tuned"] == 1).any() else ()
    usual = {
        setting: [name for name in encoding.names if name in columns]
        for setting, columns in (("squares", _SQUARED), ("tuning_slopes", with_tuning))
    }
    columns = {name: usual[name] if asked is None else asked for name, asked in more.items()}
    for setting, asked in columns.items():
        slope_columns(encoding, asked, setting)
    return encoding.extended(llms, **columns)


def _encoded(
    encoding: FeatureEncoding, llms: pd.DataFrame, family_of_llm: np.ndarray
) -> tuple[np.ndarray, Unknowns]:
    """Encode LLMs of which some features may be unknown."""
    if unknown_of(encoding, llms).to_numpy().any():
        population = FeaturePopulation.learn(encoding, llms)
        return encode_with_unknowns(population, llms, family_of_llm)
    return encoding.encode(llms).to_numpy(), nothing_unknown(len(llms), encoding)


def _shrunk(encoding: FeatureEncoding, asked: Sequence[str] | None) -> tuple[str, ...]:
    if asked is None:
        return usually_shrunk(encoding)
    slope_columns(encoding, asked, "shrunk")
    return (*asked, *always_shrunk(encoding))


def slope_columns(
    encoding: FeatureEncoding, names: Sequence[str], setting: str = "family_slopes"
) -> np.ndarray:
    """Find the design columns whose slopes differ between families, or as a setting says.

    Raises
    ------
    SpecError
        A name is not a design column.
    """
    unknown = [name for name in names if name not in encoding.names]
    if unknown:
        raise SpecError(
            f"{setting} names {first(quoted(unknown))}, which is no column of the design. The "
            f"columns of {encoding.formula!r} are {first(quoted(encoding.names), 20)}."
        )
    return np.array([encoding.names.index(name) for name in names], dtype=int)


def condition_values(scores: pd.DataFrame, conditions: Sequence[str]) -> np.ndarray:
    """Read how scores were evaluated, dims (obs, condition); what is unknown is zero.

    Raises
    ------
    SpecError
        A column is absent, or holds what is neither a number nor true or false.
    """
    taken = [name for name in conditions if name in _NO_CONDITIONS]
    if taken or len(set(conditions)) < len(conditions):
        raise SpecError(
            f"conditions={list(conditions)!r} must be different columns of the scores that say how "
            f"they were evaluated, and not {first(quoted(_NO_CONDITIONS), 9)}."
        )
    absent = [name for name in conditions if name not in scores]
    if absent:
        raise SpecError(
            f"conditions names {first(with_nearest(absent, list(map(str, scores))))}, which is no "
            "column of the scores. A condition is a column beside 'score' that says how it was "
            "evaluated, such as 'chat_template'."
        )
    read = {name: to_number(scores[name].replace(_TRUTHS)) for name in conditions}
    read = {name: column.where(np.isfinite(column)) for name, column in read.items()}
    garbled = [n for n in conditions if (read[n].isna() & scores[n].notna()).any()]
    if garbled:
        values = scores[garbled[0]][read[garbled[0]].isna()].dropna().unique().tolist()
        raise SpecError(
            f"The condition {garbled[0]!r} has values that are neither numbers nor true or false: "
            f"{first(quoted(values))}. A condition shifts scores in proportion to its value: write "
            "0 and 1, with a column for each kind but one."
        )
    found = np.zeros((len(scores), len(conditions)))
    for position, name in enumerate(conditions):
        found[:, position] = read[name].fillna(0)
    return found


def _developers(llms: pd.DataFrame, asked: bool | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Give the developers, and the position of each family's; none if not asked for."""
    if asked and (_DEVELOPER not in llms or llms[_DEVELOPER].isna().all()):
        raise SpecError(
            f"developers=True needs to know whose the families are, and the LLMs' frame has no "
            f"column {_DEVELOPER!r} that says so. Add it, or leave developers= out."
        )
    families = llms.assign(developer=developer_or_own(llms)).drop_duplicates("family")
    names, codes = _positions(families[_DEVELOPER])
    wanted = len(names) < len(families) if asked is None else asked
    return (names, codes) if wanted else ((), np.zeros(len(families), dtype=int))


def _positions(labels: pd.Series) -> tuple[tuple[str, ...], np.ndarray]:
    codes, names = pd.factorize(labels)
    return tuple(str(name) for name in names), codes.astype(int)
