"""Among many numbers, those whose chains look worst are found without ArviZ."""

from __future__ import annotations

import numpy as np
import pytest

from latentscale.suspects import LOOKED_AT, suspects

ODD = 1_203  # beyond what is looked at together


def many(n=1_500, chains=4, draws=200):
    return np.random.default_rng(0).normal(size=(chains, draws, n))


def slow(draws):
    """Make the odd one move a little at a time."""
    noise = np.random.default_rng(1).normal(size=draws.shape[:2])
    for t in range(1, draws.shape[1]):
        draws[:, t, ODD] = 0.95 * draws[:, t - 1, ODD] + 0.3 * noise[:, t]


def apart(draws):
    """Leave a chain of the odd one elsewhere."""
    draws[2, :, ODD] += 2.0


def narrow(draws):
    """Let a chain of the odd one spread less, about the same middle."""
    draws[2, :, ODD] *= 0.1


def infinite(draws):
    draws[1, 7, ODD] = np.inf


def missing(draws):
    draws[1, 7, ODD] = np.nan


@pytest.mark.parametrize("spoil", [slow, apart, narrow, infinite, missing])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_odd_one_is_found(spoil, scale):
    draws = many()
    spoil(draws)
    found = suspects(draws * scale)
    assert ODD in found
    assert len(found) <= LOOKED_AT
    assert (np.diff(found) > 0).all()


def test_of_few_all_are_looked_at():
    np.testing.assert_array_equal(suspects(many(LOOKED_AT)), np.arange(LOOKED_AT))


def test_fewer_draws_than_batches():
    draws = many(60, draws=7)
    draws[:, :, 30] += 5 * np.arange(4)[:, None]
    assert 30 in suspects(draws)
    assert len(suspects(draws[:, :1])) <= LOOKED_AT
