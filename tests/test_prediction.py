"""Who LLMs are to a fit, and what is said where they cannot be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_fit import fake_fit

import latentscale as ls
from latentscale.errors import PredictionError, PredictionWarning
from latentscale.one_fold import Fold, run_fold

FEATURES = {"params_b": 7.0, "tokens_t": 2.0, "release_date": "2024-01-01"}


@pytest.fixture(scope="module")
def fit():
    return fake_fit(draws=200)


def new(**columns):
    count = max(len(value) for value in columns.values() if isinstance(value, list))
    return pd.DataFrame({"llm": [f"new {i}" for i in range(count)], **FEATURES, **columns})


def message_of(fit, llms, scores=None):
    with pytest.raises(PredictionError) as caught:
        fit.predict(llms, scores)
    return str(caught.value)


def correlation_of(fit, llms):
    """Of the logits of two LLMs on the first benchmark."""
    expected = fit.predict(llms, benchmarks=["HellaSwag"]).draws["expected"]
    flat = expected.stack(sample=("chain", "draw")).transpose("obs", "sample").to_numpy()
    return np.corrcoef(np.log(flat / (1 - flat)))[0, 1]


def test_the_bundled_fit_knows_developers(fit):
    assert fit.spec.developers
    assert "Meta" in fit.model.design.developers


def test_families_of_one_new_developer_are_alike(fit):
    apart = correlation_of(fit, new(family=["one", "two"]))
    together = correlation_of(fit, new(family=["one", "two"], developer=["X", "X"]))
    assert apart < 0.3 < together


def test_a_new_family_of_a_known_developer_is_about_it(fit):
    """Its effects have the mean and the spread of the developer's families."""
    posterior = fit.posterior
    means = posterior["developer_effect"].mean(("chain", "draw")).sum("skill")
    best, worst = means.idxmax().item(), means.idxmin().item()
    frame = new(family=["one", "two", "three"], developer=[best, worst, None])
    found = fit.predict(frame).summary.groupby("llm")["mean"].mean()
    assert found["new 0"] > found["new 2"] + 0.01 > found["new 1"] + 0.02


def test_a_family_keeps_the_developer_that_it_was_fitted_with(fit):
    said = message_of(fit, new(family=["llama", "opt"], developer=["Meta", "Google"]))
    assert said == (
        "1 LLM given with another developer than the family was fitted with: 'new 1'. A family "
        "has one developer. Leave the column out for fitted families, or give the family another "
        "name."
    )
    frame = new(family=["llama", "opt"])
    pd.testing.assert_frame_equal(
        fit.predict(frame).summary, fit.predict(frame.assign(developer="Meta")).summary
    )


def test_a_developer_that_is_spelt_otherwise_is_said_to_be_new(fit):
    with pytest.warns(PredictionWarning) as caught:
        fit.predict(new(family=["one"], developer=["META "]))
    assert str(caught[0].message) == (
        "1 developer of LLMs to predict spelt unlike a fitted one by case or blanks only: 'META ' "
        "(fitted: 'Meta'). They count as unknown, and nothing is learnt from the fitted ones' "
        "families. Write them as in the fit if they are meant."
    )


def test_a_family_whose_developer_was_unknown_may_be_given_one():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
    llms = table.llms.assign(developer=table.llms["developer"].where(table.llms["family"] != "opt"))
    table = ls.ScoreTable.from_long(table.scores, llms, table.benchmarks, missing="keep")
    fit = fake_fit(skills=1, draws=10, table=table)
    frame = new(family=["opt"])
    pd.testing.assert_frame_equal(
        fit.predict(frame).summary, fit.predict(frame.assign(developer="Meta")).summary
    )


def test_a_model_without_developers_ignores_them():
    fit = fake_fit(draws=20, developers=False)
    frame = new(family=["llama", "a new one"])
    pd.testing.assert_frame_equal(
        fit.predict(frame).summary, fit.predict(frame.assign(developer="Google")).summary
    )


def test_a_fitted_llm_keeps_its_groups(fit):
    moved = pd.DataFrame({"llm": ["facebook/opt-13b"], "family": ["llama"], "recipe": ["opt"]})
    assert message_of(fit, moved) == (
        "1 LLM of the fit given with another family than it was fitted with: 'facebook/opt-13b'. "
        "A fitted LLM is predicted with its own effects. Give it its fitted family, leave that "
        "column out, or give the LLM another name."
    )


