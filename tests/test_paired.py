"""Two methods compared: the difference, and how sure it is, with families resampled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from latentscale.errors import BacktestError
from latentscale.metrics import score_cells
from latentscale.paired import paired_difference, paired_gain

N_FAMILIES, PER_FAMILY = 40, 6


def cells_of(off_by: np.ndarray, seed: int = 1) -> pd.DataFrame:
    """Make cells predicted too high by so much, dims (family, cell)."""
    score = np.full(off_by.size, 0.5)
    draws = score + off_by.ravel() + 0.01 * np.random.default_rng(seed).normal(
        size=(50, off_by.size)
    )  # fmt: skip
    family = np.repeat([f"f{n}" for n in range(len(off_by))], off_by.shape[1])
    labels = {"split": family, "llm": [f"llm {n}" for n in range(off_by.size)], "benchmark": "b"}
    return score_cells(draws, score).assign(family=family, score=score, **labels)


def test_what_makes_a_family_hard_for_both_cancels():
    hard = np.random.default_rng(2).uniform(0.05, 0.4, size=(N_FAMILIES, 1))
    hard = np.repeat(hard, PER_FAMILY, axis=1)
    found = paired_difference(cells_of(hard), cells_of(hard + 0.02, seed=3))
    assert found.index.tolist() == ["mae", "crps", "interval_score90"]
    row = found.loc["mae"]
    assert row["difference"] == pytest.approx(-2, abs=0.1)
    assert row["difference"] == pytest.approx(row["one"] - row["other"])
    assert -2.2 < row["lower"] < row["difference"] < row["upper"] < -1.8
    assert (row["n"], row["clusters"]) == (N_FAMILIES * PER_FAMILY, N_FAMILIES)


def test_the_interval_is_as_wide_as_families_make_it():
    """The mean of 40 family differences with sd s has a standard error of s / sqrt(40)."""
    rng = np.random.default_rng(4)
    shift = np.repeat(rng.normal(0.1, 0.03, size=(N_FAMILIES, 1)), PER_FAMILY, axis=1)
    base = np.full(shift.shape, 0.2)
    row = paired_difference(cells_of(base + shift), cells_of(base)).loc["mae"]
    expected = 2 * 1.96 * 100 * shift[:, 0].std() / np.sqrt(N_FAMILIES)
    assert row["upper"] - row["lower"] == pytest.approx(expected, rel=0.15)


def test_only_cells_that_both_predicted_count():
    one = cells_of(np.full((3, 2), 0.1))
    row = paired_difference(one, one.iloc[1:]).loc["crps"]
    assert (row["n"], row["difference"]) == (5, 0)


def test_any_column_of_labels_may_be_resampled():
    one, other = cells_of(np.full((3, 2), 0.1)), cells_of(np.full((3, 2), 0.2))
    by_llm = paired_difference(one, other, cluster="llm").loc["mae"]
    assert (by_llm["n"], by_llm["clusters"]) == (6, 6)
    with pytest.raises(BacktestError) as caught:
        paired_difference(one, other, cluster="famly")
    assert str(caught.value).startswith(
        "cluster= names 'famly' (nearest: 'family'), which is no column of the cells. Resample the "
        "values of one of 'mean', 'median', 'sd'"
    )


def test_nothing_is_said_of_chance_from_a_single_family():
    one = cells_of(np.full((2, 2), 0.1))
    with pytest.raises(BacktestError) as caught:
        paired_difference(one, one.iloc[:2])
    assert str(caught.value) == (
        "The two backtests have 2 cells in common, of 1 different values of family ('f0'). With "
        "fewer than two nothing can be said of chance. Compare backtests of the same splits."
    )


def test_a_gain_is_the_share_of_the_loss_that_is_gone():
    off = np.random.default_rng(5).uniform(0.1, 0.4, size=(N_FAMILIES, PER_FAMILY))
    found = paired_gain(cells_of(0.75 * off), cells_of(off))
    row = found.loc["mae"]
    assert row["gain"] == pytest.approx(1 - row["one"] / row["other"])
    assert row["gain"] == pytest.approx(0.25, abs=0.01)
    assert row["lower"] < row["gain"] < row["upper"] < row["lower"] + 0.02
    worse = paired_gain(cells_of(off), cells_of(0.75 * off)).loc["mae"]
    assert worse["gain"] == pytest.approx(1 - 4 / 3, abs=0.02)
