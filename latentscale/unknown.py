"""What is unknown of LLMs: of a fitted family, one of several configurations; of others, drawn.

A configuration says what all that is unknown of a family's LLMs is, numbers and categories. They
are points of their distribution given what is known (:mod:`latentscale.population`), evenly spread
and all as likely, so that sums over them stand for integrals. The sampler sums them out
(:mod:`latentscale.kernels.unknown`); each draw of the posterior then has one of each family, drawn
given all else (:mod:`latentscale.configurations`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm, qmc

from latentscale.features import FeatureEncoding
from latentscale.population import NOTHING, FeaturePopulation

if TYPE_CHECKING:
    from latentscale.design import Design
    from latentscale.forward import Draws

# A power of two, as evenly spread points ask for.
N_CONFIGURATIONS = 32
# What moves a column by less is rounding.
_NOTHING = 1e-9


def unknown_of(encoding: FeatureEncoding, llms: pd.DataFrame) -> pd.DataFrame:
    """Mark the features of LLMs that are unknown, dims (llm, column)."""
    return llms.reindex(columns=list(encoding.columns)).isna()


@dataclass(frozen=True, eq=False)
class Unknowns:
    """What is unknown of the fitted LLMs, and what it makes of their design.

    Attributes
    ----------
    family : numpy.ndarray of int, dims (unknown family,)
        Positions of the families of which something is unknown.
    columns : numpy.ndarray of int, dims (column,)
        The features that depend on it.
    shift : numpy.ndarray, dims (unknown family, configuration, column)
        By how much they move from their mean over configurations, on average over the family's
        LLMs.
    begin : numpy.ndarray of int, dims (unknown family + 1,)
        Where the LLMs below begin that are of each family, and where the last end.
    llm : numpy.ndarray of int, dims (unknown llm,)
        LLMs that are off that average.
    off : numpy.ndarray, dims (unknown llm, configuration, column)
        By how much.
    scores : numpy.ndarray, dims (configuration, llm, input)
        Of all numbers, on their scales.
    uniforms : numpy.ndarray, dims (configuration, llm, category column)
        From which categories follow.
    """

    family: np.ndarray
    columns: np.ndarray
    shift: np.ndarray
    begin: np.ndarray
    llm: np.ndarray
    off: np.ndarray
    scores: np.ndarray
    uniforms: np.ndarray

    @property
    def of_llm(self) -> np.ndarray:
        """Which of the families each of the LLMs that are off is in, dims (unknown llm,)."""
        found: np.ndarray = np.repeat(np.arange(len(self)), np.diff(self.begin))
        return found

    def __len__(self) -> int:
        """Count the families of which something is unknown."""
        return len(self.family)

    def design(
        self, x: np.ndarray, family_of_llm: np.ndarray, configuration: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give the design for configurations of the families, from its mean over them.

        Parameters
        ----------
        x : numpy.ndarray, dims (llm, feature)
        family_of_llm : numpy.ndarray of int, dims (llm,)
        configuration : numpy.ndarray of int, dims (draw, unknown family)

        Returns
        -------
        x, by_family : numpy.ndarray, dims (draw, llm, feature)
            The second moves as families do, without what single LLMs are off that.
        """
        by_family = np.tile(x, (len(configuration), 1, 1))
        for u, family in enumerate(self.family):
            of_family = np.flatnonzero(family_of_llm == family)
            moved = self.shift[u, configuration[:, u]]
            by_family[np.ix_(range(len(by_family)), of_family, self.columns)] += moved[:, None]
        found = by_family.copy()
        for o, u in enumerate(self.of_llm):
            found[:, self.llm[o], self.columns] += self.off[o, configuration[:, u]]
        return found, by_family


def nothing_unknown(n_llms: int, encoding: FeatureEncoding) -> Unknowns:
    """Give what is unknown where all is known."""
    none = np.empty(0, dtype=int)
    return Unknowns(
        family=none,
        columns=none,
        shift=np.empty((0, N_CONFIGURATIONS, 0)),
        begin=np.zeros(1, dtype=int),
        llm=none,
        off=np.empty((0, N_CONFIGURATIONS, 0)),
        scores=np.empty((N_CONFIGURATIONS, n_llms, len(encoding.inputs))),
        uniforms=np.empty((N_CONFIGURATIONS, n_llms, len(encoding.levels))),
    )


