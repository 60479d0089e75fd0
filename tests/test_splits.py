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
        "'a-small'. Fill it in, or use observed=0."
    )