def test_a_recipe_belongs_to_one_family(fit):
    assert message_of(fit, new(family=["llama"], recipe=["opt"])) == (
        "The recipe 'opt' was fitted in another family than the one given for 'new 0'. A recipe "
        "belongs to one family. Give the recipe another name, or correct the family."
    )


def test_known_scores_that_are_fitted_already(fit):
    llms = pd.DataFrame({"llm": ["facebook/opt-13b"], "family": ["opt"]})
    scores = pd.DataFrame({"llm": llms["llm"], "benchmark": "MMLU", "score": 0.5})
    assert message_of(fit, llms, scores) == (
        "1 known score already in the fit: 'facebook/opt-13b' on 'MMLU'. Using them a second time "
        "would make the prediction too sure. Leave them out of scores=."
    )


def test_what_is_drawn_anew(fit):
    with pytest.raises(PredictionError) as caught:
        fit.posterior_predictive("families")
    assert str(caught.value) == (
        "level='families' (nearest: 'family') is not known. Use one of 'score', 'llm', 'recipe', "
        "'family', 'developer': the highest level whose effects are drawn anew."
    )


def test_a_new_llm_of_a_tuned_recipe_is_tuned(fit):
    frame = new(family=["qwen2"], recipe=["qwen2-instruct"])
    untold = fit.predict(frame, random_seed=1).summary
    told = fit.predict(frame.assign(tuned=1), random_seed=1).summary
    pd.testing.assert_frame_equal(untold, told)
    assert message_of(fit, frame.assign(tuned=0)) == (
        "The recipe 'qwen2-instruct' was fitted as tuned, and 'new 0' is given otherwise. Leave "
        "the column 'tuned' out for fitted recipes, or give the recipe another name."
    )
    partly = new(family=["qwen2", "qwen2"], recipe=["qwen2-instruct", "other"]).assign(
        tuned=[None, 1]
    )
    assert fit.predict(partly).summary["llm"].nunique() == 2


def test_a_new_llm_of_a_tuned_family_is_tuned():
    llms = pd.DataFrame(
        {"llm": list("abcd"), "family": ["f", "f", "g", "g"], "tuned": [1, 1, 0, 0],
         "params_b": [1.0, 7.0, 2.0, 8.0]}
    )  # fmt: skip
    scores = pd.DataFrame({"llm": list("abcd") * 3, "benchmark": ["x"] * 4 + ["y"] * 4 + ["z"] * 4})
    scores = scores.assign(score=np.linspace(0.3, 0.7, 12))
    table = ls.ScoreTable.from_long(scores, llms)
    fit = fake_fit(skills=1, draws=20, table=table, features="log(params_b)")
    frame = pd.DataFrame({"llm": ["new"], "family": ["f"], "params_b": [3.0]})
    untold = fit.predict(frame).summary
    pd.testing.assert_frame_equal(untold, fit.predict(frame.assign(tuned=1)).summary)
    assert fit.predict(frame.assign(family="g")).summary["family_status"].unique() == ["fitted"]


def test_benchmarks_to_predict_are_known_and_named_once(fit):
    frame = new(family=["llama"])
    found = fit.predict(frame, benchmarks=["MMLU", "BBH", "MMLU"]).summary
    assert found["benchmark"].tolist() == ["MMLU", "BBH"]
    with pytest.raises(PredictionError) as caught:
        fit.predict(frame, benchmarks=[])
    assert str(caught.value).startswith("benchmarks names nothing, which the fit does not have.")


def test_replicates_are_wider_the_more_is_drawn_anew(fit):
    levels = ("score", "llm", "recipe", "family", "developer")
    widths = [
        fit.posterior_predictive(level)["posterior_predictive"]["score"].std(("chain", "draw"))
        for level in levels
    ]
    means = [float(width.mean()) for width in widths]
    assert means == sorted(means)
    assert means[-1] > means[-2] * 1.01


