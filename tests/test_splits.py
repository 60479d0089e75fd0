"""Splits hide what they say they hide, and nothing else."""

from __future__ import annotations

import pandas as pd
import pytest

import latentscale as ls
from latentscale.errors import SplitError


@pytest.fixture(scope="module")
def table() -> ls.ScoreTable:
    llms = pd.DataFrame(
        {
            "llm": ["a-big", "a-small", "a-chat", "b", "unscored"],
            "family": ["a", "a", "a", "b", "b"],
            "recipe": ["a", "a", "a-chat", "b", "b"],
            "tuned": [0, 0, 1, 0, 0],
            "params_b": [70.0, 7.0, 7.0, 1.0, 0.5],
        }
    )
    scores = pd.DataFrame(
        [
            (llm, benchmark, 0.5)
            for llm in ["a-big", "a-small", "a-chat", "b"]
            for benchmark in ["ARC-C", "MMLU"]
        ],
        columns=["llm", "benchmark", "score"],
    )
    return ls.ScoreTable.from_long(scores, llms, missing="keep")


def hidden(splits: ls.splits.Splits) -> dict[str, list[str]]:
    return {fold.name: sorted(fold.hidden["llm"].unique()) for fold in splits}


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (0, {"a": ["a-big", "a-chat", "a-small"], "b": ["b"]}),
        (1, {"a": ["a-big", "a-chat"]}),
        (2, {"a": ["a-big"]}),
    ],
)
def test_the_smallest_llms_of_a_family_keep_their_scores(table, observed, expected):
    assert hidden(ls.splits.leave_family_out(table, observed=observed)) == expected


def test_a_developer_is_left_out_with_all_families(table):
    owned = with_llms(table, developer=["X", "X", "X", None, None])
    assert hidden(ls.splits.leave_developer_out(owned, observed=1)) == {"X": ["a-big", "a-chat"]}
    both = hidden(ls.splits.leave_developer_out(owned))
    assert both == {"X": ["a-big", "a-chat", "a-small"], "b (developer unknown)": ["b"]}
    none = (
        "The table does not say who developed its families. Add a column 'developer' to the LLMs, "
        "or leave families out: leave_family_out(table)."
    )
    assert message_of(ls.splits.leave_developer_out, table) == none
    unknown = with_llms(table, developer=None)
    assert message_of(ls.splits.leave_developer_out, unknown) == none


def test_known_and_hidden_scores_make_up_the_table(table):
    for fold in ls.splits.leave_family_out(table, observed=1):
        both = pd.concat([fold.known.scores, fold.hidden])
        assert len(both) == table.n_obs
        assert not both.duplicated(["llm", "benchmark"]).any()
        assert fold.known.llm_names == table.llm_names
        assert fold.llms["llm"].tolist() == ["a-big", "a-chat"]


def test_splits_are_shown_as_a_frame_and_in_a_line(table):
    splits = ls.splits.leave_family_out(table, observed=2)
    frame = splits.to_frame()
    assert frame.groupby("llm")["hidden"].all().to_dict() == {
        "a-big": True,
        "a-chat": False,
        "a-small": False,
    }
    assert repr(splits) == "leave family out, 2 observed: 1 fold, 2 hidden scores"


def test_a_part_of_the_folds_is_splits_again(table):
    some = ls.splits.leave_family_out(table)[1:]
    assert [fold.name for fold in some] == ["b"]
    assert some.name == "leave family out, 0 observed"


@pytest.mark.parametrize("observed", [-1, 0.5, True])
def test_a_wrong_number_of_observed_llms_is_an_error(table, observed):
    with pytest.raises(SplitError) as caught:
        ls.splits.leave_family_out(table, observed=observed)
    assert str(caught.value) == (
        f"observed={observed!r} must be a whole number of at least 0: how many of each family's "
        "smallest LLMs keep their scores."
    )


def test_too_many_observed_llms_are_an_error(table):
    with pytest.raises(SplitError) as caught:
        ls.splits.leave_family_out(table, observed=3)
    assert str(caught.value) == (
        "No family of the table has more than 3 LLMs with scores, so there is none to leave out. "
        "Use a smaller observed=, or a table with larger families."
    )


def test_unknown_sizes_are_an_error_only_where_sizes_are_needed(table):
    llms = table.llms.assign(params_b=[70.0, None, 7.0, 1.0, 0.5])
    unsized = ls.ScoreTable.from_long(table.scores, llms, missing="keep")
    assert len(ls.splits.leave_family_out(unsized)) == 2
    with pytest.raises(SplitError) as caught:
        ls.splits.leave_family_out(unsized, observed=1)
    assert str(caught.value) == (
        "1 LLM with scores but without params_b, so that the smallest of a family is not known: "
        "'a-small'."
    )


