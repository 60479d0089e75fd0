"""Metrics against what is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from latentscale.errors import BacktestError
from latentscale.metrics import score_cells, summarise_cells


def test_the_crps_is_that_of_a_normal():
    """CRPS of Normal(0, 1) at z: z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)."""
    z = np.array([-1.5, 0.0, 2.0])
    draws = norm.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None] + np.zeros(3)
    expected = z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(score_cells(draws, z)["crps"], expected, atol=2e-4)


def test_the_crps_of_few_draws_is_unbiased():
    rng = np.random.default_rng(1)
    few = score_cells(rng.standard_normal((4, 40_000)), np.zeros(40_000))["crps"].mean()
    assert few == pytest.approx(2 * norm.pdf(0) - 1 / np.sqrt(np.pi), abs=0.01)


def test_intervals_and_pit_are_those_of_the_draws():
    draws = np.linspace(0, 1, 101)[:, None]
    [row] = score_cells(draws, np.array([0.25])).to_dict("records")
    assert (row["lower50"], row["upper50"]) == (pytest.approx(0.25), pytest.approx(0.75))
    assert (row["lower90"], row["upper90"]) == (pytest.approx(0.05), pytest.approx(0.95))
    assert row["median"] == pytest.approx(0.5)
    assert row["mean"] == pytest.approx(0.5)
    assert row["pit"] == pytest.approx(25.5 / 101)


def test_a_draw_that_equals_the_score_counts_half():
    assert score_cells(np.zeros((10, 1)), np.zeros(1))["pit"].tolist() == [0.5]


@pytest.fixture
def cells() -> pd.DataFrame:
    draws = np.linspace(0, 1, 101)[:, None] + np.zeros(4)
    score = np.array([0.5, 0.9, 0.98, 0.4])
    frame = score_cells(draws, score)
    return frame.assign(score=score, benchmark=["a", "a", "b", "b"])


def test_cells_are_averaged_in_points(cells):
    [row] = summarise_cells(cells).to_dict("records")
    assert row["n"] == 4
    assert row["mae"] == pytest.approx(100 * np.mean([0, 0.4, 0.48, 0.1]))
    assert row["coverage50"] == 0.5
    assert row["coverage90"] == 0.75
    assert row["width90"] == pytest.approx(90)
    assert row["interval_score90"] == pytest.approx(90 + 100 * 20 * 0.03 / 4)


def test_cells_are_averaged_by_group(cells):
    grouped = summarise_cells(cells, "benchmark")
    assert grouped["n"].to_dict() == {"a": 2, "b": 2}
    assert grouped["mae"].to_dict() == pytest.approx({"a": 20.0, "b": 29.0})


def test_ranks_are_compared_within_benchmarks():
    median = np.array([0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.5])
    score = np.array([0.4, 0.5, 0.6, 0.1, 0.2, 0.3, 0.5])
    frame = score_cells(np.zeros((5, 7)), score).assign(
        median=median, score=score, benchmark=["a"] * 3 + ["b"] * 3 + ["c"], llm=list("xyzxyzx")
    )
    by_benchmark = summarise_cells(frame, "benchmark")["rank_correlation"]
    assert by_benchmark["a"] == pytest.approx(1)
    assert by_benchmark["b"] == pytest.approx(-1)
    assert np.isnan(by_benchmark["c"])
    assert summarise_cells(frame)["rank_correlation"].item() == pytest.approx(0)
    assert summarise_cells(frame, "llm")["rank_correlation"].isna().all()


def test_an_unknown_column_to_group_by_is_an_error(cells):
    with pytest.raises(BacktestError) as caught:
        summarise_cells(cells[["score", "benchmark"]], "benchmrk")
    assert str(caught.value) == (
        "by= names 'benchmrk' (nearest: 'benchmark'), which is no column of the cells. Group "
        "by some of 'score', 'benchmark'."
    )
