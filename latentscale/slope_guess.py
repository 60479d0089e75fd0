"""What scores say roughly of slopes that are shrunk: their coordinates are built on it.

See :mod:`latentscale.kernels.features`. However rough the guess, the posterior is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from latentscale.design import Design


class SlopeGuess(NamedTuple):
    """A Normal for the slopes of each feature, along axes of skills.

    Attributes
    ----------
    axes : numpy.ndarray, dims (feature, skill, axis)
        Orthonormal.
    information : numpy.ndarray, dims (feature, axis)
        One over the variance; zero where nothing is known.
    pull : numpy.ndarray, dims (feature, axis)
        Information times mean.
    """

    axes: np.ndarray
    information: np.ndarray
    pull: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Give the arrays that the kernels read."""
        n, size, _ = self.axes.shape
        return {
            "slope_axes": self.axes.reshape(n, size * size),
            "slope_information": self.information,
            "slope_pull": self.pull,
        }


def no_guess(n_features: int, n_skills: int) -> SlopeGuess:
    """Know nothing: coordinates are slopes over their relevance."""
    axes, shape = np.tile(np.eye(n_skills), (n_features, 1, 1)), (n_features, n_skills)
    return SlopeGuess(axes, np.zeros(shape), np.zeros(shape))


def guess_slopes(
    design: Design,
    parts: Mapping[str, slice],
    mean: np.ndarray,
    root: np.ndarray,
    relevance: np.ndarray,
) -> SlopeGuess:
    """Read off a Normal approximation, in coordinates of no guess, what scores say of slopes.

    With relevance r, a slope is r z, and z is standard Normal a priori: so its precision given r is
    1 + information r^2, and its mean times that is pull r.

    Parameters
    ----------
    design : Design
    parts : mapping of str to slice
        Where the coordinates of the shared parameters are.
    mean : numpy.ndarray, dims (shared,)
    root : numpy.ndarray, dims (shared, shared)
        Symmetric root of the covariance.
    relevance : numpy.ndarray, dims (term,)
        At the mean.

    Returns
    -------
    SlopeGuess
        Of steps of monotone terms none.
    """
    slopes = np.arange(parts["feature_slope"].start, parts["feature_slope"].stop)
    slopes = slopes.reshape(len(design.encoding.names), -1)
    guess = no_guess(*slopes.shape)
    precision = np.linalg.inv(root @ root)
    given = [parts[name] for name in ("relevance_scale", "relevance_local")]
    others = np.setdiff1d(np.arange(len(mean)), np.r_[*given])
    covariance = np.zeros_like(precision)
    covariance[np.ix_(others, others)] = np.linalg.inv(precision[np.ix_(others, others)])
    for p in design.guessed:
        r, own = relevance[design.shrinkage.term[p]], slopes[p]
        of_z = np.linalg.inv(covariance[np.ix_(own, own)])
        told, axes = np.linalg.eigh(of_z - np.eye(len(own)))
        guess.axes[p] = axes
        guess.information[p] = np.maximum(told, 0) / r**2
        guess.pull[p] = np.where(told > 0, axes.T @ of_z @ mean[own], 0) / r
    return guess
