"""The Normal approximation that the sampler starts from, on densities whose answer is known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from graph_points import FEATURES, small

from latentscale import approximation
from latentscale.approximation import Approximation, approximate, inverse_root, points_for
from latentscale.compiled_density import compile_density
from latentscale.errors import SamplingError
from latentscale.priors import Prior

N, SHARED = 7, 3


@dataclass(frozen=True)
class FakeDensity:
    """Stands for a compiled density: a correlated Normal, or what a test makes of it."""

    mean: np.ndarray
    precision: np.ndarray
    offset: float = 0.0
    size: int = N
    n_shared: int = SHARED

    def about(self, guess, at_floor):
        return self

    def at(self, point):
        away = point - self.mean
        return self.offset - away @ self.precision @ away / 2, -self.precision @ away

    def information(self, points, pool):
        return self.precision[:SHARED, :SHARED]


@dataclass(frozen=True)
class FakeModel:
    """Stands for a model: what is asked of it is exchanged."""

    design: None = None
    spec: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(shrunk=()))
    priors: None = None


@pytest.fixture
def density(monkeypatch):
    """A density that is Normal in the shared coordinates, and standard Normal beside them."""
    rng = np.random.default_rng(1)
    factor = np.tril(rng.standard_normal((3, 3))) + 2 * np.eye(3)
    mean, precision = np.zeros(N), np.eye(N)
    mean[:SHARED] = [3.0, -1.0, 0.5]
    precision[:SHARED, :SHARED] = factor @ factor.T
    monkeypatch.setattr(approximation._Target, "_expected", lambda *_: np.array([0.5]))
    monkeypatch.setattr(approximation._Target, "_at_floor", lambda *_: np.array([0.1]))
    monkeypatch.setattr(approximation, "first_guess", lambda design: np.array([0.4]))
    monkeypatch.setattr(approximation, "middle_of_prior", lambda *_: np.zeros(SHARED))
    return FakeDensity(mean, precision)


def approximated(density, **settings):
    return approximate(FakeModel(), density, **{"seed": 1, "cores": 1, **settings})


def test_a_normal_posterior_is_found_exactly(density):
    near = approximated(density)
    np.testing.assert_allclose(near.mean, density.mean[:SHARED], atol=1e-4)
    covariance = np.linalg.inv(density.precision[:SHARED, :SHARED])
    np.testing.assert_allclose(near.root @ near.root, covariance, atol=1e-8)
    assert near.guess == [0.5]
    assert near.at_floor == [0.1]


def test_a_seed_settles_it(density):
    one, same, other = (approximated(density, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.mean, same.mean)
    assert (one.mean != other.mean).any()


def test_a_start_nearby_takes_a_single_round(density, monkeypatch):
    near = approximated(density)
    improve, rounds = approximation._Target.improve, []

    def counted(self, *args):
        rounds.append(args)
        return improve(self, *args)

    monkeypatch.setattr(approximation._Target, "improve", counted)
    again = approximated(density, start=near)
    assert len(rounds) == 1
    np.testing.assert_allclose(again.mean, near.mean, atol=1e-4)
    assert rounds[0][0].guess == [0.4]  # that of the data at hand, not that of the start
    assert rounds[0][0].at_floor == [0.1]


def test_of_two_modes_the_one_of_more_mass_is_kept(density):
    """Modes at -3 and 3, the first less probable; some starts end in it, some in the other."""
    apart = density.mean.copy()
    apart[0] = -3.0

    class TwoModes(FakeDensity):
        def at(self, point):
            if point[0] > 0:
                return super().at(point)
            return replace(density, mean=apart, offset=-1.0).at(point)

    both = TwoModes(density.mean, density.precision)
    ends = [approximated(both, seed=seed).mean[0] for seed in range(16)]
    assert np.mean(np.array(ends) > 2.9) >= 0.7  # of single starts, about half


def test_the_divergence_of_an_exact_approximation_is_minus_the_log_mass(density):
    """Of two modes the higher may have less, if it is narrower: 5 times in two directions."""
    precision = density.precision.copy()
    precision[:2] *= 5
    precision[:, :2] *= 5
    high = replace(density, precision=precision, offset=1.0)
    noise = np.random.default_rng(1).standard_normal((64, N))
    divergence, log_mass = [], []
    with ThreadPoolExecutor(1) as pool:
        for each in (density, high):
            shared = each.precision[:SHARED, :SHARED]
            exact = Approximation(
                each.mean[:SHARED], inverse_root(shared, 0.0), np.zeros(1), np.zeros(1)
            )
            divergence.append(
                approximation._Target(each, FakeModel(), pool).improve(exact, noise)[0]
            )
            log_mass.append(each.offset - np.linalg.slogdet(shared)[1] / 2)
    assert log_mass[0] > log_mass[1]
    assert divergence[1] - divergence[0] == pytest.approx(log_mass[0] - log_mass[1], rel=1e-6)


def test_a_start_where_the_density_is_not_finite_loses(density, monkeypatch):
    explore, starts = approximation._Target.explore, []

    def fails_at_first(self, rng):
        starts.append(rng)
        if len(starts) == 1:
            raise SamplingError("not here")
        return explore(self, rng)

    monkeypatch.setattr(approximation._Target, "explore", fails_at_first)
    near = approximated(density)
    assert len(starts) > 1
    np.testing.assert_allclose(near.mean, density.mean[:SHARED], atol=1e-4)


def test_a_density_that_is_nowhere_finite_is_an_error(density):
    with pytest.raises(SamplingError) as caught:
        approximated(replace(density, offset=np.nan))
    assert str(caught.value) == (
        "The density of the model is not finite near the middle of its prior. Most often a prior "
        "puts mass where the likelihood is not defined. Look at model.prior_predictive(), then at "
        "the priors you changed."
    )


def test_the_inverse_root_is_bounded_where_nothing_is_known():
    root = inverse_root(np.diag([4.0, 0.0, -1.0]))
    np.testing.assert_allclose(root, np.diag([0.5, 2.0, 2.0]), atol=1e-12)


@pytest.mark.parametrize(("n_obs", "n"), [(100, 16), (2_500, 16), (3_000, 12), (90_000, 4)])
def test_the_more_scores_the_fewer_points(n_obs, n):
    assert points_for(n_obs) == n


def test_slopes_of_one_sign_are_sampled_without_a_guess():
    """About a guess, others than the prior's could be reached, and some of its own could not."""
    priors = {"feature_slope": Prior("HalfNormal", sigma=1)}
    settings = {"skills": 1, "likelihood": "normal", "deviations": False, "n_families": 5}
    model = small(features="log(params_b) + code_pct", priors=priors, **settings).model
    assert model.spec.shrunk
    near = approximate(model, compile_density(model), cores=2)
    assert near.slopes is None


def test_where_slopes_are_shrunk_coordinates_follow_what_scores_say_of_them():
    model = small(skills=1, likelihood="normal", features=FEATURES, n_families=6).model
    density, design = compile_density(model), model.design
    near = approximate(model, density, cores=2)
    follows = np.isin(np.arange(len(design.encoding.names)), design.guessed)
    assert not follows[design.encoding.is_step].any()
    assert (near.slopes.information[follows] > 0).any()
    assert not near.slopes.information[~follows].any()
    assert not near.slopes.pull[~follows].any()
    found = approximate(model, density, cores=2, start=near)
    assert found.slopes is near.slopes

    point = np.zeros(density.size)
    point[: density.n_shared] = near.mean
    same = density.about(near.guess, near.at_floor).with_slopes(near.slopes).report(point[None])
    [slope] = near.coordinates(density).report(point[None])["feature_slope"]
    np.testing.assert_array_equal(slope, same["feature_slope"][0])
