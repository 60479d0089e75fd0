"""Shrinkage: which features are shrunk, together with which, and how many of them matter."""

from __future__ import annotations

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_fit import fake_fit

import latentscale as ls
from latentscale.errors import PredictionError
from latentscale.features import learn_encoding
from latentscale.shrinkage import shrinkage_of, usually_shrunk

LLMS = pd.DataFrame(
    {
        "params_b": np.geomspace(1, 70, 12),
        "tokens_t": [1.0, 3.0, 2.0, 5.0] * 3,
        "released": pd.date_range("2023-01-01", periods=12, freq="40D")[[2, 1, 0, *range(3, 12)]],
        "code_pct": np.linspace(0, 50, 12) ** 1.2,
        "norm": ["a", "b", "c", "a", "b", "a"] * 2,
    }
)


def test_all_is_shrunk_but_what_scale_and_date_make():
    encoding = learn_encoding("log(params_b) + released + log(tokens_per_parameter) + norm", LLMS)
    assert usually_shrunk(encoding) == ("norm[T.b]", "norm[T.c]")
    scale = learn_encoding("log(params_b) * log(tokens_t)", LLMS)
    assert usually_shrunk(scale) == ()
    of_norm = learn_encoding("log(params_b) * norm", LLMS)
    assert "log(params_b):norm[T.b]" in usually_shrunk(of_norm)
    # A name is a whole name.
    llms = LLMS.assign(params_b_share=LLMS["code_pct"])
    assert usually_shrunk(learn_encoding("params_b_share", llms)) == ("params_b_share",)


def test_steps_of_size_tokens_and_date_are_shrunk_too():
    """They are declared so: without it, ability could fall along a monotone term."""
    table = ls.load_leaderboard(tuned=False)
    model = ls.ScalingModel(table, features="log(params_b) + increasing(tokens_t)")
    steps = [name for name in model.design.encoding.names if "step" in name]
    assert len(steps) > 2
    assert set(model.spec.shrunk) == set(steps)
    assert model.with_table(table).spec.shrunk == model.spec.shrunk


def test_a_part_of_the_table_keeps_what_it_has_of_the_columns_that_were_to_be_shrunk():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"], tuned=False)
    asked = ("positional_embedding[T.sinusoidal]", "positional_embedding[T.learned]")
    features = "log(params_b) + positional_embedding"
    model = ls.ScalingModel(table, skills=1, features=features, shrunk=asked)
    part = model.with_table(table.drop(families="xglm"))
    assert part.spec.shrunk == asked[1:]
    assert model.with_table(table).spec.shrunk == model.spec.shrunk
    nothing = ls.ScalingModel(table, skills=1, features=features, shrunk=())
    assert nothing.with_table(table).spec.shrunk == ()


def test_columns_of_a_category_are_shrunk_together_and_bends_apart_from_their_line():
    encoding = learn_encoding("log(params_b) + s(code_pct) + norm", LLMS)
    found = shrinkage_of(encoding, usually_shrunk(encoding))
    assert found.terms == ("s(code_pct) line", "s(code_pct) bends", "norm")
    by_name = dict(zip(encoding.names, found.term.tolist(), strict=True))
    assert by_name["log(params_b)"] == -1
    assert by_name["norm[T.b]"] == by_name["norm[T.c]"] == 2
    assert by_name["s(code_pct)[line]"] == 0
    assert {by_name[f"s(code_pct)[bend {i}]"] for i in (1, 2, 3, 4)} == {1}


@pytest.fixture(scope="module")
def fit():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "GSM8K", "MMLU", "BBH"])
    features = "log(params_b) + log(tokens_t) + norm + log(vocab_size) + log(context_length)"
    return fake_fit(skills=2, draws=200, table=table, features=features)


