"""The Normal approximation that the sampler starts from, on densities whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from latentscale import approximation
from latentscale.approximation import approximate
from latentscale.compiling import Compiled
from latentscale.errors import SamplingError

N, SHARED = 7, np.array([1, 4, 6])


@dataclass(frozen=True)
class FakeModel:
    """Stands for a compiled model: a correlated Normal, or what a test makes of it."""

    mean: np.ndarray
    precision: np.ndarray
    offset: float = 0.0
    n_dim: int = N

    def with_data(self, guess):
        return self

    def initial_point_func(self, seed):
        return np.zeros(N)

    def __call__(self, point):
        away = point - self.mean
        return self.offset - away @ self.precision @ away / 2, -self.precision @ away


@pytest.fixture
def model(monkeypatch):
    """A density that is Normal in the shared coordinates, and standard Normal beside them."""
    rng = np.random.default_rng(1)
    factor = np.tril(rng.standard_normal((3, 3))) + 2 * np.eye(3)
    mean, precision = np.zeros(N), np.eye(N)
    mean[SHARED] = [3.0, -1.0, 0.5]
    precision[np.ix_(SHARED, SHARED)] = factor @ factor.T

    def information(model, points, positions, pool):
        return model.precision[np.ix_(positions, positions)]

    monkeypatch.setattr(approximation, "density_and_gradient", lambda model: model)
    monkeypatch.setattr(approximation, "mean_information", information)
    monkeypatch.setattr(approximation._Target, "_expected", lambda *_: np.array([0.5]))
    monkeypatch.setattr(approximation, "first_guess", lambda design: np.array([0.4]))
    return FakeModel(mean, precision)


def approximated(model, **settings):
    found = Compiled(model, SHARED, kept=[])
    return approximate(found, None, None, **{"seed": 1, "cores": 1, "start": None, **settings})


def test_a_normal_posterior_is_found_exactly(model):
    near = approximated(model)
    np.testing.assert_allclose(near.mean, model.mean[SHARED], atol=1e-4)
    covariance = np.linalg.inv(model.precision[np.ix_(SHARED, SHARED)])
    np.testing.assert_allclose(near.root @ near.root, covariance, atol=1e-8)
    assert near.guess == [0.5]


def test_a_seed_settles_it(model):
    one, same, other = (approximated(model, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.mean, same.mean)
    assert (one.mean != other.mean).any()


def test_a_start_nearby_takes_a_single_round(model, monkeypatch):
    near = approximated(model)
    improve, rounds = approximation._Target.improve, []

    def counted(self, *args):
        rounds.append(args)
        return improve(self, *args)

    monkeypatch.setattr(approximation._Target, "improve", counted)
    again = approximated(model, start=near)
    assert len(rounds) == 1
    np.testing.assert_allclose(again.mean, near.mean, atol=1e-4)
    assert rounds[0][0].guess == [0.4]  # that of the data at hand, not that of the start


def test_of_two_modes_the_one_of_more_mass_is_kept(model):
    """Modes at -3 and 3, the first less probable; some starts end in it, some in the other."""
    apart = model.mean.copy()
    apart[1] = -3.0

    class TwoModes(FakeModel):
        def __call__(self, point):
            if point[1] > 0:
                return super().__call__(point)
            return replace(model, mean=apart, offset=-1.0)(point)

    both = TwoModes(model.mean, model.precision)
    ends = [approximated(both, seed=seed).mean[0] for seed in range(8)]
    assert np.mean(np.array(ends) > 2.9) >= 0.8


def test_a_density_that_is_nowhere_finite_is_an_error(model):
    with pytest.raises(SamplingError) as caught:
        approximated(replace(model, offset=np.nan))
    assert str(caught.value) == (
        "The density of the model is not finite near the middle of its prior. Most often a prior "
        "puts mass where the likelihood is not defined. Look at model.prior_predictive(), then at "
        "the priors you changed."
    )
