"""The benchmarks compare like with like, and count right."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from graph_points import small, total_log_density

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from direct import direct_model
from speed import largest_gap, report


@pytest.mark.parametrize("likelihood", ["normal", "beta"])
def test_the_direct_transcription_is_the_same_model(likelihood):
    simulation = small(skills=2, likelihood=likelihood)
    direct, graph = direct_model(simulation.model), simulation.model.to_pymc()
    names = {rv.name for rv in graph.free_RVs}
    assert {rv.name for rv in direct.free_RVs} == names
    expected = total_log_density(graph, simulation.sampled)
    assert total_log_density(direct, simulation.sampled) == pytest.approx(expected, rel=1e-9)


def figures(mean, sample_s, worst_ess):
    return {
        "compile_s": 10.0, "sample_s": sample_s, "worst_ess": worst_ess, "median_ess": 900.0,
        "worst_r_hat": 1.01, "gradients_per_draw": 31.0, "us_per_gradient": 400.0,
        "peak_mb": 900.0, "mean": {"a": [mean, 0.0]}, "sd": {"a": [1.0, 0.0]},
        "ess": {"a": [200.0, np.nan]}, "error_of_mean": {"a": [0.1, np.nan]},
        "error_of_sd": {"a": [0.2, np.nan]},
    }  # fmt: skip


def test_the_report_gives_ratios_to_the_direct_transcription():
    of = {"package": figures(0.0, 50.0, 400.0), "direct": figures(0.3, 100.0, 100.0)}
    assert largest_gap(of["direct"], of["package"], "mean") == pytest.approx(3 / 2**0.5)
    assert largest_gap(of["direct"], of["package"], "sd") == 0
    header, package, direct = report(of).splitlines()
    assert header.split()[:4] == ["compile", "s", "sample", "s"]
    assert package.split()[:5] == ["package", "10", "50", "8", "8"]
    assert direct.split()[:5] == ["direct", "10", "100", "1", "1"]
    assert direct.split()[-2:] == ["2.12", "0"]