def test_what_is_shrunk_is_told(fit):
    assert fit.spec.shrunk == (
        "norm[T.layernorm_nonparametric]", "norm[T.rmsnorm]", "log(vocab_size)",
        "log(context_length)",
    )  # fmt: skip
    assert "relevance_t = s_t / sqrt(1 + s_t^2)" in repr(fit.model)
    tokens = ["log(tokens_t)"]
    asked = ls.ScalingModel(fit.table, skills=2, features=fit.spec.features, shrunk=tokens)
    assert asked.spec.shrunk == ("log(tokens_t)",)
    assert ls.ScalingModel(
        fit.table, skills=2, features="log(params_b) + increasing(vocab_size)", shrunk=()
    ).spec.shrunk == tuple(f"increasing(vocab_size)[step {i}]" for i in (1, 2, 3, 4))


def test_relevances_put_the_largest_first_and_count_what_matters(fit):
    found = fit.relevances(ci_prob=0.9)
    assert found.summary.columns.tolist() == [
        "term", "n_columns", "mean", "sd", "eti50_lb", "eti50_ub", "eti90_lb", "eti90_ub",
    ]  # fmt: skip
    assert found.summary["mean"].is_monotonic_decreasing
    assert found.summary.set_index("term")["n_columns"].to_dict() == {
        "norm": 2, "log(vocab_size)": 1, "log(context_length)": 1,
    }  # fmt: skip
    relevance, scale = fit.posterior["relevance"], fit.posterior["family_scale"]
    by_hand = 0.0
    for term, n in (("norm", 2), ("log(vocab_size)", 1), ("log(context_length)", 1)):
        k = 1 / (1 + len(fit.model.design.families) * relevance.sel(term=term) ** 2 / scale**2)
        by_hand += n * (1 - k.mean("skill"))
    assert found.n_effective["mean"] == pytest.approx(float(by_hand.mean()))
    assert repr(found).splitlines()[-1] == (
        f"Effective number of the 4 shrunk columns: {found.n_effective['mean']:.1f} "
        f"({found.n_effective['eti90_lb']:.1f} to {found.n_effective['eti90_ub']:.1f})"
    )


def test_the_more_relevant_the_more_columns_matter(fit):
    all_in = fit.posterior.assign(relevance=xr.ones_like(fit.posterior["relevance"]))
    tree = fit.idata.copy()
    tree["posterior"] = xr.DataTree(all_in)
    assert type(fit)(fit.model, tree).relevances().n_effective["mean"] == pytest.approx(4, abs=0.1)


def test_nothing_is_shrunk():
    with pytest.raises(PredictionError) as caught:
        fake_fit(skills=1, draws=3).relevances()
    assert str(caught.value) == (
        "No column of 'log(params_b) * log(tokens_t) + release_date' is shrunk: it has only size, "
        "tokens, date and tuning, or shrunk= says so. All slopes keep their whole prior."
    )


def test_sensitivity_stands_beside_the_effects(fit):
    found = fit.feature_effects(sensitivity=True).summary
    plain = fit.feature_effects().summary
    pd.testing.assert_frame_equal(found[plain.columns], plain)
    extended = fit.extend("log_prior", "log_likelihood").idata
    expected = az.psense_summary(extended, var_names=["feature_slope"], round_to=6)
    of_skill = found[found["skill"].str.startswith("skill 2")]
    first, row = of_skill[of_skill["feature"] == "log(params_b)"], expected.iloc[1]
    assert first["prior_sensitivity"].item() == row["prior"]
    assert first["likelihood_sensitivity"].item() == row["likelihood"]
    assert first["diagnosis"].item() == row["diagnosis"]
    of_tuning = az.psense_summary(extended, var_names=["tuning_shift"], round_to=6)
    last = of_skill[of_skill["feature"] == "tuned"]
    assert last["prior_sensitivity"].item() == of_tuning.iloc[1]["prior"]


def test_the_prior_of_shrunk_slopes_is_part_of_the_model(fit):
    made = fit.extend("log_prior").idata["log_prior"].to_dataset()
    shrunk = made["feature_slope"]["feature"].isin(fit.spec.shrunk)
    assert (made["feature_slope"][..., shrunk, :] == 0).all()
    assert (made["feature_slope"][..., ~shrunk, :] != 0).all()
    assert {"relevance_scale", "relevance_local"} <= set(made)
