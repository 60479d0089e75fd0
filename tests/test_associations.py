"""Effects of features: all else held, in the units that they say, with what cannot be told."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from fake_fit import fake_fit

import latentscale as ls
from latentscale import associations
from latentscale.errors import FeatureError, MissingFeatureWarning, PredictionError

FORMULA = "log(params_b) * log(tokens_t) + positional_embedding + release_date"


@pytest.fixture(scope="module")
def fit():
    return fake_fit(draws=40, features=FORMULA)


def with_slopes(fit, **values):
    """Give a fit whose draws of some variables are one value."""
    posterior = fit.posterior.copy(deep=True)
    for name, value in values.items():
        posterior[name][:] = value
    tree = fit.idata.copy(deep=True)
    tree["posterior"] = type(tree)(posterior)
    return ls.ScalingFit.from_draws(fit.model, tree, {"sampler": "none", "random_seed": 1})


def means(found):
    return found.summary.set_index("benchmark")["mean"]


def test_effects_on_skills_are_the_slopes(fit):
    found = fit.feature_effects()
    summary = found.summary.set_index(["skill", "feature"])
    slope = fit.posterior["feature_slope"]
    assert len(summary) == slope.sizes["skill"] * slope.sizes["feature"]
    for skill in slope["skill"].values:
        for feature in slope["feature"].values:
            draws = slope.sel(skill=skill, feature=feature)
            row = summary.loc[(skill, feature)]
            assert row["mean"] == pytest.approx(float(draws.mean()))
            share = float((draws > 0).mean())
            assert row["p_direction"] == pytest.approx(max(share, 1 - share))
    assert summary.index.get_level_values("skill").unique().tolist() == list(slope["skill"].values)


def test_a_contrast_is_the_mean_difference_of_expected_scores(fit):
    """Of LLMs that are predicted one by one with the feature changed."""
    found = fit.contrast("tokens_t", 10.0, 1.0, benchmarks=["MMLU", "BBH"])
    alone = fit.contrast("tokens_t", 10.0, 1.0)
    assert means(found).to_dict() == pytest.approx(means(alone)[["BBH", "MMLU"]].to_dict())
    llms = fit.model.design.llms
    by_hand = [
        fit.predict(new_names(llms).assign(tokens_t=tokens)).draws["expected"].mean().item()
        for tokens in (1.0, 10.0)
    ]
    # New LLMs have effects of their own, which average out.
    assert means(alone).mean() == pytest.approx(by_hand[1] - by_hand[0], abs=0.003)


def new_names(llms):
    return llms.assign(llm="new " + llms["llm"]).drop(columns="chat", errors="ignore")


def test_contrasts_add_up(fit):
    there = means(fit.contrast("params_b", 10.0, 1.0))
    further = means(fit.contrast("params_b", 70.0, 10.0))
    whole = means(fit.contrast("params_b", 70.0, 1.0))
    back = means(fit.contrast("params_b", 1.0, 70.0))
    np.testing.assert_allclose(there + further, whole, atol=1e-12)
    np.testing.assert_allclose(back, -whole, atol=1e-12)


def test_without_slopes_there_is_no_effect(fit):
    flat = with_slopes(
        fit, feature_slope=0.0, benchmark_slope=0.0, tuning_shift=0.0, benchmark_tuning=0.0
    )
    found = flat.feature_effects(on="score").summary
    np.testing.assert_allclose(found["mean"], 0.0, atol=1e-12)


def test_effects_on_scores_compare_usual_values(fit):
    llms = fit.model.design.llms
    found = fit.feature_effects(on="score", benchmarks=["MMLU"])
    names = found.summary["comparison"].tolist()
    low, high = (llms["params_b"].quantile(q, interpolation="nearest") for q in (0.25, 0.75))
    assert f"params_b: {low:.3g} to {high:.3g}" in names
    commonest = llms["positional_embedding"].mode().iloc[0]
    others = set(llms["positional_embedding"]) - {commonest}
    assert {f"positional_embedding: {commonest} to {other}" for other in others} <= set(names)
    assert "tuned: 0 to 1" in names
    assert any(name.startswith("release_date: 202") for name in names)
    again = fit.contrast("tuned", 1, 0, benchmarks=["MMLU"]).summary["mean"].iloc[0]
    of_tuning = found.summary.set_index("comparison").loc["tuned: 0 to 1", "mean"]
    assert of_tuning == pytest.approx(again)
    assert found.draws["difference"].dims == ("chain", "draw", "comparison", "benchmark")


def test_a_curve_goes_through_its_contrasts(fit):
    curve = fit.curve("tokens_t", benchmarks=["GSM8K"], grid=[1.0, 10.0])
    ends = curve.summary.set_index("value")["mean"]
    assert ends[10.0] - ends[1.0] == pytest.approx(
        means(fit.contrast("tokens_t", 10.0, 1.0, benchmarks=["GSM8K"]))["GSM8K"]
    )
    assert curve.draws["expected"].dims == ("chain", "draw", "benchmark", "value")
    assert curve.points["value"].tolist() == fit.model.design.llms["tokens_t"].tolist()


def test_a_curve_covers_the_fitted_range(fit):
    value = fit.curve("params_b", benchmarks=["MMLU"]).draws["value"].to_numpy()
    sizes = fit.model.design.llms["params_b"]
    assert (value[0], value[-1]) == (sizes.min(), sizes.max())
    np.testing.assert_allclose(np.diff(np.log(value)), np.diff(np.log(value))[0])


def test_what_varies_between_families_alone_is_said_so():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
    code = table.llms["family"].map({f: n % 5 for n, f in enumerate(table.family_names)})
    table = ls.ScoreTable.from_long(
        table.scores, table.llms.assign(code_pct=10.0 * code), table.benchmarks, missing="keep"
    )
    fit = fake_fit(skills=1, draws=10, table=table, features="log(params_b) + code_pct")
    found = fit.feature_effects()
    between = found.summary.set_index("feature")["between"]
    assert between["code_pct"] == pytest.approx(1.0)
    assert 0.05 < between["log(params_b)"] < 0.9
    n = len(fit.model.design.families)
    assert found.caveats["code_pct"] == (
        f"code_pct: 100 % of its variation lies between the {n} families. What else families that "
        "differ in it have in common cannot be told from it, but for the prior of family effects."
    )
    share = 100 * (1 - between["log(params_b)"])
    assert found.caveats["params_b"] == (
        f"params_b: {share:.0f} % of its variation lies within families, where LLMs share all "
        "else that their developers do not change along with it."
    )
    assert repr(found).endswith("\n".join(found.caveats.values()))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (
            lambda fit: fit.contrast("vocab", 1, 2),
            "The formula 'log(params_b) * log(tokens_t) + positional_embedding + release_date' "
            "does not use 'vocab', so the fit says nothing of it. It uses 'params_b', "
            "'positional_embedding', 'release_date', 'tokens_t', 'tuned'; fit again with a formula "
            "that has it.",
        ),
        (
            lambda fit: fit.curve("positional_embedding"),
            "'positional_embedding' is not a number, so there is nothing between its values. "
            "Compare two of them: fit.contrast('positional_embedding', ...).",
        ),
        (
            lambda fit: fit.feature_effects(on="scores"),
            "on='scores' (nearest: 'score') is neither 'skill' nor 'score', which features can "
            "have effects on.",
        ),
    ],
)
def test_what_cannot_be_asked(fit, action, said):
    with pytest.raises(PredictionError) as caught:
        action(fit)
    assert str(caught.value) == said


def test_a_category_that_was_never_seen(fit):
    with pytest.raises(FeatureError) as caught:
        fit.contrast("positional_embedding", "rotary", "spiral")
    assert "has a category that no fitted LLM has: 'spiral'" in str(caught.value)


def test_the_module_is_what_the_fit_asks(fit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingFeatureWarning)
        pd.testing.assert_frame_equal(
            fit.feature_effects().summary, associations.skill_effects(fit).summary
        )
