"""The design: which rows of a table the model sees, and where everything stands."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import latentscale as ls
from latentscale.design import make_design, slope_columns
from latentscale.errors import FeatureError, SpecError
from latentscale.features import learn_encoding

FORMULA = "log(params_b)"


@pytest.fixture
def table():
    llms = pd.DataFrame(
        {
            "llm": ["b-7b", "a-1b", "a-7b", "a-7b-chat", "c-3b", "d-1b"],
            "family": ["B", "A", "A", "A", "C", "D"],
            "recipe": ["B", "A", "A", "A chat", "C", "D"],
            "tuned": [0, 0, 0, 1, 0, 0],
            "params_b": [7.0, 1.0, 7.0, 7.0, np.nan, 1.5],
        }
    )
    cells = [
        ("a-1b", "MMLU", 0.3), ("b-7b", "ARC", 0.5), ("a-7b-chat", "ARC", 0.6),
        ("c-3b", "ARC", 0.4),
        ("a-7b", "MMLU", 0.5), ("c-3b", "MMLU", 0.35), ("c-3b", "lonely", 0.2), ("c-3b", "mine", 1),
        ("a-1b", "mine", 0.1), ("a-7b", "lonely", 0.3),
    ]  # fmt: skip
    scores = pd.DataFrame(cells, columns=["llm", "benchmark", "score"])
    scores["note"] = "kept"
    names = ["MMLU", "ARC", "lonely", "mine"]
    benchmarks = pd.DataFrame({"benchmark": names, "chance": [0.25, 0.2, 0.0, 0.1]})
    return ls.ScoreTable.from_long(scores, llms, benchmarks, missing="keep")


def design_of(table, formula=FORMULA):
    """Lay out the LLMs of which everything is known."""
    kept = [llm for llm in ("c-3b",) if llm in set(table.llms["llm"])]
    return make_design(table.drop(llms=kept), formula)


def test_llms_with_a_score_are_in_the_model(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        design = make_design(table, FORMULA)
    assert design.llms["llm"].tolist() == ["b-7b", "a-1b", "a-7b", "a-7b-chat", "c-3b"]
    assert design.n_obs == 10
    assert design.unknown_families == ["C"]
    assert np.isfinite(design.x).all()


def test_benchmarks_keep_the_tables_order_and_those_without_scores_go(table):
    kept = table.where(table.scores["benchmark"].to_numpy() != "ARC")
    assert design_of(table).benchmarks == ("MMLU", "ARC", "lonely", "mine")
    design = design_of(kept)
    assert design.benchmarks == ("MMLU", "lonely", "mine")
    np.testing.assert_array_equal(design.chance, [0.25, 0.0, 0.1])


def test_positions_lead_back_to_the_labels(table):
    design = design_of(table)
    llms, scores = design.llms, design.scores
    assert [design.families[i] for i in design.family_of_llm] == llms["family"].tolist()
    assert [design.recipes[i] for i in design.recipe_of_llm] == llms["recipe"].tolist()
    assert llms["llm"].to_numpy()[design.llm_of_obs].tolist() == scores["llm"].tolist()
    named = np.array(design.benchmarks)[design.benchmark_of_obs]
    assert named.tolist() == scores["benchmark"].tolist()
    np.testing.assert_array_equal(design.score, scores["score"])
    np.testing.assert_array_equal(design.tuned, [0, 0, 0, 1])
    assert (scores["note"] == "kept").all()


def test_features_are_standardised_over_the_llms_in_the_model(table):
    size, square, of_tuned = design_of(table).x.T
    for column in (size, square):
        np.testing.assert_allclose([column.mean(), column.std()], [0, 1], atol=1e-12)
    assert np.corrcoef(square, size**2)[0, 1] == pytest.approx(1)
    np.testing.assert_array_equal(of_tuned, [0, 0, 0, size[3]])


def test_the_square_of_two_equal_distances_is_constant(table):
    design = design_of(table.drop(llms=["a-7b-chat", "b-7b"]))
    assert design.encoding.names[1] == "log(params_b)^2"
    np.testing.assert_allclose(design.x[:, 1], 0, atol=1e-9)
    further = design.encoding.encode(design.llms.assign(params_b=49.0))
    np.testing.assert_allclose(further["log(params_b)^2"], 8)


@pytest.mark.parametrize(("asked", "names"), [(None, ("log(params_b)",)), ((), ())])
def test_squares_may_be_left_out(table, asked, names):
    whole = table.drop(llms=["c-3b"])
    model = ls.ScalingModel(whole, skills=1, features=FORMULA, squares=asked)
    assert model.spec.squares == names
    assert ("log(params_b)^2" in model.design.encoding.names) == bool(names)


@pytest.mark.parametrize(
    ("formula", "asked", "names"),
    [
        ("log(params_b)", None, ["log(params_b)", "tuned:log(params_b)"]),
        ("log(params_b)", (), ["log(params_b)"]),
        ("params_b", None, ["params_b"]),
        ("params_b", ["params_b"], ["params_b", "tuned:params_b"]),
    ],
)
def test_tuned_llms_have_slopes_of_their_own(table, formula, asked, names):
    whole = table.drop(llms=["c-3b"])
    model = ls.ScalingModel(whole, skills=1, features=formula, squares=(), tuning_slopes=asked)
    encoding = model.design.encoding
    assert list(encoding.names) == names
    assert [f"tuned:{name}" for name in model.spec.tuning_slopes] == names[1:]
    assert encoding.highest.shape == encoding.lowest.shape == (len(names),)
    again = encoding.encode(model.design.llms.assign(tuned=1)).to_numpy()
    for column in again.T:
        np.testing.assert_array_equal(column, model.design.x[:, 0])
    assert model.with_table(whole.select(families=["A", "B"])).spec == model.spec


def test_what_tuning_brings_depends_on_size_and_date_by_default():
    table = ls.load_leaderboard().select(families=["gemma", "qwen2"])
    model = ls.ScalingModel(table)
    assert model.spec.tuning_slopes == ("log(params_b)", "release_date")
    x = pd.DataFrame(model.design.x, columns=model.design.encoding.names)
    of_tuned = x["release_date"].where(model.design.tuned == 1, 0)
    np.testing.assert_array_equal(x["tuned:release_date"], of_tuned)
    assert of_tuned.nunique() > 1
    bare = ls.ScalingModel(table, features="log(tokens_t) + release_date")
    assert bare.spec.tuning_slopes == ("release_date",)
    assert bare.spec.squares == ()


def test_tuning_slopes_without_a_tuned_llm_are_zero(table):
    bases = table.drop(llms=["c-3b", "a-7b-chat"])
    assert ls.ScalingModel(bases, skills=1, features=FORMULA).spec.tuning_slopes == ()
    model = ls.ScalingModel(bases, skills=1, features=FORMULA, tuning_slopes=["log(params_b)"])
    np.testing.assert_array_equal(model.design.x[:, -1], 0)


@pytest.mark.parametrize("setting", ["squares", "tuning_slopes", "shrunk"])
def test_columns_beyond_the_formula_that_are_unknown(table, setting):
    with pytest.raises(SpecError) as caught:
        ls.ScalingModel(table.drop(llms=["c-3b"]), features=FORMULA, **{setting: ["tokens_t"]})
    more = ", 'log(params_b)^2', 'tuned:log(params_b)'" if setting == "shrunk" else ""
    assert str(caught.value) == (
        f"{setting} names 'tokens_t', which is no column of the design. The columns of "
        f"'log(params_b)' are 'log(params_b)'{more}."
    )


def with_conditions(table, **columns):
    return ls.ScoreTable.from_long(
        table.scores.assign(**columns), table.llms, table.benchmarks, missing="keep"
    )


def test_conditions_are_numbers_and_unknown_ones_zero(table):
    rows = table.n_obs
    told = with_conditions(table, shots=np.arange(rows), chat=[True, None] * (rows // 2))
    told = told.drop(llms=["c-3b"])
    model = ls.ScalingModel(told, skills=1, features=FORMULA, conditions=["shots", "chat"])
    kept = told.scores
    np.testing.assert_array_equal(model.design.condition[:, 0], kept["shots"])
    np.testing.assert_array_equal(model.design.condition[:, 1], kept["chat"] == True)  # noqa: E712
    assert model.spec.conditions == ("shots", "chat")
    assert model.with_table(told).spec == model.spec


def test_llms_are_evaluated_as_they_were_or_as_others_like_them(table):
    chat = [llm == "a-7b-chat" or llm == "a-1b" for llm in table.scores["llm"]]
    told = with_conditions(table, chat=chat).drop(llms=["c-3b"])
    design = make_design(told, FORMULA, conditions=["chat"])
    usual = design.usual_condition(np.array([0, 1]))[:, :, 0]
    by = {name: usual[:, j].tolist() for j, name in enumerate(design.benchmarks)}
    # On MMLU a-1b was, a-7b was not; on ARC b-7b was not, and a-7b-chat, the only tuned one, was.
    assert by == {"MMLU": [0.5, 0], "ARC": [0, 1], "lonely": [0, 0], "mine": [1, 0]}
    own = design.condition_of_llm[design.llms["llm"].tolist().index("a-1b"), :, 0]
    assert own.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("asked", [["score"], ["chat", "chat"]])
def test_conditions_are_columns_of_their_own(table, asked):
    told = with_conditions(table, chat=0).drop(llms=["c-3b"])
    with pytest.raises(SpecError) as caught:
        ls.ScalingModel(told, features=FORMULA, conditions=asked)
    assert str(caught.value) == (
        f"conditions={asked!r} must be different columns of the scores that say how they were "
        "evaluated, and not 'llm', 'benchmark', 'score', 'successes', 'trials', 'n_items'."
    )


def test_a_single_condition_and_text_of_truth(table):
    rows = table.n_obs
    told = with_conditions(table, chat=["True", "False"] * (rows // 2)).drop(llms=["c-3b"])
    model = ls.ScalingModel(told, skills=1, features=FORMULA, conditions="chat")
    expected = (told.scores["chat"] == "True").astype(float)
    np.testing.assert_array_equal(model.design.condition[:, 0], expected)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"chats": 0},
            "conditions names 'chat' (nearest: 'chats'), which is no column of the "
            "scores. A condition is a column beside 'score' that says how it was evaluated, such "
            "as 'chat_template'.",
        ),
        (
            {"chat": "yes"},
            "The condition 'chat' has values that are neither numbers nor true or false: 'yes'. A "
            "condition shifts scores in proportion to its value: write 0 and 1, with a column for "
            "each kind but one.",
        ),
        (
            {"chat": np.inf},
            "The condition 'chat' has values that are neither numbers nor true or false: inf. A "
            "condition shifts scores in proportion to its value: write 0 and 1, with a column for "
            "each kind but one.",
        ),
    ],
)
def test_conditions_that_cannot_be_used(table, columns, said):
    told = with_conditions(table, **columns).drop(llms=["c-3b"])
    with pytest.raises(SpecError) as caught:
        ls.ScalingModel(told, features=FORMULA, conditions=["chat"])
    assert str(caught.value) == said


def of_developers(table, developers):
    return ls.ScoreTable.from_long(
        table.scores, table.llms.assign(developer=developers), table.benchmarks, missing="keep"
    )


def test_families_of_one_developer(table):
    design = design_of(of_developers(table, ["X", "X", None, "X", "Y", "Y"]))
    assert design.developers == ("X",)
    assert design.developer_of_family.tolist() == [0, 0]


def test_developers_enter_by_default_where_one_has_several_families(table):
    apart = of_developers(table, ["X", "Y", "Y", "Y", "Z", "Z"])
    assert design_of(table).developers == design_of(apart).developers == ()
    settings = {"skills": 1, "features": FORMULA}
    apart = apart.drop(llms=["c-3b"])
    assert not ls.ScalingModel(apart, **settings).spec.developers
    asked = ls.ScalingModel(apart, **settings, developers=True)
    assert asked.design.developers == ("X", "Y")
    assert asked.with_table(apart).design.developers == ("X", "Y")
    together = of_developers(table, "X").drop(llms=["c-3b"])
    assert ls.ScalingModel(together, **settings).spec.developers
    assert not ls.ScalingModel(together, **settings, developers=False).spec.developers


def test_a_family_of_an_unknown_developer_has_one_of_its_own(table):
    settings = {"skills": 1, "features": FORMULA, "developers": True}
    unknown = of_developers(table, ["X", None, None, None, "X", "X"]).drop(llms=["c-3b"])
    assert ls.ScalingModel(unknown, **settings).design.developers == ("X", "A (developer unknown)")


def test_developers_of_whom_the_table_knows_nothing(table):
    with pytest.raises(SpecError) as caught:
        ls.ScalingModel(table.drop(llms=["c-3b"]), features=FORMULA, developers=True)
    assert str(caught.value) == (
        "developers=True needs to know whose the families are, and the LLMs' frame has no column "
        "'developer' that says so. Add it, or leave developers= out."
    )


def test_coords_name_every_dim(table):
    coords = design_of(table).coords(["skill 1", "skill 2"], ["log(params_b)"], ["ARC", "mine"])
    obs = coords.pop("obs")
    assert obs.tolist() == list(range(6))
    assert coords == {
        "developer": [],
        "condition": [],
        "family": ["B", "A"],
        "recipe": ["B", "A", "A chat"],
        "llm": ["b-7b", "a-1b", "a-7b", "a-7b-chat"],
        "benchmark": ["MMLU", "ARC", "lonely", "mine"],
        "free_benchmark": ["MMLU", "lonely"],
        "skill": ["skill 1", "skill 2"],
        "contrast": [1],
        "feature": ["log(params_b)", "log(params_b)^2", "tuned:log(params_b)"],
        "own_feature": ["log(params_b)", "log(params_b)^2", "tuned:log(params_b)"],
        "slope_feature": ["log(params_b)"],
        "term": [],
        "unknown_family": [],
    }


def test_slope_columns_are_found_by_name(table):
    encoding = learn_encoding("log(params_b) + tuned", design_of(table).llms)
    assert slope_columns(encoding, ["tuned", "log(params_b)"]).tolist() == [1, 0]
    assert slope_columns(encoding, []).size == 0


def test_slopes_of_unknown_columns(table):
    with pytest.raises(SpecError) as caught:
        slope_columns(design_of(table).encoding, ["params_b"])
    assert str(caught.value) == (
        "family_slopes names 'params_b', which is no column of the design. The columns of "
        "'log(params_b)' are 'log(params_b)', 'log(params_b)^2', 'tuned:log(params_b)'."
    )


def test_a_table_of_which_nothing_is_left(table):
    with pytest.raises(FeatureError) as caught:
        make_design(table.select(llms=["c-3b", "d-1b"]), FORMULA)
    assert str(caught.value) == (
        "No LLM in the model (1) has a known value of 'params_b', so nothing can be learnt about "
        "it. Fill it in where it is known, or use a formula without it."
    )


def test_counts_are_required_by_likelihoods_of_counts(table):
    whole = table.drop(llms=["c-3b"])
    with pytest.raises(SpecError) as caught:
        ls.ScalingModel(whole, skills=1, features=FORMULA, likelihood="binomial")
    assert str(caught.value) == (
        "likelihood='binomial' needs the columns 'successes' and 'trials' in every row of the "
        "scores; 'successes', 'trials' lack them. Add them, or use likelihood=\"student_t\"."
    )


def test_a_model_takes_a_score_table():
    with pytest.raises(SpecError) as caught:
        ls.ScalingModel(pd.DataFrame())
    assert str(caught.value) == (
        "A model takes a ScoreTable, not a DataFrame. Make one with\n"
        "      table = ls.ScoreTable.from_long(scores, llms)\n"
        '      table = ls.ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])'
    )
