"""A Gaussian approximation of the posterior, in which the sampler starts and by which it is scaled.

In the sampler's coordinates (:mod:`latentscale.coordinates`) the group effects are nearly standard
Normal, whatever the parameters are that all LLMs share. So the posterior is approached
by a Normal of the shared parameters theta, with effects w beside it::

    q(theta, w) = Normal(mean, root root') Normal(0, 1)

of the least Kullback-Leibler divergence from the posterior, for which (Opper and Archambeau, 2009,
Neural Computation 21)::

    E_q[gradient] = 0,    inverse(root root') = -E_q[second derivatives]

Expectations are averages over a few fixed points of q, half of them mirror images of the others.
Taking turns, the mean is improved by L-BFGS and the root by the second derivatives; with the mean
the expected scores that the coordinates are built on. Where slopes are shrunk, what scores say of
them is then read off q, and q improved once more in coordinates of slopes that follow it.

NUTS needs no more than a rough fit: where q is wrong, it is slower, and the posterior is the same.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from latentscale.compiled_density import CompiledDensity, compile_density
from latentscale.coordinates import (
    at_floor,
    first_guess,
    middle_of_prior,
    parts_of,
    shared_variables,
)
from latentscale.errors import SamplingError
from latentscale.forward import Draws, expected_of_cells, fitted_members
from latentscale.priors import LOOK_AT_PRIORS, REAL
from latentscale.recent import Recent
from latentscale.slope_guess import SlopeGuess, guess_slopes

if TYPE_CHECKING:
    from latentscale.model import ScalingModel

# Several starts, because skills can trade their anchors: a mode of little mass that NUTS does not
# leave. Which start is best is told at a quarter of the points, after a single root, as roots take
# nearly all the time; then rounds go on until the mean stays.
_STARTS, _ROUNDS = 3, 6
_POINTS, _LEAST_POINTS, _LEAST_AT_START = 16, 4, 2

# A point averages over the effects of all LLMs: with more scores than these, fewer points do.
_SCORES = 2_500

# The mean stays when no coordinate moves by this many standard deviations in a round.
_STAYS = 0.5

# Standard deviation of the starts about the middle of the prior. Further out, a skill may take up
# the anchor of another: on two simulated tables with anchors near their ceilings, 2 of 24 chains of
# NUTS ended in such a mode with 0.1, 4 with 0.3, and 3 of 4 with nutpie's own jitter of up to 1.
_SPREAD = 0.1

# A direction is not stretched beyond 1 / sqrt of this, however little is known along it: as long as
# the mean is far off, second derivatives tell little.
_LEAST_INFORMATION, _LEAST_AT_FIRST = 0.25, 1.0

# Steps of L-BFGS in a round.
_STEPS = 30

_NOT_FINITE = 1e10


@dataclass(frozen=True, eq=False)
class Approximation:
    """A Normal approximation of the shared parameters.

    Attributes
    ----------
    mean : numpy.ndarray, dims (shared,)
    root : numpy.ndarray, dims (shared, shared)
        Symmetric root of the covariance.
    guess : numpy.ndarray, dims (obs,)
        Expected scores under it.
    at_floor : numpy.ndarray, dims (obs,)
        How little each score tells of how far below it its LLM may be.
    slopes : SlopeGuess, optional
        What the coordinates of slopes follow.
    """

    mean: np.ndarray
    root: np.ndarray
    guess: np.ndarray
    at_floor: np.ndarray
    slopes: SlopeGuess | None = None

    def coordinates(self, density: CompiledDensity) -> CompiledDensity:
        """Give a density in the coordinates that the approximation is of."""
        density = density.about(self.guess, self.at_floor)
        return density if self.slopes is None else density.with_slopes(self.slopes)


_recent: Recent[Approximation] = Recent(3)


def approximation_of(
    model: ScalingModel, density: CompiledDensity, cores: int | None = None
) -> Approximation:
    """Approximate the posterior of a model, or take the approximation that is known already.

    That of a part of a table starts from that of the whole table, whose root it keeps.

    Parameters
    ----------
    model : ScalingModel
    density : CompiledDensity
        Of the model.
    cores : int, optional
        Threads to use; default: as many as there are cores.

    Returns
    -------
    Approximation
        The same for the same model.

    Raises
    ------
    SamplingError
        The density is not finite near the middle of the prior.
    """
    if model.whole is None:
        return _recent.get(
            _fingerprint(model, density), lambda: approximate(model, density, cores=cores)
        )
    # By all cores even where parts are fitted on one each: the other workers wait for it.
    start = approximation_of(model.whole, compile_density(model.whole))
    return approximate(model, density, cores=cores, start=start)


def _fingerprint(model: ScalingModel, density: CompiledDensity) -> str:
    """Tell models apart by all that their posterior depends on."""
    found = hashlib.sha256(model.spec.to_json().encode())
    for name, array in density.arrays.items():
        found.update(f"{name} {array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def approximate(
    model: ScalingModel,
    density: CompiledDensity,
    *,
    seed: int = 0,
    cores: int | None = None,
    start: Approximation | None = None,
) -> Approximation:
    """Approximate the posterior of a model.

    Parameters
    ----------
    model : ScalingModel
    density : CompiledDensity
        Of the model.
    seed : int
        The same seed gives the same approximation.
    cores : int or None
        Threads to use; None for as many as there are cores.
    start : Approximation, optional
        Of a similar posterior with the same shared parameters. Its root is kept: to find it takes
        nearly all the time.

    Returns
    -------
    Approximation

    Raises
    ------
    SamplingError
        The density is not finite near the middle of the prior.
    """
    rng = np.random.default_rng(seed)
    with ThreadPoolExecutor(cores or os.cpu_count()) as pool:
        target = _Target(density, model, pool)
        if start is None:
            best = target.best_of(_STARTS, rng)
            least = _LEAST_INFORMATION
        else:
            best, least = target.of_its_own_scores(start), None
        noise = target.noise(rng, points_for(len(best.guess)))
        best = target.settled(best, noise, least)
        # What is read off a Normal holds of slopes that may have either sign.
        if start is None and model.spec.shrunk and model.priors["feature_slope"].support == REAL:
            best = target.settled(target.with_slopes(best), noise, least)
    return best


def points_for(n_obs: int) -> int:
    """Give how many points to average over, in pairs: an even number."""
    return max(_LEAST_POINTS, 2 * (min(_POINTS, _POINTS * _SCORES // n_obs) // 2))


@dataclass(frozen=True, eq=False)
class _Target:
    """The posterior that is approximated, and who computes it.

    Attributes
    ----------
    density : CompiledDensity
    model : ScalingModel
    pool : concurrent.futures.Executor
        Of threads.
    """

    density: CompiledDensity
    model: ScalingModel
    pool: Executor

    def best_of(self, starts: int, rng: np.random.Generator) -> Approximation:
        """Give the best of several starts; one where the density is not finite loses."""
        ends, failed = [], None
        for _ in range(starts):
            try:
                ends.append(self.explore(rng))
            except SamplingError as error:
                failed = error
        if failed is not None and not ends:
            raise failed
        return min(ends, key=lambda end: end[0])[1]

    def explore(self, rng: np.random.Generator) -> tuple[float, Approximation]:
        """Go from somewhere near the middle of the prior to about where the posterior is."""
        model, n = self.model, self.density.n_shared
        middle = middle_of_prior(model.design, model.spec, model.priors)
        start = middle + _SPREAD * rng.standard_normal(n)
        guess = first_guess(model.design)
        first = Approximation(start, _SPREAD * np.eye(n), guess, np.zeros_like(guess))
        pairs = points_for(len(first.guess)) // 8
        noise = self.noise(rng, max(_LEAST_AT_START, 2 * pairs))
        _, near = self.improve(first, noise)
        return self.improve(self.with_root(near, noise, _LEAST_AT_FIRST), noise)

    def of_its_own_scores(self, near: Approximation) -> Approximation:
        """Give the approximation of a similar posterior with what its own scores are at first."""
        guess = first_guess(self.model.design)
        near = replace(near, guess=guess, at_floor=np.zeros_like(guess))
        return replace(near, at_floor=self._at_floor(near))

    def settled(self, best: Approximation, noise: np.ndarray, least: float | None) -> Approximation:
        """Improve root and mean until the mean stays; without a least information the root does."""
        for _ in range(_ROUNDS):
            if least is not None:
                best = self.with_root(best, noise, least)
            last, (_, best) = best, self.improve(best, noise)
            moved = np.linalg.solve(best.root, best.mean - last.mean)
            if np.abs(moved).max() < _STAYS:
                break
        return best

    def with_slopes(self, near: Approximation) -> Approximation:
        """Give a start in coordinates of slopes that follow what is known of them by now."""
        design, spec = self.model.design, self.model.spec
        [relevance] = self._at_mean(near)["relevance"]
        parts = parts_of(shared_variables(design, spec))
        guess = guess_slopes(design, parts, near.mean, near.root, relevance)
        mean, own = near.mean.copy(), parts["feature_slope"]
        slopes = np.arange(own.start, own.stop).reshape(-1, spec.skills)
        slopes = slopes[design.guessed].ravel()
        # Where a slope is expected its coordinate is zero, and its variance is one.
        mean[slopes] = 0.0
        covariance = near.root @ near.root
        covariance[slopes], covariance[:, slopes] = 0.0, 0.0
        covariance[slopes, slopes] = 1.0
        values, vectors = np.linalg.eigh(covariance)
        root = (vectors * np.sqrt(values)) @ vectors.T
        return replace(near, mean=mean, root=root, slopes=guess)

    def noise(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw standard Normal points and their mirror images, dims (point, coordinate)."""
        half = rng.standard_normal((size // 2, self.density.size))
        return np.concatenate([half, -half])

    def with_root(self, old: Approximation, noise: np.ndarray, least: float) -> Approximation:
        """Give the root that the second derivatives at a mean ask for."""
        density, points = old.coordinates(self.density), self._points(old.mean, old.root, noise)
        return replace(old, root=inverse_root(density.information(points, self.pool), least))

    def improve(self, old: Approximation, noise: np.ndarray) -> tuple[float, Approximation]:
        """Improve the mean, then what is expected of scores.

        Gives with them the divergence from the posterior, up to a constant.
        """
        density, root = old.coordinates(self.density), old.root
        mean, minus_density = self._improve_mean(density, old, noise)
        guess = self._expected(density, self._points(mean, root, noise))
        divergence = minus_density - float(np.linalg.slogdet(root)[1])
        better = replace(old, mean=mean, guess=guess)
        return divergence, replace(better, at_floor=self._at_floor(better))

    def _improve_mean(
        self, density: CompiledDensity, old: Approximation, noise: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Move the mean to where the density is highest on average over the points."""
        n = self.density.n_shared

        def minus_mean(moved: np.ndarray) -> tuple[float, np.ndarray]:
            points = self._points(old.mean + old.root @ moved, old.root, noise)
            values, slopes = zip(*self.pool.map(density.at, points), strict=True)
            with np.errstate(invalid="ignore"):  # where the density is zero, slopes are anything
                value, slope = np.mean(values), np.mean(slopes, axis=0)[:n]
            if not np.isfinite(value) or not np.isfinite(slope).all():
                return _NOT_FINITE, np.zeros(n)
            return -float(value), -(old.root.T @ slope)

        settings = {"maxiter": _STEPS, "maxcor": _STEPS}
        end = minimize(minus_mean, np.zeros(n), jac=True, method="L-BFGS-B", options=settings)
        if end.fun == _NOT_FINITE:
            raise SamplingError(
                "The density of the model is not finite near the middle of its prior. "
                f"{LOOK_AT_PRIORS}"
            )
        return old.mean + old.root @ end.x, float(end.fun)

    def _points(self, mean: np.ndarray, root: np.ndarray, noise: np.ndarray) -> np.ndarray:
        points, n = noise.copy(), self.density.n_shared
        points[:, :n] = mean + noise[:, :n] @ root.T
        return points

    def _at_mean(self, near: Approximation) -> dict[str, np.ndarray]:
        """Give the variables at the mean, dims (one, ...)."""
        point = np.zeros(self.density.size)
        point[: len(near.mean)] = near.mean
        return near.coordinates(self.density).report(point[None])

    def _at_floor(self, near: Approximation) -> np.ndarray:
        """Say how little each score tells of how far below it its LLM may be, dims (obs,)."""
        return at_floor(self.model.design, self.model.spec, Draws(self._at_mean(near), {}))

    def _expected(self, density: CompiledDensity, points: np.ndarray) -> np.ndarray:
        """Give the mean of the expected scores over points, dims (obs,)."""
        design = self.model.design
        members = fitted_members(design, self.model.spec)
        total = np.zeros(design.n_obs)
        for point in points:  # one at a time to spare memory
            draws = Draws(density.report(point[None]), {})
            [cells] = expected_of_cells(draws, members, design.llm_of_obs, design.benchmark_of_obs)
            total += cells
        return total / len(points)


def inverse_root(information: np.ndarray, least: float = _LEAST_INFORMATION) -> np.ndarray:
    """Give the symmetric inverse square root, bounded where there is little information."""
    values, vectors = np.linalg.eigh(information)
    root: np.ndarray = (vectors / np.sqrt(np.maximum(values, least))) @ vectors.T
    return root
