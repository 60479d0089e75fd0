"""Where chains start, and that a seed settles all."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import latentscale as ls
from latentscale import sampling
from latentscale.errors import ConvergenceWarning
from latentscale.sampling import _StandardNormal


def test_chains_start_at_standard_normal_points_by_their_seed():
    starts = np.array([_StandardNormal(50)(seed) for seed in range(40)])
    np.testing.assert_array_equal(starts[3], _StandardNormal(50)(3))
    assert abs(starts.mean()) < 0.1
    assert 0.9 < starts.std() < 1.1


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
