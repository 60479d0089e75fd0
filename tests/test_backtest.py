"""Backtests: what is predicted, what is kept on disk, and what becomes of lost workers."""

from __future__ import annotations

import linecache
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from rivals import ChainedRival, CountingRival, DyingRival, MeanRival, PickyRival

import latentscale as ls
from latentscale import backtesting as module
from latentscale.calibration import calibration
from latentscale.errors import BacktestError, FeatureError


@pytest.fixture(scope="module")
def table() -> ls.ScoreTable:
    names = ["HellaSwag", "MMLU", "ARC-C"]
    families = ["pythia", "opt", "llama", "llama-2", "gpt-2"]
    return ls.load_leaderboard(benchmarks=names).select(families=families)


@pytest.fixture(scope="module")
def splits(table) -> ls.splits.Splits:
    known = table.select(families=["pythia", "opt", "llama", "llama-2"])
    return ls.splits.leave_family_out(known)


def run(splits, folder, rival=None, executor=None, **settings):
    settings = {"folder": folder, "progressbar": False, **settings}
    return ls.backtest(rival or MeanRival(), splits, executor, **settings)


def test_every_hidden_score_is_predicted_without_having_been_seen(splits, tmp_path):
    found = run(splits, tmp_path)
    cells = found.cells.set_index(["split", "llm", "benchmark"])
    hidden = pd.concat([fold.hidden.assign(split=fold.name) for fold in splits])
    hidden = hidden.set_index(["split", "llm", "benchmark"])
    pd.testing.assert_series_equal(
        cells["score"].sort_index(), hidden["score"].sort_index(), check_index_type=False
    )
    for fold in splits:
        known = fold.known.scores
        mean = known[known["benchmark"] == "MMLU"]["score"].mean()
        predicted = cells.loc[fold.name].xs("MMLU", level="benchmark")["mean"]
        np.testing.assert_allclose(predicted, mean, atol=0.03)
    assert len(found.left_out) == 0


def test_a_seed_settles_it_whatever_the_order(splits, tmp_path):
    one = run(splits, tmp_path / "a")
    with ThreadPoolExecutor(1) as pool:
        other = run(splits, tmp_path / "b", executor=pool)
    pd.testing.assert_frame_equal(one.cells, other.cells)
    third = run(splits, tmp_path / "a", random_seed=2)
    assert (third.cells["mean"] != one.cells["mean"]).any()


def test_folds_run_in_processes_too(splits, tmp_path):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        apart = run(splits[:2], tmp_path / "a", executor=pool)
    pd.testing.assert_frame_equal(apart.cells, run(splits[:2], tmp_path / "b").cells)


def test_llms_of_unknown_features_are_told_apart(table, tmp_path):
    llms = table.llms.assign(params_b=table.llms["params_b"].where(table.llms["family"] != "gpt-2"))
    unsized = ls.ScoreTable.from_long(table.scores, llms, missing="keep")
    splits = ls.splits.leave_family_out(unsized)
    found = run(splits, tmp_path)
    assert found.left_out["split"].unique().tolist() == ["gpt-2"]
    assert len(found.folds) == len(splits) - 1
    n = len(found.left_out)
    assert f"4 folds, {len(found.cells)} hidden scores, {n} more not predicted" in repr(found)
    only = ls.splits.Splits("gpt-2 alone", tuple(f for f in splits if f.name == "gpt-2"))
    with pytest.raises(BacktestError) as caught:
        run(only, tmp_path)
    assert str(caught.value) == (
        f"None of the hidden LLMs of gpt-2 alone: 1 fold, {n} hidden scores can be predicted: "
        "features that the model needs are unknown for all of them. Fill them in, or use a model "
        "without them."
    )


def test_finished_folds_are_found_again(splits, tmp_path, monkeypatch):
    failing = splits[1].llms["llm"].iloc[0]
    rival = MeanRival(fails_on=failing)
    with pytest.raises(BacktestError) as caught:
        run(splits, tmp_path, rival)
    [folder] = tmp_path.iterdir()
    assert str(caught.value) == (
        f"1 fold of {len(splits)} failed, the first one ({splits[1].name!r}) with "
        f"ZeroDivisionError: it was to fail. The other {len(splits) - 1} are kept in "
        f"{str(folder)!r}. Run the same backtest again to do only what is missing."
    )
    done = []
    whole = module.run_fold

    def counted(fold):
        done.append(fold.split.name)
        return whole(fold)

    monkeypatch.setattr(module, "run_fold", counted)
    monkeypatch.setattr(MeanRival, "predict", _forgiving(MeanRival.predict))
    assert len(run(splits, tmp_path, rival).folds) == len(splits)
    assert done == [splits[1].name]
    run(splits, tmp_path, rival, draws=50)  # another setting is another backtest
    assert len(done) == 1 + len(splits)


