"""What is kept of a trace of nutpie, whole or interrupted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import nutpie
import pyarrow as pa
import pytest
from fake_fit import fake_fit
from graph_points import small

import latentscale as ls
from latentscale import sampling
from latentscale.compiled_density import compile_density
from latentscale.coordinates import Variable
from latentscale.errors import InterruptedWarning
from latentscale.kept_draws import lay_out

REPORTED = [Variable("slope", ("feature",), (2,)), Variable("tail", (), ())]
COORDS = {"feature": ["size", "tokens"]}


class Trace(NamedTuple):
    """Draws of chains of so many tuning and kept draws, as nutpie gives them."""

    chains: list[tuple[int, int]]

    def get_arrow_trace(self):
        drawn, stats = [], []
        for chain, (tuning, kept) in enumerate(self.chains):
            n = tuning + kept
            # The hundreds number the chain, the sign the kept ones.
            number = (100.0 * chain + np.arange(n) + 1) * np.where(np.arange(n) < tuning, -1, 1)
            slope = list(np.stack([number, number + 0.5], axis=1))
            drawn.append(
                pa.record_batch(
                    {
                        "slope": pa.array(slope, type=pa.large_list(pa.float64())),
                        "tail": pa.array(number),
                    }
                )
            )
            stats.append(
                pa.record_batch(
                    {
                        "chain": pa.array([chain] * n, type=pa.uint64()),
                        "draw": pa.array(range(n), type=pa.uint64()),
                        "tuning": pa.array(np.arange(n) < tuning),
                        "energy": pa.array(number),
                        "gradient": pa.array([None] * n, type=pa.large_list(pa.float64())),
                        "divergence_message": pa.array([None] * n, type=pa.string()),
                    }
                )
            )
        return drawn, stats


def test_kept_draws_are_laid_out_by_chain():
    tree = lay_out(Trace([(3, 2), (2, 2)]), REPORTED, COORDS)
    posterior, stats = tree["posterior"], tree["sample_stats"]
    assert posterior["slope"].dims == ("chain", "draw", "feature")
    assert posterior["feature"].to_numpy().tolist() == ["size", "tokens"]
    kept = [[4.0, 5.0], [103.0, 104.0]]
    np.testing.assert_array_equal(posterior["slope"].sel(feature="size"), kept)
    np.testing.assert_array_equal(posterior["slope"].sel(feature="tokens"), np.add(kept, 0.5))
    np.testing.assert_array_equal(posterior["tail"], kept)
    np.testing.assert_array_equal(stats["energy"], kept)
    assert set(stats.data_vars) == {"energy", "divergence_message"}
    assert (stats["divergence_message"].to_numpy() == None).all()  # noqa: E711


@pytest.mark.parametrize(
    ("chains", "kept"),
    [
        ([(3, 9), (3, 9), (3, 2), (1, 0)], (2, 9)),
        ([(3, 9), (3, 9), (3, 7), (1, 0)], (3, 7)),
        ([(3, 1), (3, 9), (3, 9), (3, 9)], (3, 9)),
        ([(3, 4), (2, 0), (0, 0), (0, 0)], (1, 4)),
    ],
)
def test_an_interrupted_trace_keeps_the_most_draws(chains, kept):
    posterior = lay_out(Trace(chains), REPORTED, COORDS)["posterior"]
    assert (posterior.sizes["chain"], posterior.sizes["draw"]) == kept
    assert (posterior["tail"] > 0).all()
    assert (np.diff(posterior["tail"][:, 0]) > 0).all()  # chains stay in order


def test_a_trace_without_a_kept_draw_has_no_groups():
    assert not lay_out(Trace([(3, 0), (2, 0)]), REPORTED, COORDS).children


@pytest.fixture
def interrupted(monkeypatch):
    """Let a sampler be interrupted after 20 draws of a chain."""
    monkeypatch.setattr(ls.ScalingModel, "_drawn", lambda *_, **__: fake_fit(draws=20))


@pytest.mark.filterwarnings("ignore::latentscale.errors.ConvergenceWarning")
def test_an_interrupted_fit_has_what_was_drawn(interrupted):
    model = ls.ScalingModel(ls.load_leaderboard())
    with pytest.warns(InterruptedWarning) as caught:
        fit = model.fit(draws=2000)
    assert fit.posterior.sizes["draw"] == 20
    [message] = [str(each.message) for each in caught if each.category is InterruptedWarning]
    assert message == (
        "Sampling was interrupted: the fit holds 2 chains of 20 draws, not 4 chains of 2,000 "
        "draws. Fit again for all of them."
    )


def test_an_interrupted_refit_is_none(interrupted):
    """Else an interrupted fold would pass for a finished one."""
    with pytest.raises(KeyboardInterrupt):
        ls.ScalingModel(ls.load_leaderboard()).refit(draws=300)


def test_an_interrupt_before_the_first_draw_stops_a_fit(monkeypatch):
    nothing = lay_out(Trace([(3, 0)]), REPORTED, COORDS)
    monkeypatch.setattr(sampling, "_with_nutpie", lambda *_, **__: nothing)
    with pytest.raises(KeyboardInterrupt):
        ls.ScalingModel(ls.load_leaderboard()).fit()


@pytest.mark.slow
def test_they_are_those_of_nutpie():
    density = compile_density(small(skills=1).model)
    compiled = density.for_nutpie(sampling._Corner(density.size))
    settings = {"draws": 20, "tune": 30, "chains": 3, "seed": 1, "progress_bar": False}
    theirs = nutpie.sample(compiled, save_warmup=False, **settings)
    trace = nutpie.sample(compiled, return_raw_trace=True, **settings)
    ours = lay_out(trace, density.reported, density.coords)
    assert ours["posterior"].to_dataset().equals(theirs["posterior"].to_dataset())
    for name in ("energy", "diverging", "n_steps", "depth", "step_size", "divergence_message"):
        assert ours["sample_stats"][name].equals(theirs["sample_stats"][name]), name
    for name in ("inference_library", "inference_library_version"):
        assert ours["sample_stats"].attrs[name] == theirs["sample_stats"].attrs[name]
