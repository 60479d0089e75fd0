"""Features that follow from others: their values, and formulas that name them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fake_fit import fake_fit

import latentscale as ls
from latentscale.derived import DERIVED, with_derived
from latentscale.errors import FeatureError
from latentscale.features import learn_encoding
from latentscale.formulas import required_columns


@pytest.fixture(scope="module")
def llms():
    return ls.load_leaderboard().llms.set_index("llm", drop=False)


def value_of(llms, name, llm):
    return with_derived(llms, [name]).loc[llm, name]


@pytest.mark.parametrize(
    ("name", "llm", "expected"),
    [
        ("aspect_ratio", "huggyllama/llama-7b", 4096 / 32),
        ("mlp_ratio", "huggyllama/llama-7b", 11008 / 4096),
        # Three matrices of 4096 x 11008 and four of 4096 x 4096.
        ("mlp_attention_ratio", "huggyllama/llama-7b", 3 * 11008 / (4 * 4096)),
        # Two matrices, since GELU has no gate.
        ("mlp_attention_ratio", "EleutherAI/pythia-6.9b", 2 * 16384 / (4 * 4096)),
        # Eight key-value heads of 128 for 64 heads.
        ("mlp_attention_ratio", "meta-llama/Llama-2-70b-hf", 3 * 28672 / (2 * 128 * (64 + 8))),
        ("kv_head_ratio", "meta-llama/Llama-2-70b-hf", 8 / 64),
        ("kv_head_ratio", "huggyllama/llama-7b", 1.0),
        # Two of eight experts, and six of 64.
        ("mlp_ratio", "mistralai/Mixtral-8x7B-v0.1", 2 * 14336 / 4096),
        ("mlp_ratio", "deepseek-ai/deepseek-moe-16b-base", 6 * 1408 / 2048),
        ("mlp_attention_ratio", "mistralai/Mixtral-8x7B-v0.1",
         2 * 3 * 14336 / (2 * 128 * (32 + 8))),
        ("compute", "deepseek-ai/DeepSeek-V2", 6 * 21.0 * 8.1),
    ],
)  # fmt: skip
def test_values_of_well_known_llms(llms, name, llm, expected):
    assert value_of(llms, name, llm) == pytest.approx(expected)


def test_what_training_took():
    llms = pd.DataFrame({"params_b": [7.0, 70.0], "tokens_t": [1.4, 15.0]})
    found = with_derived(llms, ["tokens_per_parameter", "compute"])
    np.testing.assert_allclose(found["tokens_per_parameter"], [200.0, 15e12 / 70e9])
    np.testing.assert_allclose(found["compute"] * 1e21, [6 * 7e9 * 1.4e12, 6 * 70e9 * 15e12])


@pytest.mark.parametrize("name", DERIVED)
def test_what_is_not_known_of_the_inputs_is_not_known_of_the_ratio(llms, name):
    found = with_derived(llms, [name])[name]
    known = llms[list(DERIVED[name].inputs)].notna().all(axis=1)
    assert (found.notna() == known).all()
    assert known.sum() > 200


def test_a_formula_may_name_them(llms):
    known = llms.dropna(subset=["params_b", "tokens_t", "d_ff", "d_model"])
    known = known[known["experts_per_token"].isna()]
    encoding = learn_encoding("log(compute) + mlp_ratio", known)
    assert encoding.columns == ("d_ff", "d_model", "params_b", "tokens_t")
    assert encoding.names == ("log(compute)", "mlp_ratio")
    ratio = (known["d_ff"] / known["d_model"]).to_numpy()
    np.testing.assert_allclose(
        encoding.encode(known)["mlp_ratio"], (ratio - ratio.mean()) / ratio.std()
    )


def test_a_formula_looks_at_experts_where_the_frame_has_them(llms):
    rows = llms.loc[["huggyllama/llama-7b", "mistralai/Mixtral-8x7B-v0.1", "openai-community/gpt2"]]
    encoding = learn_encoding("mlp_ratio", rows)
    assert encoding.columns == ("d_ff", "d_model")
    np.testing.assert_allclose(encoding.plain(rows)["mlp_ratio"], [11008 / 4096, 7.0, 4.0])
    dense = rows.drop(columns="experts_per_token")
    np.testing.assert_allclose(encoding.plain(dense)["mlp_ratio"], [11008 / 4096, 3.5, 4.0])
    without = learn_encoding("mlp_ratio", dense)
    np.testing.assert_allclose(without.plain(rows)["mlp_ratio"], [11008 / 4096, 7.0, 4.0])


def test_a_column_of_that_name_goes_before():
    assert required_columns("mlp_ratio") == ("d_ff", "d_model")
    assert required_columns("mlp_ratio", ["mlp_ratio", "d_ff"]) == ("mlp_ratio",)
    llms = pd.DataFrame({"mlp_ratio": [1.0, 2.0, 4.0]})
    assert learn_encoding("log(mlp_ratio)", llms).columns == ("mlp_ratio",)


def test_an_input_that_is_absent(llms):
    with pytest.raises(FeatureError) as caught:
        learn_encoding("mlp_ratio", llms[["d_ff", "n_layers"]])
    assert str(caught.value) == (
        "The formula 'mlp_ratio' uses columns that the LLMs' frame does not have: 'd_model'. Its "
        "columns are 'd_ff', 'n_layers'. Add the column, or change features=."
    )


def test_inputs_that_are_unknown_are_drawn():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
    fit = fake_fit(skills=1, draws=50, table=table, features="log(compute) + mlp_ratio")
    new = pd.DataFrame(
        {"llm": ["new"], "family": "new", "params_b": 7.0, "tokens_t": 2.0, "d_model": 4096.0}
    )
    with pytest.warns(UserWarning, match="'d_ff' is unknown for 1 LLM to predict"):
        unsure = fit.predict(new).draws["expected"]
    assert np.isfinite(unsure).all()


def with_stray_text(llms, column):
    strange = llms.astype({column: object})
    strange.iloc[0, strange.columns.get_loc(column)] = "?"
    return strange


def test_text_where_numbers_are_needed_is_an_error(llms):
    with pytest.raises(FeatureError) as caught:
        learn_encoding("aspect_ratio", with_stray_text(llms, "d_model"))
    assert str(caught.value) == (
        "The column 'd_model' must hold numbers, as features follow from it, and holds '?'. "
        "Correct it, or leave it empty where it is unknown."
    )


def test_stray_text_does_not_make_numbers_categories(llms):
    strange = with_stray_text(llms, "code_pct")
    with pytest.raises(FeatureError) as caught:
        learn_encoding("code_pct", strange)
    assert str(caught.value) == (
        "The feature 'code_pct' holds numbers, and among them '?'. Correct it, or leave it empty "
        "where it is unknown. If all of them are categories, write C(code_pct) in the formula."
    )
    assert len(learn_encoding("C(code_pct)", strange).levels["code_pct"]) > 10
