"""Features: what a formula learns, how it is reused, and every way it can go wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from latentscale.errors import FeatureError
from latentscale.features import learn_encoding
from latentscale.formulas import required_columns

LLMS = pd.DataFrame(
    {
        "llm": ["a", "b", "c", "d", "e", "f"],
        "family": ["F", "F", "F", "G", "G", "H"],
        "params_b": [1.0, 3.0, 7.0, 13.0, 34.0, 70.0],
        "tokens_t": [1.0, 1.4, 2.0, 2.0, 9.0, 15.0],
        "depth": [16, 24, 32, 40, 60, 80],
        "positions": ["rotary", "alibi", "rotary", "learned", "rotary", "alibi"],
        "gqa": [False, False, True, True, False, True],
    }
)
DEFAULT = "log(params_b) * log(tokens_t)"


def standardised(values):
    values = np.asarray(values, dtype=float)
    return (values - values.mean()) / values.std()


def message_of(action, *args):
    with pytest.raises(FeatureError) as caught:
        action(*args)
    return str(caught.value)


def test_the_default_formula_gives_two_logarithms_and_their_product():
    encoding = learn_encoding(DEFAULT, LLMS)
    assert encoding.names == ("log(params_b)", "log(tokens_t)", "log(params_b):log(tokens_t)")
    assert encoding.columns == ("params_b", "tokens_t")
    assert encoding.is_product.tolist() == [False, False, True]
    design = encoding.encode(LLMS)
    for name in ("params_b", "tokens_t"):
        np.testing.assert_allclose(design[f"log({name})"], standardised(np.log(LLMS[name])))


def test_factors_are_standardised_before_their_product_is_taken():
    design = learn_encoding(DEFAULT, LLMS).encode(LLMS)
    log = np.log(LLMS[["params_b", "tokens_t"]])
    # formulaic's scale() divides by the sample's standard deviation; the last step undoes it.
    product = standardised(log["params_b"]) * standardised(log["tokens_t"])
    np.testing.assert_allclose(design["log(params_b):log(tokens_t)"], standardised(product))
    raw = standardised(log["params_b"] * log["tokens_t"])
    assert not np.allclose(design["log(params_b):log(tokens_t)"], raw)


def test_columns_have_mean_zero_and_standard_deviation_one():
    design = learn_encoding("log(params_b) + depth + positions + gqa", LLMS).encode(LLMS)
    np.testing.assert_allclose(design.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(design.std(ddof=0), 1)


def test_new_llms_are_encoded_with_what_was_learnt():
    encoding = learn_encoding(DEFAULT, LLMS)
    alone = encoding.encode(LLMS.iloc[[4]])
    np.testing.assert_allclose(alone, encoding.encode(LLMS).iloc[[4]])
    assert alone.index.tolist() == [4]
    new = pd.DataFrame({"params_b": [np.exp(np.log(LLMS["params_b"]).mean())], "tokens_t": [2.0]})
    assert abs(encoding.encode(new)["log(params_b)"].item()) < 1e-12


def test_the_order_of_the_llms_does_not_matter():
    shuffled = LLMS.sample(frac=1, random_state=1)
    one = learn_encoding(DEFAULT + " + positions", LLMS).encode(LLMS)
    other = learn_encoding(DEFAULT + " + positions", shuffled).encode(LLMS)
    np.testing.assert_allclose(one, other[one.columns], atol=1e-12)


def test_the_range_of_the_fitted_llms_is_known():
    encoding = learn_encoding("log(params_b)", LLMS)
    design = encoding.encode(LLMS)
    np.testing.assert_allclose(encoding.lowest, design.min())
    np.testing.assert_allclose(encoding.highest, design.max())


def test_categories_are_compared_with_a_first_one():
    encoding = learn_encoding("positions", LLMS)
    assert encoding.names == ("positions[T.learned]", "positions[T.rotary]")
    assert encoding.levels == {"positions": ("alibi", "learned", "rotary")}
    design = encoding.encode(LLMS)
    rotary = LLMS["positions"] == "rotary"
    np.testing.assert_allclose(design["positions[T.rotary]"], standardised(rotary))


def test_numbers_can_be_read_as_categories():
    llms = LLMS.assign(kind=[1, 2, 3, 1, 2, 3])
    encoding = learn_encoding("C(kind)", llms)
    assert len(encoding.names) == 2
    np.testing.assert_allclose(encoding.encode(llms).std(ddof=0), 1)


def test_numbers_that_are_categories_have_levels():
    llms = LLMS.assign(kind=[1, 2, 4, 1, 2, 4])
    encoding = learn_encoding("log(params_b) + C(kind)", llms)
    assert encoding.levels == {"kind": (1, 2, 4)}
    assert encoding.inputs == ("params_b",)
    unseen = llms.assign(kind=3)
    with pytest.raises(FeatureError, match="'kind' has a category that no fitted LLM has: 3 "):
        encoding.encode(unseen)
    unknown = llms.assign(kind=[1, 2, 4, 1, 2, None])
    raw = learn_encoding("C(kind)", unknown).encode_plain(unknown[["kind"]], None).to_numpy()
    assert np.isnan(raw[5]).all()
    assert np.isfinite(raw[:5]).all()


def test_a_column_is_read_as_categories_or_as_a_number():
    with pytest.raises(FeatureError) as caught:
        learn_encoding("C(kind) + log(kind)", LLMS.assign(kind=[1, 2, 3, 1, 2, 3]))
    assert str(caught.value) == (
        "The formula reads 'kind' both as categories, C(kind), and as a number. Give one of the "
        "two a column of its own."
    )


def test_booleans_are_categories_of_two():
    encoding = learn_encoding("gqa", LLMS)
    assert encoding.names == ("gqa",)
    assert encoding.levels == {"gqa": (False, True)}
    np.testing.assert_allclose(encoding.encode(LLMS)["gqa"], standardised(LLMS["gqa"]))


def test_an_interaction_with_a_category_has_a_column_for_each():
    llms = LLMS.assign(norm=["layer", "rms", "rms", "layer", "layer", "rms"])
    encoding = learn_encoding("log(params_b) * norm", llms)
    assert set(encoding.names) == {"norm[T.rms]", "log(params_b)", "log(params_b):norm[T.rms]"}
    assert encoding.is_product.sum() == 1


def test_an_explicit_intercept_or_its_absence_makes_no_difference():
    plain = learn_encoding("log(params_b)", LLMS)
    for formula in ("1 + log(params_b)", "0 + log(params_b)", "log(params_b) - 1"):
        encoding = learn_encoding(formula, LLMS)
        assert encoding.names == plain.names
        np.testing.assert_allclose(encoding.encode(LLMS), plain.encode(LLMS))


@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        (DEFAULT, ("params_b", "tokens_t")),
        ("log(params_b * tokens_t)", ("params_b", "tokens_t")),
        ("depth", ("depth",)),
        ("C(positions) + log(depth)", ("depth", "positions")),
    ],
)
def test_required_columns(formula, columns):
    assert required_columns(formula) == columns


@pytest.mark.parametrize("formula", ["", "  ", None, 3])
def test_what_is_no_formula(formula):
    assert message_of(learn_encoding, formula, LLMS) == (
        f"features={formula!r} is not a formula. Write the right-hand side of a Wilkinson formula "
        'over the columns of the LLMs, such as features="log(params_b) + log(tokens_t)".'
    )


def test_a_formula_with_two_sides():
    assert message_of(learn_encoding, "score ~ log(params_b)", LLMS) == (
        "The formula 'score ~ log(params_b)' has a left-hand side. The scores are always what is "
        "explained: write only the features, right of the tilde."
    )


@pytest.mark.parametrize("formula", ["1", "0", "-1", "~"])
def test_a_formula_without_columns(formula):
    assert message_of(learn_encoding, formula, LLMS) == (
        f"The formula {formula!r} names no column of the LLMs, so the model would know nothing of "
        'an unseen LLM. Name at least one, such as features="log(params_b)".'
    )


@pytest.mark.parametrize("formula", ["log(params_b", "params_b +* depth"])
def test_a_formula_that_cannot_be_read(formula):
    message = message_of(learn_encoding, formula, LLMS)
    assert message.startswith(f"The formula {formula!r} cannot be read: ")
    assert message.endswith(
        '. Write it over the columns of the LLMs, such as features="log(params_b) * log(tokens_t)".'
    )


def test_an_unknown_function_counts_as_an_unknown_column():
    assert message_of(learn_encoding, "logarithm(params_b)", LLMS) == (
        "The formula 'logarithm(params_b)' uses columns that the LLMs' frame does not have: "
        "'logarithm'. Its columns are 'llm', 'family', 'params_b', 'tokens_t', 'depth', "
        "'positions', 'gqa'. Add the column, or change features=."
    )


def test_unknown_columns():
    assert message_of(learn_encoding, "log(param_b) + depths", LLMS) == (
        "The formula 'log(param_b) + depths' uses columns that the LLMs' frame does not have: "
        "'depths' (nearest: 'depth'), 'param_b' (nearest: 'params_b'). Its columns are 'llm', "
        "'family', 'params_b', 'tokens_t', 'depth', 'positions', 'gqa'. Add the column, or change "
        "features=."
    )


def test_infinite_values():
    llms = LLMS.assign(tokens_t=[1.0, np.nan, 2.0, np.inf, np.nan, np.nan])
    assert message_of(learn_encoding, DEFAULT, llms) == (
        "The feature 'tokens_t' is infinite for 1 LLM: 'd'. Correct it, or leave it empty where it "
        "is unknown."
    )


def test_what_is_unknown_teaches_nothing():
    """The encoding is that of the known values, and the columns that need others are unknown."""
    llms = LLMS.assign(
        tokens_t=[1.0, np.nan, 2.0, 9.0, np.nan, 15.0],
        positions=["rotary", None, "rotary", "alibi", "rotary", "alibi"],
        gqa=[True, False, None, True, False, False],
    )
    encoding = learn_encoding("log(params_b) * log(tokens_t) + positions + gqa", llms)
    assert encoding.levels == {
        "gqa": (False, True), "positions": ("alibi", "rotary"),
    }  # fmt: skip
    assert encoding.inputs == ("params_b", "tokens_t")
    design = encoding.encode_plain(encoding.plain(llms), None)
    tokens = np.log(llms["tokens_t"])
    known = tokens.notna()
    np.testing.assert_allclose(design.loc[known, "log(tokens_t)"], standardised(tokens[known]))
    np.testing.assert_allclose(
        design["log(params_b)"], standardised(np.log(LLMS["params_b"])), atol=1e-12
    )
    unknown = design.isna()
    assert unknown["log(tokens_t)"].tolist() == unknown["log(params_b):log(tokens_t)"].tolist()
    assert unknown["log(tokens_t)"].tolist() == (~known).tolist()
    assert unknown["positions[T.rotary]"].tolist() == [i == 1 for i in range(6)]
    assert unknown["gqa"].tolist() == [i == 2 for i in range(6)]
    np.testing.assert_allclose(design.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(design.std(ddof=0), 1)


def test_unknown_values_of_new_llms():
    encoding = learn_encoding(DEFAULT, LLMS)
    llms = LLMS.assign(tokens_t=[1.0, np.nan, 2.0, 3.0, np.nan, np.nan])
    assert message_of(encoding.encode, llms) == (
        "The feature 'tokens_t' is unknown (NaN) or infinite for 3 LLMs: 'b', 'e', 'f'. "
        "The formula needs it. Fill it in, leave these LLMs out "
        "(llms.dropna(subset=['tokens_t'])), or use a formula without it."
    )


def test_a_feature_that_is_unknown_of_all():
    llms = LLMS.assign(code_pct=np.nan, norm=None)
    assert message_of(learn_encoding, "log(params_b) + code_pct + norm", llms) == (
        "No LLM in the model (6) has a known value of 'code_pct', 'norm', so nothing can be learnt "
        "about it. Fill it in where it is known, or use a formula without it."
    )


# ---- smooth and monotone terms ---------------------------------------------------------------


SHARES = pd.DataFrame(
    {"llm": [f"llm {i}" for i in range(40)], "share": np.linspace(0, 10, 40) ** 2}
)


def test_a_smooth_term_is_a_line_and_bends():
    encoding = learn_encoding("s(share)", SHARES)
    bends = [f"s(share)[bend {i}]" for i in (1, 2, 3, 4)]
    assert encoding.names == ("s(share)[line]", *bends)
    assert encoding.parts == ("s(share) line", *["s(share) bends"] * 4)
    design = encoding.encode(SHARES)
    np.testing.assert_allclose(design["s(share)[line]"], standardised(SHARES["share"]))
    # Together they spread as one column does; the smoother, the larger.
    assert (design[bends].var(ddof=0)).sum() == pytest.approx(1)
    assert design[bends].std().is_monotonic_decreasing
    assert np.linalg.matrix_rank(design) == 5


def test_bends_are_weighed_by_their_curvature():
    """The squared second derivative of a sum of bends is the sum of the squared weights."""
    encoding = learn_encoding("s(share)", SHARES)
    grid = np.linspace(0, 100, 40_001)
    frame = pd.DataFrame({"llm": grid.astype(str), "share": grid})
    bends = encoding.encode(frame).to_numpy()[:, 1:]
    second = np.diff(bends, 2, axis=0) / (grid[1] - grid[0]) ** 2
    roughness = second.T @ second * (grid[1] - grid[0])
    np.testing.assert_allclose(roughness / roughness[0, 0], np.eye(4), atol=0.01)


def test_a_smooth_term_goes_straight_on_beyond_its_knots():
    encoding = learn_encoding("s(share)", SHARES)
    far = pd.DataFrame({"llm": list("abc"), "share": [100.0, 150.0, 200.0]})
    design = encoding.encode(far).to_numpy()
    np.testing.assert_allclose(design[2] - design[1], design[1] - design[0])


@pytest.mark.parametrize(("term", "sign"), [("increasing", 1), ("decreasing", -1)])
def test_steps_of_a_monotone_term_rise_or_fall(term, sign):
    encoding = learn_encoding(f"{term}(share)", SHARES)
    assert encoding.names == tuple(f"{term}(share)[step {i}]" for i in (1, 2, 3, 4))
    assert encoding.is_step.all()
    assert set(encoding.parts) == {f"{term}(share)"}
    design = encoding.encode(SHARES).to_numpy()
    assert (sign * np.diff(design, axis=0) > -1e-12).all()
    assert design.sum(axis=1).std() == pytest.approx(1)
    beyond = encoding.encode(pd.DataFrame({"llm": ["x"], "share": [500.0]})).to_numpy()
    np.testing.assert_allclose(beyond[0], design[-1])


def test_terms_stay_as_they_were_learnt():
    for formula in ("s(share)", "increasing(share, 2)"):
        encoding = learn_encoding(formula, SHARES)
        whole = encoding.encode(SHARES)
        pd.testing.assert_frame_equal(encoding.encode(SHARES.iloc[3:5]), whole.iloc[3:5])


def test_a_smooth_term_of_few_values():
    llms = SHARES.assign(share=[1.0, 2.0] * 20)
    assert message_of(learn_encoding, "s(share)", llms) == (
        "s() was asked for 6 knots over 2 different values. It needs at least 4 of both. Use a "
        "plain term, or a column with more values."
    )
    assert message_of(learn_encoding, "s(share, 3)", SHARES) == (
        "s() was asked for 3 knots over 40 different values. It needs at least 4 of both. Use a "
        "plain term, or a column with more values."
    )


# ---- what cannot be encoded ------------------------------------------------------------------


def test_a_logarithm_of_zero():
    llms = LLMS.assign(code_pct=[0.0, 5.0, 0.0, 10.0, 20.0, 30.0])
    assert message_of(learn_encoding, "log(params_b) + log(code_pct)", llms) == (
        "The formula 'log(params_b) + log(code_pct)' gives a value that is not a number for 2 LLMs "
        "in 'log(code_pct)' (a logarithm of zero or of a negative number, or a division by zero?). "
        "Correct these values or use another transform."
    )


def test_a_logarithm_of_zero_of_a_new_llm():
    encoding = learn_encoding("log(params_b)", LLMS)
    assert message_of(encoding.encode, LLMS.assign(params_b=0.0).head(1)) == (
        "The formula 'log(params_b)' gives a value that is not a number for 1 LLM in "
        "'log(params_b)' (a logarithm of zero or of a negative number, or a division by zero?). "
        "Correct these values or use another transform."
    )


def test_a_constant_column():
    llms = LLMS.assign(depth=32)
    assert message_of(learn_encoding, "log(params_b) + depth", llms) == (
        "The formula 'log(params_b) + depth' has a column that is the same for all 6 LLMs, so its "
        "effect cannot be told from the benchmarks' difficulties: 'depth'. Take it out of "
        "features=, or add LLMs that differ in it."
    )


def test_a_single_llm():
    assert message_of(learn_encoding, "params_b", LLMS.head(1)) == (
        "The formula 'params_b' has a column that is the same for all 1 LLMs, so its effect cannot "
        "be told from the benchmarks' difficulties: 'params_b'. Take it out of features=, or add "
        "LLMs that differ in it."
    )


def test_collinear_columns():
    llms = LLMS.assign(flops=6 * LLMS["params_b"] * LLMS["tokens_t"])
    formula = "log(params_b) + log(tokens_t) + log(flops) + depth"
    assert message_of(learn_encoding, formula, llms) == (
        "The design columns 'log(params_b)', 'log(tokens_t)', 'log(flops)' are collinear: one is "
        "an exact combination of the others over these LLMs, so their effects cannot be told "
        "apart. Leave one of them out of features=."
    )


def test_an_unseen_category():
    encoding = learn_encoding("positions", LLMS)
    new = pd.DataFrame({"llm": ["x", "y"], "positions": ["nope", "rotary"]})
    assert message_of(encoding.encode, new) == (
        "The feature 'positions' has a category that no fitted LLM has: 'nope' (LLM 'x'). Nothing "
        "was learnt about it, so no prediction can use it. The categories seen are 'alibi', "
        "'learned', 'rotary': use one of them, leave it unknown (None), or refit with LLMs of the "
        "new category."
    )
    known = encoding.known_categories(new)
    assert known["positions"].fillna("unknown").tolist() == ["unknown", "rotary"]
    assert encoding.known_categories(LLMS).equals(LLMS)


def test_a_new_llm_without_a_column():
    encoding = learn_encoding(DEFAULT, LLMS)
    assert message_of(encoding.encode, pd.DataFrame({"llm": ["x"], "params_b": [1.0]})) == (
        f"The formula {DEFAULT!r} uses columns that the LLMs' frame does not have: 'tokens_t'. "
        "Its columns are 'llm', 'params_b'. Add the column, or change features=."
    )


def test_llms_without_a_name_are_named_by_their_row():
    encoding = learn_encoding("params_b", LLMS)
    assert message_of(encoding.encode, pd.DataFrame({"params_b": [1.0, np.nan]})) == (
        "The feature 'params_b' is unknown (NaN) or infinite for 1 LLM: '1'. The formula needs it. "
        "Fill it in, leave these LLMs out (llms.dropna(subset=['params_b'])), or use a formula "
        "without it."
    )


def dated(*days):
    return LLMS.assign(release_date=pd.to_datetime(pd.Series(days or DAYS)))


DAYS = ["2022-01-01", "2022-07-01", "2023-01-01", "2023-01-01", "2024-01-01", "2024-12-31"]


def test_a_date_counts_in_years():
    encoding = learn_encoding("log(params_b) + release_date", dated())
    assert encoding.names == ("log(params_b)", "release_date")
    days = pd.to_datetime(pd.Series(DAYS)).sub(pd.Timestamp("2020-01-01")).dt.days
    column = encoding.encode(dated())["release_date"]
    np.testing.assert_allclose(column, standardised(days))


def test_dates_of_new_llms_may_be_text_or_know_their_zone():
    encoding = learn_encoding("release_date", dated())
    expected = encoding.encode(dated())
    text, zoned = LLMS.assign(release_date=DAYS), dated()
    zoned["release_date"] = zoned["release_date"].dt.tz_localize("UTC")
    pd.testing.assert_frame_equal(encoding.encode(text), expected)
    pd.testing.assert_frame_equal(encoding.encode(zoned), expected)


@pytest.mark.parametrize(("value", "said"), [("soon", "'soon'"), (-7.5, "'-7.5'")])
def test_a_date_that_cannot_be_read(value, said):
    encoding = learn_encoding("release_date", dated())
    assert message_of(encoding.encode, LLMS.assign(release_date=value)) == (
        f"The feature 'release_date' is a date, and a value cannot be read as one: {said}. Write "
        'dates such as "2024-06-07".'
    )


def test_a_year_as_a_number_is_its_first_day():
    encoding = learn_encoding("release_date", dated())
    first_day = encoding.encode(LLMS.assign(release_date="2024-01-01"))
    pd.testing.assert_frame_equal(encoding.encode(LLMS.assign(release_date=2024)), first_day)
