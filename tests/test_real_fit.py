"""Real posteriors of the bundled leaderboard: convergence, prediction, conditioning, ArviZ."""

import warnings

import arviz as az
import numpy as np
import pandas as pd
import pytest

import latentscale as ls

pytestmark = pytest.mark.slow

HELD_OUT = "qwen2"
SMALLEST = "Qwen/Qwen2-0.5B"
BENCHMARKS = ["MMLU", "ARC-C", "HellaSwag", "Winogrande", "GSM8K", "TruthfulQA"]


def leaderboard() -> ls.ScoreTable:
    table = ls.load_leaderboard(benchmarks=BENCHMARKS)
    known = table.llms["tokens_t"].notna()
    return table.select(llms=table.llms.loc[known, "llm"])


def fit(table: ls.ScoreTable) -> ls.ScalingFit:
    model = ls.ScalingModel(table, skills=2)
    return model.fit(draws=1000, tune=200, random_seed=3, progressbar=False)


@pytest.fixture(scope="module")
def whole() -> ls.ScoreTable:
    return leaderboard()


@pytest.fixture(scope="module")
def without_family(whole) -> ls.ScalingFit:
    return quietly(fit, whole.drop(families=HELD_OUT))


def quietly(call, *args):
    """Convergence is asserted below, with looser limits than a user's: the fit is short."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ls.errors.ConvergenceWarning)
        return call(*args)


def members(table: ls.ScoreTable) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The held-out family, and the scores of its smallest member."""
    llms = table.llms[table.llms["family"] == HELD_OUT]
    scores = table.scores
    return llms, scores[scores["llm"] == SMALLEST]


def width(summary: pd.DataFrame) -> pd.Series:
    return summary["eti90_ub"] - summary["eti90_lb"]


def test_chains_agree(without_family):
    health = without_family.diagnose()
    assert health.summary["r_hat"].max() < 1.05
    # A model with a funnel or a second mode has hundreds; a stray one or two may come with a seed.
    assert health.divergences <= 4


def test_known_scores_agree_with_a_refit(whole, without_family):
    """Conditioning must give what fitting the known member along with the rest gives."""
    llms, known = members(whole)
    rest = llms[llms["llm"] != SMALLEST]
    quick = without_family.predict(llms, scores=known, random_seed=1)

    larger = whole.select(llms=[*whole.drop(families=HELD_OUT).llm_names, SMALLEST])
    full = quietly(fit, larger).predict(rest, random_seed=1)

    ours = quick.summary[quick.summary["llm"] != SMALLEST].reset_index(drop=True)
    theirs = full.summary
    assert (ours[["llm", "benchmark"]] == theirs[["llm", "benchmark"]]).all(axis=None)
    gap = (ours["mean"] - theirs["mean"]) / theirs["sd"]
    # Both have a few hundred effective draws: a standard error of about 0.05 sd each.
    assert gap.abs().max() < 0.3
    assert np.sqrt(np.mean(gap**2)) < 0.12
    # Recipes have heavy tails: with one seed the sd of one cell of 72 was 1.47 times the other's,
    # while no width of an interval was off by more than 8 %.
    assert np.abs(np.log(width(ours) / width(theirs))).max() < 0.15
    assert np.sqrt(np.mean(np.log(ours["sd"] / theirs["sd"]) ** 2)) < 0.12


def test_knowing_a_member_helps(whole, without_family):
    llms, known = members(whole)
    truth = whole.scores[whole.scores["llm"].isin(llms["llm"])]
    truth = truth[truth["llm"] != SMALLEST]

    def error(prediction: ls.Prediction) -> float:
        both = prediction.summary.merge(truth, on=["llm", "benchmark"])
        return float((both["mean"] - both["score"]).abs().mean())

    blind, informed = without_family.predict(llms), without_family.predict(llms, scores=known)
    assert error(informed) < 0.09
    assert informed.summary["sd"].mean() < blind.summary["sd"].mean()


def test_plain_arviz(without_family):
    extended = without_family.extend("log_likelihood", "log_prior")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        loo = az.loo(extended.idata)
        sensitivity = az.psense_summary(extended.idata, var_names=["feature_slope"])
    assert loo.n_data_points == without_family.model.design.n_obs
    assert len(sensitivity) == len(without_family.model.design.encoding.names) * 2
    az.plot_forest(without_family.idata, var_names=["family_effect"])