def message_of(call, *args, **kwargs) -> str:
    with pytest.raises(SplitError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_recipes_are_left_out_while_the_rest_of_the_family_stays(table):
    splits = ls.splits.leave_recipe_out(table)
    assert hidden(splits) == {"a": ["a-big", "a-small"], "a-chat": ["a-chat"], "b": ["b"]}
    assert hidden(ls.splits.leave_recipe_out(table, observed=1)) == {"a": ["a-big"]}
    assert message_of(ls.splits.leave_recipe_out, table, observed=2) == (
        "No recipe of the table has more than 2 LLMs with scores, so there is none to leave out. "
        "Use a smaller observed=, or a table with larger recipes."
    )


def with_llms(table, **columns) -> ls.ScoreTable:
    return ls.ScoreTable.from_long(table.scores, table.llms.assign(**columns), missing="keep")


def test_all_llms_of_the_largest_size_are_held_out(table):
    assert hidden(ls.splits.hold_out_largest(table)) == {"a": ["a-big"]}
    tuned = with_llms(table, params_b=[6.9, 2.0, 7.0, 1.0, 0.5])
    assert hidden(ls.splits.hold_out_largest(tuned)) == {"a": ["a-big", "a-chat"]}
    equal = with_llms(table, params_b=[7.0, 7.0, 7.0, 1.0, 0.5])
    assert message_of(ls.splits.hold_out_largest, equal) == (
        "No family of the table has LLMs of several sizes with scores, so there is no largest to "
        "hold out. Use a table with larger families."
    )
    unsized = with_llms(table, params_b=[70.0, None, 7.0, 1.0, 0.5])
    assert message_of(ls.splits.hold_out_largest, unsized) == (
        "1 LLM with scores but without params_b, so that the largest of a family is not known: "
        "'a-small'."
    )


def test_tuned_llms_are_held_out_where_base_llms_are_known(table):
    assert hidden(ls.splits.tuned_given_base(table)) == {"a": ["a-chat"]}
    base = with_llms(table, tuned=0)
    assert message_of(ls.splits.tuned_given_base, base) == (
        "No family of the table has both base and tuned LLMs with scores, so there are no tuned "
        "ones to hold out. The column tuned of the LLMs says which are: 0 or 1."
    )


def with_suites(table) -> ls.ScoreTable:
    benchmarks = table.benchmarks.assign(suite=["old", "new"])
    return ls.ScoreTable.from_long(table.scores, table.llms, benchmarks, missing="keep")


def test_each_llm_has_each_suite_masked_once(table):
    splits = ls.splits.mask_suite(with_suites(table), share=0.5)
    assert [fold.name for fold in splits] == ["new, 1", "new, 2", "old, 1", "old, 2"]
    everything = pd.concat([fold.hidden for fold in splits])
    assert len(everything) == table.n_obs
    assert not everything.duplicated(["llm", "benchmark"]).any()
    for fold in splits:
        assert fold.hidden["benchmark"].nunique() == 1
        assert set(fold.hidden["llm"]) < set(table.scores["llm"])
        assert fold.known.n_obs == table.n_obs - len(fold.hidden)
    again = ls.splits.mask_suite(with_suites(table), share=0.5)
    other = ls.splits.mask_suite(with_suites(table), share=0.5, random_seed=3)
    assert hidden(again) == hidden(splits)
    assert hidden(other) != hidden(splits)


def test_a_suite_is_masked_only_where_another_is_known(table):
    scores = table.scores[(table.scores["llm"] != "b") | (table.scores["benchmark"] == "MMLU")]
    suites = with_suites(table).benchmarks
    some = ls.ScoreTable.from_long(scores, table.llms, suites, missing="keep")
    splits = ls.splits.mask_suite(some, share=0.5)
    assert "b" not in set(pd.concat([fold.hidden for fold in splits])["llm"])
    one = some.select(benchmarks=["MMLU"])
    assert message_of(ls.splits.mask_suite, one) == (
        "No LLM of the table has scores on several suites, so that with one of them hidden nothing "
        "would be known of it. Use leave_family_out or random_cells."
    )
    assert message_of(ls.splits.mask_suite, table) == (
        "The benchmarks have no suite, or not all of them: there is none to mask. Give the table's "
        "benchmarks a column 'suite', such as 'v1' and 'v2'."
    )


def test_each_cell_is_hidden_once(table):
    splits = ls.splits.random_cells(table, share=0.25)
    assert [len(fold.hidden) for fold in splits] == [2, 2, 2, 2]
    everything = pd.concat([fold.hidden for fold in splits])
    assert not everything.duplicated(["llm", "benchmark"]).any()


@pytest.mark.parametrize("share", [0, 0.6, True, "a"])
@pytest.mark.parametrize("split", [ls.splits.mask_suite, ls.splits.random_cells])
def test_a_wrong_share_is_an_error(table, split, share):
    assert message_of(split, table, share=share) == (
        f"share={share!r} must be a number above 0 and at most 0.5: what part is hidden in a fold."
    )


RELEASED = pd.to_datetime(["2024-03-01", "2023-05-01", "2024-01-01", "2022-02-01", "2021-01-01"])


def test_the_future_is_predicted_from_the_past(table):
    dated = with_llms(table, release_date=RELEASED)
    splits = ls.splits.by_date(dated, dates=["2024-01-01", "2023-01-01"])
    assert hidden(splits) == {"2023-01-01": ["a-small"], "2024-01-01": ["a-big", "a-chat"]}
    first, second = splits
    assert first.known.scores["llm"].unique().tolist() == ["b"]
    assert sorted(second.known.scores["llm"].unique()) == ["a-small", "b"]
    chosen = ls.splits.by_date(dated, folds=2)
    assert hidden(chosen) == {"2024-01-01": ["a-chat"], "2024-03-01": ["a-big"]}
    undated = with_llms(table, release_date=RELEASED.where(RELEASED > "2022-06-01"))
    assert hidden(ls.splits.by_date(undated, folds=1)) == {"2024-01-01": ["a-big", "a-chat"]}


def test_dates_may_be_years(table):
    days = RELEASED.day_of_year - 1
    years = RELEASED.year + days / (365 + RELEASED.is_leap_year)
    dates = ["2023-01-01", "2024-01-01"]
    found = ls.splits.by_date(with_llms(table, release_date=years), dates=dates)
    assert hidden(found) == hidden(
        ls.splits.by_date(with_llms(table, release_date=RELEASED), dates=dates)
    )


def test_dates_that_split_nothing_are_errors(table):
    dated = with_llms(table, release_date=RELEASED)
    by_date, span = ls.splits.by_date, "The table's dates go from 2022-02-01 to 2024-03-01."
    assert message_of(by_date, dated, dates=["2020-01-01"]) == (
        "No LLM with scores was released before 2020-01-01, so that there is nothing to learn "
        f"from. {span}"
    )
    assert message_of(by_date, dated, dates=["2025-01-01"]) == (
        "No LLM with scores was released from 2025-01-01 on, so that there is nothing to predict. "
        f"{span}"
    )
    assert message_of(by_date, dated, dates=["2023-06-01", "2023-07-01"]) == (
        "No LLM with scores was released from 2023-06-01 on and before 2023-07-01, so that there "
        f"is nothing to predict. {span}"
    )
    assert message_of(by_date, table) == (
        "4 LLMs with scores but without release_date, so that before and after are not known: "
        "'a-big', 'a-small', 'a-chat', ...."
    )
    at_once = with_llms(table, release_date="2024-01-01")
    assert message_of(by_date, at_once) == (
        "All LLMs with scores were released on 2024-01-01, so that none came before another. Use "
        "a table with several dates."
    )
    never = with_llms(table, release_date=pd.Series([pd.NaT] * 5, dtype="datetime64[ns]"))
    assert message_of(by_date, never) == (
        "The release date of no LLM with scores is known, so that before and after are not. Fill "
        "in 'release_date' of the LLMs, such as '2024-07-01'."
    )
    assert message_of(by_date, dated, dates=[]) == (
        "dates= names none. Leave it out to have dates chosen."
    )
    assert message_of(by_date, dated, dates=["soon"]).endswith("Write them as '2024-07-01'.")
    assert message_of(by_date, dated, folds=0) == (
        "folds=0 must be a whole number of at least 1: how many dates to choose."
    )


def test_folds_are_hidden_together_to_save_refits(table):
    apart = ls.splits.leave_recipe_out(table)
    together = apart.together(2)
    assert hidden(together) == {"a, b": ["a-big", "a-small", "b"], "a-chat": ["a-chat"]}
    assert repr(together) == "leave recipe out, 0 observed, together: 2 folds, 8 hidden scores"
    assert message_of(apart.together, 4) == (
        "n=4 must be from 1 to 3, the number of folds there are."
    )
    by_date = ls.splits.by_date(with_llms(table, release_date=RELEASED), folds=2)
    assert message_of(by_date.together, 1) == (
        "The folds of by date: 2 folds, 4 hidden scores know different tables, so that their "
        "scores cannot be hidden together."
    )
