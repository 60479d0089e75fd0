"""What a ScoreTable holds, gives, and never changes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentscale.chance import known_chance
from latentscale.errors import TableError, TableWarning
from latentscale.table import ScoreTable, table_of_new_llms


def make_llms(**columns: Any) -> pd.DataFrame:
    """Four LLMs: two families, three recipes."""
    base = {
        "llm": ["a-1b", "a-7b", "a-7b-chat", "b-2b"],
        "family": ["a", "a", "a", "b"],
        "recipe": ["a", "a", "a-chat", "b"],
        "tuned": [0, 0, 1, 0],
        "params_b": [1.1, 6.9, 6.9, 2.0],
    }
    return pd.DataFrame(base | columns)


def make_scores(**columns: Any) -> pd.DataFrame:
    """Seven of eight possible scores."""
    base = {
        "llm": ["a-1b", "a-7b", "a-7b-chat", "b-2b", "a-1b", "a-7b", "b-2b"],
        "benchmark": ["MMLU"] * 4 + ["quiz"] * 3,
        "score": [0.3, 0.4, 0.45, 0.35, 0.1, 0.2, 0.15],
    }
    return pd.DataFrame(base | columns)


def make_table(**options: Any) -> ScoreTable:
    """A valid table."""
    return ScoreTable.from_long(make_scores(), make_llms(), **options)


# What a table holds


def test_frames_and_their_columns() -> None:
    table = make_table()
    assert table.scores.columns.tolist() == ["llm", "benchmark", "score"]
    assert table.llms.columns.tolist() == ["llm", "family", "recipe", "tuned", "params_b"]
    assert table.benchmarks.to_dict("list") == {"benchmark": ["MMLU", "quiz"], "chance": [0.25, 0]}


def test_names_follow_the_users_order() -> None:
    order = [3, 1, 0, 2]
    table = ScoreTable.from_long(make_scores()[::-1], make_llms().iloc[order])
    assert table.llm_names == ["b-2b", "a-7b", "a-1b", "a-7b-chat"]
    assert table.family_names == ["b", "a"]
    assert table.recipe_names == ["b", "a", "a-chat"]
    assert table.benchmark_names == ["quiz", "MMLU"]
    assert table.scores["score"].tolist() == make_scores()["score"].tolist()[::-1]


def test_a_benchmarks_frame_gives_the_order() -> None:
    benchmarks = pd.DataFrame({"benchmark": ["quiz", "MMLU"], "note": ["home-made", "known"]})
    table = make_table(benchmarks=benchmarks)
    assert table.benchmark_names == ["quiz", "MMLU"]
    assert table.benchmarks["note"].tolist() == ["home-made", "known"]


def test_counts_of_what_is_there() -> None:
    table = make_table()
    assert table.n_obs == 7
    assert table.missing_share == pytest.approx(1 / 8)


def test_recipe_and_tuned_have_defaults() -> None:
    llms = make_llms()[["llm", "family"]]
    table = ScoreTable.from_long(make_scores(), llms)
    assert table.llms["recipe"].tolist() == ["a", "a", "a", "b"]
    assert table.llms["tuned"].tolist() == [0, 0, 0, 0]


def test_a_missing_recipe_is_the_family() -> None:
    table = ScoreTable.from_long(make_scores(), make_llms(recipe=["a", None, "a-chat", " "]))
    assert table.recipe_names == ["a", "a-chat", "b"]


@pytest.mark.parametrize(
    "tuned",
    [[False, False, True, False], [0.0, 0.0, 1.0, 0.0], ["0", "0", "1", "0"]],
    ids=["bool", "float", "text"],
)
def test_tuned_may_be_written_in_several_ways(tuned: list[Any]) -> None:
    table = ScoreTable.from_long(make_scores(), make_llms(tuned=tuned))
    assert table.llms["tuned"].tolist() == [0, 0, 1, 0]
    assert table.llms["tuned"].dtype == np.int64


def test_evaluation_conditions_are_kept() -> None:
    table = ScoreTable.from_long(make_scores(chat_template=[True, None] * 3 + [False]), make_llms())
    assert table.scores["chat_template"].isna().sum() == 3


def test_counts_make_the_score() -> None:
    scores = make_scores(successes=range(7), trials=10).drop(columns="score")
    table = ScoreTable.from_long(scores, make_llms())
    assert table.scores["score"].tolist() == [k / 10 for k in range(7)]
    assert table.scores[["successes", "trials"]].dtypes.tolist() == [np.int64, np.int64]


def test_counts_fill_only_missing_scores() -> None:
    scores = make_scores(
        score=[0.33, np.nan, 0.45, 0.35, 0.1, 0.2, 0.15],
        successes=[33, 40, *[np.nan] * 5],
        trials=[99, 99, *[np.nan] * 5],
    )
    table = ScoreTable.from_long(scores, make_llms())
    assert table.scores["score"].tolist()[:3] == [0.33, 40 / 99, 0.45]


def test_an_llm_without_scores_stays() -> None:
    llms = pd.concat([make_llms(), pd.DataFrame({"llm": ["c"], "family": ["c"], "tuned": [0]})])
    table = ScoreTable.from_long(make_scores(), llms, missing="keep")
    assert table.llm_names[-1] == "c"
    assert table.llms["params_b"].isna().tolist() == [False] * 4 + [True]


def test_scores_of_zero_and_one_are_scores() -> None:
    table = ScoreTable.from_long(make_scores(score=[0, 1, 0, 1, 0, 1, 0]), make_llms())
    assert table.scores["score"].dtype == float


# Labels and dtypes


def test_labels_are_text() -> None:
    llms = pd.DataFrame({"llm": [1, 2], "family": pd.Categorical(["f", "g"])})
    scores = pd.DataFrame({"llm": [1.0, 2.0], "benchmark": [7, 7], "score": [0.1, 0.2]})
    table = ScoreTable.from_long(scores, llms)
    assert (table.llm_names, table.benchmark_names) == (["1", "2"], ["7"])
    assert table.family_names == ["f", "g"]


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_extension_dtypes_make_the_same_table(backend: Any) -> None:
    if backend == "pyarrow":
        pytest.importorskip("pyarrow")
    llms = make_llms(
        norm=["rms", None, "rms", "layer"],
        tied=[True, None, False, True],
        layers=[12, None, 32, 24],
        released=pd.to_datetime(["2024-01-01", "2024-02-01", None, "2024-03-01"]),
    )
    plain = ScoreTable.from_long(make_scores(), llms, missing="keep")
    other = ScoreTable.from_long(
        make_scores().convert_dtypes(dtype_backend=backend),
        llms.convert_dtypes(dtype_backend=backend),
        missing="keep",
    )
    assert other.llms.dtypes[["norm", "layers"]].equals(plain.llms.dtypes[["norm", "layers"]])
    assert other.equals(plain)


def test_categories_and_dates_stay_what_they_are() -> None:
    norm = pd.Categorical(["rms", "layer", "rms", "rms"], categories=["rms", "layer"])
    table = ScoreTable.from_long(
        make_scores(), make_llms(norm=norm, released=pd.Timestamp("2024-01-01"))
    )
    assert table.llms["norm"].cat.categories.tolist() == ["rms", "layer"]
    assert pd.api.types.is_datetime64_any_dtype(table.llms["released"])


def test_release_dates_may_be_text() -> None:
    written = ["2024-06-07", "2023-01", None, "2022-05-03T10:00:00Z"]
    table = ScoreTable.from_long(make_scores(), make_llms(release_date=written))
    assert pd.api.types.is_datetime64_any_dtype(table.llms["release_date"])
    assert table.llms["release_date"].dt.strftime("%Y-%m-%d").tolist() == [
        "2024-06-07", "2023-01-01", np.nan, "2022-05-03",
    ]  # fmt: skip
    years = ScoreTable.from_long(make_scores(), make_llms(release_date=[2021.5, 2022, 2023, 2024]))
    assert years.llms["release_date"].tolist() == [2021.5, 2022, 2023, 2024]


def test_repeated_row_labels_do_no_harm() -> None:
    scores, llms = make_scores().set_axis([0] * 7), make_llms().set_axis([0] * 4)
    assert ScoreTable.from_long(scores, llms).equals(make_table())


def test_unknown_text_features_are_no_problem() -> None:
    table = ScoreTable.from_long(make_scores(), make_llms(note=["x", None, None, None]))
    assert table.llms["note"].isna().sum() == 3


# Chance levels


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("MMLU-PRO", 0.1),
        ("mmlu_pro", 0.1),
        ("ARC", 0.25),
        ("arc challenge", 0.25),
        ("TruthfulQA", 0.31),
        ("MATH Lvl 5", 0.0),
        ("winogrande", 0.5),
        ("something new", None),
    ],
)
def test_chance_levels_of_known_benchmarks(name: str, level: float | None) -> None:
    assert known_chance(name) == level


def test_a_users_spelling_and_a_users_chance_win() -> None:
    benchmarks = pd.DataFrame({"benchmark": ["mmlu", "MUSR"], "chance": [0.2, np.nan]})
    scores = make_scores().replace({"benchmark": {"MMLU": "mmlu", "quiz": "MUSR"}})
    table = ScoreTable.from_long(scores, make_llms(), benchmarks)
    assert table.benchmark_names == ["mmlu", "MUSR"]
    assert table.benchmarks["chance"].tolist() == [0.2, pytest.approx(0.344444, abs=1e-6)]


# The wide form


def make_wide() -> pd.DataFrame:
    """The table with one LLM a row."""
    return make_llms().assign(MMLU=[0.3, 0.4, 0.45, 0.35], quiz=[0.1, 0.2, np.nan, 0.15])


def test_wide_and_long_make_the_same_table() -> None:
    assert ScoreTable.from_wide(make_wide(), benchmarks=["MMLU", "quiz"]).equals(make_table())


def test_wide_form_takes_a_benchmarks_frame_or_chance_levels() -> None:
    info = pd.DataFrame({"benchmark": ["quiz", "MMLU"], "chance": [0.05, np.nan]})
    table = ScoreTable.from_wide(make_wide(), info)
    assert table.benchmark_names == ["quiz", "MMLU"]
    assert table.benchmarks["chance"].tolist() == [0.05, 0.25]
    table = ScoreTable.from_wide(make_wide(), info, chance={"quiz": 0.2})
    assert table.benchmarks["chance"].tolist() == [0.2, 0.25]


def test_wide_form_of_one_benchmark() -> None:
    table = ScoreTable.from_wide(make_wide().drop(columns="quiz"), "MMLU")
    assert table.benchmark_names == ["MMLU"]


def test_to_wide_gives_the_users_columns_back() -> None:
    pd.testing.assert_frame_equal(make_table().to_wide(), make_wide())


# Derived tables


def test_select_keeps_what_meets_all_criteria() -> None:
    table = make_table().select(families="a", llms=["b-2b", "a-7b"], benchmarks=["quiz"])
    assert (table.llm_names, table.benchmark_names, table.n_obs) == (["a-7b"], ["quiz"], 1)


def test_drop_leaves_out_what_meets_any_criterion() -> None:
    table = make_table().drop(recipes=["a-chat"], families="b")
    assert table.llm_names == ["a-1b", "a-7b"]
    assert table.benchmark_names == ["MMLU", "quiz"]


def test_developers_are_kept_or_left_out() -> None:
    table = ScoreTable.from_long(make_scores(), make_llms(developer=["X", None, None, None]))
    assert table.developer_names == ["X"]
    assert table.select(developers="X").family_names == ["a"]
    assert table.drop(developers=["X"]).family_names == ["b"]
    for unknown in (table, make_table()):
        with pytest.raises(TableError, match="1 developer not in the table: 'Y'"):
            unknown.select(developers="Y")
    assert make_table().developer_names == []


def test_scores_and_llms_join_a_table() -> None:
    table = ScoreTable.from_long(
        make_scores(), make_llms(open=[True, True, False, True], released="2023-01-01")
    )
    more = pd.DataFrame(
        {
            "llm": ["a-7b-chat", "c-3b", "c-3b", "a-1b"],
            "benchmark": ["quiz", "MMLU", "BBH", "BBH"],
            "score": [0.3, "0.5", 0.4, 0.2],
        }
    )
    new = pd.DataFrame({"llm": ["c-3b"], "family": ["c"], "params_b": [3.0]})
    grown = table.with_scores(more, new)
    assert grown.n_obs == table.n_obs + 4
    assert grown.llm_names == [*table.llm_names, "c-3b"]
    assert grown.benchmarks.to_dict("list") == {
        "benchmark": ["MMLU", "quiz", "BBH"], "chance": [0.25, 0.0, known_chance("BBH")],
    }  # fmt: skip
    last = grown.llms.iloc[-1]
    assert (last["recipe"], last["tuned"], last["params_b"]) == ("c", 0, 3.0)
    assert pd.isna(last["open"])
    assert (
        grown.select(llms=table.llm_names)
        .where(~grown.select(llms=table.llm_names).scores["benchmark"].eq("BBH"))
        .n_obs
        == table.n_obs + 1
    )
    assert table.with_scores(more.iloc[:1]).to_wide()["quiz"].tolist()[2] == 0.3
    whole = ScoreTable.from_long(
        pd.concat([table.scores, more.iloc[:1]]), table.llms, table.benchmarks
    )
    assert table.with_scores(more.iloc[:1]).equals(whole)


def test_what_cannot_join_a_table_is_told_with_its_rows() -> None:
    table, new = make_table(), pd.DataFrame({"llm": ["a-1b"], "family": ["a"]})
    more = pd.DataFrame({"llm": ["a-1b", "z"], "benchmark": "MMLU", "score": [0.3, 0.4]})
    with pytest.raises(TableError) as caught:
        table.with_scores(more.set_axis([5, 6]), new)
    assert set(caught.value.problems["problem"]) == {
        "duplicate score", "unknown LLM", "duplicate LLM"
    }  # fmt: skip
    rows = caught.value.problems.set_index("problem")["row"]
    assert rows["duplicate score"].tolist() == ["0 of the table", 5]
    assert rows["unknown LLM"] == 6
    with pytest.raises(TableError, match="`scores` has no column 'score'") as caught:
        table.with_scores(more.drop(columns="score"))
    assert len(caught.value.problems) == 1


def test_derived_tables_may_be_small_or_empty() -> None:
    table = make_table()
    assert table.select(llms="a-7b-chat").benchmarks["benchmark"].tolist() == ["MMLU", "quiz"]
    empty = table.select(llms=[])
    assert (empty.n_obs, empty.llm_names, empty.missing_share) == (0, [], 0.0)
    assert repr(empty).startswith("ScoreTable\n  LLMs        0 (0 families, 0 recipes)\n")
    assert empty.to_wide().empty
    assert empty.joined().empty


def test_where_keeps_llms_and_benchmarks() -> None:
    table = make_table()
    kept = table.where(table.joined()["params_b"] < 2)
    assert kept.scores["llm"].tolist() == ["a-1b", "a-1b"]
    assert kept.scores.index.tolist() == [0, 1]
    assert kept.llm_names == table.llm_names
    assert kept.benchmark_names == table.benchmark_names


def test_where_takes_plain_and_nullable_masks() -> None:
    table = make_table()
    mask = [True, False] * 3 + [True]
    expected = table.where(np.array(mask))
    assert table.where(mask).equals(expected)
    assert table.where(pd.array(mask, dtype="boolean")).equals(expected)


def test_joined_is_on_the_rows_of_the_scores() -> None:
    table = ScoreTable.from_long(make_scores(note="s"), make_llms(note="l"))
    joined = table.joined()
    assert joined.index.equals(table.scores.index)
    assert joined["family"].tolist() == ["a", "a", "a", "b", "a", "a", "b"]
    assert set(joined["note"]) == {"s"}
    assert set(joined["note_llm"]) == {"l"}


def test_names_of_a_selection_are_labels() -> None:
    llms = pd.DataFrame({"llm": [1, 2], "family": ["f", "g"]})
    scores = pd.DataFrame({"llm": [1, 2], "benchmark": "quiz", "score": [0.1, 0.2]})
    assert ScoreTable.from_long(scores, llms).select(llms=[2]).llm_names == ["2"]
    assert ScoreTable.from_long(scores, llms).drop(llms=2).llm_names == ["1"]


def test_names_may_come_from_an_iterator() -> None:
    table = make_table()
    assert table.select(llms=iter(["a-1b", "b-2b"])).llm_names == ["a-1b", "b-2b"]
    assert table.drop(families=(name for name in "a")).llm_names == ["b-2b"]
    assert table.select(benchmarks={"quiz"}).benchmark_names == ["quiz"]


# Frozen


def test_a_table_cannot_be_changed() -> None:
    table = make_table()
    with pytest.raises(dataclasses.FrozenInstanceError):
        table._scores = make_scores()
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.anything = 1
    scores, llms, benchmarks = table.scores, table.llms, table.benchmarks
    scores.loc[0, "score"] = 0.99
    llms["params_b"] = 99.0
    del benchmarks["chance"]
    table.llm_names.clear()
    assert table.equals(make_table())


def test_a_table_does_not_follow_its_sources() -> None:
    scores, llms = make_scores(), make_llms()
    table = ScoreTable.from_long(scores, llms)
    scores.loc[0, "score"] = 0.99
    llms.loc[0, "params_b"] = 99.0
    assert table.equals(make_table())


def test_copies_and_pickles_are_equal() -> None:
    table = make_table()
    assert copy.deepcopy(table).equals(table)
    assert pickle.loads(pickle.dumps(table)).equals(table)


def test_equal_means_the_same_content() -> None:
    table = make_table()
    assert not table.equals("a table")
    assert not table.equals(table.where(np.arange(7) > 0))
    assert not table.equals(ScoreTable.from_long(make_scores(score=0.5), make_llms()))
    assert table != make_table(), "tables are compared by `equals`, and `==` is identity"


# New LLMs


def test_new_llms_may_have_no_scores_or_one() -> None:
    new = table_of_new_llms(make_llms())
    assert (new.n_obs, new.benchmark_names) == (0, [])
    new = table_of_new_llms(make_llms(), make_scores().head(1), make_table().benchmarks)
    assert (new.n_obs, new.benchmark_names) == (1, ["MMLU", "quiz"])


def test_new_llms_may_have_only_known_benchmarks() -> None:
    scores = make_scores().replace({"benchmark": {"MMLU": "MMLUU"}})
    with pytest.raises(TableError, match="absent from `benchmarks`"):
        table_of_new_llms(make_llms(), scores, make_table().benchmarks)


# In one look


def test_repr() -> None:
    llms = make_llms(depth=1, width=2, heads=3, norm="x", tokens_t=1.0, note="y")
    assert repr(ScoreTable.from_long(make_scores(), llms)) == (
        "ScoreTable\n"
        "  LLMs        4 (2 families, 3 recipes)\n"
        "  benchmarks  2\n"
        "  scores      7 (12.5% of the cells missing)\n"
        "  features    params_b, tokens_t, depth, width, heads, norm and 1 more"
    )


def test_repr_html_escapes() -> None:
    llms = make_llms(**{"<b>": 1}).drop(columns="params_b")
    assert ScoreTable.from_long(make_scores(), llms)._repr_html_() == (
        "<table><caption>ScoreTable</caption><tbody>"
        '<tr><th style="text-align: left">LLMs</th>'
        '<td style="text-align: left">4 (2 families, 3 recipes)</td></tr>'
        '<tr><th style="text-align: left">benchmarks</th>'
        '<td style="text-align: left">2</td></tr>'
        '<tr><th style="text-align: left">scores</th>'
        '<td style="text-align: left">7 (12.5% of the cells missing)</td></tr>'
        '<tr><th style="text-align: left">features</th>'
        '<td style="text-align: left">&lt;b&gt;</td></tr>'
        "</tbody></table>"
    )


# Properties of any table

FRACTION = st.floats(0, 1)
PROPERTY = settings(max_examples=25, deadline=None)


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw scores and LLMs that make a valid table."""
    n_llms = draw(st.integers(2, 6))
    n_benchmarks = draw(st.integers(1, 4))
    family = draw(st.lists(st.sampled_from("fgh"), min_size=n_llms, max_size=n_llms))
    size = st.one_of(st.just(float("nan")), st.floats(0.01, 1e4))
    llms = pd.DataFrame(
        {
            "llm": [f"llm {number}" for number in range(n_llms)],
            "family": family,
            "params_b": draw(st.lists(size, min_size=n_llms, max_size=n_llms)),
            "norm": draw(st.lists(st.sampled_from(["x", "y"]), min_size=n_llms, max_size=n_llms)),
        }
    )
    rows = [
        (name, f"benchmark {number}", draw(FRACTION))
        for number in range(n_benchmarks)
        # The first two LLMs are always evaluated, as a benchmark needs two scores.
        for position, name in enumerate(llms["llm"])
        if position < 2 or draw(st.booleans())
    ]
    return pd.DataFrame(rows, columns=["llm", "benchmark", "score"]), llms


