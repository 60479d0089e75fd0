"""Whitening changes the sampler's coordinates of a compiled model, and nothing else of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from latentscale.approximation import inverse_root
from latentscale.compiled_density import expand, gradient_of, mean_information
from latentscale.whitening import whiten

pytestmark = pytest.mark.slow  # they compile a model, and sample

N = 5


@pytest.fixture(scope="module")
def compiled():
    """A correlated Normal with some data, as nutpie compiles it."""
    import nutpie
    import pymc as pm

    rng = np.random.default_rng(1)
    with pm.Model(coords={"row": range(30), "column": range(N - 1)}) as model:
        x = pm.Data("x", rng.standard_normal((30, N - 1)) @ np.tri(N - 1), dims=("row", "column"))
        y = pm.Data("y", rng.standard_normal(30), dims="row")
        slope = pm.Normal("slope", 0, 1, dims="column")
        scale = pm.LogNormal("scale", 0, 1)
        pm.Deterministic("total", slope.sum())
        pm.Normal("seen", (x * slope).sum(axis=1), scale, observed=y, dims="row")
    return nutpie.compile_pymc_model(model)


def sampled(model):
    import nutpie

    tree = nutpie.sample(
        model, draws=400, tune=300, chains=2, seed=3, progress_bar=False, save_warmup=False
    )
    return tree["posterior"].to_dataset()


def test_an_identity_changes_no_draw(compiled):
    """Fails when nutpie changes what the composition relies on."""
    plain = sampled(compiled)
    positions = np.array([3, 0, 4])
    same = whiten(compiled, positions, np.zeros(3), np.eye(3), compiled.initial_point_func)
    whitened = sampled(same)
    for name in ("slope", "scale", "total"):
        np.testing.assert_allclose(whitened[name], plain[name], rtol=1e-6)


def test_the_gradient_follows_the_chain_rule(compiled):
    rng = np.random.default_rng(2)
    positions, centre = np.array([0, 2, 4]), rng.standard_normal(3)
    factor = rng.standard_normal((3, 3))
    whitened = whiten(compiled, positions, centre, factor, compiled.initial_point_func)
    y = rng.standard_normal(N) / 3
    x = y.copy()
    x[positions] = centre + factor @ y[positions]
    plain = gradient_of(compiled)(x)
    expected = plain.copy()
    expected[positions] = factor.T @ plain[positions]
    np.testing.assert_allclose(gradient_of(whitened)(y), expected, rtol=1e-10)


def test_the_posterior_stays_the_same(compiled):
    plain = sampled(compiled)
    positions = np.arange(N)
    with ThreadPoolExecutor(1) as pool:
        root = inverse_root(mean_information(compiled, np.zeros((1, N)), positions, pool))
    whitened = sampled(whiten(compiled, positions, np.zeros(N), root, lambda seed: np.zeros(N)))
    for name in ("slope", "scale", "total"):
        gap = (whitened[name].mean(("chain", "draw")) - plain[name].mean(("chain", "draw"))) / (
            plain[name].std(("chain", "draw"))
        )
        assert np.abs(gap).max() < 0.25


def test_the_information_is_minus_the_mean_second_derivative(compiled):
    rng = np.random.default_rng(4)
    points = rng.standard_normal((3, N)) / 3
    positions = np.array([1, 4])
    with ThreadPoolExecutor(2) as pool:
        found = mean_information(compiled, points, positions, pool)
    gradient = gradient_of(compiled)
    rows = np.zeros((2, 2))
    for point in points:
        for row, position in enumerate(positions):
            step = np.zeros(N)
            step[position] = 1e-3
            rows[row] -= (gradient(point + step) - gradient(point - step))[positions] / 2e-3 / 3
    np.testing.assert_allclose(found, (rows + rows.T) / 2, rtol=2e-3)


def test_variables_are_computed_at_points(compiled):
    points = np.random.default_rng(5).standard_normal((3, N))
    found = expand(compiled, points)
    np.testing.assert_allclose(found["slope"], points[:, : N - 1])
    np.testing.assert_allclose(found["scale"], np.exp(points[:, -1]))
    np.testing.assert_allclose(found["total"], points[:, : N - 1].sum(axis=1))


def test_the_inverse_root_is_bounded_where_nothing_is_known():
    root = inverse_root(np.diag([4.0, 0.0, -1.0]))
    np.testing.assert_allclose(root, np.diag([0.5, 2.0, 2.0]), atol=1e-12)
