r"""Conditioning on known scores of new LLMs, without fitting the rest again.

Given one posterior draw of everything fitted, the effects u of new families, recipes and LLMs are
Gaussian and the logits of the known cells are linear in them, eta = m + A u with A A' = V. So, draw
by draw:

1. scoring finds the mode, which gives working responses z with variances D, such that
   Normal(z; eta, D) stands in for the likelihood;
2. effects are drawn from the exact posterior under that stand-in, by updating draws from the
   population (Matheron's rule), some with D widened a little and some with D widened a lot: a
   score at the floor, or one that a Student t takes for broken, leaves eta further away than a
   Normal does;
3. importance weights

       w = p(scores | eta) / mean of (Normal(z; eta, D) / Normal(z; m, V + D))

   with the mean over the widths that proposals have, turn the stand-ins into the likelihood. The
   mean of w over proposals estimates p(scores | draw): the draws themselves are resampled by it,
   since known scores also tell which draws are right.

Recipes' effects on skills are Gaussian given how much wider than usual each is spread; this is
drawn with the population, and the weights of draws tell what the scores say of it.

New families are independent given a
draw, unless they are of one new developer; so they are treated one by one, or by developer, and
their weights multiplied.

References: Matheron's rule as in Wilson et al. (arXiv 2011.04026); proposals of several widths as
one mixture as in Veach and Guibas (1995); Pareto smoothing of the weights
and its diagnostic as in Vehtari et al. (arXiv 1507.02646).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp, softmax

from latentscale.errors import PredictionWarning
from latentscale.forward import (
    EFFECTS,
    Draws,
    Members,
    curve_of,
    eta_of,
    expected_of,
    root_of_correlation,
    scatter_of,
)
from latentscale.likelihoods import Likelihood
from latentscale.links import rise_and_slope
from latentscale.wording import first, quoted

# Scoring converges in four or five steps from the population mean; the cap on a step keeps
# a score at the floor, where the information vanishes, from running away.
_STEPS, _LARGEST_STEP = 12, 2.0
_LEAST_SLOPE, _LEAST_INFORMATION = 1e-4, 1e-6
# By how much variances D are widened in proposals, and how many there are of each.
_WIDEN, _PROPOSALS = (1.5, 15.0), (4, 2)
# Above this shape parameter, importance sampling is not reliable (Vehtari et al.).
_WORST_PARETO_K = 0.7
_LEAST_EFFECTIVE = 100
# A Pareto tail needs five draws, and is made of a fifth of them.
_LEAST_TO_SMOOTH = 30


@dataclass(frozen=True, eq=False)
class KnownCells:
    """Known scores of the LLMs that are asked about.

    Attributes
    ----------
    data : pandas.DataFrame
        One row a cell: ``score``, and ``successes`` and ``trials`` where the likelihood counts.
    llm, benchmark : numpy.ndarray of int, dims (cell,)
        Positions among the members and the benchmarks.
    """

    data: pd.DataFrame
    llm: np.ndarray
    benchmark: np.ndarray

    def of(self, which: np.ndarray) -> KnownCells:
        """Give some of the cells."""
        return KnownCells(self.data[which], self.llm[which], self.benchmark[which])


def condition(
    draws: Draws,
    members: Members,
    known: KnownCells,
    families: list[str],
    likelihood: Likelihood,
    rng: np.random.Generator,
) -> Draws:
    """Condition new groups, and the draws themselves, on known scores.

    Parameters
    ----------
    draws : Draws
        With new groups drawn from their populations.
    members : Members
    known : KnownCells
    families : list of str
        The family of each member, for the message.
    likelihood : Likelihood
    rng : numpy.random.Generator

    Returns
    -------
    Draws
        As many as came in, resampled to equal weight.

    Warns
    -----
    PredictionWarning
        The known scores are so far from what the fit expects that few draws carry the weight.
    """
    log_weight = np.zeros(len(draws))
    together = _dependent(draws, members)[known.llm]
    population = _of_population(draws, members, known)
    for block in np.unique(together):
        which = together == block
        draws, log_evidence = _condition_block(
            draws, members, known.of(which), population[:, which], likelihood, rng
        )
        log_weight += log_evidence
    weight, pareto_k = _smoothed(log_weight)
    _warn_few(weight, pareto_k, sorted({families[i] for i in known.llm}))
    return draws.take(_resample(weight, rng))


def _dependent(draws: Draws, members: Members) -> np.ndarray:
    """Label LLMs whose new effects depend on each other within a draw alike, dims (llm,)."""
    if "developer_effect" not in draws:
        return members.family
    is_new = members.developer >= draws.n_fitted["developer"]
    return np.where(is_new, -1 - members.developer, members.family)


def log_evidence(
    draws: Draws,
    members: Members,
    known: KnownCells,
    likelihood: Likelihood,
    rng: np.random.Generator,
) -> dict[int, np.ndarray]:
    """Give the joint log density of each family's scores under each draw, effects averaged out.

    Parameters are those of :func:`condition`.

    Returns
    -------
    dict of int to numpy.ndarray, dims (draw,)
        By the position of the family.
    """
    found = {}
    population = _of_population(draws, members, known)
    for family in np.unique(members.family[known.llm]).tolist():
        which = members.family[known.llm] == family
        found[family] = _condition_block(
            draws, members, known.of(which), population[:, which], likelihood, rng
        )[1]
    return found


def _of_population(draws: Draws, members: Members, known: KnownCells) -> np.ndarray:
    """Give the logits of cells with new groups at their population means, dims (draw, cell)."""
    found: np.ndarray = eta_of(_without_new(draws, members), members)
    return found[:, known.llm, known.benchmark]


def _condition_block(
    draws: Draws,
    members: Members,
    cells: KnownCells,
    population: np.ndarray,
    likelihood: Likelihood,
    rng: np.random.Generator,
) -> tuple[Draws, np.ndarray]:
    """Condition on cells of one family, or one developer; also give each draw's log evidence."""
    structure = _Structure.of(draws, members, cells)
    if not structure.patterns:
        return draws, _log_likelihood(population, draws, cells, likelihood)
    covariance = structure.covariance()
    response, variance = _working_response(population, covariance, draws, cells, likelihood)
    stand_ins = [
        _StandIn.of(response, variance * widen, covariance, population) for widen in _WIDEN
    ]
    proposals, log_weights = [], []
    for stand_in, number in zip(stand_ins, _PROPOSALS, strict=True):
        for _ in range(number):
            fresh = structure.redraw(rng)
            pull = stand_in.pull(population + structure.eta_of(fresh), rng)
            effects = structure.updated(fresh, pull)
            eta = population + structure.eta_of(effects)
            truth = _log_likelihood(eta, draws, cells, likelihood)
            proposals.append(effects)
            log_weights.append(truth - _log_mixture(stand_ins, eta))
    weights = np.stack(log_weights)
    chosen = _choose(weights, rng)
    merged = {name: _pick([p[name] for p in proposals], chosen) for name in proposals[0]}
    evidence: np.ndarray = logsumexp(weights, axis=0) - np.log(len(weights))
    return structure.written(draws, merged), evidence


