"""Baselines expect what they say they expect, and know how far off they are."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import latentscale as ls
from latentscale.errors import PredictionError

BASELINES = [
    ls.baselines.FamilyMean,
    ls.baselines.NearestSibling,
    ls.baselines.BasePlusShift,
    ls.baselines.LogisticLaw,
    partial(ls.baselines.PcaLaw, components=1),  # there are four benchmarks
    ls.baselines.SkillsLaw,
    partial(ls.baselines.BoostedTrees, rounds=20, rate=0.2),
]


def table_of(rows, benchmarks=("MMLU",)) -> ls.ScoreTable:
    """Make a table of (llm, family, recipe, tuned, params_b, score on each benchmark)."""
    names = ["llm", "family", "recipe", "tuned", "params_b", *benchmarks]
    frame = pd.DataFrame(rows, columns=names)
    scores = frame.melt("llm", list(benchmarks), "benchmark", "score").dropna()
    llms = frame.drop(columns=list(benchmarks)).assign(tokens_t=1.0)
    return ls.ScoreTable.from_long(scores, llms, missing="keep")


@pytest.fixture
def table() -> ls.ScoreTable:
    return table_of(
        [
            ("a-1", "a", "a", 0, 1.0, 0.30),
            ("a-7", "a", "a", 0, 7.0, 0.50),
            ("a-7-chat", "a", "a-chat", 1, 7.0, 0.54),
            ("b-2", "b", "b", 0, 2.0, 0.40),
            ("b-2-chat", "b", "b-chat", 1, 2.0, 0.42),
            ("c-3", "c", "c", 0, 3.0, 0.60),
        ]
    )


def new(**columns) -> pd.DataFrame:
    known = {"llm": "new", "family": "a", "recipe": "a", "tuned": 0, "params_b": 3.0}
    return pd.DataFrame([known | {"tokens_t": 1.0} | columns])


def expected(baseline, **columns) -> float:
    return baseline.expected(new(**columns)).loc["new", "MMLU"]


def test_the_mean_of_the_family(table):
    baseline = ls.baselines.FamilyMean(table)
    assert expected(baseline) == pytest.approx((0.30 + 0.50 + 0.54) / 3)
    assert expected(baseline, family="z") == pytest.approx(
        np.mean([0.3, 0.5, 0.54, 0.4, 0.42, 0.6])
    )


def test_the_nearest_sibling_of_the_own_recipe_comes_first(table):
    baseline = ls.baselines.NearestSibling(table)
    assert expected(baseline, params_b=2.0) == pytest.approx(0.30)
    assert expected(baseline, params_b=6.0) == pytest.approx(0.50)
    assert expected(baseline, params_b=1.1, recipe="a-chat") == pytest.approx(0.54)
    assert expected(baseline, params_b=6.0, recipe="a-code") == pytest.approx(0.50)
    assert expected(baseline, family="z") == pytest.approx(0.46)
    own = baseline.expected(table.llms)
    assert own.loc["a-1", "MMLU"] == pytest.approx(0.50)  # never itself


def test_a_sibling_without_the_score_is_passed_over():
    nan = np.nan
    rows = [
        ("a-1", "a", "a", 0, 1.0, 0.3, nan),
        ("a-2", "a", "a", 0, 2.0, 0.5, 0.7),
        ("b-2", "b", "b", 0, 2.0, 0.5, 0.9),
    ]
    found = ls.baselines.NearestSibling(table_of(rows, ["MMLU", "ARC-C"])).expected(new(params_b=1))
    assert found.loc["new"].to_dict() == pytest.approx({"MMLU": 0.3, "ARC-C": 0.7})


def test_the_base_and_the_mean_shift_of_tuned_llms(table):
    baseline = ls.baselines.BasePlusShift(table)
    shift = ((0.54 - 0.50) + (0.42 - 0.40)) / 2
    tuned = {"tuned": 1, "recipe": "a-code"}
    assert expected(baseline, **tuned, params_b=1.2) == pytest.approx(0.30 + shift)
    assert expected(baseline, **tuned, params_b=9.0) == pytest.approx(0.50 + shift)
    named = {**tuned, "params_b": 9.0, "base_llm": "a-1"}
    assert expected(baseline, **named) == pytest.approx(0.30 + shift)
    assert expected(baseline, tuned=1, family="c", params_b=3.0) == pytest.approx(0.60 + shift)
    assert expected(baseline, params_b=7.0) == pytest.approx(
        (0.30 + 0.50 + 0.54) / 3
    )  # no tuned one


def logistic_table(of_family) -> ls.ScoreTable:
    """Make scores that lie on a sigmoid of compute, from chance 0.25 on, without errors."""
    rows = []
    for family, intercept in of_family.items():
        for size in (0.5, 1.0, 3.0, 7.0, 30.0):
            score = 0.25 + 0.75 * expit(intercept + 0.8 * np.log(size))
            rows.append((f"{family}-{size}", family, family, 0, size, score))
    return table_of(rows)


def test_a_law_that_holds_is_found():
    law = ls.baselines.LogisticLaw(logistic_table({"a": -0.5, "b": -0.5}), features="log(params_b)")
    for size in (2.0, 70.0):
        truth = 0.25 + 0.75 * expit(-0.5 + 0.8 * np.log(size))
        assert expected(law, params_b=size) == pytest.approx(truth, abs=1e-4)


def test_families_have_intercepts_of_their_own_if_asked():
    table = logistic_table({"a": -1.0, "b": 0.5})
    shared, own = (
        ls.baselines.LogisticLaw(table, features="log(params_b)", families=families)
        for families in (False, True)
    )
    truth = 0.25 + 0.75 * expit(-1.0 + 0.8 * np.log(5))
    assert expected(own, params_b=5) == pytest.approx(truth, abs=0.01)
    assert abs(expected(shared, params_b=5) - truth) > 0.1
    between = 0.25 + 0.75 * expit(-0.25 + 0.8 * np.log(7))
    assert expected(own, family="z", params_b=7) == pytest.approx(between, abs=0.02)


@pytest.fixture(scope="module")
def leaderboard() -> ls.ScoreTable:
    families = ["pythia", "opt", "llama", "llama-2"]
    benchmarks = ["MMLU", "HellaSwag", "ARC-C", "Winogrande"]
    return ls.load_leaderboard(benchmarks=benchmarks).select(families=families)


@pytest.mark.parametrize("baseline", BASELINES)
def test_intervals_hold_what_they_promise(leaderboard, baseline, tmp_path):
    splits = ls.splits.random_cells(leaderboard, share=0.25)
    found = ls.backtest(baseline(leaderboard), splits, folder=tmp_path, progressbar=False)
    row = found.metrics().iloc[0]
    assert 0.8 < row["coverage90"] <= 1
    assert row["n"] == leaderboard.n_obs
    widest = leaderboard.scores.groupby("benchmark")["score"].quantile([0.05, 0.95]).unstack()
    assert row["width90"] < 100 * (widest[0.95] - widest[0.05]).max() * 1.2


@pytest.mark.parametrize("baseline", BASELINES)
def test_intervals_of_unseen_families_are_as_wide_as_errors_on_such(baseline, tmp_path):
    table = ls.load_leaderboard(benchmarks=["MMLU", "HellaSwag", "ARC-C", "Winogrande"])
    splits = ls.splits.leave_family_out(table).together(4)
    found = ls.backtest(baseline(table), splits, folder=tmp_path, progressbar=False)
    assert 0.82 < found.metrics().iloc[0]["coverage90"] <= 1


def test_what_is_left_out_is_what_is_predicted(leaderboard):
    fit = ls.baselines.NearestSibling(leaderboard).fit()
    sizes = {}
    for family, recipe in (("z", "z"), ("llama-2", "z"), ("llama-2", "llama-2")):
        llms = pd.DataFrame({"llm": ["new"], "family": family, "recipe": recipe, "params_b": 5.0})
        draws = fit.predict(llms, random_seed=1).draws
        sizes[family, recipe] = float((draws["score"] - draws["expected"]).std("sample").mean())
    unseen, new_recipe, fitted = sizes.values()
    assert unseen > 1.5 * fitted
    assert new_recipe > fitted


@pytest.mark.parametrize("baseline", BASELINES)
def test_predictions_look_like_those_of_the_model(leaderboard, baseline):
    fit = baseline(leaderboard).fit(draws=10, progressbar=False)
    llms = pd.DataFrame(
        {
            "llm": ["new", "meta-llama/Llama-2-7b-hf"],
            "family": ["z", "llama-2"],
            "params_b": [5.0, None],
            "tokens_t": [1.0, None],
        }
    )
    pred = fit.predict(llms, ci_prob=0.8, random_seed=1)
    assert pred.summary.columns.tolist() == [
        "llm", "benchmark", "mean", "sd", "eti80_lb", "eti80_ub", "family_status", "known",
    ]  # fmt: skip
    assert pred.summary["family_status"].tolist() == ["new family"] * 4 + ["fitted"] * 4
    assert pred.draws["score"].dims == ("sample", "obs")
    assert pred.summary["mean"].between(0, 1).all()
    again = fit.predict(llms, ci_prob=0.8, random_seed=1)
    pd.testing.assert_frame_equal(pred.summary, again.summary)


def test_known_scores_join_those_of_a_baseline(leaderboard):
    fit = ls.baselines.NearestSibling(leaderboard).fit()
    llms = pd.DataFrame({"llm": ["z-1", "z-9"], "family": "z", "params_b": [1.0, 9.0]})
    known = pd.DataFrame({"llm": ["z-1"], "benchmark": ["MMLU"], "score": [0.77]})
    found = fit.predict(llms, known, 0.8, 1, benchmarks=["MMLU"])
    assert found.draws["expected"].sel(obs=1).mean() == pytest.approx(0.77)
    assert found.summary["family_status"].tolist() == ["fitted", "fitted"]
    assert found.summary["known"].tolist()[0] == 0.77
    assert fit.predict(llms).summary["family_status"].unique() == ["new family"]
    with pytest.raises(PredictionError) as caught:
        fit.predict(llms, benchmarks="BBH")
    assert str(caught.value).startswith("benchmarks names 'BBH', which the fit does not have.")


def test_an_llm_that_a_baseline_cannot_predict_is_an_error(leaderboard):
    fit = ls.baselines.LogisticLaw(leaderboard).fit()
    with pytest.raises(PredictionError) as caught:
        fit.predict(pd.DataFrame({"llm": ["new"], "family": ["z"], "params_b": [5.0]}))
    assert str(caught.value) == (
        "1 LLM cannot be predicted by LogisticLaw, which needs params_b and tokens_t: 'new'. Fill "
        "them in, or use predictable(llms) to keep the others."
    )


def test_a_single_llm_tells_nothing_of_errors():
    unsized = [("a-1", "a", "a", 0, 1.0, 0.3), ("b-1", "b", "b", 0, np.nan, 0.3)]
    table = table_of(unsized)
    with pytest.raises(PredictionError) as caught:
        ls.baselines.NearestSibling(table).fit()
    assert str(caught.value) == (
        "NearestSibling needs scores of at least two LLMs of which all that it needs is known "
        "(params_b): from fewer it cannot learn how far off it is."
    )


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_benchmark_without_known_scores_is_not_predicted(leaderboard, baseline):
    known = leaderboard.where(leaderboard.scores["benchmark"] != "MMLU")
    fitted = baseline(known).fit()
    found = fitted.predict(known.llms.dropna(subset=["params_b", "tokens_t"]).head(3))
    assert "MMLU" not in set(found.summary["benchmark"])
    assert np.isfinite(found.summary["mean"]).all()


def test_a_base_of_unknown_size_is_no_base():
    found = ls.baselines.BasePlusShift(
        table_of(
            [
                ("a-1", "a", "a", 0, None, 0.30),
                ("a-7-chat", "a", "a-chat", 1, 7.0, 0.54),
                ("b-2", "b", "b", 0, 2.0, 0.40),
                ("b-2-chat", "b", "b-chat", 1, 2.0, 0.42),
            ]
        )
    )
    # The mean of its family, as nothing else is known.
    assert expected(found, recipe="a-chat", tuned=1) == pytest.approx((0.30 + 0.54) / 2)


def test_a_category_that_one_family_has_is_as_the_mean_when_it_is_left_out():
    table = ls.load_leaderboard(tuned=False)
    law = ls.baselines.LogisticLaw(table, features="log(params_b) + positional_embedding")
    assert law.residuals("family")["residual"].abs().max() < 1