def _forgiving(predict):
    def fine(self, llms, *, random_seed):
        return predict(MeanRival(self.table), llms, random_seed=random_seed)

    return fine


def test_a_broken_pool_loses_only_the_folds_that_it_held(splits, tmp_path):
    rival = DyingRival(trace=str(tmp_path))
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(BacktestError, match=r"failed \(a worker was lost\), the first one"),
    ):
        run(splits, tmp_path / "folds", rival, executor=pool)
    assert len(run(splits, tmp_path / "folds", rival).folds) == len(splits)


def test_folds_that_cannot_be_fitted_are_left_out_if_asked(splits, tmp_path):
    rival = MeanRival(fails_on=splits[1].llms["llm"].iloc[0], fails_with=FeatureError)
    with pytest.raises(BacktestError) as caught:
        run(splits, tmp_path, rival)
    assert str(caught.value).endswith(
        "FeatureError: it was to fail. The other 3 are kept in "
        f"{str(next(tmp_path.iterdir()))!r}. They would fail again: change the model or the "
        'splits, or pass on_error="leave out".'
    )
    found = run(splits, tmp_path, rival, on_error="leave out")
    assert len(found.folds) == len(splits) - 1
    assert found.left_out["split"].unique().tolist() == [splits[1].name]
    assert len(found.left_out) == len(splits[1].hidden)
    assert found.left_out["why"].unique().tolist() == ["FeatureError: it was to fail"]


def test_a_fold_of_which_nothing_is_expected_is_left_out(table, tmp_path):
    """Only pythia has scores on a benchmark of its own, and nothing else."""
    is_own = table.scores["llm"].isin(table.llms["llm"][table.llms["family"] == "pythia"])
    scores = table.scores.assign(
        benchmark=table.scores["benchmark"].where(~is_own, "own " + table.scores["benchmark"])
    )
    own = ls.ScoreTable.from_long(scores, table.llms, missing="keep")
    splits = ls.splits.leave_family_out(own)
    for rival in (MeanRival(), ls.baselines.FamilyMean(own)):
        found = run(splits, tmp_path, rival)
        assert len(found.folds) == len(splits) - 1
        assert found.left_out["split"].unique().tolist() == ["pythia"]
        assert found.left_out["why"].unique().tolist() == [
            "nothing is expected on the benchmarks of the hidden scores"
        ]
        assert np.isfinite(found.cells["mean"]).all()
    only = ls.splits.Splits("pythia alone", tuple(f for f in splits if f.name == "pythia"))
    with pytest.raises(BacktestError, match=r"They would fail again: change the model or the"):
        run(only, tmp_path)


def test_nobody_who_can_be_predicted_is_left_out(splits, tmp_path):
    """What the known scores do not teach is known only once they are fitted."""
    found = run(splits, tmp_path, PickyRival())
    assert found.left_out["split"].unique().tolist() == ["pythia"]
    assert found.left_out["why"].unique().tolist() == [
        "of no hidden LLM is enough known to predict it"
    ]


def test_draws_that_equal_a_score_do_so_on_disk_too(splits, tmp_path):
    """Of 541 items no share but the halves is exact in single precision."""
    found = run(splits[:1], tmp_path, CountingRival())
    fold = found.folds[0]
    counts = fold["score"].to_numpy() * 541
    np.testing.assert_allclose(counts, counts.round(), rtol=1e-12)


def test_a_rival_whose_code_changes_is_run_again(splits, tmp_path):
    """Two classes of one name, as a cell of a notebook that is run again makes them."""
    code = "class Own(MeanRival):\n    def with_table(self, table):\n        return {}\n"
    means = []
    for number, given in enumerate(("Own(table)", "Own(table.where(table.scores['score'] > 0.4))")):
        name = f"<cell {number}>"
        text = code.format(given)
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        space = {"MeanRival": MeanRival, "__name__": "cells"}
        monkeypatched = ModuleType("cells")
        monkeypatched.__file__ = name
        sys.modules["cells"] = monkeypatched
        exec(compile(text, name, "exec"), space)
        means.append(run(splits[:1], tmp_path, space["Own"]()).cells["mean"])
    del sys.modules["cells"]
    assert (means[0] != means[1]).any()


def test_a_backtest_says_whether_its_intervals_hold(splits, tmp_path):
    found = run(splits, tmp_path)
    summary = found.calibration("family", ci_prob=0.8).summary
    pd.testing.assert_frame_equal(summary, calibration(found, "family", ci_prob=0.8).summary)
    assert set(summary.index) == set(found.cells["family"])


