"""Likelihoods: numpy's density is PyMC's, draws have the stated moments, edges are defined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import integrate, stats

from latentscale.errors import SpecError
from latentscale.likelihoods import likelihood_of, score_sd
from latentscale.spec import LIKELIHOODS

EXPECTED = np.array([0.02, 0.2, 0.5, 0.8, 0.97, 0.4, 0.6])
PRECISION = np.array([30.0, 80.0, 200.0, 500.0, 60.0, 15.0, 25.0])
TRIALS = np.array([20, 50, 100, 1000, 40, 12, 9])
SCORE = np.array([0.05, 0.18, 0.52, 0.79, 0.95, 0.0, 1.0])


def cells(score=SCORE, trials=TRIALS):
    successes = np.rint(score * trials).astype(int)
    return pd.DataFrame({"score": successes / trials, "successes": successes, "trials": trials})


def parameters(name):
    return {"precision": PRECISION} | ({"tail": np.array(4.0)} if name == "student_t" else {})


def data_of(frame):
    score = frame["score"].to_numpy()
    return {
        "score": score,
        "edge_of_obs": np.flatnonzero((score <= 0) | (score >= 1)),
        "successes": frame["successes"].to_numpy(),
        "trials": frame["trials"].to_numpy(),
    }


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_numpys_log_density_is_that_of_the_declared_variable(name):
    frame, likelihood = cells(), likelihood_of(name)
    with pm.Model(coords={"obs": range(len(frame))}) as model:
        likelihood.observe("score", EXPECTED, parameters(name), data_of(frame))
    declared = model.compile_logp(sum=False, mode="FAST_COMPILE")({})[0]
    ours = likelihood.log_density(frame, EXPECTED, parameters(name))
    # PyMC keeps some constants, such as the logarithm of 2 pi, in single precision.
    np.testing.assert_allclose(ours, declared, rtol=1e-7)
    assert model.named_vars_to_dims["score"] == ("obs",)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_densities_broadcast_over_draws(name):
    likelihood, frame = likelihood_of(name), cells()
    many = np.stack([EXPECTED, EXPECTED * 0.9, EXPECTED * 0.8])
    density = likelihood.log_density(frame, many, parameters(name))
    assert density.shape == (3, 7)
    for row, expected in zip(density, many, strict=True):
        alone = likelihood.log_density(frame, expected, parameters(name))
        np.testing.assert_allclose(row, alone)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_densities_are_finite_where_the_expectation_is_0_or_1(name):
    likelihood, frame = likelihood_of(name), cells()
    for edge in (0.0, 1.0):
        density = likelihood.log_density(frame, np.full(7, edge), parameters(name))
        assert not np.isnan(density).any()
        gradient, information = likelihood.curvature(frame, np.full(7, edge), parameters(name))
        assert np.isfinite(gradient).all()
        assert (information > 0).all()


@pytest.mark.parametrize("name", ["binomial", "beta_binomial"])
def test_densities_of_counts_sum_to_one(name):
    trials = np.full(41, 40)
    frame = cells(np.arange(41) / 40, trials)
    given = {"precision": np.full(41, 20.0)}
    density = likelihood_of(name).log_density(frame, np.full(41, 0.3), given)
    np.testing.assert_allclose(np.exp(density).sum(), 1.0)


@pytest.mark.parametrize("name", ["normal", "student_t"])
def test_a_censored_likelihood_has_mass_one(name):
    likelihood = likelihood_of(name)
    given = {"precision": np.array(20.0), "tail": np.array(3.5)}

    def density(score):
        frame = pd.DataFrame({"score": [score]})
        return float(np.exp(likelihood.log_density(frame, np.array([0.06]), given))[0])

    inside = integrate.quad(density, 1e-12, 1 - 1e-12)[0]
    assert density(0.0) > 0.05
    np.testing.assert_allclose(inside + density(0.0) + density(1.0), 1.0, atol=1e-7)


def test_the_beta_density_reads_exact_zeros_and_ones_as_half_an_item_of_a_thousand():
    likelihood, given = likelihood_of("beta"), {"precision": np.full(2, 50.0)}
    at_edge = pd.DataFrame({"score": [0.0, 1.0]})
    beside = pd.DataFrame({"score": [5e-4, 1 - 5e-4]})
    expected = np.array([0.1, 0.9])
    np.testing.assert_array_equal(
        likelihood.log_density(at_edge, expected, given),
        likelihood.log_density(beside, expected, given),
    )


MOMENTS = {
    "beta": lambda m, p, n: m * (1 - m) / (1 + p),
    "binomial": lambda m, p, n: m * (1 - m) / n,
    "beta_binomial": lambda m, p, n: stats.betabinom.var(n, m * p, (1 - m) * p) / n**2,
    "normal": lambda m, p, n: m * (1 - m) / (1 + p),
    "student_t": lambda m, p, n: m * (1 - m) / (1 + p) * 2,
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_draws_have_the_stated_mean_and_variance(name):
    rng = np.random.default_rng(1)
    mean, precision, trials = np.array([0.3, 0.5, 0.7]), np.array([400.0, 150.0, 250.0]), 60
    given = {"precision": precision, "tail": np.array(4.0)}
    drawn = likelihood_of(name).draw(
        rng, np.broadcast_to(mean, (100_000, 3)), given, np.full(3, trials)
    )
    assert drawn.shape == (100_000, 3)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    variance = MOMENTS[name](mean, precision, trials)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=5 * np.sqrt(variance.max() / 1e5))
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.06)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_draws_stay_in_the_unit_interval_at_the_edges(name):
    rng = np.random.default_rng(1)
    given = {"precision": np.array(5.0), "tail": np.array(3.0)}
    for edge in (0.0, 1.0, 0.02, 0.98):
        drawn = likelihood_of(name).draw(rng, np.full((2000, 1), edge), given, np.array([10]))
        assert ((drawn >= 0) & (drawn <= 1)).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_declared_variable_draws_as_numpy_does(name):
    """Prior predictive draws of the graph have the same distribution as ours."""
    likelihood, n = likelihood_of(name), 4000
    trials = np.full(n, 60)
    frame = cells(np.full(n, 0.1), trials)
    given = {"precision": np.full(n, 40.0)} | ({"tail": 4.0} if name == "student_t" else {})
    with pm.Model(coords={"obs": range(n)}) as model:
        likelihood.observe("score", np.full(n, 0.1), given, data_of(frame))
    theirs = pm.draw(model["score"], random_seed=1, mode="FAST_COMPILE")
    theirs = np.clip(theirs / 60 if likelihood.uses_counts else theirs, 0, 1)
    tail = {"tail": np.array(4.0)} if name == "student_t" else {}
    ours = likelihood.draw(
        np.random.default_rng(2), np.full(n, 0.1), {"precision": np.full(n, 40.0)} | tail, trials
    )
    assert stats.ks_2samp(theirs, ours).pvalue > 1e-3


def finite_difference(log_density, expected, step=1e-6):
    return (log_density(expected + step) - log_density(expected - step)) / (2 * step)


INSIDE = slice(0, 5)


def test_the_binomial_curvature_is_exact():
    likelihood, frame = likelihood_of("binomial"), cells()
    gradient, information = likelihood.curvature(frame, EXPECTED, {})
    numeric = finite_difference(lambda m: likelihood.log_density(frame, m, {}), EXPECTED)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(information, TRIALS / (EXPECTED * (1 - EXPECTED)))


def test_the_student_t_gradient_is_exact_at_a_fixed_scale():
    likelihood, frame, given = likelihood_of("student_t"), cells(), parameters("student_t")
    gradient, information = likelihood.curvature(frame, EXPECTED, given)
    sd = score_sd(EXPECTED, PRECISION)

    def log_density(m):
        return stats.t.logpdf(frame["score"].to_numpy(), 4.0, m, sd)

    np.testing.assert_allclose(gradient, finite_difference(log_density, EXPECTED), rtol=1e-4)
    # A step of it reaches the score, whatever its width.
    np.testing.assert_allclose(EXPECTED + gradient / information, frame["score"])
    at_itself = likelihood.curvature(frame, frame["score"].to_numpy(), given)[1]
    fisher = likelihood._information(frame["score"].to_numpy().clip(1e-6, 1 - 1e-6), given)
    np.testing.assert_allclose(at_itself, fisher * 7 / 4, rtol=1e-5)


def test_the_normal_gradient_is_exact_inside_at_a_fixed_scale():
    likelihood, frame, given = likelihood_of("normal"), cells(), parameters("normal")
    gradient, information = likelihood.curvature(frame, EXPECTED, given)
    sd = score_sd(EXPECTED, PRECISION)

    def log_density(m):
        return stats.norm.logpdf(frame["score"].to_numpy(), m, sd)

    numeric = finite_difference(log_density, EXPECTED)
    np.testing.assert_allclose(gradient[INSIDE], numeric[INSIDE], rtol=1e-4)
    np.testing.assert_allclose(information, 1 / sd**2)


@pytest.mark.parametrize("name", ["beta", "beta_binomial"])
def test_other_curvatures_are_those_of_a_normal_of_the_same_moments(name):
    likelihood, frame = likelihood_of(name), cells()
    gradient, information = likelihood.curvature(frame, EXPECTED, parameters(name))
    variance = MOMENTS[name](EXPECTED, PRECISION, TRIALS)
    np.testing.assert_allclose(information, 1 / variance)
    np.testing.assert_allclose(gradient, (frame["score"] - EXPECTED) / variance)


def test_a_score_far_out_pulls_little_under_student_t():
    likelihood = likelihood_of("student_t")
    given = {"precision": np.array(100.0), "tail": np.array(3.0)}
    scores = pd.DataFrame({"score": [0.55, 0.95]})
    gradient, information = likelihood.curvature(scores, np.full(2, 0.5), given)
    assert gradient[1] < gradient[0]
    assert information[1] < information[0] / 10


@pytest.mark.parametrize("name", ["binomial", "beta_binomial"])
def test_a_binomial_draw_without_items_is_explained(name):
    with pytest.raises(SpecError) as caught:
        likelihood_of(name).draw(np.random.default_rng(1), EXPECTED, parameters(name))
    assert str(caught.value) == (
        "A binomial score needs its number of items. Give the benchmarks frame a column n_items, "
        "or the scores their trials."
    )


def test_what_each_likelihood_needs():
    assert {name: likelihood_of(name).uses_counts for name in LIKELIHOODS} == {
        "beta": False, "normal": False, "student_t": False, "binomial": True, "beta_binomial": True,
    }  # fmt: skip
    assert [name for name in LIKELIHOODS if likelihood_of(name).has_tail] == ["student_t"]
