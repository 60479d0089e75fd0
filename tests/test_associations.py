"""Effects of features: all else held, in the units that they say, with what cannot be told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fake_fit import fake_fit

import latentscale as ls
from latentscale import associations
from latentscale.errors import FeatureError, PredictionError

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
    slope, shift = fit.posterior["feature_slope"], fit.posterior["tuning_shift"]
    assert len(summary) == slope.sizes["skill"] * (slope.sizes["feature"] + 1)
    for skill in slope["skill"].values:
        for feature in slope["feature"].values:
            draws = slope.sel(skill=skill, feature=feature)
            row = summary.loc[(skill, feature)]
            assert row["mean"] == pytest.approx(float(draws.mean()))
            share = float((draws > 0).mean())
            assert row["p_direction"] == pytest.approx(max(share, 1 - share))
        tuned = summary.loc[(skill, "tuned")]
        assert tuned["mean"] == pytest.approx(float(shift.sel(skill=skill).mean()))
        assert 0.1 < tuned["between"] < 0.5
    assert found.draws["effect"].dims == ("chain", "draw", "feature", "skill")
    assert "tuned" in found.caveats
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


def test_numbers_are_written_with_three_digits_or_whole(fit):
    found = fit.contrast("tokens_t", 15_250.0, 0.33333, benchmarks=["MMLU"])
    assert found.summary["comparison"].tolist() == ["tokens_t: 0.333 to 15,250"]


def test_a_curve_goes_through_its_contrasts(fit):
    curve = fit.curve("tokens_t", benchmarks=["GSM8K"], grid=[1.0, 10.0])
    ends = curve.summary.set_index("value")["mean"]
    assert ends[10.0] - ends[1.0] == pytest.approx(
        means(fit.contrast("tokens_t", 10.0, 1.0, benchmarks=["GSM8K"]))["GSM8K"]
    )
    assert curve.draws["expected"].dims == ("chain", "draw", "benchmark", "value")
    assert curve.points["value"].tolist() == fit.model.design.llms["tokens_t"].dropna().tolist()


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


def test_kinds_of_few_developers_are_named():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
    owner, family = table.llms["developer"], table.llms["family"]
    kind = owner.map({"Meta": "meta's", "Google": "google's"}).where(family != "gemma", "alibi")
    kind = kind.where(owner != "Mistral AI", "alibi").fillna("rotary")
    table = ls.ScoreTable.from_long(
        table.scores, table.llms.assign(kind=kind), table.benchmarks, missing="keep"
    )
    settings = {"skills": 1, "draws": 5, "table": table, "features": "log(params_b) + kind"}
    found = fake_fit(**settings).contrast("kind", "alibi", "rotary").caveats["kind"]
    assert found.endswith(
        " Some kinds are of few alone, and cannot be told from these: 'alibi' of 'Google' and "
        "'Mistral AI', \"google's\" of 'Google', \"meta's\" of 'Meta'."
    )
    found = fake_fit(**settings, developers=False).feature_effects().caveats["kind"]
    assert "\"google's\" of 'gemma-2' and 'recurrentgemma'" in found


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
            "'positional_embedding' is not a column of numbers, so there is no curve along it. "
            "Compare two of its values: fit.contrast('positional_embedding', ...).",
        ),
        (
            lambda fit: fit.feature_effects(on="scores"),
            "on='scores' (nearest: 'score') is neither 'skill' nor 'score', which features can "
            "have effects on.",
        ),
        (
            lambda fit: fit.feature_effects(benchmarks=["MMLU"]),
            'benchmarks= was given, and effects on skills are of none: use on="score" for effects '
            "on benchmarks, or leave it out.",
        ),
        (
            lambda fit: fit.feature_effects(on="score", sensitivity=True),
            'sensitivity=True says how effects on skills depend on priors: use on="skill", or '
            "leave it out.",
        ),
        (
            lambda fit: fit.contrast("params_b", "big", 1.0),
            "value has 'big', and 'params_b' must be a finite number. Use one such as 10.0.",
        ),
        (
            lambda fit: fit.contrast("params_b", 7.0, 0),
            "reference has 0, and 'params_b' must be a number above zero, since the formula takes "
            "its logarithm. Use one such as 10.0.",
        ),
        (
            lambda fit: fit.contrast("tuned", 2, 0),
            "value has 2, and 'tuned' must be 0 or 1. Use one such as 1.",
        ),
        (
            lambda fit: fit.contrast("release_date", "soon", "2024-01-01"),
            "value has 'soon', and 'release_date' must be a date. Use one such as \"2024-06-07\".",
        ),
        (
            lambda fit: fit.curve("params_b", grid=[]),
            "grid=[] has no value of 'params_b'. Name some, or none.",
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
    pd.testing.assert_frame_equal(
        fit.feature_effects().summary, associations.skill_effects(fit).summary
    )


def test_features_that_are_true_or_false():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
    fit = fake_fit(skills=1, draws=20, table=table, features="log(params_b) + tied_embeddings")
    found = fit.contrast("tied_embeddings", True, False)
    back = fit.contrast("tied_embeddings", False, True)
    np.testing.assert_allclose(means(found), -means(back))
    assert (means(found) != 0).all()
    fitted = fit.model.design.llms[["llm"]].iloc[[0]]
    assert len(fit.predict(fitted).summary) == 2
    plain = fit.model.design.llms.astype({"tied_embeddings": bool})
    whole = ls.ScoreTable.from_long(
        table.scores[table.scores["llm"].isin(plain["llm"])], plain, missing="keep"
    )
    again = fake_fit(skills=1, draws=20, table=whole, features="log(params_b) + tied_embeddings")
    assert again.model.design.encoding.names == fit.model.design.encoding.names


def small_table(**columns):
    """Six families of two sizes, on four benchmarks; nobody is tuned."""
    llms = pd.DataFrame(
        {
            "llm": [f"llm {i}" for i in range(12)],
            "family": np.repeat(list("abcdef"), 2),
            "params_b": np.tile([1.0, 10.0], 6) * np.repeat(np.linspace(1, 2, 6), 2),
            **columns,
        }
    )
    scores = pd.DataFrame(
        [(llm, f"b{j}", 0.3 + 0.02 * i) for i, llm in enumerate(llms["llm"]) for j in range(4)],
        columns=["llm", "benchmark", "score"],
    )
    return ls.ScoreTable.from_long(scores, llms)


def test_a_design_column_that_is_the_same_for_all_says_nothing():
    fit = fake_fit(
        skills=1, draws=10, table=small_table(), features="log(params_b)",
        tuning_slopes=["log(params_b)"],
    )  # fmt: skip
    found = fit.feature_effects().summary.set_index("feature")["between"]
    assert np.isnan(found["tuned:log(params_b)"])
    assert not np.isnan(found["log(params_b)"])


def test_a_number_that_hardly_ever_differs_is_compared_between_its_ends():
    table = small_table(moe=np.repeat([0.0, 0.0, 0.0, 0.0, 0.0, 1.0], 2))
    fit = fake_fit(skills=1, draws=10, table=table, features="log(params_b) + moe")
    names = fit.feature_effects(on="score").summary["comparison"].unique()
    assert "moe: 0 to 1" in names


def test_derived_features_are_set_themselves():
    width = np.repeat([2.0, 2.5, 3.0, 3.5, 4.0, 4.5], 2)
    table = small_table(d_model=1024.0, d_ff=1024.0 * width)
    fit = fake_fit(skills=1, draws=10, table=table, features="log(params_b) + mlp_ratio")
    by_ratio = means(fit.contrast("mlp_ratio", 4.0, 2.0))
    slope = float(fit.posterior["feature_slope"].sel(feature="mlp_ratio").mean())
    assert np.sign(by_ratio.mean()) == np.sign(slope)
    assert fit.curve("mlp_ratio").points["value"].tolist() == width.tolist()
    assert "mlp_ratio" in fit.feature_effects(on="score").caveats
    with pytest.raises(PredictionError, match=r"It uses 'mlp_ratio', 'params_b'; fit again"):
        fit.contrast("d_ff", 2048.0, 1024.0)


def test_pictures_of_the_other_kind(fit):
    with pytest.raises(PredictionError, match="This is a curve"):
        ls.plots.feature_effects(fit.curve("params_b", benchmarks=["MMLU"], grid=[1.0, 2.0]))
    with pytest.raises(PredictionError, match="This is no curve"):
        ls.plots.feature_curve(fit.feature_effects())


# ---- the heatmap -------------------------------------------------------------------------------


def test_the_heatmap_groups_benchmarks_and_numbers_what_is_sure(fit):
    found = fit.feature_effects(on="score")
    pc = ls.plots.feature_heatmap(fit)
    (target,) = ls.plots.style.axes_of(pc).values()
    columns = [label.get_text() for label in target.get_xticklabels()]
    tasks = fit.table.benchmarks.set_index("benchmark")["task"].loc[columns].tolist()
    runs = [task for i, task in enumerate(tasks) if i == 0 or task != tasks[i - 1]]
    assert len(runs) == len(set(runs))
    texts = [text.get_text() for text in target.texts]
    assert set(runs) <= set(texts)
    sure = found.summary[found.summary["p_direction"] >= 0.95]
    assert sorted(text for text in texts if text not in runs) == sorted(
        f"{100 * mean:+.1f}" for mean in sure["mean"]
    )
    rows = [label.get_text() for label in target.get_yticklabels()]
    certain = found.summary.assign(
        size=found.summary["mean"].abs() * (2 * found.summary["p_direction"] - 1)
    )
    assert certain.groupby("comparison")["size"].max()[rows].is_monotonic_decreasing
    assert len(rows) == found.summary["comparison"].nunique()
    (bar,) = [each for each in target.figure.axes if each is not target]
    assert bar.get_ylabel() == "points"
    image = target.images[0]
    shown = found.summary.pivot(index="comparison", columns="benchmark", values="mean")
    np.testing.assert_allclose(image.get_array(), 100 * shown.loc[rows, columns])


def test_the_heatmap_of_a_contrast_has_one_row(fit):
    pc = ls.plots.feature_heatmap(fit.contrast("tuned", 1, 0), visuals={"numbers": False})
    (target,) = ls.plots.style.axes_of(pc).values()
    assert [label.get_text() for label in target.get_yticklabels()] == ["tuned: 0 to 1"]
    assert not target.texts


def test_a_heatmap_needs_effects_on_scores(fit):
    with pytest.raises(PredictionError) as caught:
        ls.plots.feature_heatmap(fit.feature_effects())
    assert str(caught.value) == (
        'These effects are not differences of scores. Ask for feature_effects(on="score"), or for '
        "a contrast."
    )


def test_what_is_unknown_is_told_beside_the_effects():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"], tuned=False)
    fit = fake_fit(skills=1, draws=20, table=table, features="log(params_b) + code_pct")
    llms = fit.model.design.llms
    known = llms["code_pct"].notna()
    caveat = fit.contrast("code_pct", 20.0, 5.0).caveats["code_pct"]
    families = llms.loc[known, "family"].nunique()
    assert caveat.startswith("code_pct: ")
    assert f"lies between the {families} families." in caveat
    assert caveat.endswith(
        f" It is known of {known.sum()} of the {len(llms)} LLMs; of the others it is drawn, as if "
        "it were missing at random."
    )
    points = fit.curve("code_pct", benchmarks=["MMLU"]).points
    assert len(points) == known.sum()
