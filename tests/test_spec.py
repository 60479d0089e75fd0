"""Settings: what can be asked for, the anchors, and JSON."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import latentscale as ls
from latentscale.errors import SpecError
from latentscale.spec import DEFAULT_ANCHORS, LIKELIHOODS, ModelSpec, choose_anchors

SPEC = ModelSpec(
    skills=2,
    anchors=("ARC", "GSM8K"),
    features="log(params_b)",
    likelihood="beta",
    ceiling=False,
    family_slopes=("log(params_b)",),
)
TABLE = ["ARC", "MMLU", "IFEval", "mine", "yours", "HellaSwag"]
COUNTS = [5, 9, 7, 30, 40, 3]


def message_of(action, *args, **kwargs):
    with pytest.raises(SpecError) as caught:
        action(*args, **kwargs)
    return str(caught.value)


def test_json_gives_the_same_settings_back():
    text = SPEC.to_json()
    again = ModelSpec.from_json(text)
    assert again == SPEC
    assert hash(again) == hash(SPEC)
    assert json.loads(text) == {
        "skills": 2,
        "anchors": ["ARC", "GSM8K"],
        "features": "log(params_b)",
        "likelihood": "beta",
        "link": "asymmetric",
        "ceiling": False,
        "deviations": True,
        "benchmark_slopes": True,
        "family_slopes": ["log(params_b)"],
        "squares": [],
        "tuning_slopes": [],
        "shrunk": [],
        "developers": False,
        "recipe_tail": None,
        "conditions": [],
    }


def test_json_of_before_recipes_had_tails_is_of_normal_ones():
    before = json.loads(SPEC.to_json())
    del before["recipe_tail"]
    assert ModelSpec.from_json(json.dumps(before)) == SPEC


@pytest.mark.parametrize("tail", [0, -1.0, np.inf, np.nan, True, "heavy"])
def test_a_tail_is_a_positive_number(tail):
    assert message_of(dataclasses.replace, SPEC, recipe_tail=tail) == (
        f"recipe_tail={tail!r} is not a number of degrees of freedom: a positive number, 4 for "
        "heavy tails and 30 for hardly any, or None for a Normal."
    )


def test_a_tail_of_numpy_is_written_as_json():
    assert (
        json.loads(dataclasses.replace(SPEC, recipe_tail=np.int64(5)).to_json())["recipe_tail"] == 5
    )


def test_recipes_have_tails_by_default_where_llms_are_tuned():
    tuned, base = (
        ls.load_leaderboard(benchmarks=["MMLU", "HellaSwag"], tuned=tuned)
        for tuned in (True, False)
    )
    model = ls.ScalingModel(tuned, skills=1)
    assert model.spec.recipe_tail == 4
    assert ls.ScalingModel(base, skills=1).spec.recipe_tail is None
    # A part of a table is of the same model.
    assert model.with_table(base).spec.recipe_tail == 4
    for asked in (None, 7.0):
        assert ls.ScalingModel(tuned, skills=1, recipe_tail=asked).spec.recipe_tail == asked
    assert message_of(ls.ScalingModel, tuned, skills=1, recipe_tail="heavy").startswith(
        "recipe_tail='heavy' is not a number of degrees of freedom"
    )


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPEC.skills = 3  # type: ignore[misc]


def test_with_anchors_changes_nothing_else():
    other = SPEC.with_anchors(("MMLU", "ARC"))
    assert other.anchors == ("MMLU", "ARC")
    assert other.with_anchors(SPEC.anchors) == SPEC


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("skills", range(1, 7))
def test_every_number_of_skills_and_likelihood_is_a_setting(skills, likelihood):
    assert dataclasses.replace(SPEC, skills=skills, likelihood=likelihood).skills == skills


@pytest.mark.parametrize("skills", [0, 7, -1, 2.0, "2", None])
def test_numbers_of_skills_that_are_none(skills):
    assert message_of(dataclasses.replace, SPEC, skills=skills) == (
        f"skills={skills!r} is not a number of skills from 1 to 6. More skills than that cannot be "
        "told apart on a leaderboard; 1 to 3 usually predict as well as more. Use skills=2."
    )


def test_a_single_name_may_be_given_alone_and_numbers_of_any_kind():
    table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"])
    table = table.select(families=["pythia", "opt"])
    model = ls.ScalingModel(
        table, skills=np.int64(1), features="log(params_b)", anchors="MMLU",
        family_slopes="log(params_b)", squares="log(params_b)", shrunk="log(params_b)",
    )  # fmt: skip
    assert model.spec.skills == 1
    assert model.spec.anchors == ("MMLU",)
    assert model.spec.family_slopes == model.spec.squares == model.spec.shrunk
    assert ModelSpec.from_json(model.spec.to_json()) == model.spec


def test_an_unknown_likelihood():
    assert message_of(dataclasses.replace, SPEC, likelihood="studentt") == (
        "likelihood='studentt' (nearest: 'student_t') is not known. Use one of 'beta', 'normal', "
        "'student_t', 'binomial', 'beta_binomial'."
    )


def test_an_unknown_likelihood_like_no_other():
    assert message_of(dataclasses.replace, SPEC, likelihood=None) == (
        "likelihood='None' is not known. Use one of 'beta', 'normal', 'student_t', 'binomial', "
        "'beta_binomial'."
    )


def test_an_unknown_link():
    assert message_of(dataclasses.replace, SPEC, link="logit") == (
        "link='logit' (nearest: 'logistic') is not known. Use one of 'asymmetric', 'logistic'."
    )


def test_default_anchors_are_those_of_the_field_that_the_table_has():
    assert choose_anchors(None, 3, TABLE, COUNTS) == ("HellaSwag", "MMLU", "IFEval")
    assert [name for name in DEFAULT_ANCHORS if name in TABLE] == ["HellaSwag", "MMLU", "IFEval"]
    assert len(set(DEFAULT_ANCHORS)) == 6


def test_then_the_benchmarks_with_most_scores_are_anchors():
    assert choose_anchors(None, 1, ["a", "b"], [3, 4]) == ("b",)
    assert choose_anchors(None, 2, ["a", "MMLU", "b", "c"], [3, 1, 4, 4]) == ("MMLU", "b")
    assert choose_anchors(None, 1, ["only"], [2]) == ("only",)


def test_anchors_can_be_chosen_in_any_order():
    assert choose_anchors(["yours", "ARC"], 2, TABLE, COUNTS) == ("yours", "ARC")


def test_too_few_benchmarks_for_the_skills():
    assert message_of(choose_anchors, None, 3, TABLE[:4], COUNTS[:4]) == (
        "skills=3 needs at least 6 benchmarks, and the table has 4 with scores: 'ARC', 'MMLU', "
        "'IFEval', 'mine'. With fewer, several loadings explain the scores equally well and the "
        "skills mean nothing. Use skills=2, or add benchmarks."
    )
    assert message_of(choose_anchors, None, 2, TABLE[:1], COUNTS[:1]) == (
        "skills=2 needs at least 4 benchmarks, and the table has 1 with scores: 'ARC'. With "
        "fewer, several loadings explain the scores equally well and the skills mean nothing. Use "
        "skills=1, or add benchmarks."
    )


def test_unknown_anchors():
    assert message_of(choose_anchors, ["MMLUU", "GPQA"], 2, TABLE, COUNTS) == (
        "anchors=['MMLUU', 'GPQA'] names benchmarks that the table has no scores of: 'MMLUU' "
        "(nearest: 'MMLU'), 'GPQA'. An anchor gives its skill its meaning. The table's benchmarks "
        "are 'ARC', 'MMLU', 'IFEval', 'mine', 'yours', 'HellaSwag'."
    )


@pytest.mark.parametrize("anchors", [["ARC"], ["ARC", "ARC"], ["ARC", "MMLU", "mine"]])
def test_a_wrong_number_of_anchors(anchors):
    assert message_of(choose_anchors, anchors, 2, TABLE, COUNTS) == (
        f"anchors={anchors!r} must name 2 different benchmarks, one for each of skills=2. Without "
        "an anchor of its own a skill can rotate into another."
    )