class NamelessRival(MeanRival):
    """Does not say all that it is, nor where it is."""

    def __init__(self, shift: float, at: object = None) -> None:
        super().__init__()
        object.__setattr__(self, "held", (shift, at))

    __repr__ = object.__repr__

    def with_table(self, table):
        return NamelessRival(*self.held)._of(table)

    def _of(self, table):
        object.__setattr__(self, "table", table)
        return self

    def predict(self, llms, *, random_seed):
        drawn = super().predict(llms, random_seed=random_seed)
        shifted = drawn.draws.assign(score=drawn.draws["score"] + self.held[0])
        return type(drawn)(shifted)


class PlainRival:
    """Has fields that no dataclass declares."""

    def __init__(self, shift, at=None):
        self.shift, self.at = shift, at

    __repr__ = object.__repr__
    predictable = MeanRival.predictable

    def with_table(self, table):
        return NamelessRival(self.shift).with_table(table)


def test_a_backtest_is_found_again_by_what_a_model_holds(table, splits, tmp_path):
    """Neither by its address nor by what it calls itself."""
    one = run(splits[:1], tmp_path, PlainRival(0.0)).cells["mean"]
    known = sorted(tmp_path.iterdir())
    pd.testing.assert_series_equal(run(splits[:1], tmp_path, PlainRival(0.0)).cells["mean"], one)
    assert sorted(tmp_path.iterdir()) == known
    other = run(splits[:1], tmp_path, PlainRival(0.2)).cells["mean"]
    np.testing.assert_allclose(other, one + 0.2)
    part = table.where(table.scores["score"] > 0.4)
    for held in (table, part, part):
        run(splits[:1], tmp_path, PlainRival(0.0, held))
    assert len(list(tmp_path.iterdir())) == len(known) + 3
    run(splits[:1], tmp_path, PlainRival(0.0, at=lambda: None))  # cannot be written down
    run(splits[:1], tmp_path, PlainRival(0.0, at=lambda: None))
    assert len(list(tmp_path.iterdir())) == len(known) + 5


def test_a_backtest_of_which_nothing_is_left_fails_all_the_same(splits, tmp_path):
    rival = MeanRival(fails_on=splits[1].llms["llm"].iloc[0], fails_with=FeatureError)
    with pytest.raises(BacktestError, match=r"again: change the model or the splits\.$"):
        run(splits[1:2], tmp_path, rival, on_error="leave out")


def test_what_might_succeed_is_not_left_out(splits, tmp_path):
    rival = MeanRival(fails_on=splits[1].llms["llm"].iloc[0])
    with pytest.raises(BacktestError, match="Run the same backtest again"):
        run(splits, tmp_path, rival, on_error="leave out")
    with pytest.raises(BacktestError) as caught:
        run(splits, tmp_path, on_error="ignore")
    assert str(caught.value) == (
        'on_error=\'ignore\' is not known. Use "raise", or "leave out" to do without folds that '
        "cannot be fitted."
    )


def test_chains_that_did_not_mix_are_told(splits, tmp_path):
    good = run(splits, tmp_path / "none")
    assert good.health.empty
    found = run(splits, tmp_path / "poor", ChainedRival(apart=splits[2].name))
    assert found.health["split"].tolist() == [fold.name for fold in splits]
    assert found.health["which"].unique().tolist() == ["ceiling"]
    assert found.health["divergences"].tolist() == [3] * len(splits)
    worst = found.health.set_index("split")["r_hat"]
    assert worst.idxmax() == splits[2].name
    assert repr(found).endswith(
        f"R-hat above 1.1 in 1 fold, at most {worst.max():.2f} (ceiling in {splits[2].name!r}): "
        "see .health; more draws= and tune= help"
    )


@pytest.mark.slow
def test_a_cluster_survives_the_death_of_a_worker(splits, tmp_path):
    distributed = pytest.importorskip("distributed")
    rival = DyingRival(trace=str(tmp_path))
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        found = run(splits, tmp_path / "a", rival, executor=client.get_executor())
    assert (tmp_path / "dead").exists()
    pd.testing.assert_frame_equal(found.cells, run(splits, tmp_path / "b").cells)


def test_the_folds_are_counted(splits, tmp_path, capsys):
    run(splits, tmp_path, progressbar=True)
    shown = capsys.readouterr().out
    assert f"{len(splits)}/{len(splits)}" in shown
    assert "leave family out, 0 observed" in shown


@pytest.fixture
def interruptible():
    """Let SIGINT interrupt, which workers of pytest-xdist ignore."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_interrupting_keeps_what_is_finished(splits, tmp_path):
    class Interrupting(MeanRival):
        def predict(self, llms, *, random_seed):
            if splits[1].llms["llm"].iloc[0] in set(llms["llm"]):
                threading.Event().wait(0.5)
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(0.5)
            return super().predict(llms, random_seed=random_seed)

    with pytest.raises(KeyboardInterrupt), ThreadPoolExecutor(1) as pool:
        run(splits, tmp_path, Interrupting(), executor=pool)
    [folder] = tmp_path.iterdir()
    assert "fold-0000.nc" in {path.name for path in folder.iterdir()}