@dataclass(frozen=True, eq=False)
class _StandIn:
    """A Normal in the place of the likelihood of some cells, draw by draw.

    Attributes
    ----------
    response, variance : numpy.ndarray, dims (draw, cell)
        z and D.
    total : numpy.ndarray, dims (draw, cell, cell)
        V + D.
    marginal : numpy.ndarray, dims (draw,)
        Log density of z, effects averaged out.
    """

    response: np.ndarray
    variance: np.ndarray
    total: np.ndarray
    marginal: np.ndarray

    @classmethod
    def of(
        cls,
        response: np.ndarray,
        variance: np.ndarray,
        covariance: np.ndarray,
        population: np.ndarray,
    ) -> _StandIn:
        """Put a Normal of known response and variance beside the population of the logits."""
        total = covariance + _diagonal(variance)
        marginal = _log_normal(response - population, np.linalg.cholesky(total))
        return cls(response, variance, total, marginal)

    def pull(self, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Say how logits drawn from the population are to be moved, to be of the posterior."""
        noise = np.sqrt(self.variance) * rng.standard_normal(self.variance.shape)
        gap = self.response - start - noise
        found: np.ndarray = np.linalg.solve(self.total, gap[..., None])[..., 0]
        return found

    def log_density(self, eta: np.ndarray) -> np.ndarray:
        """Give the log density of logits in the posterior over that in the population."""
        square = (self.response - eta) ** 2 / self.variance
        found: np.ndarray = -0.5 * (square + np.log(2 * np.pi * self.variance)).sum(1)
        return found - self.marginal


def _log_mixture(stand_ins: list[_StandIn], eta: np.ndarray) -> np.ndarray:
    """Give the log density of logits that are drawn from one or another, over the population's.

    As if each proposal were drawn from all, so that none is rarer than by the widest.
    """
    shares = np.array(_PROPOSALS)[:, None] / sum(_PROPOSALS)
    densities = np.stack([each.log_density(eta) for each in stand_ins])
    found: np.ndarray = logsumexp(densities, axis=0, b=shares)
    return found


@dataclass(frozen=True, eq=False)
class _Structure:
    """Which new effects known cells depend on, and how.

    Every effect is a block of independent Gaussians with ``scales`` (draw, group, element); a cell
    depends on one element or vector of a block: ``rows`` says which new group, ``pattern``
    (draw, cell, element) with what weight. Those of families are what they have beyond their
    developers; ``members`` says who these are. Effects on skills correlate, so they are in terms of
    the independent elements that they are mixed of, with standard deviations of one.
    """

    members: Members

    scales: dict[str, np.ndarray]
    groups: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]
    patterns: dict[str, np.ndarray]

    @classmethod
    def of(cls, draws: Draws, members: Members, cells: KnownCells) -> _Structure:
        """Find the structure of the cells."""
        loading = draws["loading"][:, cells.benchmark]
        n_benchmarks = draws["difficulty"].shape[1]
        picked = np.eye(n_benchmarks)[cells.benchmark][None].repeat(len(draws), axis=0)
        x = members.x[cells.llm][:, members.slope_columns, None]
        sloped = (x * loading[:, :, None, :]).reshape(*loading.shape[:2], -1)
        patterns = {"effect": loading, "deviation": picked, "slope": sloped}
        root = root_of_correlation(draws)
        scales, groups, rows, kept = {}, {}, {}, {}
        for effect in (name for name in EFFECTS if name in draws):
            kind, what = effect.split("_")
            pattern = patterns[what]
            position = getattr(members, kind)[cells.llm]
            is_new = position >= draws.n_fitted[kind]
            new_groups, row = np.unique(position[is_new], return_inverse=True)
            if not new_groups.size:
                continue
            full_row = np.zeros(len(position), dtype=int)
            full_row[is_new] = row
            groups[effect], rows[effect] = new_groups, full_row
            scale = draws[EFFECTS[effect]].reshape(len(draws), 1, -1)
            if what == "effect":  # of independent elements, that they are mixed of
                pattern, scale = (pattern * scale) @ root, np.ones_like(scale)
            kept[effect] = pattern * is_new[None, :, None]
            if effect == "recipe_effect" and "recipe_spread" in draws:
                spread = draws["recipe_spread"][:, new_groups - draws.n_fitted[kind]]
                scale = scale * spread[:, :, None]
            shape = (len(draws), len(new_groups), scale.shape[2])
            scales[effect] = np.broadcast_to(scale, shape)
        return cls(members, scales, groups, rows, kept)

    def covariance(self) -> np.ndarray:
        """Give V, the covariance of the logits of the cells, dims (draw, cell, cell)."""
        total = 0.0
        for effect, pattern in self.patterns.items():
            same = self.rows[effect][:, None] == self.rows[effect][None, :]
            scaled = pattern * self.scales[effect][:, self.rows[effect]]
            total = total + same * (scaled @ scaled.transpose(0, 2, 1))
        return np.asarray(total)

    def redraw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw the effects from their populations, dims (draw, group, element)."""
        return {
            effect: rng.standard_normal(scale.shape) * scale
            for effect, scale in self.scales.items()
        }

    def eta_of(self, effects: dict[str, np.ndarray]) -> np.ndarray:
        """Give what effects add to the logits of the cells, A u, dims (draw, cell)."""
        parts = [
            (effects[name][:, self.rows[name]] * pattern).sum(axis=2)
            for name, pattern in self.patterns.items()
        ]
        return np.asarray(sum(parts))

    def updated(self, effects: dict[str, np.ndarray], pull: np.ndarray) -> dict[str, np.ndarray]:
        """Move effects by A' pull, with A' in terms of their scales."""
        moved = {}
        for name, pattern in self.patterns.items():
            membership = np.eye(len(self.groups[name]))[self.rows[name]]
            gradient = np.einsum("sce,sc,cg->sge", pattern, pull, membership)
            moved[name] = effects[name] + self.scales[name] ** 2 * gradient
        return moved

    def written(self, draws: Draws, effects: dict[str, np.ndarray]) -> Draws:
        """Write effects into the draws, in place of the population's."""
        own = _beyond_developers(draws, self.members, -1)
        replaced, root = {}, root_of_correlation(draws)
        for name, values in effects.items():
            whole = own[name].copy()
            if name.endswith("_effect"):
                values = (values @ root.swapaxes(1, 2)) * draws[EFFECTS[name]][:, None]
            shape = (len(values), len(self.groups[name]), *whole.shape[2:])
            whole[:, self.groups[name]] = values.reshape(shape)
            replaced[name] = whole
        return _beyond_developers(own.with_values(**replaced), self.members, 1)


def _without_new(draws: Draws, members: Members) -> Draws:
    """Set the effects of new groups to their population means: of families, their developers'."""
    silent = {name: draws[name].copy() for name in EFFECTS if name in draws}
    for name, value in silent.items():
        value[:, draws.n_fitted[name.split("_")[0]] :] = 0.0
    return _beyond_developers(draws.with_values(**silent), members, 1)


def _beyond_developers(draws: Draws, members: Members, sign: int) -> Draws:
    """Take the effects of developers from those of new families, or (sign 1) add them."""
    moved = {}
    for kind in ("effect", "deviation"):
        of_developers, of_families = f"developer_{kind}", f"family_{kind}"
        if of_developers in draws:
            first, value = draws.n_fitted["family"], draws[of_families].copy()
            developers = members.developers_of(first, value.shape[1])
            value[:, first:] += sign * draws[of_developers][:, developers]
            moved[of_families] = value
    return draws.with_values(**moved)


def _working_response(
    population: np.ndarray,
    covariance: np.ndarray,
    draws: Draws,
    cells: KnownCells,
    likelihood: Likelihood,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the mode by scoring; give z and D there, dims (draw, cell).

    Steps that go to and fro get shorter: where a curve is level a score tells nothing, and beside
    it a lot.
    """
    eta, last = population, np.zeros_like(population)
    longest = np.full_like(population, _LARGEST_STEP)
    for _ in range(_STEPS):
        response, variance = _linearised(eta, draws, cells, likelihood)
        gap = (response - population)[..., None]
        target = (
            population
            + (covariance @ np.linalg.solve(covariance + _diagonal(variance), gap))[..., 0]
        )
        step = target - eta
        longest = np.where(step * last < 0, longest / 2, longest)
        eta, last = eta + np.clip(step, -longest, longest), step
    return _linearised(eta, draws, cells, likelihood)


def _linearised(
    eta: np.ndarray, draws: Draws, cells: KnownCells, likelihood: Likelihood
) -> tuple[np.ndarray, np.ndarray]:
    """Linearise the likelihood at eta: response and variance of a Normal stand-in."""
    floor, height, asymmetry = curve_of(draws, np.s_[:, cells.benchmark])
    share, steepness = rise_and_slope(eta, asymmetry)
    expected = floor + height * share
    slope = height * steepness
    scatter = scatter_of(draws, cells.benchmark)
    gradient, information = likelihood.curvature(cells.data, expected, scatter)
    step = gradient / information / np.maximum(slope, _LEAST_SLOPE)
    step = np.clip(step, -2 * _LARGEST_STEP, 2 * _LARGEST_STEP)
    # Where the curve is level a score tells nothing, and so must the Normal in its place.
    return eta + step, 1 / np.maximum(information * slope**2, _LEAST_INFORMATION)


def _log_likelihood(
    eta: np.ndarray, draws: Draws, cells: KnownCells, likelihood: Likelihood
) -> np.ndarray:
    expected = expected_of(draws, eta, np.s_[:, cells.benchmark])
    parameters = scatter_of(draws, cells.benchmark)
    total: np.ndarray = likelihood.log_density(cells.data, expected, parameters).sum(axis=1)
    return total


def _diagonal(variance: np.ndarray) -> np.ndarray:
    return variance[:, :, None] * np.eye(variance.shape[1])


def _log_normal(gap: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Log density of a Normal with mean 0 and Cholesky factor, by draw."""
    white = np.linalg.solve(factor, gap[..., None])[..., 0]
    log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    density: np.ndarray = (
        -0.5 * (white**2).sum(axis=1) - log_det - 0.5 * gap.shape[1] * np.log(2 * np.pi)
    )
    return density


def _choose(log_weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose one proposal for each draw by its weight, dims (draw,)."""
    cumulative = softmax(log_weights, axis=0).cumsum(axis=0)
    chosen: np.ndarray = (rng.random(log_weights.shape[1]) > cumulative).sum(axis=0)
    return np.minimum(chosen, len(log_weights) - 1)


def _pick(proposals: list[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    stacked: np.ndarray = np.stack(proposals)[chosen, np.arange(len(chosen))]
    return stacked


def _smoothed(log_weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Pareto-smooth the weights of the draws; also give the shape of their tail."""
    from arviz_stats.base import array_stats

    if np.ptp(log_weight) < 1e-9:
        return np.full(len(log_weight), 1 / len(log_weight)), 0.0
    if len(log_weight) < _LEAST_TO_SMOOTH:
        return softmax(log_weight), np.inf
    # It takes log likelihoods that are left out, so what it smooths is minus its argument.
    smooth, pareto_k = array_stats.psislw(-log_weight)
    return softmax(np.asarray(smooth)), float(pareto_k)


def _warn_few(weight: np.ndarray, pareto_k: float, families: list[str]) -> None:
    effective = 1 / np.sum(weight**2)
    enough = min(_LEAST_EFFECTIVE, len(weight) / 2)
    # Of weights that hardly differ the shape says nothing.
    if effective >= (enough if pareto_k <= _WORST_PARETO_K else len(weight) / 2):
        return
    warnings.warn(
        f"The known scores of {first(quoted(families))} are far from what the fit expects: only "
        f"about {effective:.0f} of {len(weight):,} posterior draws agree with them (Pareto k "
        f"{pareto_k:.2f}, should be below {_WORST_PARETO_K}). The prediction is rough. Check these "
        "scores; if they are right, fit again with them: table.with_scores(scores, llms).",
        PredictionWarning,
        stacklevel=5,
    )


def _resample(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Resample systematically: each draw as often as its weight says, within one."""
    positions = (np.arange(len(weight)) + rng.random()) / len(weight)
    chosen = np.searchsorted(np.cumsum(weight), positions)
    return np.minimum(chosen, len(weight) - 1)