@PROPERTY
@given(frames(), st.randoms(use_true_random=False))
def test_permuting_rows_keeps_the_content(
    drawn: tuple[pd.DataFrame, pd.DataFrame], random: Any
) -> None:
    scores, llms = drawn
    table = ScoreTable.from_long(scores, llms, missing="keep")
    seed = random.randrange(2**32)
    shuffled = ScoreTable.from_long(
        scores.sample(frac=1, random_state=seed),
        llms.sample(frac=1, random_state=seed),
        missing="keep",
    )
    assert shuffled.equals(table)


@PROPERTY
@given(frames())
def test_wide_and_back(drawn: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table = ScoreTable.from_long(*drawn, missing="keep")
    again = ScoreTable.from_wide(table.to_wide(), table.benchmarks, missing="keep")
    assert again.equals(table)
    pd.testing.assert_frame_equal(again.to_wide(), table.to_wide())


@PROPERTY
@given(frames(), st.data())
def test_select_and_drop_are_complements(
    drawn: tuple[pd.DataFrame, pd.DataFrame], data: st.DataObject
) -> None:
    table = ScoreTable.from_long(*drawn, missing="keep")
    keyword = data.draw(st.sampled_from(["llms", "families", "recipes", "benchmarks"]))
    kind = {"llms": "llm", "families": "family", "recipes": "recipe", "benchmarks": "benchmark"}
    known = getattr(table, f"{kind[keyword]}_names")
    names = data.draw(st.lists(st.sampled_from(known), unique=True))
    kept, left = table.select(**{keyword: names}), table.drop(**{keyword: names})
    both = pd.concat([kept.scores, left.scores])
    assert both.sort_values(["llm", "benchmark"]).to_numpy().tolist() == (
        table.scores.sort_values(["llm", "benchmark"]).to_numpy().tolist()
    )
    attribute = f"{kind[keyword]}_names"
    assert sorted(getattr(kept, attribute) + getattr(left, attribute)) == sorted(known)


@PROPERTY
@given(frames(), st.data())
def test_a_mask_and_its_inverse_are_complements(
    drawn: tuple[pd.DataFrame, pd.DataFrame], data: st.DataObject
) -> None:
    table = ScoreTable.from_long(*drawn, missing="keep")
    mask = np.array(
        data.draw(st.lists(st.booleans(), min_size=table.n_obs, max_size=table.n_obs)), dtype=bool
    )
    assert table.where(mask).n_obs + table.where(~mask).n_obs == table.n_obs
    assert table.where(mask).scores["score"].tolist() == table.scores["score"][mask].tolist()


@PROPERTY
@given(frames())
def test_inputs_are_never_changed(drawn: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    scores, llms = drawn
    scores_before, llms_before = scores.copy(deep=True), llms.copy(deep=True)
    table = ScoreTable.from_long(scores, llms, missing="keep")
    wide = table.to_wide()
    wide_before = wide.copy(deep=True)
    ScoreTable.from_wide(wide, table.benchmark_names, missing="keep")
    pd.testing.assert_frame_equal(scores, scores_before)
    pd.testing.assert_frame_equal(llms, llms_before)
    pd.testing.assert_frame_equal(wide, wide_before)


@PROPERTY
@given(frames())
def test_reading_a_table_again_changes_nothing(drawn: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table = ScoreTable.from_long(*drawn, missing="keep")
    with warnings.catch_warnings():
        warnings.simplefilter("error", TableWarning)
        again = ScoreTable.from_long(table.scores, table.llms, table.benchmarks, missing="keep")
    pd.testing.assert_frame_equal(again.scores, table.scores)
    pd.testing.assert_frame_equal(again.llms, table.llms)
    pd.testing.assert_frame_equal(again.benchmarks, table.benchmarks)


def problems_of(scores: pd.DataFrame, llms: pd.DataFrame) -> pd.DataFrame | None:
    """Give the problems of a table, or None if it is valid."""
    try:
        ScoreTable.from_long(scores, llms)
    except TableError as error:
        return error.problems
    return None


CELL = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from(["", " ", "a", "f", "0.5", "x"]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, CELL, CELL, CELL), max_size=4),
    st.lists(st.tuples(CELL, CELL, CELL, CELL, CELL), max_size=4),
)
def test_rubbish_is_refused_with_reasons(
    scores: list[tuple[Any, ...]], llms: list[tuple[Any, ...]]
) -> None:
    """Whatever the cells hold, the answer is a table or a TableError, never another error."""
    given_scores = pd.DataFrame(
        scores, columns=["llm", "benchmark", "score", "successes", "trials"], dtype=object
    )
    given_llms = pd.DataFrame(
        llms, columns=["llm", "family", "recipe", "tuned", "params_b"], dtype=object
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        problems = problems_of(given_scores, given_llms)
    assert problems is None or len(problems) > 0
    assert problems is None or set(problems["frame"]) <= {"scores", "llms"}
