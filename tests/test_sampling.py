"""Where chains start, and that a seed settles all."""

from __future__ import annotations

import warnings

import numpy as np
import nutpie
import pytest
import xarray as xr

import latentscale as ls
from latentscale import sampling
from latentscale.errors import ConvergenceWarning
from latentscale.sampling import _near_ends, _Start, of_main_mode


def pilot(*means):
    """Give the draws of chains whose log densities have a standard deviation of 30."""
    noise = np.random.default_rng(1).standard_normal((len(means), 50))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, keepdims=True)
    logp = np.array(means)[:, None] + 30.0 * noise
    groups = {
        "posterior": {
            "skill": (("chain", "draw"), np.zeros(logp.shape) + np.array(means)[:, None])
        },
        "sample_stats": {"logp": (("chain", "draw"), logp)},
    }
    return xr.DataTree.from_dict({name: xr.Dataset(values) for name, values in groups.items()})


@pytest.mark.parametrize(
    ("means", "kept"),
    [
        ((-139.0, -148.0, -239.0, -152.0), [0, 1, 3]),
        ((-200.0, -118.0, -201.0, -199.0), [1]),
        ((-100.0, -125.0, -110.0, -129.0), [0, 1, 2, 3]),
        ((-100.0,), [0]),
    ],
    ids=["one is lost", "one has found it", "all are about equal", "a single chain"],
)
def test_chains_far_below_the_best_are_left_out(means, kept):
    found = of_main_mode(pilot(*means))
    assert found["posterior"]["skill"][:, 0].to_numpy().tolist() == [means[k] for k in kept]
    assert found["sample_stats"].sizes["chain"] == len(kept)


def test_chains_start_near_a_point_picked_by_their_seed():
    points = np.array([[0.0, 0.0, 5.0], [10.0, 10.0, 15.0]])
    starts = np.array([_Start(points, np.array([0.1, 0.0, 0.1]))(seed) for seed in range(40)])
    np.testing.assert_array_equal(starts[3], _Start(points, np.array([0.1, 0.0, 0.1]))(3))
    picked = starts[:, 1] / 10
    assert set(picked) == {0.0, 1.0}
    gaps = starts - points[picked.astype(int)]
    assert (gaps[:, 1] == 0).all()
    assert 0.05 < gaps[:, [0, 2]].std() < 0.2


def test_after_the_first_pilot_only_shared_parameters_start_where_it_ended():
    ends = np.array([[1.0, 2.0, 3.0, 4.0]])
    starts = np.array([_near_ends(ends, np.array([1, 3]))(seed) for seed in range(40)])
    assert (starts[:, [1, 3]] == [2.0, 4.0]).all()
    assert np.abs(starts[:, [0, 2]]).max() < 1.0
    assert len(np.unique(starts[:, 0])) == 40


@pytest.mark.slow
def test_the_same_seed_gives_the_same_draws(monkeypatch):
    for pilot in (sampling._FIRST_PILOT, sampling._SECOND_PILOT):  # it is not about where they end
        monkeypatch.setitem(pilot, "tune", 30)
        monkeypatch.setitem(pilot, "draws", 20)
    compiled, compile_model = [], nutpie.compile_pymc_model

    def compile_once(*args, **settings):
        """Compile for the first fit only: the graph is the same, and it takes most of the time."""
        if not compiled:
            compiled.append(compile_model(*args, **settings))
        return compiled[0]

    monkeypatch.setattr(nutpie, "compile_pymc_model", compile_once)
    table = ls.load_leaderboard(benchmarks=["MMLU", "ARC-C", "HellaSwag", "Winogrande", "GSM8K"])
    small = table.select(families=["pythia", "llama", "opt"])
    # Two skills as in the other tests that sample: what they compiled is found again.
    model = ls.ScalingModel(small, skills=2)

    def ceiling() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            run = model.fit(draws=20, tune=20, random_seed=7, progressbar=False)
        return run.posterior["ceiling"].to_numpy()

    np.testing.assert_array_equal(ceiling(), ceiling())
