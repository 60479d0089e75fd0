"""Baselines with something latent find it, and say what they cannot do."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

import latentscale as ls
from latentscale.baselines import skills as skills_law
from latentscale.baselines.principal import principal_components
from latentscale.errors import LatentScaleError, SpecError

SIZES = (0.5, 1.0, 2.0, 5.0, 13.0, 40.0)
BENCHMARKS = {"MMLU": (0.25, 1.0, -1.0), "ARC-C": (0.2, 0.7, 0.5), "GSM8K": (0.0, 1.5, -2.0)}


def share_of(name, skill):
    return expit(BENCHMARKS[name][2] + BENCHMARKS[name][1] * skill)


def score_of(name, skill):
    chance = BENCHMARKS[name][0]
    return chance + (1 - chance) * share_of(name, skill)


def one_skill(of_family, rise=share_of, tuned=0.0) -> ls.ScoreTable:
    """Make scores that one skill makes without errors: family intercept + 0.6 log size."""
    rows, scores = [], []
    for family, intercept in of_family.items():
        for size in SIZES:
            for recipe, shift in ((family, 0.0), (f"{family}-chat", tuned)):
                llm = f"{recipe}-{size}"
                rows.append((llm, family, recipe, int(recipe != family), size, 1.0))
                skill = intercept + shift + 0.6 * np.log(size)
                scores += [
                    (llm, name, chance + (1 - chance) * rise(name, skill))
                    for name, (chance, _, _) in BENCHMARKS.items()
                ]
    llms = pd.DataFrame(rows, columns=["llm", "family", "recipe", "tuned", "params_b", "tokens_t"])
    frame = pd.DataFrame(scores, columns=["llm", "benchmark", "score"])
    info = pd.DataFrame(
        [(name, numbers[0]) for name, numbers in BENCHMARKS.items()],
        columns=["benchmark", "chance"],
    )
    return ls.ScoreTable.from_long(frame, llms, info)


@pytest.fixture(scope="module")
def table() -> ls.ScoreTable:
    return one_skill({"a": -0.5, "b": 0.0, "c": 0.7}, tuned=0.3)


def new(**columns) -> pd.DataFrame:
    known = {"llm": "new", "family": "a", "recipe": "a", "tuned": 0, "params_b": 8.0}
    return pd.DataFrame([known | {"tokens_t": 1.0} | columns])


def expected(baseline, **columns):
    return baseline.expected(new(**columns)).loc["new"]


def truth(skill):
    return {name: score_of(name, skill) for name in BENCHMARKS}


def test_components_fill_gaps_of_a_matrix_of_low_rank():
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 8)) + 3
    gaps = np.where(rng.random(whole.shape) < 0.2, np.nan, whole)
    found = principal_components(gaps, 2)
    np.testing.assert_allclose(found.logits(found.position), whole, atol=0.05)
    # Noise beyond the components shrinks them.
    noisy = principal_components(whole + rng.normal(size=whole.shape), 2)
    of_noisy = np.linalg.svd((whole - whole.mean(0)) / whole.std(0))[1][:2]
    assert (np.linalg.norm(noisy.position, axis=0) < 1.1 * of_noisy).all()


def test_there_are_fewer_components_than_benchmarks():
    found = principal_components(np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]]), 5)
    assert found.position.shape == (3, 1)


def test_a_law_of_components_is_found(table):
    law = ls.baselines.PcaLaw(table, components=1, features="log(params_b)")
    # Base and tuned LLMs of a family share an intercept, so that its mean is expected.
    assert expected(law).to_dict() == pytest.approx(truth(-0.35 + 0.6 * np.log(8)), abs=0.02)
    assert expected(law, family="z").to_dict() == pytest.approx(
        truth(0.2 / 3 + 0.15 + 0.6 * np.log(8)), abs=0.02
    )
    shared = ls.baselines.PcaLaw(table, components=1, features="log(params_b)", families=False)
    assert expected(shared)["MMLU"] == pytest.approx(expected(law, family="z")["MMLU"], abs=0.02)


def test_what_is_known_of_an_llm_is_used_by_components(table):
    of_one = (table.scores["llm"] == "c-chat-5.0") & (table.scores["benchmark"] != "GSM8K")
    others = table.scores["llm"] != "c-chat-5.0"
    law = ls.baselines.PcaLaw(table.where(of_one | others), components=1, features="log(params_b)")
    llm = table.llms[table.llms["llm"] == "c-chat-5.0"]
    by_scores = law.expected(llm)["GSM8K"].item()
    by_law = (
        ls.baselines.PcaLaw(table.where(others), components=1, features="log(params_b)")
        .expected(llm)["GSM8K"]
        .item()
    )
    right = score_of("GSM8K", 1.0 + 0.6 * np.log(5))
    assert abs(by_scores - right) < 0.01
    assert abs(by_law - right) > 0.02


@pytest.mark.parametrize("link", ["sigmoid", "monotone"])
def test_skills_that_make_the_scores_are_found(table, link):
    law = ls.baselines.SkillsLaw(table, skills=1, link=link, features="log(params_b)")
    assert expected(law).to_dict() == pytest.approx(truth(-0.5 + 0.6 * np.log(8)), abs=0.02)
    tuned = expected(law, recipe="a-chat", tuned=1)
    assert tuned.to_dict() == pytest.approx(truth(-0.2 + 0.6 * np.log(8)), abs=0.02)


def test_an_unknown_recipe_is_expected_to_be_as_its_family(table):
    law = ls.baselines.SkillsLaw(table, skills=1, features="log(params_b)")
    of_family = expected(law, recipe="a-code").to_dict()
    assert of_family == pytest.approx(truth(-0.35 + 0.6 * np.log(8)), abs=0.03)
    of_none = expected(law, family="z", recipe="z").to_dict()
    assert of_none == pytest.approx(truth(0.2 / 3 + 0.15 + 0.6 * np.log(8)), abs=0.03)


def test_a_monotone_link_learns_what_no_sigmoid_is():
    def stepped(name, skill):
        return (expit(4 * (skill + 0.8)) + expit(4 * (skill - 1.2))) / 2

    table = one_skill({"a": -0.5, "b": 0.0, "c": 0.7}, stepped)
    off = {
        link: np.abs(
            ls.baselines.SkillsLaw(table, skills=1, link=link, features="log(params_b)")
            .expected(table.llms)
            .melt(ignore_index=False)
            .reset_index()
            .merge(table.scores, on=["llm", "benchmark"])
            .eval("value - score")
        ).mean()
        for link in ("sigmoid", "monotone")
    }
    assert off["monotone"] < off["sigmoid"] / 2


@pytest.mark.parametrize("link", ["sigmoid", "monotone"])
def test_derivatives_of_the_loss(table, link, monkeypatch):
    caught = {}

    def caught_first(loss, start, arguments, *_, **__):
        caught.update(start=start, arguments=arguments)
        raise StopIteration

    monkeypatch.setattr(skills_law, "minimize", caught_first)
    with pytest.raises(StopIteration):
        ls.baselines.SkillsLaw(table, skills=2, link=link, features="log(params_b)").expected(
            table.llms
        )
    rng = np.random.default_rng(0)
    point = caught["start"] + 0.3 * rng.standard_normal(caught["start"].size)
    derivatives = skills_law._loss(point, *caught["arguments"])[1]
    numeric = approx_fprime(point, lambda x: skills_law._loss(x, *caught["arguments"])[0], 1e-7)
    np.testing.assert_allclose(derivatives, numeric, atol=2e-5)


def test_an_unknown_link(table):
    with pytest.raises(SpecError) as caught:
        ls.baselines.SkillsLaw(table, link="sigmoidal")
    assert str(caught.value) == (
        "link='sigmoidal' (nearest: 'sigmoid') is not known. Use one of 'sigmoid' or 'monotone'."
    )


def test_trees_learn_what_features_say(table):
    trees = ls.baselines.BoostedTrees(table)
    for family, size in (("a", 0.5), ("z", 40.0)):
        known = table.scores.merge(table.llms[table.llms["params_b"] == size], on="llm")
        mean = known[known["tuned"] == 0].groupby("benchmark")["score"].mean()
        found = expected(trees, family=family, params_b=size)
        assert found.to_dict() == pytest.approx(mean.to_dict(), abs=0.05)


def test_trees_do_with_what_is_known():
    families = ["pythia", "opt", "llama", "llama-2", "falcon"]
    table = ls.load_leaderboard(benchmarks=["MMLU", "HellaSwag"]).select(families=families)
    trees = ls.baselines.BoostedTrees(table, rounds=20)
    every = trees.expected(table.llms)
    assert every.notna().all().all()
    bare = trees.expected(new(tokens_t=np.nan, positional_embedding="never seen"))
    assert bare.notna().all().all()
    assert trees.predictable(table.llms).shape == table.llms.shape


def test_trees_without_scikit_learn(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(LatentScaleError) as caught:
        ls.baselines.BoostedTrees(table).expected(table.llms)
    assert str(caught.value) == (
        "BoostedTrees needs scikit-learn, which is not installed. Install it with\n"
        '      pip install "latentscale[baselines]"'
    )


def test_the_plain_model_has_skills_alone(table):
    model = ls.baselines.plain_latent_model(table, skills=1, features="log(params_b)")
    spec = model.spec
    assert [spec.deviations, spec.ceiling, spec.benchmark_slopes] == [False] * 3
    assert (spec.link, spec.skills) == ("logistic", 1)
