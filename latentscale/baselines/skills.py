"""Skills estimated as a point: what the model is without its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, softmax

from latentscale.baselines.point import PointBaseline
from latentscale.baselines.principal import principal_components, share_logits
from latentscale.baselines.rows import Rows
from latentscale.errors import SpecError
from latentscale.formulas import required_columns
from latentscale.wording import first, with_nearest

LINKS = ("sigmoid", "monotone")
# Errors beyond this count by their size rather than its square: a few runs are broken.
_HUBER = 0.03
# Squares of intercepts of families and of recipes, of loadings, and of how far a learnt link is
# from the sigmoid, each against a squared error of one. What recipes of a family have in common is
# the family's.
_OF_FAMILIES, _OF_RECIPES, _OF_LOADINGS, _OF_LINKS = 1e-4, 1e-3, 1e-4, 1e-2
# A monotone link is a mean of as many sigmoids.
_SIGMOIDS = 3
_MOST_STEPS = 400


class Weights(NamedTuple):
    """What is estimated.

    Attributes
    ----------
    skill : numpy.ndarray, dims (row, skill)
        Of features, families and recipes.
    loading : numpy.ndarray, dims (benchmark, skill)
    bias : numpy.ndarray, dims (benchmark,)
    link : numpy.ndarray, dims (3, benchmark, sigmoid)
        Of each sigmoid that a link is a mean of: the logarithm of its weight (up to a constant),
        the logarithm of its steepness, and where it is. No rows for the plain sigmoid.
    """

    skill: np.ndarray
    loading: np.ndarray
    bias: np.ndarray
    link: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """All of them in one line."""
        return np.concatenate([part.ravel() for part in self])

    def like(self, flat: np.ndarray) -> Weights:
        """Name the parts of a line of as many."""
        ends = np.cumsum([part.size for part in self])[:-1]
        parts = zip(np.split(flat, ends), self, strict=True)
        return Weights(*(values.reshape(part.shape) for values, part in parts))


class Cells(NamedTuple):
    """Known scores: rows of the regression, dims (llm, row); of each score LLM and benchmark."""

    rows: np.ndarray
    llm: np.ndarray
    benchmark: np.ndarray
    score: np.ndarray
    chance: np.ndarray


@dataclass(frozen=True)
class SkillsLaw(PointBaseline):
    """Expect what a few skills say, which features, families and recipes make; a point estimate.

    ``score = chance + (1 - chance) link(bias + loading . skill)``,
    ``skill = b . features + family intercept + recipe intercept``

    estimated by least squares (large errors count by their size) with a little ridge. An unknown
    recipe has the intercept of its family, an unknown family the mean.

    Attributes
    ----------
    table : ScoreTable
    skills : int, default 3
    link : {"sigmoid", "monotone"}, default "sigmoid"
        A monotone link is learnt for each benchmark: a mean of sigmoids of different weight, place
        and steepness.
    features : str, default "log(params_b) * log(tokens_t)"

    Raises
    ------
    SpecError
        The link is not known.

    References
    ----------
    arXiv 2412.06540 (Sloth), whose families are recipes here.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["opt", "pythia", "llama"])
    >>> law = ls.baselines.SkillsLaw(table, skills=1)
    >>> law.expected(table.llms).loc["facebook/opt-13b", ["MMLU", "HellaSwag"]].round(1).to_list()
    [0.3, 0.7]
    """

    skills: int = 3
    link: str = "sigmoid"
    features: str = "log(params_b) * log(tokens_t)"

    def __post_init__(self) -> None:
        """Check the link."""
        if self.link not in LINKS:
            raise SpecError(
                f"link={first(with_nearest([str(self.link)], LINKS))} is not known. Use one of "
                f"{' or '.join(map(repr, LINKS))}."
            )

    @property
    def required(self) -> tuple[str, ...]:
        """Columns of LLMs that must be known."""
        return required_columns(self.features, self.table.llms.columns)

    def expected(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Say what LLMs are expected to score."""
        weights, names = self._weights, self.known_scores.columns
        skill = self._rows.of(llms)[:, 1:] @ weights.skill
        every = np.arange(len(names))
        eta = weights.bias + skill @ weights.loading.T
        share = _linked(eta, weights.link, every)[0]
        return pd.DataFrame(
            self._chance + (1 - self._chance) * share, index=pd.Index(llms["llm"]), columns=names
        )

    @cached_property
    def _chance(self) -> np.ndarray:
        chance = self.table.benchmarks.set_index("benchmark")["chance"].astype(float)
        return chance[self.known_scores.columns].to_numpy()

    @cached_property
    def _rows(self) -> Rows:
        return Rows.learn(self.features, self.known, ["family", "recipe"])

    @cached_property
    def _weights(self) -> Weights:
        wide = self.known_scores
        # The bias of each benchmark takes the place of the one in the rows.
        rows = self._rows.of(self.known)[:, 1:]
        llm, benchmark = np.nonzero(wide.notna().to_numpy())
        score = wide.to_numpy()[llm, benchmark]
        cells = Cells(rows, llm, benchmark, score, self._chance[benchmark])
        ridge = self._rows.ridge(_OF_FAMILIES, _OF_RECIPES)[1:]
        start = self._start(rows, ridge, share_logits(self.table, wide))
        found = minimize(
            _loss, start.flat, (start, cells, ridge), "L-BFGS-B", jac=True,
            options={"maxiter": _MOST_STEPS},
        )  # fmt: skip
        return start.like(found.x)

    def _start(self, rows: np.ndarray, ridge: np.ndarray, logits: np.ndarray) -> Weights:
        """Start from principal components and the law that they follow."""
        found = principal_components(logits, self.skills)
        squares = rows.T @ rows + np.diag(100 * ridge)
        skill = np.linalg.solve(squares, rows.T @ found.position)
        n = logits.shape[1]
        place = np.linspace(-1, 1, _SIGMOIDS)[:, None] * np.ones((1, n))
        link = np.stack([0 * place.T, 0 * place.T, place.T])
        link = link if self.link == "monotone" else link[:, :, :0]
        return Weights(skill, found.direction.T * found.sd[:, None], found.mean, link)


