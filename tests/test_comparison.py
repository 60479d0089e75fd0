"""Models compared: the same cells for all, the best first, differences paired."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest
from rivals import MeanRival

import latentscale as ls
from latentscale.comparison import Comparison
from latentscale.errors import BacktestError


@dataclass(frozen=True)
class Picky(MeanRival):
    """Cannot predict one of the LLMs."""

    def predictable(self, llms):
        return llms[llms["llm"] != "facebook/opt-66b"]


@pytest.fixture(scope="module")
def table() -> ls.ScoreTable:
    families = ["pythia", "opt", "llama", "llama-2"]
    return ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"]).select(families=families)


@pytest.fixture(scope="module")
def splits(table) -> list[ls.splits.Splits]:
    return [ls.splits.leave_family_out(table, observed=1), ls.splits.hold_out_largest(table)]


@pytest.fixture(scope="module")
def found(table, splits, tmp_path_factory) -> Comparison:
    models = {
        "mean of all": Picky(),
        "family mean": ls.baselines.FamilyMean(table),
        "sibling": ls.baselines.NearestSibling(table),
    }
    return ls.compare(models, splits, folder=tmp_path_factory.mktemp("folds"), progressbar=False)


def test_all_models_are_judged_by_the_same_cells(found):
    counts = found.cells.groupby(["splits", "model"]).size().unstack()
    assert (counts.nunique(axis=1) == 1).all()
    assert "facebook/opt-66b" not in set(found.cells["llm"])
    whole = found.backtests["hold out the largest"]["sibling"].cells
    assert len(whole) > counts.loc["hold out the largest", "sibling"]


def test_the_best_model_of_each_splits_comes_first(found, splits):
    metrics = found.metrics()
    assert metrics.index.get_level_values("splits").unique().tolist() == [s.name for s in splits]
    for _, of_splits in metrics.groupby("splits"):
        assert of_splits["crps"].is_monotonic_increasing
    for (name, model), row in metrics.iterrows():
        cells = found.cells[(found.cells["splits"] == name) & (found.cells["model"] == model)]
        assert row["mae"] == pytest.approx(100 * (cells["median"] - cells["score"]).abs().mean())
    by_benchmark = found.metrics(by="benchmark")
    assert by_benchmark.index.names == ["splits", "benchmark", "model"]
    for by in (None, "model", ["splits", "model"]):
        pd.testing.assert_frame_equal(found.metrics(by), metrics)
    assert repr(found).splitlines()[0].split()[:3] == ["n", "mae", "crps"]


def test_differences_are_paired_with_the_best_or_with_one_that_is_named(found):
    to_best = found.differences()
    best = found.metrics().groupby("splits", sort=False).head(1).index
    for name, model in best:
        assert (to_best.loc[name]["to"] == model).all()
        assert model not in to_best.loc[name].index.get_level_values("model")
        crps = to_best.loc[name].xs("crps", level="metric")
        assert (crps["difference"] > 0).all()
        assert ((crps["lower"] < crps["difference"]) & (crps["difference"] < crps["upper"])).all()
    named = found.differences(to="sibling")
    assert set(named.index.get_level_values("model")) == {"mean of all", "family mean"}
    with pytest.raises(BacktestError) as caught:
        found.differences(to="siblin")
    assert str(caught.value) == (
        "to='siblin' (nearest: 'sibling') is none of the models that were compared: "
        "'mean of all', 'family mean', 'sibling'."
    )


def message_of(*args, **kwargs) -> str:
    with pytest.raises(BacktestError) as caught:
        ls.compare(*args, **kwargs)
    return str(caught.value)


def test_what_cannot_be_compared_is_an_error(splits):
    two = {"one": MeanRival(), "other": MeanRival()}
    assert message_of({"one": MeanRival()}, splits) == (
        "A comparison needs at least two models, and 1 was given. latentscale.backtest takes one."
    )
    assert message_of(two, splits, settings={"othr": {}}) == (
        "settings= names 'othr' (nearest: 'other'), which is none of the models: 'one', 'other'."
    )
    assert message_of(two, [splits[0], splits[0]]) == (
        "Two splits are called 'leave family out, 1 observed': give each splits once."
    )
    assert message_of(two, []) == "There are no splits: give each splits once."


def test_settings_are_those_of_the_model_that_they_name(splits, monkeypatch):
    seen = {}

    def fake(model, each, executor, **settings):
        seen[model.fails_on] = settings
        return "a backtest"

    monkeypatch.setattr("latentscale.comparison.backtest", fake)
    models = {"one": MeanRival(fails_on="1"), "other": MeanRival(fails_on="2")}
    ls.compare(models, splits[0], settings={"other": {"draws": 7}})
    assert "draws" not in seen["1"]
    assert seen["2"]["draws"] == 7


def test_a_backtest_compares_itself_with_another(found):
    of_splits = found.backtests["leave family out, 1 observed"]
    row = of_splits["sibling"].compare(of_splits["family mean"]).loc["mae"]
    assert isinstance(row, pd.Series)
    assert row["difference"] == pytest.approx(row["one"] - row["other"])


def test_the_relative_gain_by_benchmark_and_over_all():
    table = ls.load_leaderboard(benchmarks=["MMLU", "ARC-C"]).select(
        families=["opt", "pythia", "llama", "gemma"]
    )
    one, other = ls.baselines.NearestSibling(table), ls.baselines.FamilyMean(table)
    splits = ls.splits.leave_family_out(table, observed=1)
    found = ls.relative_gain(one, other, splits, progressbar=False)
    assert found.index.names == ["splits", "benchmark", "metric"]
    assert set(found.index.get_level_values("benchmark")) == {"all", "MMLU", "ARC-C"}
    of_splits = found.loc[splits.name]
    both = [ls.backtest(model, splits, progressbar=False).metrics() for model in (one, other)]
    mae = [float(frame["mae"].iloc[0]) for frame in both]
    row = of_splits.loc[("all", "mae")]
    assert [row["one"], row["other"]] == pytest.approx(mae)
    assert row["gain"] == pytest.approx(1 - mae[0] / mae[1])
    n = of_splits.xs("mae", level="metric")["n"]
    assert n["all"] == n["MMLU"] + n["ARC-C"]