def encode_with_unknowns(
    population: FeaturePopulation, llms: pd.DataFrame, family_of_llm: np.ndarray
) -> tuple[np.ndarray, Unknowns]:
    """Encode the LLMs that a population was learnt from.

    Parameters
    ----------
    population : FeaturePopulation
    llms : pandas.DataFrame
        With ``tuned``.
    family_of_llm : numpy.ndarray of int, dims (llm,)

    Returns
    -------
    x : numpy.ndarray, dims (llm, feature)
        What is unknown is at its mean over configurations.
    unknowns : Unknowns
    """
    known = population.scores(llms)
    lacks = unknown_of(population.encoding, llms)
    lacks_category = lacks[[*population.chances]].to_numpy()
    scores = np.tile(known, (N_CONFIGURATIONS, 1, 1))
    uniforms = np.full((N_CONFIGURATIONS, *lacks_category.shape), 0.5)
    gappy = lacks.to_numpy().any(axis=1)
    families = np.unique(family_of_llm[gappy])
    for family in families:
        rows = np.flatnonzero(family_of_llm == family)
        n_categories = lacks_category.shape[1] if lacks_category[rows].any() else 0
        given = population.conditional(~np.isnan(known[rows]))
        points = _points(given.root.shape[1] + n_categories)
        z = norm.ppf(points[:, : given.root.shape[1]])
        off = (known[rows] - population.mean)[~given.unknown]
        drawn = given.mean + given.pull @ off + z @ given.root.T
        at = np.argwhere(given.unknown)
        for which in set(at[:, 1]) & set(np.flatnonzero(population.of_families)):
            alike = at[:, 1] == which
            drawn[:, alike] = drawn[:, alike].mean(axis=1, keepdims=True)
        scores[:, rows[at[:, 0]], at[:, 1]] = drawn
        if n_categories:
            uniforms[:, rows] = points[:, None, given.root.shape[1] :]
    return _encoded(population, llms, family_of_llm, families, scores, uniforms, NOTHING)


def _points(n: int) -> np.ndarray:
    """Spread as many points as there are configurations evenly over a cube, dims (point, n)."""
    if n == 0:
        return np.empty((N_CONFIGURATIONS, 0))
    # The same at each call, and never 0 or 1.
    points = qmc.Sobol(n, scramble=True, rng=np.random.default_rng(0)).random(N_CONFIGURATIONS)
    return np.clip(points, 1e-6, 1 - 1e-6)


def _encoded(
    population: FeaturePopulation,
    llms: pd.DataFrame,
    family_of_llm: np.ndarray,
    families: np.ndarray,
    scores: np.ndarray,
    uniforms: np.ndarray,
    given: Mapping[str, Any],
) -> tuple[np.ndarray, Unknowns]:
    """Encode LLMs for each configuration, and take apart what families and single LLMs move by."""
    gappy = np.flatnonzero(np.isin(family_of_llm, families))
    x = np.array(population.encode(llms, scores[:1], uniforms[:1], given)[0])
    moved = population.encode(llms.iloc[gappy], scores[:, gappy], uniforms[:, gappy], given)
    x[gappy] = moved.mean(axis=0)
    moved = moved - x[gappy]
    columns = np.flatnonzero(np.abs(moved).max(axis=(0, 1), initial=0) > _NOTHING)
    moved = moved[:, :, columns].swapaxes(0, 1)  # (llm, configuration, column)
    of_gappy = family_of_llm[gappy]
    shift = np.array([moved[of_gappy == family].mean(axis=0) for family in families])
    off = moved - shift[np.searchsorted(families, of_gappy)] if len(families) else moved
    apart = np.flatnonzero(np.abs(off).max(axis=(1, 2), initial=0) > _NOTHING)
    order = apart[np.argsort(of_gappy[apart], kind="stable")]
    n_of = [int((of_gappy[order] == family).sum()) for family in families]
    return x, Unknowns(
        family=families,
        columns=columns,
        shift=shift.reshape(len(families), N_CONFIGURATIONS, len(columns)),
        begin=np.cumsum([0, *n_of]),
        llm=gappy[order],
        off=off[order],
        scores=scores,
        uniforms=uniforms,
    )


def drawn_design(
    unknowns: Unknowns, x: np.ndarray, family_of_llm: np.ndarray, draws: Draws
) -> tuple[np.ndarray, np.ndarray]:
    """Give a design of the fitted LLMs for the configurations that their families were drawn.

    Returns
    -------
    x, of_benchmarks : numpy.ndarray, dims (draw, llm, feature)
        The second is what benchmarks' own slopes see: what is unknown reaches single benchmarks by
        the deviations of families. So it moves as families do, without what single LLMs are off
        that, and not at all in a model without deviations.
    """
    found, by_family = unknowns.design(x, family_of_llm, draws["configuration"])
    return found, by_family if "family_deviation" in draws else np.broadcast_to(x, found.shape)


def design_with(design: Design, given: Mapping[str, Any]) -> tuple[np.ndarray, Unknowns]:
    """Encode the fitted LLMs with some columns or derived features set for all of them.

    Returns
    -------
    x : numpy.ndarray, dims (llm, feature)
    unknowns : Unknowns
        Of the same families, with the same configurations of all that is not set.
    """
    population, unknowns = design.population, design.unknowns
    derived = {n: value for n, value in given.items() if n in population.encoding.derived}
    llms = design.llms.assign(**{n: v for n, v in given.items() if n not in derived})
    if not len(unknowns):
        fine = population.encode(llms, unknowns.scores[:1], unknowns.uniforms[:1], derived)[0]
        return fine, unknowns
    return _encoded(
        population, llms, design.family_of_llm, unknowns.family, unknowns.scores,
        unknowns.uniforms, derived,
    )  # fmt: skip


