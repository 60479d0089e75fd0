"""Whether intervals hold: what is counted, and how it is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from latentscale import plots
from latentscale.calibration import calibration
from latentscale.errors import BacktestError
from latentscale.metrics import score_cells


def cells_of(spread, n=400, families=40, seed=1):
    """Scores of spread 0.1 as a model sees them that takes it to be ``spread``."""
    rng = np.random.default_rng(seed)
    score = 0.5 + 0.1 * rng.standard_normal(n)
    draws = 0.5 + spread * rng.standard_normal((800, n))
    labels = {
        "family": np.arange(n) % families,
        "benchmark": np.where(np.arange(n) < 100, "A", "B"),
    }
    return pd.DataFrame({**labels, "score": score}).astype({"family": str}).join(
        score_cells(draws, score)
    )  # fmt: skip


@pytest.mark.parametrize(("spread", "sign"), [(0.04, 1), (0.1, 0), (0.3, -1)])
def test_the_gap_says_which_way_intervals_are_wrong(spread, sign):
    found = calibration(cells_of(spread).assign(all="all"), "all")
    early = found.draws.sel(all="all").isel(at=20)
    assert early["grid"] == pytest.approx(0.2)
    lower, upper = early["outer"].to_numpy()
    assert [lower > 0, lower <= 0 <= upper, upper < 0] == [sign == 1, sign == 0, sign == -1]
    inner = early["inner"].to_numpy()
    assert lower < inner[0] < float(early["gap"]) < inner[1] < upper


def test_groups_come_in_order_with_their_coverage():
    cells = cells_of(0.1)
    found = calibration(cells.iloc[::-1], "benchmark")
    assert found.summary.index.tolist() == ["B", "A"] == found.draws["benchmark"].values.tolist()
    inside = (cells["score"] - 0.5).abs()[:100] < 0.1645
    assert found.summary.loc["A", "coverage90"] == pytest.approx(inside.mean(), abs=0.04)
    assert repr(found).startswith("Coverage by benchmark\n")


def test_whole_families_are_resampled():
    cells = cells_of(0.1)
    # All scores of a family are alike: forty of them say what four hundred would not.
    alike = cells.assign(pit=cells["family"].astype(int) / 40)
    apart = alike.assign(family=np.arange(len(cells)).astype(str))
    widths = [
        calibration(frame.assign(all="all"), "all").draws["outer"].diff("bound").max()
        for frame in (alike, apart)
    ]
    assert widths[0] > 2 * widths[1]


def test_few_families_say_nothing_of_others():
    cells = cells_of(0.1, families=4)
    found = calibration(cells)
    assert found.summary["families"].tolist() == [4, 4]
    assert found.draws[["inner", "outer"]].isnull().all().to_array().all()
    assert found.draws["gap"].notnull().all()
    targets = plots.calibration(found).viz["plot"].to_numpy()
    assert all("inside, 4 families" in target.texts[0].get_text() for target in targets)


def test_cells_without_ranks():
    with pytest.raises(BacktestError) as caught:
        calibration(pd.DataFrame({"family": ["a"], "suite": ["x"]}), "suit")
    assert str(caught.value) == (
        "The cells have no column 'suit' (nearest: 'suite'), 'pit'. Calibration is asked of "
        "cells like those of a Backtest, which have pit, family and the column to group by; these "
        "have 'family', 'suite'."
    )


def test_the_picture_names_every_group():
    pc = plots.calibration(cells_of(0.1), coords={"benchmark": "B"})
    [target] = plots.style.axes_of(pc).values()
    assert target.get_title(loc="left") == "B"
    assert [text.get_text() for text in target.texts] == ["93 % inside"]
    assert target.get_ylim()[0] == -target.get_ylim()[1]


def test_panels_reach_as_far_as_their_bands():
    pc = plots.calibration(cells_of(0.04))
    limits = {target.get_ylim() for target in plots.style.axes_of(pc).values()}
    [(low, high)] = limits
    assert low == -high
    assert 0.1 < high < 0.6
