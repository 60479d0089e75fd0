"""Unknown features: parameters of fitted LLMs, drawn for others, and only as sure as that."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from fake_fit import fake_fit

import latentscale as ls
from latentscale.errors import FeatureError, MissingFeatureWarning, PredictionError
from latentscale.forward import read_draws, with_features
from latentscale.unknown import N_CONFIGURATIONS, asked_features, design_with, unknown_of

N = 4_000
FORMULA = "log(params_b) * log(tokens_t) + release_date"


@pytest.fixture(scope="module")
def llms():
    """Thirty families of two LLMs; tokens grow with dates, sizes vary within families."""
    rng = np.random.default_rng(0)
    years = np.linspace(0, 4, 30).repeat(2)
    tokens = np.exp(years / 2 + rng.normal(0, 0.1, size=30).repeat(2))
    return pd.DataFrame(
        {
            "llm": [f"llm {i}" for i in range(60)],
            "family": np.arange(30).repeat(2).astype(str),
            "tuned": 0,
            "params_b": np.tile([1.0, 8.0], 30) * np.exp(rng.normal(0, 0.1, 60)),
            "tokens_t": tokens,
            "release_date": pd.Timestamp("2020-01-01") + pd.to_timedelta(365.25 * years, "D"),
            "kind": (np.arange(30).repeat(2) % 2).astype(str),
        }
    )


def fit_of(llms, features=FORMULA, draws=N, **settings):
    rng = np.random.default_rng(1)
    names = ["HellaSwag", "MMLU", "BBH"]
    scores = pd.DataFrame(rng.uniform(0.3, 0.7, (len(llms), 3)), columns=names)
    wide = pd.concat([llms.reset_index(drop=True), scores], axis=1)
    table = ls.ScoreTable.from_wide(wide, benchmarks=names, missing="keep")
    settings = {"skills": 1, "chains": 1, "developers": False, **settings}
    return fake_fit(draws=draws, table=table, features=features, **settings)


@pytest.fixture(scope="module")
def whole(llms):
    """A fit of which everything is known."""
    return fit_of(llms, tuning_slopes=["log(params_b)"])


@pytest.fixture(scope="module")
def gappy(llms):
    """A fit that lacks the tokens of two families."""
    return fit_of(llms.assign(tokens_t=llms["tokens_t"].where(~llms["family"].isin(["7", "8"]))))


def drawn(fit, asked, seed=1):
    asked = asked.assign(**{"tuned": 0} if "tuned" not in asked else {})
    rng = np.random.default_rng(seed)
    typical, draws = asked_features(fit.model.design, asked, read_draws(fit.posterior), rng)
    x = draws["x"] if "x" in draws else np.tile(typical, (N, 1, 1))
    np.testing.assert_allclose(x.mean(axis=0), typical)
    return {name: x[:, :, at] for at, name in enumerate(fit.model.design.encoding.names)}


def test_what_is_known_stays(whole, llms):
    exact = whole.model.design.encoding.encode(llms)
    new = llms.assign(llm="new " + llms["llm"])
    for x in (drawn(whole, new), drawn(whole, new.drop(columns="release_date"))):
        for name in exact:
            if name != "release_date":
                np.testing.assert_allclose(x[name], np.tile(exact[name], (N, 1)))


def test_unknown_features_are_told(whole, llms):
    frame = llms.drop(columns="tokens_t")
    frame.loc[3, "release_date"] = None
    found = unknown_of(whole.model.design.encoding, frame)
    assert found.all().to_dict() == {"params_b": False, "release_date": False, "tokens_t": True}
    assert found["release_date"].tolist() == [i == 3 for i in range(60)]


def test_a_fitted_family_has_its_own_date(whole, llms):
    asked = llms.iloc[[8]].assign(llm="new", params_b=3.0, release_date=pd.NaT)
    x = drawn(whole, asked)["release_date"]
    expected = whole.model.design.encoding.encode(llms)["release_date"][8]
    assert x.mean() == pytest.approx(expected, abs=0.05)
    assert x.std() < 1e-6  # as no two siblings differ in it


def test_a_new_familys_date_follows_from_its_tokens(whole):
    asked = pd.DataFrame({"llm": ["a", "b"], "family": "new", "params_b": [1.0, 8.0]})
    few, many = (
        drawn(whole, asked.assign(tokens_t=tokens))["release_date"] for tokens in (1.2, 6.0)
    )
    assert many.mean() > few.mean() + 1.5
    assert 0 < few.std() < 0.5
    np.testing.assert_allclose(few[:, 0], few[:, 1], atol=1e-6)  # siblings came out together
    blind = drawn(whole, asked)["release_date"]
    assert blind.mean() == pytest.approx(0, abs=0.1)
    assert blind.std() == pytest.approx(1, abs=0.1)


def test_two_new_families_are_drawn_apart(whole):
    asked = pd.DataFrame({"llm": ["a", "b"], "family": ["x", "y"], "params_b": 1.0})
    x = drawn(whole, asked)["release_date"]
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.06


def test_products_squares_and_tuning_slopes_follow_their_factors(whole):
    asked = pd.DataFrame({"llm": ["a"], "family": "x", "tokens_t": 1.0, "tuned": 1})
    x, squares = drawn(whole, asked), whole.model.design.encoding.squares
    size = x["log(params_b)"]
    np.testing.assert_allclose(x["tuned:log(params_b)"], size)
    np.testing.assert_allclose(x["log(params_b)^2"], (size**2 - squares.mean) / squares.sd)
    assert np.ptp(x["log(params_b):log(tokens_t)"]) > 0.1


def test_fitted_llms_keep_what_was_drawn_of_them_in_the_fit(gappy):
    design = gappy.model.design
    assert design.unknown_families == ["7", "8"]
    fitted = with_features(read_draws(gappy.posterior), design)["x"]
    asked = design.llms.iloc[[15, 2]]
    x = drawn(gappy, asked)
    for at, name in enumerate(design.encoding.names):
        np.testing.assert_allclose(x[name], fitted[:, [15, 2], at])


@pytest.mark.parametrize("deviations", [True, False])
def test_benchmarks_see_of_fitted_llms_what_they_saw_in_the_fit(deviations, llms):
    frame = llms.assign(tokens_t=llms["tokens_t"].where(llms["family"] != "7"))
    fit = fit_of(frame, draws=20, deviations=deviations)
    design, draws = fit.model.design, read_draws(fit.posterior)
    in_fit = with_features(draws, design)
    new = design.llms.iloc[[15]].assign(llm="new")
    changed = design.llms.iloc[[14]].assign(tokens_t=3.0)
    asked = pd.concat([design.llms.iloc[[15, 2]], new, changed])
    _, drawn_of = asked_features(design, asked, draws, np.random.default_rng(1))
    seen, x = drawn_of["x_of_benchmarks"], drawn_of["x"]
    np.testing.assert_allclose(seen[:, :2], in_fit["x_of_benchmarks"][:, [15, 2]])
    np.testing.assert_array_equal(seen[:, 2:], x[:, 2:])
    product = design.encoding.names.index("log(params_b):log(tokens_t)")
    assert (np.ptp(seen[:, 0, product]) > 0.01) == deviations
    assert np.abs(seen - x)[:, 0, product].min() > 1e-3


def test_a_fitted_llm_is_seen_as_in_the_fit_whoever_else_is_asked_about(llms):
    """Of one of its family everything is known, of its sibling not."""
    at = llms["llm"] == "llm 15"
    fit = fit_of(llms.assign(tokens_t=llms["tokens_t"].where(~at)), draws=20)
    design, draws = fit.model.design, read_draws(fit.posterior)
    in_fit = with_features(draws, design)["x_of_benchmarks"][:, 14]
    for rows in ([14], [14, 15]):
        asked = design.llms.iloc[rows]
        _, drawn_of = asked_features(design, asked, draws, np.random.default_rng(1))
        np.testing.assert_allclose(drawn_of["x_of_benchmarks"][:, 0], in_fit)


def test_new_siblings_follow_what_was_drawn_in_the_fit(gappy):
    asked = pd.DataFrame({"llm": ["new"], "family": "7", "params_b": 3.0})
    own = drawn(gappy, asked)["log(tokens_t)"][:, 0]
    of_sibling = with_features(read_draws(gappy.posterior), gappy.model.design)["x"][:, 14, 1]
    assert np.corrcoef(own, of_sibling)[0, 1] > 0.95


def test_the_date_of_an_llm_is_that_of_its_sibling(llms):
    """Nothing moves."""
    frame = llms.copy()
    frame.loc[20, "release_date"] = pd.NaT
    design = fit_of(frame, draws=2).model.design
    x = design.x[:, design.encoding.names.index("release_date")]
    assert x[20] == pytest.approx(x[21], abs=0.05)
    assert not design.unknowns.columns.size


def test_configurations_are_spread_as_what_is_unknown_is(gappy):
    """Over all of them, scores have the mean and the variance given what is known."""
    design, population = gappy.model.design, gappy.model.design.population
    rows = np.flatnonzero(design.llms["family"] == "7")
    known = population.scores(design.llms)[rows]
    given = population.conditional(~np.isnan(known))
    mean = given.mean + given.pull @ (known - population.mean)[~np.isnan(known)]
    at = population.encoding.inputs.index("tokens_t")
    scores = design.unknowns.scores[:, rows, at]
    np.testing.assert_allclose(scores.mean(axis=0), mean.mean(), atol=0.03)
    variance = (given.root.mean(axis=0) ** 2).sum()
    np.testing.assert_allclose(scores.var(axis=0), variance, rtol=0.1)
    np.testing.assert_allclose(scores[:, 0], scores[:, 1])  # as families do not differ within


def test_the_design_is_its_mean_and_what_moves(gappy):
    """For each configuration it is that of the values it stands for."""
    design, population = gappy.model.design, gappy.model.design.population
    unknowns = design.unknowns
    chosen = np.array([[0, 5], [31, 8]])
    found, by_family = unknowns.design(design.x, design.family_of_llm, chosen)
    for draw, configurations in enumerate(chosen):
        scores = unknowns.scores[:1].copy()
        for u, c in enumerate(configurations):
            rows = design.family_of_llm == unknowns.family[u]
            scores[:, rows] = unknowns.scores[c][rows]
        expected = population.encode(design.llms, scores, unknowns.uniforms[:1])[0]
        np.testing.assert_allclose(found[draw], expected, atol=1e-9)
    # Siblings of different sizes differ by the product of size and tokens.
    product = design.encoding.names.index("log(params_b):log(tokens_t)")
    tokens = design.encoding.names.index("log(tokens_t)")
    moved = by_family - design.x
    np.testing.assert_allclose(moved[:, 14], moved[:, 15])
    np.testing.assert_allclose((found - by_family)[:, 14:18, tokens], 0, atol=1e-9)
    assert np.abs(found - by_family)[:, 14:18, product].min() > 0.01


def test_what_is_set_for_all_is_no_longer_unknown(gappy):
    x, unknowns = design_with(gappy.model.design, {"tokens_t": 2.0})
    assert not unknowns.columns.size
    encoding = gappy.model.design.encoding
    np.testing.assert_allclose(x, encoding.encode(gappy.model.design.llms.assign(tokens_t=2.0)))


def test_two_factors_of_a_product_may_be_unknown(llms):
    frame = llms.copy()
    frame.loc[[4, 5], ["tokens_t", "params_b"]] = np.nan
    design = fit_of(frame, draws=2).model.design
    assert design.unknown_families == ["2"]
    moving = {design.encoding.names[at] for at in design.unknowns.columns}
    assert moving == {
        "log(params_b)", "log(tokens_t)", "log(params_b):log(tokens_t)", "log(params_b)^2",
    }  # fmt: skip


def test_unknown_categories_are_as_often_as_they_are_seen(llms):
    frame = llms.copy()
    frame.loc[frame["family"] == "3", "kind"] = None
    frame.loc[8, "kind"] = None  # its sibling's is known
    design = fit_of(frame, "log(params_b) + kind", draws=2).model.design
    one, other = (design.x[i, 1] for i in (0, 2))
    assert design.x[8, 1] == one
    x = design.unknowns.design(
        design.x, design.family_of_llm, np.tile(np.arange(N_CONFIGURATIONS)[:, None], (1, 2))
    )[0]
    assert set(np.unique(x[:, 6, 1].round(9))) == {round(one, 9), round(other, 9)}
    np.testing.assert_array_equal(x[:, 6, 1], x[:, 7, 1])  # siblings came out together
    assert (np.isclose(x[:, 6, 1], one)).mean() == pytest.approx(15 / 29, abs=0.04)


def test_new_siblings_are_of_the_category_that_the_fit_drew(llms):
    frame = llms.copy()
    frame.loc[frame["family"] == "3", "kind"] = None
    fit = fit_of(frame, "log(params_b) + kind", draws=200)
    asked = pd.DataFrame({"llm": ["llm 6", "new"], "family": "3", "params_b": [1.0, 30.0]})
    x = drawn(fit, asked)["kind[T.1]"]
    assert np.unique(x).size == 2
    np.testing.assert_array_equal(x[:, 0], x[:, 1])


def test_a_new_llms_unknown_category_is_drawn(llms):
    fit = fit_of(llms, "log(params_b) + kind")
    asked = pd.DataFrame({"llm": ["a", "b", "c"], "family": ["new", "2", "new"], "params_b": 1.0})
    x = drawn(fit, asked)["kind[T.1]"]
    assert np.unique(x[:, 0]).size == 2
    assert np.unique(x[:, 1]).size == 1
    np.testing.assert_array_equal(x[:, 0], x[:, 2])
    with pytest.raises(FeatureError, match=r"^The feature 'kind' has a category that no"):
        drawn(fit, asked.assign(kind="2"))


# ---- what a fit says of them -----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:'kind' is unknown for 1 LLM")
def test_a_formula_may_name_categories_alone(llms):
    frame = llms.assign(kind=llms["kind"].where(llms["family"] != "7"))
    fit = fit_of(frame, "kind", draws=40)
    assert fit.contrast("kind", "1", "0").summary["mean"].notna().all()
    asked = pd.DataFrame({"llm": ["new"], "family": ["other"]})
    assert fit.predict(asked).summary["mean"].between(0, 1).all()


def test_imputed_values_are_in_the_unit_of_the_column(gappy):
    found = gappy.imputed(ci_prob=0.9)
    assert found.summary.columns.tolist() == [
        "llm", "family", "feature", "mean", "sd", "eti50_lb", "eti50_ub", "eti90_lb", "eti90_ub",
        "learnt",
    ]  # fmt: skip
    assert found.summary["feature"].unique().tolist() == ["tokens_t"]
    assert found.summary["family"].tolist() == ["7", "7", "8", "8"]
    seen = gappy.model.design.llms["tokens_t"]
    assert found.summary["eti90_lb"].min() >= seen.min()
    assert found.summary["eti90_ub"].max() <= seen.max()
    # The fake posterior takes any configuration.
    np.testing.assert_allclose(found.summary["learnt"], 0, atol=0.1)
    assert found.categories.empty


def test_imputed_categories_have_probabilities(llms):
    frame = llms.copy()
    frame.loc[frame["family"] == "3", "kind"] = None
    found = fit_of(frame, "log(params_b) + kind").imputed()
    assert found.summary.empty
    assert found.categories["llm"].tolist() == ["llm 6", "llm 6", "llm 7", "llm 7"]
    assert found.categories["category"].tolist() == ["0", "1"] * 2
    np.testing.assert_allclose(
        found.categories["probability"], found.categories["prior"], atol=0.03
    )
    np.testing.assert_allclose(found.categories.groupby("llm")["probability"].sum(), 1)


def test_imputed_dates_are_years():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "llm": [f"llm {i}" for i in range(40)],
            "family": [f"family {i}" for i in range(40)],
            "params_b": np.exp(rng.normal(size=40)),
            "release_date": pd.date_range("2021-01-01", "2025-01-01", periods=40),
        }
    )
    frame.loc[9, "release_date"] = pd.NaT
    fit = fit_of(frame, "log(params_b) + release_date", draws=400)
    [date] = fit.imputed().summary["mean"]
    assert 2021 < date < 2025


def test_nothing_to_impute(whole):
    with pytest.raises(PredictionError) as caught:
        whole.imputed()
    assert str(caught.value) == (
        f"Every feature that {FORMULA!r} needs was known of all fitted LLMs, so none was drawn."
    )


# ---- predictions of the bundled table ----------------------------------------------------------


@pytest.fixture(scope="module")
def fit():
    benchmarks = ["HellaSwag", "GSM8K", "MMLU", "BBH"]
    table = ls.load_leaderboard(benchmarks=benchmarks)
    return fake_fit(skills=2, draws=300, table=table, developers=False)


NEW = pd.DataFrame(
    {
        "llm": ["Foo-1B", "Foo-70B"], "family": "Foo", "params_b": [1.0, 70.0], "tokens_t": 3.0,
        "release_date": "2024-06-01",
    }
)  # fmt: skip


def test_the_default_model_knows_dates(fit):
    assert fit.spec.features == "log(params_b) * log(tokens_t) + release_date"
    assert "release_date" in fit.model.design.encoding.dates


def test_the_bundled_llms_of_unknown_tokens_are_in_the_model(fit):
    design = fit.model.design
    lacking = design.llms["tokens_t"].isna()
    assert lacking.sum() > 5
    assert set(design.unknown_families) == set(design.llms["family"][lacking])
    assert "mistral" in design.unknown_families


def test_tables_without_dates_of_all_do_without_them(fit):
    table = fit.model.table
    for llms in (
        table.llms.drop(columns="release_date"),
        table.llms.assign(release_date=pd.Timestamp("2024-01-01")),
        table.llms.assign(release_date=table.llms["release_date"].where(table.llms.index > 3)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MissingFeatureWarning)
            other = ls.ScoreTable.from_long(table.scores, llms, table.benchmarks, missing="keep")
            model = ls.ScalingModel(other, skills=2)
        assert model.spec.features == "log(params_b) * log(tokens_t)"


def test_not_knowing_widens_predictions_and_is_told(fit):
    sure = fit.predict(NEW, random_seed=1).summary
    with pytest.warns(MissingFeatureWarning) as caught:
        unsure = fit.predict(NEW.drop(columns=["release_date", "tokens_t"]), random_seed=1).summary
    assert str(caught[0].message) == (
        "'tokens_t' is unknown for 2 LLMs to predict: 'Foo-1B', 'Foo-70B'. It is "
        "drawn from what fitted LLMs have: those of the family, or of a new family those alike in "
        "what is known. Fill it in for narrower intervals."
    )
    assert unsure["sd"].mean() > 1.05 * sure["sd"].mean()
    assert (unsure[["llm", "benchmark"]] == sure[["llm", "benchmark"]]).all(axis=None)


def test_fitted_llms_are_predicted_without_a_word(fit):
    llms = fit.model.design.llms
    lacking = llms.loc[llms["tokens_t"].isna(), ["llm"]].head(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit.predict(lacking).summary
    assert (found["family_status"] == "fitted").all()


def test_known_scores_say_what_the_features_may_be(fit):
    scores = pd.DataFrame({"llm": "Foo-1B", "benchmark": ["MMLU"], "score": [0.65]})
    asked = NEW.drop(columns="tokens_t")
    with pytest.warns(MissingFeatureWarning):
        plain, informed = (fit.predict(asked, scores=part) for part in (None, scores))
    assert informed.summary["mean"].iloc[-1] > plain.summary["mean"].iloc[-1]


def test_dates_are_drawn_without_a_word(fit):
    dated, undated = (
        fit.predict(asked, random_seed=1).summary
        for asked in (NEW, NEW.drop(columns="release_date"))
    )
    assert undated["sd"].mean() > dated["sd"].mean()
