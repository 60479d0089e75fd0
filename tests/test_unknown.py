"""Unknown features: drawn from what is known of others, and only as sure as that."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from fake_fit import fake_fit

import latentscale as ls
from latentscale.errors import FeatureError, MissingFeatureWarning
from latentscale.features import learn_encoding
from latentscale.unknown import FeaturePopulation, unknown_of

N = 4_000


@pytest.fixture(scope="module")
def llms():
    """Twelve families of two LLMs; tokens grow with dates, sizes vary within families."""
    rng = np.random.default_rng(0)
    years = np.linspace(0, 4, 12).repeat(2)
    tokens = np.exp(years / 2 + rng.normal(0, 0.1, size=12).repeat(2))
    return pd.DataFrame(
        {
            "llm": [f"llm {i}" for i in range(24)],
            "family": np.arange(12).repeat(2).astype(str),
            "tuned": 0,
            "params_b": np.tile([1.0, 8.0], 12),
            "tokens_t": tokens,
            "release_date": pd.Timestamp("2020-01-01") + pd.to_timedelta(365.25 * years, "D"),
            "kind": np.arange(12).repeat(2) % 2,
        }
    ).astype({"kind": str})


FORMULA = "log(params_b) * log(tokens_t) + release_date"


@pytest.fixture(scope="module")
def population(llms):
    encoding = learn_encoding(FORMULA, llms)
    encoding = encoding.extended(llms, squares=["log(params_b)"], tuning_slopes=["log(params_b)"])
    return FeaturePopulation.learn(encoding, llms)


def drawn(population, asked, seed=1):
    asked = asked.assign(**{"tuned": 0} if "tuned" not in asked else {})
    x = population.encode(asked, N, np.random.default_rng(seed))
    names = list(population.encoding.names)
    assert x.shape == (N, len(asked), len(names))
    return {name: x[:, :, at] for at, name in enumerate(names)}


def test_what_is_known_stays(population, llms):
    exact = population.encoding.encode(llms)
    for x in (drawn(population, llms), drawn(population, llms.drop(columns="release_date"))):
        for name in population.encoding.names:
            if name != "release_date":
                np.testing.assert_allclose(x[name], np.tile(exact[name], (N, 1)))


def test_unknown_numbers_and_dates_are_told(population, llms):
    gappy = llms.drop(columns="tokens_t")
    gappy.loc[3, "release_date"] = None
    found = unknown_of(population.encoding, gappy)
    assert found.all().to_dict() == {"params_b": False, "release_date": False, "tokens_t": True}
    assert found["release_date"].tolist() == [i == 3 for i in range(24)]


def test_a_fitted_family_has_its_own_date(population, llms):
    asked = llms.iloc[[8]].assign(llm="new", params_b=3.0, release_date=pd.NaT)
    x = drawn(population, asked)["release_date"]
    expected = population.encoding.encode(llms)["release_date"][8]
    assert x.mean() == pytest.approx(expected, abs=1e-6)
    assert x.std() < 1e-6  # as no two siblings differ in it


def test_a_fitted_family_has_sizes_that_vary_as_within_families(population, llms):
    x = drawn(population, llms.iloc[[8]].drop(columns="params_b"))["log(params_b)"]
    # Every family has one LLM a standard deviation above its mean, one a standard deviation below.
    assert x.mean() == pytest.approx(0, abs=0.06)
    assert x.std() == pytest.approx(1, abs=0.06)


def test_a_new_familys_date_follows_from_its_tokens(population, llms):
    asked = pd.DataFrame({"llm": ["a", "b"], "family": "new", "params_b": [1.0, 8.0]})
    few, many = (
        drawn(population, asked.assign(tokens_t=tokens))["release_date"] for tokens in (1.2, 6.0)
    )
    assert many.mean() > few.mean() + 2
    assert 0 < few.std() < 0.3
    np.testing.assert_allclose(few[:, 0], few[:, 1], atol=1e-6)  # siblings came out together
    blind = drawn(population, asked)["release_date"]
    assert blind.mean() == pytest.approx(0, abs=0.06)
    assert blind.std() == pytest.approx(1, abs=0.06)


def test_two_new_families_are_drawn_apart(population):
    asked = pd.DataFrame({"llm": ["a", "b"], "family": ["x", "y"], "params_b": 1.0})
    x = drawn(population, asked)["release_date"]
    assert abs(np.corrcoef(x.T)[0, 1]) < 0.06


def test_products_squares_and_tuning_slopes_follow_their_factors(population):
    asked = pd.DataFrame({"llm": ["a"], "family": "x", "tokens_t": 1.0, "tuned": 1})
    x = drawn(population, asked)
    size, squares = x["log(params_b)"], population.encoding.squares
    np.testing.assert_allclose(x["tuned:log(params_b)"], size)
    np.testing.assert_allclose(x["log(params_b)^2"], (size**2 - squares.mean) / squares.sd)
    assert np.ptp(x["log(params_b):log(tokens_t)"]) > 0.1


def test_categories_are_not_drawn(llms):
    population = FeaturePopulation.learn(learn_encoding("log(params_b) + kind", llms), llms)
    asked = llms.iloc[:2].drop(columns=["params_b", "kind"])
    with pytest.raises(FeatureError, match=r"^The formula 'log\(params_b\) \+ kind' uses columns"):
        population.encode(asked, 3, np.random.default_rng(0))
    x = population.encode(asked.assign(kind=["0", "1"]), 3, np.random.default_rng(0))
    assert np.ptp(x[:, :, 1], axis=0).max() == 0


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


def test_what_is_the_same_in_all_families_says_nothing(llms):
    same = llms.assign(width=128.0, depth=llms["params_b"])
    encoding = learn_encoding(
        "log(params_b) + log(width / depth)",
        same.assign(depth=np.random.default_rng(2).uniform(10, 20, len(same))),
    )
    varied = same.assign(depth=np.random.default_rng(2).uniform(10, 20, len(same)))
    population = FeaturePopulation.learn(encoding, varied)
    asked = pd.DataFrame({"llm": ["new"], "family": "new", "params_b": 2.0, "width": 128.0})
    x = population.encode(asked.assign(tuned=0), 10, np.random.default_rng(0))
    assert np.isfinite(x).all()
