"""The compiled density: as nutpie samples it, and as plain functions."""

from __future__ import annotations

import ctypes
import warnings
from concurrent.futures import ThreadPoolExecutor

import arviz as az
import numpy as np
import nutpie
import pytest
from graph_points import small
from uncompiled import UncompiledDensity, uncompile

import latentscale as ls
from latentscale.compiled_density import compile_density
from latentscale.coordinates import middle_of_prior
from latentscale.kernels import callbacks

pytestmark = pytest.mark.slow  # they compile the kernels, and sample


@pytest.fixture(scope="module")
def simulation():
    return small(skills=1)


@pytest.fixture(scope="module")
def density(simulation):
    return compile_density(simulation.model)


def somewhere(density, model, seed=1):
    """Give a point in the middle of nowhere."""
    at = 0.2 * np.random.default_rng(seed).standard_normal(density.size)
    at[: density.n_shared] += middle_of_prior(model.design, model.spec, model.priors)
    return at


def test_it_is_what_the_kernels_are_as_python(simulation, density, monkeypatch):
    at = somewhere(density, simulation.model)
    value, gradient = density.at(at)
    reported = density.report(at[None])
    uncompile(monkeypatch)
    python = UncompiledDensity(simulation.model)
    expected, expected_gradient = python.at(at)
    assert value == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-8, atol=1e-8)
    for name, values in python.report(at).items():
        np.testing.assert_allclose(reported[name][0], values, rtol=1e-8, err_msg=name)


def test_other_tables_and_priors_compile_nothing(simulation, density, monkeypatch):
    other = small(
        skills=1, benchmarks=5, n_families=3, random_seed=8, link="logistic", ceiling=False,
        priors={"precision": ls.Prior("Gamma", alpha=3, beta=0.01)},
    )  # fmt: skip
    found = compile_density(other.model)
    assert found.functions is density.functions
    at = somewhere(found, other.model)
    value, gradient = found.at(at)
    uncompile(monkeypatch)
    expected, expected_gradient = UncompiledDensity(other.model).at(at)
    assert value == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-8, atol=1e-8)


def test_other_processes_take_the_machine_code_from_disk(density):
    assert [part.cache_hits for part in callbacks._compile(1, "student_t").parts] == [1, 1]


def test_whitened_coordinates_follow_the_chain_rule(simulation, density):
    rng, n = np.random.default_rng(2), density.n_shared
    centre, root = somewhere(density, simulation.model)[:n], rng.standard_normal((n, n)) / 10
    root = np.tril(np.eye(n) / 5 + root)
    whitened = density.whitened(centre, root)
    y = rng.standard_normal(density.size) / 10
    x = y.copy()
    x[:n] = centre + root @ y[:n]
    value, gradient = density.at(x)
    expected = gradient.copy()
    expected[:n] = root.T @ gradient[:n]
    found, by_y = whitened.at(y)
    assert found == pytest.approx(value)
    np.testing.assert_allclose(by_y, expected, rtol=1e-8, atol=1e-8)
    ability = whitened.report(y[None])["ability"]
    np.testing.assert_allclose(ability, density.report(x[None])["ability"])


def test_a_density_that_is_not_finite_is_refused(simulation, density):
    at = somewhere(density, simulation.model)
    at[0] = np.nan
    value, _ = density.at(at)
    assert not np.isfinite(value)
    arguments = [np.ascontiguousarray(array) for array in (at, np.empty(density.size), np.empty(1))]
    directory = density.for_nutpie(None).user_data
    pointers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in arguments]
    function = density.functions.density.ctypes
    assert function(density.size, *pointers, directory.ctypes.data) != 0


def test_the_information_is_minus_the_mean_second_derivative(simulation, density):
    points = np.stack([somewhere(density, simulation.model, seed) for seed in range(3)])
    with ThreadPoolExecutor(2) as pool:
        found = density.information(points, pool)
    n = density.n_shared
    rows = np.zeros((n, n))
    for at in points:
        for row in range(n):
            step = np.zeros(density.size)
            step[row] = 1e-4
            difference = density.at(at + step)[1] - density.at(at - step)[1]
            rows[row] -= difference[:n] / 2e-4 / len(points)
    scale = np.abs(rows).max()
    np.testing.assert_allclose(found / scale, (rows + rows.T) / 2 / scale, atol=1e-3)


def test_the_posterior_is_that_of_the_plain_graph(simulation):
    """Nutpie samples the PyMC graph itself, at ten times the price."""
    model = simulation.model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ls.errors.ConvergenceWarning)
        found = model.fit(draws=1500, tune=300, random_seed=1, progressbar=False).posterior
    plain = nutpie.sample(
        nutpie.compile_pymc_model(model.to_pymc()), draws=1500, tune=1000, chains=4, seed=2,
        target_accept=0.9, progress_bar=False, save_warmup=False,
    )["posterior"].to_dataset()  # fmt: skip
    both = [what_varies(each, model.spec.anchors) for each in (found, plain)]
    for what in ("mean", "std"):
        method = {"mean": "mean", "std": "sd"}[what]
        error = sum(az.mcse(each, method=method) ** 2 for each in both) ** 0.5
        ours, theirs = (getattr(each, what)(("chain", "draw")) for each in both)
        gaps = np.abs(ours - theirs) / error
        worst = {name: float(gaps[name].max()) for name in gaps}
        assert max(worst.values()) < 5, (what, worst)


def what_varies(posterior, anchors):
    """Leave out what anchors have none of, and the floor of a benchmark without chance."""
    free = [name for name in posterior["benchmark"].to_numpy() if name not in anchors]
    of_free = {
        name: values.sel(benchmark=free).rename(benchmark="free")
        for name, values in posterior.items()
        if name.endswith("_deviation") or name in ("benchmark_slope", "benchmark_tuning")
    }
    return posterior.assign(of_free).drop_vars(["loading", "floor"])