@pytest.fixture(scope="module")
def conditioned():
    """A fit that knows what a chat template does: on IFEval it brings a logit."""
    fit = fake_fit(draws=300, conditions=("chat_template",))
    shift = fit.posterior["condition_shift"]
    shift[:] = xr.where(shift["benchmark"] == "IFEval", 1.0, 0.0).to_numpy()[:, None]
    return fit


def mean_of(fit, llms, benchmark, scores=None):
    found = fit.predict(llms, scores).summary
    return found[found["benchmark"] == benchmark].set_index("llm")["mean"]


def test_conditions_shift_the_benchmarks_that_they_shift(conditioned):
    frame = new(family=["llama", "llama"], recipe=["r", "r"], tuned=1)
    told = frame.assign(chat_template=[True, False])
    found = mean_of(conditioned, told, "IFEval")
    assert found["new 0"] > found["new 1"] + 0.03
    elsewhere = mean_of(conditioned, told, "MMLU")
    assert elsewhere["new 0"] == pytest.approx(elsewhere["new 1"], abs=0.01)


def test_llms_are_evaluated_as_is_usual_if_nothing_is_said(conditioned):
    usual = conditioned.model.design.usual_condition(np.array([1]))[0, :, 0]
    share = usual[conditioned.model.design.benchmarks.index("IFEval")]
    frame = new(family=["llama"], recipe=["r"], tuned=1)
    with_share = mean_of(conditioned, frame.assign(chat_template=share), "IFEval")
    assert mean_of(conditioned, frame, "IFEval")["new 0"] == pytest.approx(with_share["new 0"])
    assert 0.5 < share < 0.9


def test_known_scores_say_how_they_were_evaluated(conditioned):
    """A good score with the template says less than one without."""
    llms = new(family=["llama"], recipe=["r"], tuned=1)
    score = pd.DataFrame({"llm": ["new 0"], "benchmark": "IFEval", "score": 0.35})
    plain, easy = (
        mean_of(conditioned, llms, "BBH", score.assign(chat_template=told))["new 0"]
        for told in (False, True)
    )
    assert plain > easy + 0.002


def test_single_scores_may_be_evaluated_in_their_own_way(conditioned):
    llms = new(family=["llama", "llama"], recipe=["r", "r"], tuned=1)
    cells = pd.DataFrame(
        {"llm": llms["llm"], "benchmark": "IFEval", "chat_template": [True, False]}
    )
    found = conditioned.predict(llms, conditions=cells).summary
    of = found[found["benchmark"] == "IFEval"].set_index("llm")["mean"]
    assert of["new 0"] > of["new 1"] + 0.03


def test_a_known_score_may_be_evaluated_otherwise_than_what_is_predicted(conditioned):
    """What is asked of a cell wins, then what the LLM says, then how its known score was."""
    llms = new(family=["llama"], recipe=["r"], tuned=1)
    cell = pd.DataFrame({"llm": ["new 0"], "benchmark": "IFEval"})
    known = cell.assign(score=0.35, chat_template=False)

    def predicted(llms, conditions=None):
        found = conditioned.predict(llms, known, conditions=conditions).draws
        return float(found["expected"].where(found["benchmark"] == "IFEval").mean())

    as_known = predicted(llms)
    with_template = predicted(llms, cell.assign(chat_template=True))
    assert with_template > as_known + 0.05
    assert predicted(llms.assign(chat_template=True)) == with_template
    assert predicted(llms.assign(chat_template=True), cell.assign(chat_template=False)) == as_known


def test_llms_may_be_named_by_numbers_where_conditions_are_told(conditioned):
    llms = new(family=["llama", "llama"], recipe=["r", "r"], tuned=1).assign(llm=[7, 8])
    cells = pd.DataFrame({"llm": [7, 8], "benchmark": "IFEval", "chat_template": [True, False]})
    found = conditioned.predict(llms, conditions=cells).summary
    of = found[found["benchmark"] == "IFEval"].set_index("llm")["mean"]
    assert of["7"] > of["8"] + 0.03


