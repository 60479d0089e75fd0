"""Where chains start, and that a seed settles all."""

from __future__ import annotations

import warnings

import numpy as np
import pymc as pm
import pytest

import latentscale as ls
from latentscale import sampling
from latentscale.errors import ConvergenceWarning, SamplingError
from latentscale.sampling import _Corner


def test_chains_start_a_standard_deviation_off_on_either_side_by_their_seed():
    starts = np.array([_Corner(50)(seed) for seed in range(40)])
    np.testing.assert_array_equal(starts[3], _Corner(50)(3))
    np.testing.assert_array_equal(np.abs(starts), 1.0)
    assert abs(starts.mean(axis=0)).max() < 0.7


def small_model(**settings) -> ls.ScalingModel:
    table = ls.load_leaderboard(benchmarks=["MMLU", "ARC-C", "HellaSwag", "Winogrande", "GSM8K"])
    return ls.ScalingModel(table.select(families=["pythia", "llama", "opt"]), **settings)


@pytest.mark.parametrize(
    ("asked", "taken"), [({}, 300), ({"sampler": "pymc"}, 1000), ({"tune": 7}, 7)]
)
def test_chains_that_an_approximation_scales_are_tuned_for_less_long(monkeypatch, asked, taken):
    class Asked(Exception):
        pass

    def stop(model, **settings):
        raise Asked(settings["tune"])

    monkeypatch.setattr(sampling, "_with_nutpie", stop)
    monkeypatch.setattr(sampling, "_with_pymc", stop)
    with pytest.raises(Asked, match=f"^{taken}$"):
        small_model(skills=1).fit(**asked)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"target_accept": 1.0},
            "target_accept=1.0 must be between 0 and 1: the rate of acceptance that steps are "
            "tuned to, such as 0.8, or 0.95 for smaller steps.",
        ),
        ({"cores": 0}, "cores=0 must be a whole number of at least 1."),
        ({"tune": 0}, "tune=0 must be a whole number of at least 1."),
    ],
)
def test_settings_are_checked_before_anything_is_compiled(settings, message):
    with pytest.raises(SamplingError) as caught:
        small_model(skills=1).fit(**settings)
    assert str(caught.value) == message


@pytest.mark.parametrize("error", [pm.exceptions.SamplingError("no start"), ValueError("no start")])
def test_what_other_samplers_raise_is_told(monkeypatch, error):
    def fail(**settings):
        raise error

    monkeypatch.setattr(pm, "sample", fail)
    with pytest.raises(SamplingError, match=r"^The sampler stopped: no start\. .*prior_predictive"):
        small_model(skills=1).fit(sampler="pymc")


@pytest.mark.slow
def test_pymc_samples_the_same_posterior():
    model, runs = small_model(skills=1, link="logistic"), {}
    # In plain coordinates chains stick, if steps are not short.
    settings = {
        "nutpie": {"draws": 1000, "tune": 300, "chains": 4},
        "pymc": {"draws": 400, "tune": 600, "chains": 2, "target_accept": 0.95},
    }
    for sampler, asked in settings.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fit = model.fit(**asked, random_seed=1, progressbar=False, sampler=sampler)
        runs[sampler] = fit
    one, other = (fit.posterior for fit in runs.values())
    assert set(one) == set(other)
    for name in ("ability", "difficulty", "loading"):
        gap = abs(one[name].mean(("chain", "draw")) - other[name].mean(("chain", "draw")))
        assert float((gap / (one[name].std(("chain", "draw")) + 1e-9)).max()) < 0.6, name
    assert len(runs["pymc"].predict(model.table.llms.head(1)[["llm"]]).summary) == 5


@pytest.mark.slow
def test_a_seed_settles_all():
    model = small_model(skills=1)

    def ceiling(seed) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            run = model.fit(draws=20, tune=20, random_seed=seed, progressbar=False)
        return run.posterior["ceiling"].to_numpy()

    first = ceiling(7)
    np.testing.assert_array_equal(ceiling(7), first)
    assert (ceiling(8) != first).any()
