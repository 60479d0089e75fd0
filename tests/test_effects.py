"""Effects, rankings, loadings, curves and checks, on a fit that no sampler made."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
from fake_fit import fake_fit, frame_of_scores

import latentscale as ls
from latentscale import checks, curves, effects
from latentscale.errors import ExtrapolationWarning, PredictionError, SpecError
from latentscale.estimates import interval_probs
from latentscale.forward import ability_of, fitted_members, read_draws, with_features
from latentscale.graph import REPORTED
from latentscale.links import rise


@pytest.fixture(scope="module")
def fit():
    return fake_fit(draws=100, anchors=("HellaSwag", "GSM8K", "IFEval"))


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"skills": 1, "deviations": False, "benchmark_slopes": False, "ceiling": False},
        {"likelihood": "student_t", "family_slopes": ("log(params_b)",)},
        {"skills": 6, "likelihood": "beta"},
    ],
)
def test_fake_fit_is_composed_as_the_model_is(spec):
    fit = fake_fit(draws=5, **spec)
    draws = with_features(read_draws(fit.posterior), fit.model.design)
    members = fitted_members(fit.model.design, fit.spec)
    np.testing.assert_allclose(ability_of(draws, members), draws["ability"], atol=1e-12)
    assert fit.coverage(level="score")["mae"].max() < 0.2


def test_fake_fit_reports_what_the_model_reports():
    settings = {
        "family_slopes": ("log(params_b)",), "conditions": ("chat_template",),
        "features": "log(params_b) + log(tokens_t) + norm",
    }  # fmt: skip
    fit = fake_fit(draws=5, likelihood="student_t", **settings)
    assert set(fit.posterior.data_vars) == {*REPORTED, "configuration"}
    named = set(fit.idata["sampled"].data_vars) | set(fit.posterior.data_vars) - {"configuration"}
    assert set(fit.model.priors) <= named
    with fit.model.to_pymc() as graph:
        for name in named:
            assert fit.idata["posterior" if name in fit.posterior else "sampled"][name].dims == (
                "chain",
                "draw",
                *graph.named_vars_to_dims.get(name, ()),
            )


def test_interval_probs_follow_arviz():
    assert interval_probs(None) == (0.5, az.rcParams["stats.ci_prob"])
    with az.rc_context({"stats.ci_prob": 0.8}):
        assert interval_probs(None) == (0.5, 0.8)


def test_interval_probs_must_be_probabilities():
    with pytest.raises(PredictionError) as error:
        interval_probs(90)
    assert str(error.value) == (
        "ci_prob=90 is not a probability between 0 and 1. For a 90 % interval use ci_prob=0.9."
    )


def test_family_effects_agree_with_arviz(fit):
    found = effects.family_effects(fit)
    assert list(found.summary) == [
        "skill",
        "family",
        "n_llms",
        "mean",
        "sd",
        "eti50_lb",
        "eti50_ub",
        "eti89_lb",
        "eti89_ub",
        "p_positive",
    ]
    row = found.summary.iloc[7]
    draws = fit.posterior["family_effect"].sel(skill=row["skill"], family=row["family"])
    np.testing.assert_allclose(row["mean"], draws.mean())
    np.testing.assert_allclose(row[["eti89_lb", "eti89_ub"]].tolist(), az.eti(draws, prob=0.89))
    np.testing.assert_allclose(row["p_positive"], (draws > 0).mean())


def test_summary_gives_every_element_its_own_numbers(fit):
    # Dims that come in another order in one variable than in another: ArviZ mixes them up.
    names = ["loading", "feature_slope", "benchmark_slope", "ability", "family_deviation"]
    found = fit.summary(names)
    for name in names:
        means = fit.posterior[name].mean(["chain", "draw"]).to_series()
        means.index = [f"{name}[{', '.join(map(str, labels))}]" for labels in means.index]
        rows = found.loc[found.index.str.startswith(f"{name}["), "mean"]
        pd.testing.assert_series_equal(rows, means[rows.index], check_names=False)
        varies = fit.posterior[name].std(["chain", "draw"]) > 0
        assert len(rows) == int(varies.sum()) > 0


def test_summary_takes_one_name_and_says_which_there_are(fit):
    assert fit.summary("difficulty").index[0] == "difficulty[MMLU]"
    assert fit.diagnose("difficulty").summary.index.tolist() == ["difficulty"]
    with pytest.raises(PredictionError) as caught:
        fit.summary("loadings")
    assert str(caught.value).startswith(
        "The posterior has no 'loadings' (nearest: 'loading'). Its variables are "
    )
    with pytest.raises(PredictionError) as caught:
        fit.diagnose([])
    assert str(caught.value).startswith("The posterior has no variable without a name. Its ")


def test_family_effects_put_the_best_of_each_skill_first(fit):
    summary = effects.family_effects(fit).summary
    assert summary["skill"].unique().tolist() == fit.posterior["skill"].values.tolist()
    for _, group in summary.groupby("skill"):
        assert group["mean"].is_monotonic_decreasing
    assert summary.groupby("skill")["n_llms"].sum().unique().tolist() == [239]


def test_intervals_may_be_of_highest_density(fit):
    with az.rc_context({"stats.ci_kind": "hdi"}):
        assert "hdi89_lb" in effects.loadings(fit).summary


def test_ranking_orders_by_mean_and_bounds_ranks(fit):
    summary = effects.ability_ranking(fit, "GSM8K").summary
    assert summary["rank"].tolist() == list(range(1, 240))
    assert summary["mean"].is_monotonic_decreasing
    assert summary["skill"].unique().tolist() == ["skill 2 (GSM8K)"]
    assert (summary["rank_lb"] <= summary["rank_ub"]).all()
    assert summary["rank_lb"].min() == 1
    draws = fit.posterior["ability"].sel(skill="skill 2 (GSM8K)").stack(sample=("chain", "draw"))
    best = summary["llm"][0]
    ranks = (draws >= draws.sel(llm=best)).sum("llm").to_numpy()
    assert summary["rank_ub"][0] == np.quantile(ranks, 0.945, method="nearest")


def test_ranking_of_some_llms_keeps_their_ranks(fit):
    everyone = effects.ability_ranking(fit).summary.set_index("llm")["rank"]
    few = ["tiiuae/falcon-7b", "huggyllama/llama-65b"]
    found = effects.ability_ranking(fit, llms=few)
    assert found.summary.set_index("llm")["rank"].to_dict() == everyone[few].to_dict()
    assert found.draws.sizes["llm"] == 2


def test_ranking_refuses_an_unknown_llm(fit):
    with pytest.raises(PredictionError) as error:
        effects.ability_ranking(fit, llms=["huggyllama/llama-65"])
    known = [repr(name) for name in fit.posterior["llm"].values.tolist()[:20]]
    assert str(error.value) == (
        "llms names 'huggyllama/llama-65' (nearest: 'huggyllama/llama-65b'), which the fit does "
        f"not have. Its LLMs are {', '.join(known)} and 219 more."
    )


def test_skills_are_known_by_name_or_anchor(fit):
    assert effects.skill_names_of(fit, ["IFEval", "skill 1 (HellaSwag)"]) == [
        "skill 3 (IFEval)",
        "skill 1 (HellaSwag)",
    ]
    with pytest.raises(PredictionError) as error:
        effects.skill_names_of(fit, ["BBH"])
    assert str(error.value) == (
        "skills names 'BBH', which the fit does not have. Its skills are 'skill 1 (HellaSwag)', "
        "'skill 2 (GSM8K)', 'skill 3 (IFEval)'."
    )


def test_loadings_name_the_role_of_each(fit):
    summary = effects.loadings(fit).summary
    roles = summary.groupby("role").size().to_dict()
    assert roles == {"anchor": 3, "fixed": 6, "free": 27}
    assert (summary.loc[summary["role"] == "fixed", ["mean", "sd"]] == 0).all(axis=None)
    assert (summary.loc[summary["role"] == "anchor", "mean"] > 0).all()
    assert summary["benchmark"][0] == "HellaSwag"


def test_curve_stays_in_the_fitted_range_and_is_quiet(fit):
    curve = curves.scaling_curve(fit, "llama-3.1", ["MMLU"])
    sizes = fit.model.design.llms["params_b"]
    assert curve.summary["params_b"].max() == sizes.max()
    assert curve.summary["params_b"].min() < 8.1 / 3.9
    released = pd.Timestamp("2024-07-23")
    assert curve.at == {"tuned": 0.0, "release_date": released, "tokens_t": 15.0}
    assert curve.draws.sizes == {"chain": 2, "draw": 100, "benchmark": 1, "params_b": 25}


def test_curve_of_a_base_llm_is_what_predict_expects_without_its_own_effect(fit):
    """At the size of a fitted LLM whose own effect is taken away the two must agree."""
    name = "meta-llama/Llama-2-13b-hf"
    size = float(fit.table.llms.set_index("llm")["params_b"][name])
    curve = curves.scaling_curve(fit, "llama-2", ["MMLU", "BBH"], grid=[size])
    own = fit.posterior["llm_effect"].sel(llm=name)
    loading = fit.posterior["loading"].sel(benchmark=["MMLU", "BBH"])
    expected = fit.predict(pd.DataFrame({"llm": [name]}), benchmarks=["MMLU", "BBH"]).draws[
        "expected"
    ]
    floor, ceiling, a = (
        fit.posterior[name].sel(benchmark=["MMLU", "BBH"]).to_numpy()
        for name in ("floor", "ceiling", "asymmetry")
    )
    share = (expected.to_numpy() - floor) / (ceiling - floor)
    steepness = a / (2 * (1 - 2**-a))
    eta = np.log(((1 - share) ** -a - 1) / (2**a - 1)) / steepness
    eta -= (loading * own).sum("skill").to_numpy()
    typical = floor + (ceiling - floor) * rise(eta, a)
    np.testing.assert_allclose(curve.draws["expected"].isel(params_b=0), typical, atol=1e-10)


def test_new_score_is_wider_than_the_expected_one(fit):
    summary = curves.scaling_curve(fit, "pythia").summary
    sd = summary.pivot_table(index=["benchmark", "params_b"], columns="quantity", values="sd")
    assert (sd["score"] > sd["expected"]).mean() > 0.95


def test_curve_rises_with_size(fit):
    curve = curves.scaling_curve(fit, "llama-2", ["HellaSwag"])
    expected = curve.summary.query("quantity == 'expected'")["mean"]
    assert expected.is_monotonic_increasing
    assert set(curve.points["llm"]) <= set(fit.table.llms.query("family == 'llama-2'")["llm"])
    assert curve.levels.loc["HellaSwag", "chance"] == 0.25


def test_same_seed_same_curve(fit):
    first, again, other = (
        curves.scaling_curve(fit, "yi", ["BBH"], grid=[7, 30], random_seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.draws.identical(again.draws)
    assert not first.draws["score"].equals(other.draws["score"])


def test_curve_of_a_tuned_recipe_is_what_predict_expects_of_it(fit):
    [own] = (
        fit.scaling_curve("qwen2", ["MMLU"], grid=[7.0], recipe="qwen2-instruct")
        .draws["expected"]
        .mean(("chain", "draw"))
        .to_numpy()
    )
    base = fit.scaling_curve("qwen2", ["MMLU"], grid=[7.0])
    assert base.recipe == "qwen2"
    tokens, date = (base.at[name] for name in ("tokens_t", "release_date"))
    asked = pd.DataFrame({"llm": ["new"], "family": "qwen2", "recipe": "qwen2-instruct",
                          "params_b": 7.0, "tokens_t": tokens, "release_date": date})  # fmt: skip
    # A new LLM has an effect of its own, which averages out.
    predicted = fit.predict(asked, benchmarks=["MMLU"]).draws["expected"].mean().item()
    assert own.item() == pytest.approx(predicted, abs=0.01)
    with pytest.raises(PredictionError) as error:
        fit.scaling_curve("qwen2", recipe="chat")
    assert str(error.value) == (
        "recipe names 'chat', which the fit does not have. Its recipes of 'qwen2' are "
        "'dolphin-2.9.2-qwen2', 'orca_mini_v7', 'qwen2', 'qwen2-instruct'."
    )
    with pytest.raises(PredictionError) as error:
        fit.scaling_curve("qwen2", at={"tuned": 1})
    assert str(error.value) == (
        "at= holds 'tuned', which goes with the recipe. Ask for a tuned recipe of the family: "
        "recipe=."
    )


def test_curve_beyond_the_range_warns(fit):
    with pytest.warns(ExtrapolationWarning, match="'llama-3.1' at|llama-3.1 at 5000e9 parameters"):
        curves.scaling_curve(fit, "llama-3.1", ["MMLU"], grid=[8, 5000])


def test_curve_refuses_what_it_cannot_use(fit):
    with pytest.raises(PredictionError) as error:
        curves.scaling_curve(fit, "llama2")
    families = [repr(name) for name in fit.model.design.families[:20]]
    assert str(error.value) == (
        "family names 'llama2' (nearest: 'llama-2'), which the fit does not have. Its families "
        f"are {', '.join(families)} and 26 more."
    )
    with pytest.raises(PredictionError) as error:
        curves.scaling_curve(fit, "llama-2", grid=[0, 7])
    assert str(error.value) == (
        "grid=[0, 7] must hold sizes above zero, in 1e9 parameters, such as "
        "grid=[1, 3, 10, 30, 100]."
    )
    with pytest.raises(PredictionError) as error:
        curves.scaling_curve(fit, "llama-2", at={"token_t": 2})
    assert str(error.value) == (
        "at= names 'token_t' (nearest: 'tokens_t'), which the formula "
        "'log(params_b) * log(tokens_t) + release_date' does not use. It uses 'release_date', "
        "'tokens_t'."
    )


def test_a_curve_goes_along_sizes_alone(fit):
    with pytest.raises(PredictionError) as error:
        curves.scaling_curve(fit, "llama-2", at={"params_b": 70})
    assert str(error.value) == (
        "at= holds 'params_b', and a curve goes along sizes. Give them as grid=, in 1e9 "
        "parameters, such as grid=[1, 3, 10, 30]."
    )


def test_a_curve_is_at_the_median_date(fit):
    llms = fit.model.design.llms
    own = llms[(llms["family"] == "qwen") & (llms["tuned"] == 0)]
    curve = curves.scaling_curve(fit, "qwen", ["MMLU"])
    assert curve.at["release_date"] == own["release_date"].median()
    assert curve.at["release_date"] > own["release_date"].min() + pd.Timedelta(days=30)


def test_a_mixture_of_experts_stays_one_along_its_curve():
    fit = fake_fit(draws=5, features="log(compute)")
    llms = fit.model.design.llms.set_index("llm")
    own = llms.loc["deepseek-ai/DeepSeek-V2"]
    settings = {"grid": [own["params_b"]], "benchmarks": ["MMLU"]}
    at = {"tokens_t": own["tokens_t"]}
    as_it_is = curves.scaling_curve(fit, "deepseek-v2", at=at, **settings)
    told = curves.scaling_curve(
        fit, "deepseek-v2", at=at | {"active_params_b": own["active_params_b"]}, **settings
    )
    dense = curves.scaling_curve(
        fit, "deepseek-v2", at=at | {"active_params_b": own["params_b"]}, **settings
    )
    expected = [each.draws["expected"].to_numpy() for each in (as_it_is, told, dense)]
    np.testing.assert_allclose(expected[0], expected[1])
    assert np.abs(expected[0] - expected[2]).max() > 0.01


def test_a_dense_family_with_one_mixture_stays_dense_along_its_curve():
    fit = fake_fit(draws=5, features="log(compute) + log(mlp_ratio)")
    llms = fit.model.design.llms
    own = llms[(llms["family"] == "qwen2") & (llms["tuned"] == 0)]
    assert own["active_params_b"].notna().sum() == 1 < len(own)
    settings = {"grid": [7.6], "benchmarks": ["MMLU"]}
    dense = {"active_params_b": 7.6, "experts_per_token": 1.0}
    found, told = (
        curves.scaling_curve(fit, "qwen2", at=at, **settings).draws["expected"].to_numpy()
        for at in ({}, dense)
    )
    np.testing.assert_allclose(found, told)


def test_curve_needs_size_among_the_features():
    fit = fake_fit(draws=5, features="log(tokens_t)")
    with pytest.raises(PredictionError) as error:
        curves.scaling_curve(fit, "llama-2")
    assert str(error.value) == (
        "The formula 'log(tokens_t)' does not use 'params_b', so this fit says nothing of size. "
        'Fit again with features="log(params_b) * log(tokens_t)".'
    )


def test_check_agrees_with_coverage_and_with_counting(fit):
    check = checks.predictive_check(fit)
    pd.testing.assert_frame_equal(check.summary.drop(columns="off"), fit.coverage())
    at = check.draws.sel(benchmark="BBH").isel(at=40)
    scores = frame_of_scores(fit).query("benchmark == 'BBH'")["score"]
    np.testing.assert_allclose(at["observed"], (scores <= float(at["grid"])).mean())
    assert (check.draws["outer"].diff("bound") >= check.draws["inner"].diff("bound")).all()
    assert repr(check).startswith("Coverage of 90 % intervals, level='developer'\n")
    of_family = checks.predictive_check(fit, level="family")
    assert repr(of_family).startswith("Coverage of 90 % intervals, level='family'\n")


def test_methods_give_what_their_pictures_show(fit):
    pd.testing.assert_frame_equal(fit.loadings().summary, effects.loadings(fit).summary)
    check = fit.predictive_check("family", 0.8)
    pd.testing.assert_frame_equal(
        check.summary, checks.predictive_check(fit, "family", 0.8).summary
    )


def test_coverage_is_off_by_more_than_what_scores_of_one_developer_share():
    """Whole developers in or out of their intervals vary more than as many single scores."""
    rng = np.random.default_rng(1)
    owners, each = 30, 20
    wrong = {"together": 0, "apart": 0}
    for _ in range(200):
        for how, n in (("together", owners), ("apart", owners * each)):
            inside = np.repeat(rng.random(n) < 0.5, owners * each // n)
            cells = pd.DataFrame(
                {"benchmark": "x", "owner": np.repeat(np.arange(owners), each), "coverage": inside}
            )
            summary = pd.DataFrame(
                {"n": [len(cells)], "coverage": [inside.mean()]}, index=pd.Index(["x"])
            )
            wrong[how] += bool(checks._with_verdict(summary, cells, 0.5)["off"].item())
    assert wrong["together"] < 20
    assert wrong["apart"] < 10


def test_check_says_where_coverage_is_off(fit):
    check = checks.predictive_check(fit, ci_prob=0.5)
    distance = (check.summary["coverage"] - 0.5).abs()
    assert check.summary["off"][distance > 0.3].tolist() == [True] * 4
    assert not check.summary["off"][distance < 0.1].any()


def test_comparison_of_a_fit_agrees_with_coverage(fit):
    found = checks.agreement(fit)
    share = found.summary.groupby("benchmark")["inside"].mean()
    np.testing.assert_allclose(share[list(found.benchmarks)], fit.coverage()["coverage"])
    assert found.draws.sizes["obs"] == len(found.summary) == fit.model.design.n_obs
    assert "inside their 90 % interval" in repr(found)


def _new_family(fit):
    llms = pd.DataFrame(
        {"llm": ["new-7b", "new-70b"], "family": "new", "params_b": [7.0, 70.0], "tokens_t": 2.0}
    )
    known = pd.DataFrame({"llm": ["new-7b"], "benchmark": ["MMLU"], "score": [0.5]})
    observed = pd.DataFrame(
        {
            "llm": ["new-7b", "new-7b", "new-70b", "other"],
            "benchmark": ["MMLU", "BBH", "MMLU", "MMLU"],
            "score": [0.5, 0.4, 0.7, 0.1],
        }
    )
    return fit.predict(llms, known, benchmarks=["MMLU", "BBH"]), observed


def test_comparison_of_a_prediction_leaves_out_known_scores(fit):
    prediction, observed = _new_family(fit)
    found = checks.agreement(prediction, observed)
    cells = found.summary[["llm", "benchmark"]].to_numpy().tolist()
    assert cells == [["new-7b", "BBH"], ["new-70b", "MMLU"]]
    assert found.draws["llm"].to_numpy().tolist() == ["new-7b", "new-70b"]
    np.testing.assert_allclose(
        found.draws["score"].mean([d for d in found.draws["score"].dims if d != "obs"]),
        found.summary["mean"],
    )
    assert found.summary.columns.tolist() == [
        "llm", "benchmark", "mean", "sd", "eti50_lb", "eti50_ub", "eti90_lb", "eti90_ub",
        "observed", "inside",
    ]  # fmt: skip
    ordered = found.summary[["eti90_lb", "eti50_lb", "eti50_ub", "eti90_ub"]].to_numpy()
    assert (np.diff(ordered) > 0).all()


def test_unknown_scores_are_not_compared(fit):
    prediction = fit.predict(fit.model.design.llms.iloc[:1].assign(llm="new"))
    cells = prediction.summary[["llm", "benchmark"]].assign(score=prediction.summary["mean"])
    whole = checks.agreement(prediction, cells)
    cells.loc[0, "score"] = np.nan
    assert len(checks.agreement(prediction, cells).summary) == len(whole.summary) - 1


def test_comparison_refuses_what_it_cannot_use(fit):
    prediction, observed = _new_family(fit)
    with pytest.raises(PredictionError) as error:
        checks.agreement(prediction)
    assert str(error.value) == (
        "A prediction needs observed scores to be compared with. Give them as observed=scores, a "
        "frame with the columns 'llm', 'benchmark' and 'score'."
    )
    with pytest.raises(PredictionError) as error:
        checks.agreement(prediction, observed.drop(columns="score"))
    assert str(error.value) == (
        "observed lacks 'score'. It needs the columns 'llm', 'benchmark' and 'score', a fraction "
        "in [0, 1]; rename with observed.rename(columns=...)."
    )
    with pytest.raises(PredictionError) as error:
        checks.agreement(prediction, observed.tail(1))
    assert str(error.value) == (
        "No observed score belongs to a predicted cell, so there is nothing to compare. The "
        "predicted LLMs are 'new-7b', 'new-70b', the observed ones 'other': give the same names."
    )
    with pytest.raises(PredictionError) as error:
        checks.agreement(fit, observed)
    assert str(error.value) == (
        "observed= was given with a fit, which is compared with the scores it was fitted to. For "
        "other scores predict their LLMs first, and compare those: fit.predict(llms)."
    )


def test_estimates_show_their_first_rows(fit):
    text = repr(effects.family_effects(fit))
    assert text.splitlines()[-1] == "... and 126 more rows in .summary"


def test_table_of_ones_own_can_be_faked():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
    fit = fake_fit(skills=1, draws=5, table=table)
    assert sorted(fit.model.design.benchmarks) == ["HellaSwag", "MMLU"]


def test_developer_effects_count_families_and_put_the_best_first(fit):
    found = effects.developer_effects(fit)
    summary = found.summary
    assert list(summary)[:3] == ["skill", "developer", "n_families"]
    first = summary[summary["skill"] == summary["skill"].iloc[0]].set_index("developer")
    assert first["n_families"].sum() == len(fit.model.design.families)
    assert first.loc["Meta", "n_families"] == 7
    assert first["mean"].is_monotonic_decreasing
    draws = fit.posterior["developer_effect"].sel(developer="Meta").isel(skill=0)
    assert first.loc["Meta", "mean"] == pytest.approx(float(draws.mean()))
    assert first.loc["Meta", "p_positive"] == pytest.approx(float((draws > 0).mean()))


def test_developer_effects_of_a_model_without_developers():
    with pytest.raises(SpecError) as error:
        effects.developer_effects(fake_fit(draws=5, developers=False))
    assert str(error.value) == (
        "This model has no developers: the LLMs' frame has no column 'developer', or none of them "
        "has several families, or they were left out by developers=False. Ask for "
        "family_effects()."
    )


def test_a_curve_of_a_family_of_which_a_category_is_unknown():
    table = ls.load_leaderboard(tuned=False)
    of_others = table.llms["family"] != "recurrentgemma"
    llms = table.llms.assign(attention_bias=table.llms["attention_bias"].where(of_others))
    table = ls.ScoreTable.from_long(table.scores, llms, table.benchmarks, missing="keep")
    fit = fake_fit(draws=20, table=table, features="log(params_b) + attention_bias")
    with pytest.warns(ls.errors.MissingFeatureWarning, match="'attention_bias' is unknown"):
        found = fit.scaling_curve("recurrentgemma", ["MMLU"], grid=[2.0, 9.0], at={})
    assert found.at["attention_bias"] is None
    assert found.summary["params_b"].unique().tolist() == [2.0, 9.0]


def test_a_curve_without_a_known_size_needs_a_grid():
    table = ls.load_leaderboard(tuned=False)
    llms = table.llms.assign(
        params_b=table.llms["params_b"].where(table.llms["family"] != "pythia")
    )
    unsized = ls.ScoreTable.from_long(table.scores, llms, table.benchmarks, missing="keep")
    fit = fake_fit(draws=20, table=unsized, features="log(params_b)")
    with pytest.raises(PredictionError) as error:
        fit.scaling_curve("pythia")
    assert str(error.value) == (
        "No LLM of 'pythia' has a known size, so that no default grid lies about them. Give "
        "grid=, sizes in 1e9 parameters such as [1, 3, 10, 30]."
    )


def test_no_interval_has_a_probability_above_one(fit):
    with pytest.raises(PredictionError) as error:
        fit.coverage(ci_prob=90)
    assert str(error.value) == (
        "ci_prob=90 is not a probability between 0 and 1. For a 90 % interval use ci_prob=0.9."
    )