def _linked(
    eta: np.ndarray, link: np.ndarray, benchmark: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the share of the way up, and its derivatives by eta and by the link.

    ``benchmark`` says of which benchmark the last dim of eta is.
    """
    if not link.size:
        share = expit(eta)
        return share, share * (1 - share), np.zeros((3, *eta.shape, 0))
    weight = softmax(link[0], axis=1)[benchmark]
    steep, place = np.exp(link[1])[benchmark], link[2][benchmark]
    from_place = eta[..., None] - place
    rise = expit(steep * from_place)
    share = (weight * rise).sum(axis=-1)
    slope = weight * rise * (1 - rise) * steep
    by_weight = weight * (rise - share[..., None])
    return share, slope.sum(axis=-1), np.stack([by_weight, slope * from_place, -slope])


def _loss(
    flat: np.ndarray, like: Weights, cells: Cells, ridge: np.ndarray
) -> tuple[float, np.ndarray]:
    """Give the loss (that of Huber, smoothed, plus the ridges) and its derivatives."""
    weights = like.like(flat)
    skill = cells.rows @ weights.skill
    of_llm, of_benchmark = skill[cells.llm], weights.loading[cells.benchmark]
    eta = weights.bias[cells.benchmark] + (of_llm * of_benchmark).sum(axis=1)
    share, slope, by_link = _linked(eta, weights.link, cells.benchmark)
    off = cells.chance + (1 - cells.chance) * share - cells.score
    root = np.sqrt(1 + (off / _HUBER) ** 2)
    d_share = off / root * (1 - cells.chance)
    d_eta = d_share * slope
    d_skill = _summed(d_eta[:, None] * of_benchmark, cells.llm, len(skill))
    n = len(weights.bias)
    d = Weights(
        cells.rows.T @ d_skill,
        _summed(d_eta[:, None] * of_llm, cells.benchmark, n),
        np.bincount(cells.benchmark, d_eta, n),
        np.stack([_summed(d_share[:, None] * part, cells.benchmark, n) for part in by_link]),
    )
    ridges = Weights(
        np.broadcast_to(ridge[:, None], weights.skill.shape), np.array(_OF_LOADINGS),
        np.zeros(()), np.array(_OF_LINKS),
    )  # fmt: skip
    value = _HUBER**2 * (root - 1).sum()
    return _with_ridges(value, d, weights, like, ridges)


def _with_ridges(
    value: float, d: Weights, weights: Weights, start: Weights, ridges: Sequence[np.ndarray]
) -> tuple[float, np.ndarray]:
    """Add squares to the loss: of weights, and of how far a link is from where it started."""
    gaps = weights._replace(link=weights.link - start.link)
    for gap, ridge in zip(gaps, ridges, strict=True):
        value += (ridge * gap**2).sum() / 2
    slopes = [part + ridge * gap for part, ridge, gap in zip(d, ridges, gaps, strict=True)]
    return value, Weights(*slopes).flat


def _summed(values: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """Add up the rows of each group, dims (group, column)."""
    columns = [np.bincount(group, column, n) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((n, 0))
