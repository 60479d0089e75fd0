"""Whether several LLMs are predicted together: pairs of them, and the joint density of families."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_fit import fake_fit
from scipy import stats
from test_conditioning import MEMBERS, N_DRAWS, one_posterior_draw

import latentscale as ls
from latentscale.conditioning import KnownCells, log_evidence
from latentscale.errors import BacktestError, PredictionError
from latentscale.forward import add_groups, eta_of, expected_of, scatter_of
from latentscale.joint import score_pairs
from latentscale.likelihoods import likelihood_of
from latentscale.splits.folds import fold_of


def fold_of_draws(draws, observed, family, benchmark):
    cells = {
        "llm": [f"llm {i}" for i in range(len(observed))], "family": family, "benchmark": benchmark,
    }  # fmt: skip
    return xr.Dataset(
        {"score": (("sample", "cell"), draws), "observed": ("cell", observed)},
        coords={name: ("cell", values) for name, values in cells.items()},
        attrs={"split": "one"},
    )


def test_a_pair_is_ranked_by_its_difference():
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 1, size=(4_000, 1))
    draws = shared + rng.normal(0, 0.1, size=(4_000, 2))
    found = score_pairs(fold_of_draws(draws, [0.1, 0.0], ["a", "a"], ["x", "x"]), rng)
    [row] = found.to_dict("records")
    assert row["difference"] == pytest.approx(0.1 if row["llm"] == "llm 0" else -0.1)
    rank = stats.norm(0, 0.1 * 2**0.5).cdf(row["difference"])
    assert row["pit"] == pytest.approx(rank, abs=0.03)
    rank = stats.norm(0, 2**0.5).cdf(row["difference"])
    assert row["pit_if_apart"] == pytest.approx(rank, abs=0.03)


def test_pairs_are_of_one_family_and_one_benchmark_and_nobody_is_in_two():
    rng = np.random.default_rng(1)
    family, benchmark = ["a"] * 5 + ["b"] * 3, ["x"] * 4 + ["y"] * 4
    draws, observed = rng.normal(size=(50, 8)), rng.normal(size=8)
    found = score_pairs(fold_of_draws(draws, observed, family, benchmark), rng)
    assert found[["family", "benchmark"]].to_numpy().tolist() == [
        ["a", "x"],
        ["a", "x"],
        ["b", "y"],
    ]
    assert pd.concat([found["llm"], found["other"]]).is_unique
    none = score_pairs(fold_of_draws(draws[:, :1], observed[:1], ["a"], ["x"]), rng)
    assert none.empty
    assert none["pit"].dtype == float


def test_calibrated_pairs_have_uniform_ranks():
    rng = np.random.default_rng(2)
    n = 400
    shared = rng.normal(0, 1, size=(501, n)).repeat(2, axis=1)
    values = shared + rng.normal(0, 0.5, size=(501, 2 * n))
    family = np.arange(n).repeat(2).astype(str)
    found = score_pairs(fold_of_draws(values[1:], values[0], family, ["x"] * (2 * n)), rng)
    assert stats.kstest(found["pit"], "uniform").pvalue > 0.01
    assert stats.kstest(found["pit_if_apart"], "uniform").pvalue < 1e-6


def test_evidence_agrees_with_averaging_over_the_population():
    likelihood = likelihood_of("normal")
    cells = np.array([0, 1, 2])
    rng = np.random.default_rng(3)
    draws = add_groups(one_posterior_draw(N_DRAWS), MEMBERS, rng)
    usual = expected_of(draws, eta_of(draws, MEMBERS))[:, cells, cells].mean(axis=0)
    known = KnownCells(pd.DataFrame({"score": usual + np.array([0.05, -0.03, 0.02])}), cells, cells)
    found = log_evidence(draws, MEMBERS, known, likelihood, rng)
    assert list(found) == [1, 2]
    many = add_groups(one_posterior_draw(200_000), MEMBERS, np.random.default_rng(4))
    eta = eta_of(many, MEMBERS)[:, known.llm, known.benchmark]
    expected = expected_of(many, eta, np.s_[:, known.benchmark])
    scatter = scatter_of(many, known.benchmark)
    for family, cells in ((1, [2]), (2, [0, 1])):
        density = likelihood.log_density(
            known.data.iloc[cells], expected[:, cells],
            {name: value[:, cells] for name, value in scatter.items()},
        ).sum(axis=1)  # fmt: skip
        brute = np.log(np.exp(density).mean())
        assert np.log(np.exp(found[family]).mean()) == pytest.approx(brute, abs=0.03)


@pytest.fixture(scope="module")
def fit():
    benchmarks = ["HellaSwag", "GSM8K", "MMLU"]
    return fake_fit(skills=1, draws=40, table=ls.load_leaderboard(benchmarks=benchmarks))


NEW = pd.DataFrame(
    {
        "llm": ["new-1b", "new-7b", "other-7b"], "family": ["new", "new", "other"],
        "params_b": [1.0, 7.0, 7.0], "tokens_t": 2.0,
    }
)  # fmt: skip


def test_a_fit_judges_families(fit):
    scores = pd.DataFrame({"llm": NEW["llm"], "benchmark": "MMLU", "score": [0.27, 0.5, 0.55]})
    found = fit.log_density(NEW, scores)
    assert found[["family", "n"]].to_numpy().tolist() == [["new", 2], ["other", 1]]
    assert found["log_density"].between(-20, 10).all()
    assert found["mcse"].between(0.001, 1).all()
    absurd = fit.log_density(NEW, scores.assign(score=[0.9, 0.3, 0.55]))
    assert absurd["log_density"][0] < found["log_density"][0] - 3
    with pytest.raises(PredictionError) as caught:
        fit.log_density(NEW, scores.iloc[:0])
    assert str(caught.value) == (
        "There is no score whose density could be asked for. Give scores=."
    )


def test_a_backtest_keeps_densities_and_pairs(fit, tmp_path):
    class Model:
        """A model that is fitted already."""

        def with_table(self, table):
            return self

        def predictable(self, llms):
            return llms

        def refit(self, random_seed, **settings):
            return fit

    llms = NEW.assign(recipe=NEW["family"], tuned=0)
    scores = NEW[["llm"]].merge(pd.DataFrame({"benchmark": ["MMLU", "GSM8K"]}), how="cross")
    table = ls.ScoreTable.from_long(scores.assign(score=0.4), llms)
    hidden = table.scores["llm"].isin(["new-1b", "new-7b"])
    splits = ls.splits.Splits("one", (fold_of("new", table, hidden),))
    found = ls.backtest(Model(), splits, folder=tmp_path, progressbar=False)
    again = ls.backtest(Model(), splits, folder=tmp_path, progressbar=False)  # from the disk
    densities = again.log_densities()
    assert densities[["split", "family", "n"]].to_numpy().tolist() == [["new", "new", 4]]
    pd.testing.assert_frame_equal(densities, found.log_densities())
    pairs = again.pairs()
    assert pairs[["split", "family", "benchmark"]].to_numpy().tolist() == [
        ["new", "new", "GSM8K"], ["new", "new", "MMLU"],
    ]  # fmt: skip
    pd.testing.assert_frame_equal(pairs, found.pairs())


def test_baselines_have_no_joint_density(tmp_path):
    table = ls.load_leaderboard(benchmarks="MMLU").select(families=["opt", "pythia"])
    found = ls.backtest(
        ls.baselines.FamilyMean(table), ls.splits.leave_family_out(table), folder=tmp_path,
        progressbar=False,
    )  # fmt: skip
    with pytest.raises(BacktestError) as caught:
        found.log_densities()
    assert str(caught.value) == (
        "The model that was backtested gives no joint density of scores, only draws of them. "
        "ScalingModel gives one; compare others by metrics()."
    )