def asked_features(
    design: Design, llms: pd.DataFrame, draws: Draws, rng: np.random.Generator
) -> tuple[np.ndarray, Draws]:
    """Encode LLMs that are asked about.

    Parameters
    ----------
    design : Design
    llms : pandas.DataFrame
        With ``llm``, ``family`` and ``tuned``; an absent column is unknown for all of them.
    draws : Draws
        As they were read.
    rng : numpy.random.Generator

    Returns
    -------
    typical : numpy.ndarray, dims (llm, feature)
        Means, where something is unknown.
    draws : Draws
        With ``x`` and ``x_of_benchmarks``, dims (draw, llm, feature), where something is unknown.

    Raises
    ------
    FeatureError
        A category is new, or the formula gives a value that is not a number.
    """
    # Benchmarks' slopes see a fitted LLM as in the fit, also if what is unknown is of its siblings.
    as_fitted = len(design.unknowns) and (_place_in(design, llms) >= 0).any()
    if not as_fitted and not unknown_of(design.encoding, llms).to_numpy().any():
        return design.encoding.encode(llms).to_numpy(), draws
    x = _asked_design(design, llms, draws, rng)
    seen = _seen_by_benchmarks(design, llms, draws, x)
    return x.mean(axis=0), draws.with_values(x=x, x_of_benchmarks=seen)


def _seen_by_benchmarks(
    design: Design, llms: pd.DataFrame, draws: Draws, x: np.ndarray
) -> np.ndarray:
    """Give what benchmarks' own slopes see: of fitted LLMs what they saw in the fit, else all."""
    place = _place_in(design, llms)
    if not len(design.unknowns) or (place < 0).all():
        return x
    fitted, seen = drawn_design(design.unknowns, design.x, design.family_of_llm, draws)
    # A fitted LLM may be asked about with other features than it has.
    same = (place >= 0) & np.isclose(fitted[:, place], x).all(axis=(0, 2))
    return np.where(same[:, None], seen[:, place], x)


def _place_in(design: Design, llms: pd.DataFrame) -> np.ndarray:
    """Find LLMs among the fitted ones, dims (llm,); -1 for new ones."""
    found: np.ndarray = pd.Index(design.llms["llm"]).get_indexer(pd.Index(llms["llm"]))
    return found


def _asked_design(
    design: Design, llms: pd.DataFrame, draws: Draws, rng: np.random.Generator
) -> np.ndarray:
    """Draw what is unknown of LLMs given all that is known and was drawn, (draw, llm, feature)."""
    population, n_draws = design.population, len(draws)
    of_fitted, drawn_uniforms = _of_fitted(design, draws)
    scores = np.tile(population.scores(llms), (n_draws, 1, 1))
    place = _place_in(design, llms)
    is_fitted, place = place >= 0, np.maximum(place, 0)
    scores = np.where(np.isnan(scores) & is_fitted[:, None], of_fitted[:, place], scores)
    uniforms = rng.random((n_draws, len(llms), len(population.chances)))
    family = design.llms["family"].to_numpy()
    lacks = unknown_of(design.encoding, design.llms)[[*population.chances]].any(axis=1).to_numpy()
    for name, rows in llms.reset_index(drop=True).groupby("family").indices.items():
        # What is unknown of a family is one thing, of fitted and of new siblings.
        siblings = np.flatnonzero((family == name) & lacks)
        one = drawn_uniforms[:, siblings[0]] if len(siblings) else uniforms[:, rows[0]]
        uniforms[:, rows] = one[:, None]
        new = np.asarray(rows)[~is_fitted[rows]]
        if not np.isnan(scores[0, new]).any():
            continue
        together = np.concatenate([of_fitted[:, family == name], scores[:, new]], axis=1)
        known = ~np.isnan(together[0])
        given = population.conditional(known)
        off = (together - population.mean)[:, known]
        z = rng.standard_normal((n_draws, given.root.shape[1]))
        together[:, ~known] = given.mean + off @ given.pull.T + z @ given.root.T
        scores[:, new] = together[:, len(together[0]) - len(new) :]
    uniforms = np.where(is_fitted[:, None], drawn_uniforms[:, place], uniforms)
    return population.encode(llms, scores, uniforms)


def _of_fitted(design: Design, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Give scores and uniforms of the fitted LLMs for their families' configurations, by draw."""
    unknowns, n_draws = design.unknowns, len(draws)
    if not len(unknowns):
        scores = np.tile(design.population.scores(design.llms), (n_draws, 1, 1))
        return scores, np.tile(unknowns.uniforms[0], (n_draws, 1, 1))
    scores = np.tile(unknowns.scores[0], (n_draws, 1, 1))
    uniforms = np.tile(unknowns.uniforms[0], (n_draws, 1, 1))
    for u, family in enumerate(unknowns.family):
        rows = np.flatnonzero(design.family_of_llm == family)
        chosen = draws["configuration"][:, u]
        scores[:, rows] = unknowns.scores[chosen][:, rows]
        uniforms[:, rows] = unknowns.uniforms[chosen][:, rows]
    return scores, uniforms
