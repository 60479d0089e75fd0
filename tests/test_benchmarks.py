"""The benchmarks compare like with like, and count right."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from graph_points import MODE, small, total_log_density
from pymc.pytensorf import gradient as pymc_gradient

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import backtests
import choices
import covariates
import parts
import recovery
import scaling
import sloth
from direct import direct_model
from handwritten import hand_written, n_coordinates, table_of
from speed import largest_gap, report

import latentscale as ls


@pytest.mark.parametrize("likelihood", ["student_t", "normal", "beta"])
def test_the_direct_transcription_is_the_same_model(likelihood):
    simulation = small(skills=2, likelihood=likelihood, families_per_developer=2.0)
    direct, graph = direct_model(simulation.model), simulation.model.to_pymc()
    names = {rv.name for rv in graph.free_RVs}
    assert {rv.name for rv in direct.free_RVs} == names
    expected = total_log_density(graph, simulation.sampled)
    assert total_log_density(direct, simulation.sampled) == pytest.approx(expected, rel=1e-9)


def test_a_part_of_a_table_is_the_same_for_a_seed():
    table = ls.load_leaderboard()
    one, same, other = (parts.part_of(table, seed) for seed in (500, 500, 501))
    assert one.scores.equals(same.scores)
    assert not one.scores.equals(other.scores)
    assert len(other.benchmark_names) <= 12
    assert 8 <= other.llms["family"].nunique() < 40


def test_parts_are_summed_up():
    rows = pd.DataFrame(
        {
            "ess_bulk": [50, 600, 400], "r_hat": [1.2, 1.004, 1.02], "divergences": [3, 0, 0],
            "ok": [False, True, False],
        }
    )  # fmt: skip
    assert parts.report(rows) == (
        "3 parts, of which 1 pass. The smallest bulk ESS of each is 50 to 600, in the median 400; "
        "R-hat is at most 1.02 in 2, and 1 have divergences."
    )


def figures(mean, sample_s, worst_ess):
    return {
        "compile_s": 10.0, "sample_s": sample_s, "worst_ess": worst_ess, "median_ess": 900.0,
        "worst_r_hat": 1.01, "gradients_per_draw": 31.0, "us_per_gradient": 400.0,
        "peak_mb": 900.0, "mean": {"a": [mean, 0.0]}, "sd": {"a": [1.0, 0.0]},
        "ess": {"a": [200.0, np.nan]}, "error_of_mean": {"a": [0.1, np.nan]},
        "error_of_sd": {"a": [0.2, np.nan]},
    }  # fmt: skip


def test_the_report_gives_ratios_to_the_package():
    package, direct = figures(0.0, 50.0, 400.0), figures(0.3, 100.0, 100.0)
    limit = {"compile_s": 20.0, "us_per_gradient": 100.0, "peak_mb": 500.0}
    assert largest_gap(direct, package, "mean") == pytest.approx(3 / 2**0.5)
    assert largest_gap(direct, package, "sd") == 0
    shown = report({"package": package, "direct": direct, "handwritten": limit})
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["package", "10", "50", "8", "1", "18", "1", "1.01", "31", "400", "1", "900", "0", "0"],
        ["direct", "10", "100", "1", "8", "9", "2", "1.01", "31", "400", "1", "900", "2.12", "0"],
        ["handwritten", "20", "100", "4", "500"],
    ]


def test_a_simulation_study_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    done, path = [], tmp_path / "recovery.json"

    def fit_one(table, settings):
        done.append(table)
        if table == 2 and len(done) < 4:
            raise RuntimeError("a worker was lost")
        of = {"n": {"loading": 10}, "covered": {"loading": 9}, "r_hat": {"loading": 1.0}}
        return {"table": table, "divergences": 0, "seconds": 1.0, "what": "a table", **of}

    monkeypatch.setattr(recovery, "fit_one", fit_one)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="a worker was lost"):
        recovery.study(3, {"seed": 1}, path, pool)
    results = recovery.study(3, {"seed": 1}, path)
    assert done == [0, 1, 2, 2]
    assert [result["table"] for result in results] == [0, 1, 2]
    assert "table 3: 90.0% covered" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"holds results of other settings \(seed\)"):
        recovery.study(3, {"seed": 2}, path)


def test_the_exponent_is_the_slope_of_time_over_cells():
    rows = [
        {"cells": cells, "seconds": 0.01 * cells**1.5, "median_ess": 100.0, "worst_ess": 10.0}
        for cells in (100, 1_000, 10_000)
    ]
    shown = scaling.report(rows).splitlines()
    assert shown[-2] == "exponent of seconds per effective draw (median): 1.50"
    assert shown[-1] == "exponent of seconds per effective draw (worst): 1.50"


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["student_t", "normal", "beta"])
def test_the_hand_written_density_and_gradient_are_those_of_the_transcription(likelihood):
    model = small(skills=2, likelihood=likelihood, families_per_developer=2.0).model
    direct, rng = direct_model(model), np.random.default_rng(3)
    point = {
        name: 0.4 * rng.standard_normal(np.shape(value))
        for name, value in direct.initial_point().items()
    }
    flat = np.concatenate([np.ravel(point[variable.name]) for variable in direct.value_vars])
    assert len(flat) == n_coordinates(model)
    gradient = np.empty(len(flat))
    value = hand_written(likelihood)((0, 0), table_of(model), flat, gradient)
    # Added here: PyTensor's Python mode adds no more than 32 numbers at a time.
    terms = [term.sum() for term in direct.logp(sum=False)]
    slopes = pymc_gradient(sum(terms), direct.value_vars)
    *expected, slope = direct.compile_fn([*terms, slopes], mode=MODE)(point)
    assert value == pytest.approx(sum(expected), abs=1e-4)
    np.testing.assert_allclose(gradient, slope, atol=1e-3)


def test_the_tables_of_the_backtests(tmp_path):
    table = ls.load_leaderboard(benchmarks=["MMLU", "ARC-C"]).select(families=["opt", "pythia"])
    own, rival = ls.baselines.NearestSibling(table), ls.baselines.FamilyMean(table)
    splits = [ls.splits.leave_family_out(table, observed) for observed in (0, 1)]
    found = ls.compare(
        {backtests.PACKAGE: own, "mean": rival}, splits, folder=tmp_path, progressbar=False
    )
    backtests.write(backtests.tables_of(found), tmp_path / "results")
    read = {path.stem: pd.read_csv(path) for path in (tmp_path / "results").iterdir()}
    assert set(read) == {"metrics", "differences", "by_benchmark", "cells", "pairs"}
    assert len(read["metrics"]) == 4
    assert set(read["differences"]["to"]) == {backtests.PACKAGE}
    assert set(read["differences"]["model"]) == {"mean"}
    cells = pd.concat(of[backtests.PACKAGE].cells for of in found.backtests.values())
    assert len(read["cells"]) == len(cells) == read["by_benchmark"]["n"].sum()
    np.testing.assert_allclose(read["cells"]["crps"], cells["crps"], rtol=1e-5)
    assert set(read["pairs"]["split"]) == {"opt", "pythia"}


def test_the_backtests_hide_scores_in_seven_ways():
    table = ls.load_leaderboard()
    names = [splits.name for splits in backtests.splits_of(table)]
    assert len(set(names)) == 7
    assert names[0] == "leave family out, 0 observed"
    dealt = backtests.splits_of(table, together=6)
    assert [len(splits) for splits in dealt] == [6, 6, 6, 6, 6, 8, 4]
    models, default = backtests.models_of(table), ls.ScalingModel(table)
    assert models[backtests.PACKAGE].spec == default.spec
    assert len(models) + len(backtests.baselines_of(table)) == 12


def test_the_protocol_of_sloth():
    names = ["a-1", "a-2", "a-3", "b-1", "b-2", "b-chat-1", "b-chat-2", "lone", "gap-1", "gap-2"]
    frame = pd.DataFrame({"llm": names, "tuned": 0, "params_b": [3, 1, 2, 1, 2, 1, 2, 1, 1, 2]})
    recipes = ["a", "a", "a", "b", "b", "b chat", "b chat", "lone", "gap", "gap"]
    frame = frame.assign(recipe=recipes, family=[recipe[0] for recipe in recipes], tokens_t=1.0)
    frame = frame.assign(X=np.linspace(0.3, 0.6, 10), Y=[0.5] * 9 + [np.nan])
    setting = {
        "benchmarks": ["X", "Y"], "min_llms_per_recipe": 2, "observed_smallest": 1,
        "test_groups": [["a"], ["b", "b chat"]],
    }  # fmt: skip
    found = sloth.splits_of(frame, setting, {"X": 0.25, "Y": 0.0}, "both")
    assert set(found[0].table.scores["llm"]) == set(names[:7])
    assert set(found[0].hidden["llm"]) == {"a-1", "a-3"}  # the smallest, a-2, is known
    assert set(found[1].hidden["llm"]) == {"b-2", "b-chat-2"}
    assert found[0].table.benchmarks.set_index("benchmark")["chance"].to_dict() == {
        "X": 0.25,
        "Y": 0,
    }


def test_errors_of_groups_weigh_the_same():
    cells = pd.DataFrame(
        {
            "split": ["a", "a", "a", "b"], "benchmark": "X",
            "median": [0.1, 0.1, 0.1, 0.3], "score": [0.0, 0.0, 0.0, 0.0],
        }
    )  # fmt: skip
    assert sloth.errors_of(cells).to_dict() == {"X": pytest.approx(20)}


def test_kinds_of_design_choices_are_those_of_several_developers():
    table = choices.study()
    llms = table.llms[table.llms["llm"].isin(table.scores["llm"])]
    for name in ("position", "norm_kind", "gated", "bias"):
        assert llms[name].notna().mean() > 0.95
        assert llms.groupby(name)["developer"].nunique().min() >= 3
    unknown = llms["attention_bias"].isna()
    assert llms.loc[unknown, "bias"].isna().all()
    model = ls.ScalingModel(table, features=f"{choices.SCALE} + {choices.CHOICES}")
    assert set(model.design.encoding.levels) == {
        "tied_embeddings", "parallel_block", "position", "norm_kind", "gated", "bias",
    }  # fmt: skip
    assert len(model.spec.shrunk) == 18


def test_choices_are_hidden_together_and_the_larger_the_sooner():
    hidden_share, of_high, of_low = [], [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        known = covariates.with_choices(ls.load_leaderboard(benchmarks=["MMLU"], tuned=False), rng)
        llms = covariates.hidden(known, rng).llms
        for names in (covariates.MIX, covariates.ARCHITECTURE):
            assert llms[list(names)].isna().nunique(axis=1).max() == 1
        hidden_share.append(llms[list(covariates.CHOICES)].isna().to_numpy().mean())
        high = known.llms["mix_1"] > known.llms["mix_1"].median()
        of_high.append(llms.loc[high, "mix_1"].isna().mean())
        of_low.append(llms.loc[~high, "mix_1"].isna().mean())
        within = known.llms.groupby("family")[list(covariates.CHOICES)].std().mean()
        assert (within[list(covariates.MIX)] < 0.5).all()
        assert (within[list(covariates.ARCHITECTURE)] > 1).all()
    assert 0.3 < np.mean(hidden_share) < 0.5
    assert np.mean(of_high) > np.mean(of_low) + 0.1


def test_simulated_effects_of_choices_are_those_asked_for():
    rng = np.random.default_rng(1)
    table = ls.load_leaderboard(benchmarks=covariates.BENCHMARKS, tuned=False)
    simulation = covariates.simulated(covariates.with_choices(table, rng), 1)
    slope = simulation.truth["feature_slope"]
    for name in covariates.CHOICES:
        effects = covariates.EFFECTS.get(name, (0.0, 0.0))
        np.testing.assert_allclose(slope.sel(feature=name), effects, atol=1e-12)
    truth = covariates.truth_of(simulation)
    assert truth["arch_2", 0] == pytest.approx(0.25)
    assert truth["mix_2", 1] == 0


def test_what_is_unknown_is_treated_in_three_ways():
    rng = np.random.default_rng(2)
    known = covariates.with_choices(ls.load_leaderboard(benchmarks=["MMLU"], tuned=False), rng)
    table = covariates.hidden(known, rng)
    names = list(covariates.CHOICES)
    assert covariates.treated(table, "summed over") is table
    complete = covariates.treated(table, "complete LLMs").llms
    assert complete[names].notna().all(axis=None)
    assert len(complete) == table.llms[names].notna().all(axis=1).sum()
    filled = covariates.treated(table, "-1").llms[names]
    assert ((filled == -1) == table.llms[names].isna()).all(axis=None)
