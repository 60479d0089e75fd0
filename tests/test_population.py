"""How features go together: scales, covariances, and what is known of one says of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from latentscale.features import learn_encoding
from latentscale.population import FeaturePopulation, NormalScores

RNG = np.random.default_rng(5)
N_FAMILIES, PER_FAMILY = 40, 3
FAMILY = np.arange(N_FAMILIES).repeat(PER_FAMILY)


def llms_with(**columns):
    frame = {"llm": [f"llm {i}" for i in range(len(FAMILY))], "family": FAMILY.astype(str)}
    return pd.DataFrame({**frame, "tuned": 0, **columns})


@pytest.fixture(scope="module")
def llms():
    """Width follows depth between families; sizes differ within them; a third lacks its width."""
    depth = RNG.normal(size=N_FAMILIES)
    width = np.exp(depth + 0.3 * RNG.normal(size=N_FAMILIES))
    frame = llms_with(
        depth=depth.repeat(PER_FAMILY),
        width=width.repeat(PER_FAMILY),
        size=np.tile([1.0, 5.0, 25.0], N_FAMILIES) * np.exp(0.2 * RNG.normal(size=len(FAMILY))),
        kind=np.where(FAMILY % 4 == 0, "odd", "usual"),
    )
    frame.loc[FAMILY % 3 == 0, "width"] = np.nan
    frame.loc[FAMILY == 1, "kind"] = None
    return frame


@pytest.fixture(scope="module")
def population(llms):
    return FeaturePopulation.learn(learn_encoding("depth + width + log(size) + kind", llms), llms)


def test_a_value_has_the_score_of_the_middle_of_its_ranks():
    scale = NormalScores.learn(np.array([5.0, 1.0, 5.0, 9.0]), np.ones(4))
    np.testing.assert_allclose(scale.values, [1, 5, 9])
    np.testing.assert_allclose(norm.cdf(scale.scores), [1 / 8, 1 / 2, 7 / 8])
    low, middle, _ = scale.scores
    found = scale.of(np.array([1.0, 5.0, 3.0]))
    np.testing.assert_allclose(found, [low, middle, (low + middle) / 2])
    assert np.isnan(scale.of(np.array([np.nan]))).all()


def test_values_come_back_from_their_scores_and_never_leave_what_was_seen():
    values = np.sort(RNG.gamma(1, 20, size=60))
    scale = NormalScores.learn(values, np.ones(60))
    np.testing.assert_allclose(scale.back(scale.of(values)), values)
    far = scale.back(np.array([-50.0, -4.0, 4.0, 50.0]))
    np.testing.assert_allclose(far, values[[0, 0, -1, -1]])
    assert (np.diff(scale.back(np.linspace(-5, 5, 500))) >= -1e-9).all()


def test_families_that_are_alike_in_what_is_known_are_alike_in_what_is_not(population):
    at = {name: i for i, name in enumerate(population.encoding.inputs)}
    between, within = population.between, population.within
    correlation = between[at["depth"], at["width"]] / np.sqrt(
        between[at["depth"], at["depth"]] * between[at["width"], at["width"]]
    )
    assert 0.7 < correlation < 0.99
    assert within[at["size"], at["size"]] > 0.5 > 0.01 > within[at["depth"], at["depth"]]
    for covariance in (between, within):
        assert np.linalg.eigvalsh(covariance).min() > 0


@pytest.mark.parametrize("size", [2, 5])
def test_variances_are_not_biased_by_small_families(size):
    """Of LLMs about their families 0.4, of families 0.6, however many LLMs tell of a family."""
    rng = np.random.default_rng(3)
    family = np.arange(600).repeat(size)
    value = np.sqrt(0.6) * rng.normal(size=600).repeat(size)
    value += np.sqrt(0.4) * rng.normal(size=len(family))
    frame = pd.DataFrame({"llm": family.astype(str), "family": family.astype(str), "code": value})
    population = FeaturePopulation.learn(learn_encoding("code", frame), frame)
    assert population.within.item() == pytest.approx(0.4, abs=0.04)
    assert population.between.item() == pytest.approx(0.6, abs=0.06)


def test_what_is_unknown_is_normal_given_what_is_known(population):
    known = np.array([[True, False, True], [True, True, False], [False, False, True]])
    given = population.conditional(known)
    n = len(known)
    covariance = np.block(
        [[population.between + (i == j) * population.within for j in range(n)] for i in range(n)]
    )
    has, lacks = np.flatnonzero(known), np.flatnonzero(~known)
    pull = covariance[np.ix_(lacks, has)] @ np.linalg.inv(covariance[np.ix_(has, has)])
    np.testing.assert_allclose(given.pull, pull, atol=1e-9)
    np.testing.assert_allclose(given.mean, np.tile(population.mean, n)[lacks])
    left = covariance[np.ix_(lacks, lacks)] - pull @ covariance[np.ix_(has, lacks)]
    # Directions of next to no variance count as known.
    np.testing.assert_allclose(given.root @ given.root.T, left, atol=0.05)


def test_rounding_does_not_decide_what_stands_for_what_is_unknown(population):
    """Or a fit that one machine saved would have other features on the next."""
    known = np.zeros((4, 3), dtype=bool)
    known[:, 0] = True
    given = population.conditional(known)
    rng = np.random.default_rng(0)
    for _ in range(20):
        between, within = (
            each * (1 + 1e-14 * rng.standard_normal(each.shape))
            for each in (population.between, population.within)
        )
        other = replace(population, between=between, within=within).conditional(known)
        np.testing.assert_allclose(other.root, given.root, atol=1e-9)


def test_nothing_known_is_the_population(population):
    given = population.conditional(np.zeros((1, 3), dtype=bool))
    assert given.pull.shape == (3, 0)
    np.testing.assert_allclose(
        given.root @ given.root.T, population.between + population.within, atol=0.05
    )


def test_categories_are_as_often_as_seen_in_the_family_or_in_all(population, llms):
    new = llms_with(depth=0.0, width=1.0, size=2.0).head(3)
    new["family"], new["kind"] = ["1", "4", "new"], None
    uniforms = np.random.default_rng(1).random((4_000, 3, 1))
    at = population.encoding.names.index("kind[T.usual]")
    drawn = population.encode(new, np.zeros((4_000, 3, 3)), uniforms)[:, :, at]
    odd = population.encoding.encode(llms.dropna()).iloc[:, at].min()
    share = (drawn == odd).mean(axis=0)
    assert share[1] == 1, "of family 4 all are odd"
    # 10 of 39 families, and nobody knows the kind of family 1.
    assert share[[0, 2]] == pytest.approx(10 / 39, abs=0.03)


def test_large_families_count_no_more_than_small_ones():
    family = np.array(["large"] * 30 + list("abc"))
    frame = pd.DataFrame(
        {
            "llm": [f"llm {i}" for i in range(33)], "family": family, "tuned": 0,
            "code": np.r_[np.full(30, 50.0), 1.0, 2.0, 3.0],
        }
    )  # fmt: skip
    population = FeaturePopulation.learn(learn_encoding("code", frame), frame)
    np.testing.assert_allclose(
        norm.cdf(population.scales["code"].scores), [1 / 8, 3 / 8, 5 / 8, 7 / 8]
    )


def test_categories_alone_have_a_population_too(llms):
    population = FeaturePopulation.learn(learn_encoding("kind", llms), llms)
    assert population.mean.shape == (0,)
    assert population.scores(llms).shape == (len(llms), 0)
    assert population.chances["kind"].iloc[-1].sum() == pytest.approx(1)