def test_backtests_know_how_hidden_scores_were_evaluated(monkeypatch):
    table = ls.load_leaderboard()
    [fold] = [fold for fold in ls.splits.leave_family_out(table) if fold.name == "qwen2"]
    fit = fake_fit(draws=100, table=fold.known, conditions=("chat_template",))
    shift = fit.posterior["condition_shift"]
    shift[:] = xr.where(shift["benchmark"] == "IFEval", 1.0, 0.0).to_numpy()[:, None]
    monkeypatch.setattr(ls.ScalingModel, "refit", lambda *_, **__: fit)
    model = ls.ScalingModel(table, conditions=("chat_template",))
    found = run_fold(Fold(model, fold, model.predictable(fold.llms), 1, {}))
    told = fold.hidden_scores
    assert set(told["chat_template"].dropna()) == {False, True}
    as_told = fit.predict(fold.llms, conditions=told, random_seed=1).draws["expected"]
    as_usual = fit.predict(fold.llms, random_seed=1).draws["expected"]
    np.testing.assert_allclose(found["expected"].mean(), mean_over(as_told, told), rtol=1e-5)
    assert abs(mean_over(as_usual, told) / mean_over(as_told, told) - 1) > 3e-4
    [judged] = fit.log_density(fold.llms, told, random_seed=1)["log_density"]
    assert float(found["log_density"][0]) == pytest.approx(judged)
    [unknown] = fit.log_density(fold.llms, fold.hidden, random_seed=1)["log_density"]
    assert abs(judged - unknown) > 0.1


def mean_over(draws, cells):
    """Average draws over cells."""
    labels = pd.MultiIndex.from_arrays([draws["llm"].to_numpy(), draws["benchmark"].to_numpy()])
    at = labels.get_indexer(pd.MultiIndex.from_frame(cells[["llm", "benchmark"]]))
    return float(draws.isel(obs=at).mean())


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            {"llm": ["new 0"], "benchmark": "IFEval", "chat_templat": 1},
            "conditions= must be a DataFrame with the columns 'llm', 'benchmark' and at least one "
            "of 'chat_template', and is columns 'llm', 'benchmark', 'chat_templat'.",
        ),
        (
            {"benchmark": ["IFEval"], "chat_template": 1},
            "conditions= must be a DataFrame with the columns 'llm', 'benchmark' and at least one "
            "of 'chat_template', and is columns 'benchmark', 'chat_template'.",
        ),
        (
            {"llm": ["new 1"], "benchmark": "IFEval", "chat_template": 1},
            "conditions= names 'new 1' (nearest: 'new 0'), which is no llm that is predicted. "
            "Correct the name, or leave these rows out.",
        ),
        (
            {"llm": ["new 0"], "benchmark": "IFeval", "chat_template": 1},
            "conditions= names 'IFeval' (nearest: 'IFEval'), which is no benchmark that is "
            "predicted. Correct the name, or leave these rows out.",
        ),
    ],
)
def test_conditions_that_say_nothing_are_refused(conditioned, cells, message):
    with pytest.raises(PredictionError) as caught:
        conditioned.predict(new(family=["llama"]), conditions=pd.DataFrame(cells))
    assert str(caught.value) == message


def test_a_model_without_conditions_is_told_none(fit):
    cells = pd.DataFrame({"llm": ["new 0"], "benchmark": "IFEval", "chat_template": 1})
    with pytest.raises(PredictionError) as caught:
        fit.predict(new(family=["llama"]), conditions=cells)
    assert str(caught.value) == (
        "conditions= says how scores are evaluated, and this model has no conditions: "
        "ScalingModel(table, conditions=[...]) learns what they shift. Leave it out."
    )


@pytest.fixture(scope="module", params=["binomial", "beta_binomial"])
def counting(request):
    """A fit of right answers, of 500 items each, and a fold with a family that it has not seen."""
    table = ls.load_leaderboard(benchmarks=["MMLU", "ARC-C", "HellaSwag", "BBH"])
    scores = table.scores.assign(trials=500)
    scores["successes"] = (scores["score"] * 500).round()
    scores = scores[["llm", "benchmark", "successes", "trials"]]
    counted = ls.ScoreTable.from_long(scores, table.llms, table.benchmarks, missing="keep")
    [fold] = [fold for fold in ls.splits.leave_family_out(counted) if fold.name == "llama-2"]
    return fake_fit(skills=1, draws=60, table=fold.known, likelihood=request.param), fold


