"""From a table and a specification to the arrays of the model: rows, indices, coordinates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from latentscale.errors import MissingFeatureWarning, SpecError, TableError
from latentscale.features import FeatureEncoding, learn_encoding, required_columns
from latentscale.table import ScoreTable
from latentscale.table.plain import to_number
from latentscale.wording import count, first, quoted, with_nearest


@dataclass(frozen=True, eq=False)
class Design:
    """What the model sees of a table.

    Attributes
    ----------
    encoding : FeatureEncoding
        Learnt from the LLMs below.
    llms : pandas.DataFrame
        The LLMs in the model: those with a score and all features known.
    left_out : tuple of str
        LLMs with a score for which a feature is unknown.
    benchmarks : tuple of str
        Benchmarks with a score.
    chance : numpy.ndarray, dims (benchmark,)
        Chance levels.
    x : numpy.ndarray, dims (llm, feature)
        Standardised features.
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
    left_out: tuple[str, ...]
    benchmarks: tuple[str, ...]
    chance: np.ndarray
    x: np.ndarray
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

    def coords(self, skills: Sequence[str], slope_features: Sequence[str]) -> dict[str, Any]:
        """Give the coordinates of every dim of the model."""
        return {
            "developer": list(self.developers),
            "family": list(self.families),
            "recipe": list(self.recipes),
            "llm": self.llms["llm"].tolist(),
            "benchmark": list(self.benchmarks),
            "skill": list(skills),
            "feature": list(self.encoding.names),
            "contrast": list(range(1, len(skills))),
            "slope_feature": list(slope_features),
            "condition": list(self.conditions),
            "obs": np.arange(self.n_obs),
        }


_DEVELOPER = "developer"

# Columns of the scores that say what the scores are, not how they came about.
_NO_CONDITIONS = ("llm", "benchmark", "score", "successes", "trials", "n_items")
# As comma-separated files write them.
_TRUTHS = {"True": 1, "False": 0, "true": 1, "false": 0}

# Ability bends along this column, and what tuning brings depends on it.
_SIZE = "log(params_b)"


def make_design(
    table: ScoreTable,
    features: str,
    *,
    squares: Sequence[str] | None = None,
    tuning_slopes: Sequence[str] | None = None,
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
        own; default: the logarithm of the size, if the formula has it.
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
        No LLM has both a score and all features.
    SpecError
        ``squares`` or ``tuning_slopes`` names what is no design column, or the table does not say
        who the developers are.

    Warns
    -----
    MissingFeatureWarning
        LLMs with scores are left out, because a feature is unknown for them.
    """
    llms = table.llms
    scored = llms["llm"].isin(table.scores["llm"])
    needed = [name for name in required_columns(features, llms.columns) if name in llms]
    known = llms[needed].notna().all(axis=1)
    left_out = llms.loc[scored & ~known, "llm"]
    used = llms[scored & known].reset_index(drop=True)
    if used.empty:
        raise TableError(
            "No LLM of the table has both a score and a known value of every feature of "
            f"{features!r}, so there is nothing to fit. Fill in the features or change features=."
        )
    _warn_left_out(left_out.tolist(), llms.loc[scored & ~known, needed])
    encoding = learn_encoding(features, used)
    size = [name for name in encoding.names if name == _SIZE]
    more = {
        "squares": size if squares is None else squares,
        "tuning_slopes": size if tuning_slopes is None else tuning_slopes,
    }
    for setting, columns in more.items():
        slope_columns(encoding, columns, setting)
    encoding = encoding.extended(used, **more)
    families, family_of_llm = _positions(used["family"])
    recipes, recipe_of_llm = _positions(used["recipe"])
    of_families, developer_of_family = _developers(used, developers)
    scores = table.scores
    scores = scores[scores["llm"].isin(used["llm"])].reset_index(drop=True)
    benchmarks = [name for name in table.benchmark_names if (scores["benchmark"] == name).any()]
    chance = table.benchmarks.set_index("benchmark")["chance"].loc[benchmarks]
    return Design(
        encoding=encoding,
        llms=used,
        left_out=tuple(left_out),
        benchmarks=tuple(benchmarks),
        chance=chance.to_numpy(dtype=float),
        x=encoding.encode(used).to_numpy(),
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


def developer_or_own(llms: pd.DataFrame) -> pd.Series:
    """Give each LLM its developer; a family whose developer is unknown has one of its own."""
    own = llms["family"] + " (developer unknown)"
    if _DEVELOPER not in llms:
        return own
    return llms[_DEVELOPER].where(llms[_DEVELOPER].notna(), own)


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


def _warn_left_out(names: list[str], features: pd.DataFrame) -> None:
    if not names:
        return
    columns = [str(name) for name in features if features[name].isna().any()]
    warnings.warn(
        f"{count(len(names), 'LLM')} with scores left out of the model, because "
        f"{first(quoted(columns))} is unknown: {first(quoted(names))}. They can still be predicted "
        "once it is filled in, or with features= that do without it.",
        MissingFeatureWarning,
        stacklevel=4,
    )
