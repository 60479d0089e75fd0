"""Conditioning on known scores against brute force: weighting draws from the population."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from latentscale.conditioning import KnownCells, condition
from latentscale.errors import PredictionWarning
from latentscale.forward import Draws, Members, add_groups, eta_of, expected_of, scatter_of
from latentscale.likelihoods import likelihood_of

N_DRAWS = 4_000
N_BENCHMARKS, N_SKILLS = 3, 2
COMMUNALITY = np.array([0.5, 0.9])
CORRELATION = np.sqrt(0.5 * 0.9) * (1 - np.eye(2)) + np.eye(2)


def one_posterior_draw(n: int, *, family_slopes: bool = False, developers: bool = False) -> Draws:
    """The same draw of everything fitted, n times: what is left to learn is the new effects."""
    rng = np.random.default_rng(0)
    values = {
        "feature_slope": rng.normal(size=(1, N_SKILLS)),
        "tuning_shift": rng.normal(size=N_SKILLS),
        "family_effect": rng.normal(size=(2, N_SKILLS)),
        "recipe_effect": rng.normal(size=(2, N_SKILLS)),
        "llm_effect": rng.normal(size=(2, N_SKILLS)),
        "family_scale": np.array([0.8, 0.6]),
        "recipe_scale": np.array([0.3, 0.4]),
        "llm_scale": np.array([0.2, 0.3]),
        "communality": COMMUNALITY,
        "loading": np.array([[1.2, 0.0], [0.0, 0.9], [0.7, 0.5]]),
        "difficulty": np.array([0.2, -0.4, 0.1]),
        "benchmark_slope": rng.normal(scale=0.1, size=(N_BENCHMARKS, 1)),
        "benchmark_tuning": rng.normal(scale=0.1, size=N_BENCHMARKS),
        "family_deviation": rng.normal(scale=0.2, size=(2, N_BENCHMARKS)),
        "recipe_deviation": rng.normal(scale=0.2, size=(2, N_BENCHMARKS)),
        "family_deviation_scale": np.array([0.2, 0.3, 0.25]),
        "recipe_deviation_scale": np.array([0.15, 0.1, 0.2]),
        "floor": np.array([0.25, 0.0, 0.1]),
        "ceiling": np.array([0.95, 0.9, 1.0]),
        "asymmetry": np.array([3.0, 1.0, 0.5]),
        "precision": np.array([60.0, 50.0, 80.0]),
    }
    if family_slopes:
        values["family_slope"] = rng.normal(scale=0.2, size=(2, 1, N_SKILLS))
        values["family_slope_scale"] = np.array([[0.3, 0.2]])
    if developers:
        values["developer_effect"] = rng.normal(size=(1, N_SKILLS))
        values["developer_scale"] = np.array([0.7, 0.5])
        values["developer_deviation"] = rng.normal(scale=0.2, size=(1, N_BENCHMARKS))
        values["developer_deviation_scale"] = np.array([0.25, 0.2, 0.15])
    repeated = {name: np.repeat(value[None], n, axis=0) for name, value in values.items()}
    sizes = {"developer": int(developers), "family": 2, "recipe": 2, "llm": 2}
    return Draws(repeated, sizes)


# Two LLMs of one new family (its recipe new too), and one of a new recipe of a fitted family.
MEMBERS = Members(
    x=np.array([[-0.5], [1.0], [0.3]]),
    slope_columns=np.array([0]),
    tuned=np.array([0.0, 0.0, 1.0]),
    developer=np.array([0, 0, 0]),
    family=np.array([2, 2, 1]),
    recipe=np.array([2, 2, 3]),
    llm=np.array([2, 3, 4]),
)


def known(scores: list[float], llm: list[int], benchmark: list[int]) -> KnownCells:
    return KnownCells(pd.DataFrame({"score": scores}), np.array(llm), np.array(benchmark))


def plausible(llm: list[int], benchmark: list[int]) -> KnownCells:
    """Scores that the population could give: the expected ones of one draw of it."""
    grown = add_groups(one_posterior_draw(1), MEMBERS, np.random.default_rng(11))
    scores = expected_of(grown, eta_of(grown, MEMBERS))[0, llm, benchmark]
    return known(scores.tolist(), llm, benchmark)


def by_brute_force(
    draws: Draws, cells: KnownCells, likelihood: str, members: Members = MEMBERS,
    recipe_tail: float | None = None,
) -> tuple:  # fmt: skip
    """Mean and sd of the expected scores by weighting draws from the population."""
    grown = add_groups(draws, members, np.random.default_rng(1), recipe_tail)
    expected = expected_of(grown, eta_of(grown, members))
    density = likelihood_of(likelihood).log_density(
        cells.data, expected[:, cells.llm, cells.benchmark], scatter_of(grown, cells.benchmark)
    )
    weight = np.exp(density.sum(1) - density.sum(1).max())
    weight /= weight.sum()
    mean = np.einsum("s,snj->nj", weight, expected)
    return mean, np.sqrt(np.einsum("s,snj->nj", weight, (expected - mean) ** 2)), weight


@pytest.mark.parametrize("likelihood", ["normal", "beta", "student_t"])
@pytest.mark.parametrize("family_slopes", [False, True])
def test_agrees_with_weighting_the_population(likelihood, family_slopes):
    cells = plausible(llm=[0, 0, 2], benchmark=[0, 1, 2])

    def with_tail(draws: Draws) -> Draws:
        tail = {"tail": np.full(len(draws), 5.0)} if likelihood == "student_t" else {}
        return draws.with_values(**tail)

    many = with_tail(one_posterior_draw(400_000, family_slopes=family_slopes))
    mean, sd, weight = by_brute_force(many, cells, likelihood)
    assert 1 / np.sum(weight**2) > 2_000

    draws = with_tail(one_posterior_draw(N_DRAWS, family_slopes=family_slopes))
    rng = np.random.default_rng(2)
    grown = add_groups(draws, MEMBERS, rng)
    answer = condition(grown, MEMBERS, cells, ["new", "new", "old"], likelihood_of(likelihood), rng)
    expected = expected_of(answer, eta_of(answer, MEMBERS))

    error = np.abs(expected.mean(0) - mean) / sd
    assert error.max() < 0.12
    assert np.abs(expected.std(0) / sd - 1).max() < 0.1


# Two new families of one new developer, a new family of a fitted one, and a fitted family.
OF_DEVELOPERS = Members(
    x=np.array([[-0.5], [1.0], [0.3], [0.8]]),
    slope_columns=np.array([0]),
    tuned=np.zeros(4),
    developer=np.array([1, 1, 0, 0]),
    family=np.array([2, 3, 4, 1]),
    recipe=np.array([2, 3, 4, 5]),
    llm=np.array([2, 3, 4, 5]),
)


@pytest.mark.parametrize(
    ("llm", "benchmark"),
    [([0, 0, 0], [0, 1, 2]), ([0, 1, 1], [1, 0, 2]), ([2, 2, 0], [0, 1, 1])],
    ids=["one family", "two families of a new developer", "a family of a fitted developer"],
)
def test_families_of_one_developer_learn_from_each_other(llm, benchmark):
    draw = add_groups(
        one_posterior_draw(1, developers=True), OF_DEVELOPERS, np.random.default_rng(7)
    )
    scores = expected_of(draw, eta_of(draw, OF_DEVELOPERS))[0, llm, benchmark]
    cells = known(scores.tolist(), llm, benchmark)
    many = one_posterior_draw(400_000, developers=True)
    mean, sd, weight = by_brute_force(many, cells, "normal", OF_DEVELOPERS)
    assert 1 / np.sum(weight**2) > 2_000

    rng = np.random.default_rng(2)
    grown = add_groups(one_posterior_draw(N_DRAWS, developers=True), OF_DEVELOPERS, rng)
    families = ["a", "b", "c", "old"]
    answer = condition(grown, OF_DEVELOPERS, cells, families, likelihood_of("normal"), rng)
    expected = expected_of(answer, eta_of(answer, OF_DEVELOPERS))
    assert np.abs((expected.mean(0) - mean) / sd).max() < 0.12
    assert np.abs(expected.std(0) / sd - 1).max() < 0.1


def test_families_of_one_new_developer_share_its_draw():
    grown = add_groups(
        one_posterior_draw(20_000, developers=True), OF_DEVELOPERS, np.random.default_rng(3)
    )
    of_new = grown["family_effect"][:, 2:]
    shared, own = grown["developer_scale"][0] ** 2, grown["family_scale"][0] ** 2
    for k in range(N_SKILLS):
        found = np.cov(of_new[:, :, k].T)
        expected = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]]) * shared[k] + np.eye(3) * own[k]
        np.testing.assert_allclose(found, expected, atol=0.03)
    fitted = grown["developer_effect"][0, 0]
    np.testing.assert_allclose(of_new[:, 2].mean(axis=0), fitted, atol=0.03)


def test_effects_of_new_groups_correlate_between_skills():
    draws = one_posterior_draw(40_000, developers=True)
    grown = add_groups(draws, OF_DEVELOPERS, np.random.default_rng(4))
    of_developer = grown["developer_effect"][:, 1:]
    beyond = grown["family_effect"][:, 2:4] - of_developer
    for new in (of_developer, beyond, grown["recipe_effect"][:, 2:], grown["llm_effect"][:, 2:]):
        for of_group in new.swapaxes(0, 1):
            np.testing.assert_allclose(np.corrcoef(of_group.T), CORRELATION, atol=0.02)


def test_new_recipes_are_outlying_in_all_skills_together():
    draws = one_posterior_draw(40_000)
    grown = add_groups(draws, MEMBERS, np.random.default_rng(5), recipe_tail=3.0)
    new = grown["recipe_effect"][:, 2:] / grown["recipe_scale"][:, None]
    law = stats.f(N_SKILLS, 3.0)  # of the squared length over their number
    for of_recipe in new.swapaxes(0, 1):
        square = np.einsum("sk,kl,sl->s", of_recipe, np.linalg.inv(CORRELATION), of_recipe)
        assert stats.kstest(square / N_SKILLS, law.cdf).pvalue > 0.01
    np.testing.assert_array_equal(grown["recipe_effect"][:, :2], draws["recipe_effect"])
    assert abs(np.corrcoef(*np.abs(new[:, :, 0].T))[0, 1]) < 0.02  # one recipe and another


def test_agrees_with_weighting_the_population_whose_recipes_have_tails():
    """With a score that only an outlying recipe of a fitted family explains, and one of a new."""
    cells = known([0.88, 0.75, 0.4], llm=[2, 2, 0], benchmark=[0, 1, 1])
    many = one_posterior_draw(400_000)
    mean, sd, weight = by_brute_force(many, cells, "normal", recipe_tail=2.5)
    assert 1 / np.sum(weight**2) > 500
    without = by_brute_force(many, cells, "normal")[0]
    assert np.abs((without - mean) / sd).max() > 0.3

    rng = np.random.default_rng(6)
    grown = add_groups(one_posterior_draw(20_000), MEMBERS, rng, recipe_tail=2.5)
    answer = condition(grown, MEMBERS, cells, ["new", "new", "old"], likelihood_of("normal"), rng)
    expected = expected_of(answer, eta_of(answer, MEMBERS))
    assert np.abs((expected.mean(0) - mean) / sd).max() < 0.12
    assert np.abs(expected.std(0) / sd - 1).max() < 0.1


@pytest.mark.parametrize(
    ("likelihood", "steepness", "scores", "llm", "benchmark"),
    [
        ("normal", 8.0, [0.0, 0.0], [0, 1], [1, 1]),
        ("student_t", 8.0, [0.0, 0.0], [0, 1], [1, 1]),
        ("student_t", 1.0, [0.0], [0], [1]),
        ("student_t", 1.0, [0.0, 0.45], [0, 0], [1, 0]),
        ("student_t", 1.0, [0.93, 0.75], [0, 0], [0, 1]),
    ],
)
def test_scores_far_out_and_at_the_floor_say_no_more_than_they_do(
    likelihood, steepness, scores, llm, benchmark
):
    """Where a curve is level eta may be anywhere, and what is twenty scales off may be broken."""
    cells = known(scores, llm=llm, benchmark=benchmark)

    def steep(n: int) -> Draws:
        draws = one_posterior_draw(n)
        asymmetry, precision = draws["asymmetry"].copy(), draws["precision"].copy()
        asymmetry[:, 1], precision[:, :2] = steepness, 300.0
        tail = {"tail": np.full(n, 5.0)} if likelihood == "student_t" else {}
        return draws.with_values(asymmetry=asymmetry, precision=precision, **tail)

    many = steep(400_000)
    weight = by_brute_force(many, cells, likelihood)[2]
    grown = add_groups(many, MEMBERS, np.random.default_rng(1))  # the same once more
    eta = eta_of(grown, MEMBERS)[:, cells.llm, cells.benchmark]
    mean = weight @ eta
    sd = np.sqrt(weight @ (eta - mean) ** 2)

    rng = np.random.default_rng(2)
    grown = add_groups(steep(N_DRAWS), MEMBERS, rng)
    answer = condition(grown, MEMBERS, cells, ["new", "new", "old"], likelihood_of(likelihood), rng)
    found = eta_of(answer, MEMBERS)[:, cells.llm, cells.benchmark]
    assert np.abs((found.mean(0) - mean) / sd).max() < 0.12
    assert np.abs(found.std(0) / sd - 1).max() < 0.1


def test_known_scores_choose_among_posterior_draws():
    """Half of the draws have a difficulty that the known scores contradict: they lose weight."""
    draws = one_posterior_draw(N_DRAWS)
    difficulty = draws["difficulty"].copy()
    difficulty[: N_DRAWS // 2] += 1.0
    draws = draws.with_values(difficulty=difficulty)
    cells = plausible(llm=[0, 0, 0], benchmark=[0, 1, 2])

    shifted, straight = (draws.take(part) for part in np.split(np.arange(N_DRAWS), 2))
    evidence = [np.mean(_likelihood_under_population(part, cells)) for part in (shifted, straight)]
    rng = np.random.default_rng(3)
    grown = add_groups(draws, MEMBERS, rng)
    answer = condition(grown, MEMBERS, cells, ["new"] * 3, likelihood_of("normal"), rng)

    share = np.mean(answer["difficulty"][:, 0] > 0.7)
    assert share == pytest.approx(evidence[0] / sum(evidence), abs=0.05)


def _likelihood_under_population(draws: Draws, cells: KnownCells) -> np.ndarray:
    many = draws.take(np.arange(100_000) % len(draws))
    grown = add_groups(many, MEMBERS, np.random.default_rng(4))
    expected = expected_of(grown, eta_of(grown, MEMBERS))[:, cells.llm, cells.benchmark]
    scatter = scatter_of(grown, cells.benchmark)
    return np.exp(likelihood_of("normal").log_density(cells.data, expected, scatter).sum(1))


def test_a_fitted_llm_changes_only_the_weights():
    """With nothing new to learn, conditioning is importance resampling of the draws."""
    draws = one_posterior_draw(N_DRAWS)
    rng = np.random.default_rng(5)
    draws = draws.with_values(
        difficulty=draws["difficulty"] + 0.2 * rng.standard_normal((N_DRAWS, N_BENCHMARKS))
    )
    members = Members(
        x=np.array([[0.1]]),
        slope_columns=np.array([0]),
        tuned=np.zeros(1),
        developer=np.array([0]),
        family=np.array([0]),
        recipe=np.array([0]),
        llm=np.array([0]),
    )
    cells = known([0.6], llm=[0], benchmark=[0])
    expected = expected_of(draws, eta_of(draws, members))[:, 0, :1]
    weight = np.exp(
        likelihood_of("normal")
        .log_density(cells.data, expected, scatter_of(draws, cells.benchmark))
        .sum(1)
    )
    answer = condition(draws, members, cells, ["old"], likelihood_of("normal"), rng)
    after = expected_of(answer, eta_of(answer, members))[:, 0, 0]
    assert after.mean() == pytest.approx(np.average(expected[:, 0], weights=weight), abs=0.003)


def test_scores_far_from_the_fit_warn():
    draws = one_posterior_draw(N_DRAWS)
    rng = np.random.default_rng(6)
    spread = rng.standard_normal((N_DRAWS, N_BENCHMARKS))
    draws = draws.with_values(
        difficulty=draws["difficulty"] + spread,
        **{name: draws[name] * 1e-3 for name in ("family_scale", "recipe_scale", "llm_scale")},
        family_deviation_scale=draws["family_deviation_scale"] * 1e-3,
        recipe_deviation_scale=draws["recipe_deviation_scale"] * 1e-3,
        precision=draws["precision"] * 100,
    )
    cells = known([0.94, 0.88, 0.97], llm=[0, 0, 0], benchmark=[0, 1, 2])
    grown = add_groups(draws, MEMBERS, rng)
    with pytest.warns(PredictionWarning, match=r"The known scores of 'new' are far from what"):
        condition(grown, MEMBERS, cells, ["new", "new", "old"], likelihood_of("normal"), rng)


def test_the_prediction_does_not_warn_needlessly():
    draws = one_posterior_draw(N_DRAWS)
    rng = np.random.default_rng(7)
    grown = add_groups(draws, MEMBERS, rng)
    cells = plausible(llm=[0, 0], benchmark=[0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        condition(grown, MEMBERS, cells, ["new", "new", "old"], likelihood_of("normal"), rng)