def test_counts_are_backtested(counting, monkeypatch):
    fit, fold = counting
    monkeypatch.setattr(ls.ScalingModel, "refit", lambda *_, **__: fit)
    found = run_fold(Fold(fit.model, fold, fit.model.predictable(fold.llms), 1, {}))
    assert found.sizes["cell"] == len(fold.hidden)
    assert np.isfinite(found["log_density"]).all()
    items = found["score"].to_numpy() * 500
    np.testing.assert_allclose(items, items.round(), atol=1e-3)


def test_a_new_score_is_of_as_many_items_as_is_said(counting):
    fit, fold = counting
    cells = fold.hidden_scores.assign(trials=7)
    found = fit.predict(fold.llms, conditions=cells[["llm", "benchmark", "trials"]])
    score = found.draws["score"].isel(obs=0).to_numpy()
    np.testing.assert_allclose(7 * score, (7 * score).round())


@pytest.mark.parametrize("trials", [0, -5, 7.5, np.inf, "many"])
def test_a_new_score_is_of_a_whole_number_of_items(counting, trials):
    fit, fold = counting
    cells = fold.hidden.iloc[:2][["llm", "benchmark"]].assign(trials=[trials, 7])
    llm, benchmark = cells.iloc[0][["llm", "benchmark"]]
    with pytest.raises(PredictionError) as caught:
        fit.predict(fold.llms, conditions=cells)
    assert str(caught.value) == (
        f"1 number of trials in conditions= not usable: {llm!r} on {benchmark!r} ({trials!r}). A "
        "score is of a whole number of items, one or more."
    )


@pytest.mark.filterwarnings("ignore:The known scores of 'llama-2' are far")
def test_known_counts_are_conditioned_on(counting):
    fit, fold = counting
    [smallest] = fold.llms.nsmallest(1, "params_b")["llm"]
    known = fold.hidden_scores[fold.hidden_scores["llm"] == smallest]
    known = known.assign(successes=(0.9 * known["trials"]).round())
    given = known[["llm", "benchmark", "successes", "trials"]]
    plain = fit.predict(fold.llms, benchmarks=["MMLU"]).summary["mean"]
    told = fit.predict(fold.llms, given, benchmarks=["MMLU"]).summary["mean"]
    assert (told > plain + 0.05).all()


def test_known_scores_of_a_likelihood_that_counts_need_counts(counting):
    fit, fold = counting
    known = fold.hidden.iloc[:1]
    with pytest.raises(PredictionError) as caught:
        fit.predict(fold.llms, known)
    assert str(caught.value) == (
        f"1 known score without successes and trials: {known['llm'][0]!r} on "
        f"{known['benchmark'][0]!r}. The likelihood {fit.spec.likelihood!r} counts right answers: "
        "give both columns, such as scores.assign(trials=1000, successes=lambda known: "
        '(1000 * known["score"]).round()).'
    )


@pytest.mark.filterwarnings("ignore:'positional_embedding' is unknown for 4 LLMs")
def test_a_category_that_only_hidden_llms_have_is_unknown_to_a_backtest(monkeypatch):
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"], tuned=False)
    features = "log(params_b) + positional_embedding"
    model = ls.ScalingModel(table, skills=1, features=features)
    [fold] = [fold for fold in ls.splits.leave_family_out(table) if fold.name == "xglm"]
    assert set(fold.llms["positional_embedding"]) == {"sinusoidal"}
    part = model.with_table(fold.known)
    assert "positional_embedding[T.sinusoidal]" in model.spec.shrunk
    assert "positional_embedding[T.sinusoidal]" not in part.spec.shrunk
    assert part.predictable(fold.llms)["positional_embedding"].isna().all()
    fit = fake_fit(skills=1, draws=20, table=fold.known, features=features)
    monkeypatch.setattr(ls.ScalingModel, "refit", lambda *_, **__: fit)
    found = run_fold(Fold(model, fold, model.predictable(fold.llms), 1, {}))
    assert found.sizes["cell"] == len(fold.hidden)
    # Asked for by name, they are those that the table has: of a category that is unknown.
    names = fold.llms[["llm"]]
    assert len(fit.predict(names, benchmarks=["MMLU"]).summary) == len(names)
    with pytest.raises(ls.errors.FeatureError, match="no fitted LLM has: 'sinusoidal'"):
        fit.predict(fold.llms)
