"""The generative story: it agrees with the graph, with prediction, and with its own promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from graph_points import (
    FEATURES,
    drawn_in,
    evaluate,
    expected_in,
    log_densities,
    one_draw,
    point,
    small,
)
from scipy import stats

import latentscale as ls
from latentscale import cohort
from latentscale.errors import SpecError
from latentscale.forward import (
    ability_of,
    expected_of,
    expected_of_cells,
    fitted_members,
    read_draws,
    scatter_of,
    with_features,
)
from latentscale.graph import REPORTED
from latentscale.likelihoods import likelihood_of
from latentscale.priors import DEFAULTS, Prior
from latentscale.simulation import simulate
from latentscale.story import scipy_of
from latentscale.table.columns import MANY_TOKENS

SLOPES = ("log(params_b)", "log(params_b):log(tokens_t)")
VARIANTS = {
    "developers": {"skills": 2, "families_per_developer": 2.0, "family_slopes": SLOPES},
    "conditions": {"skills": 2, "conditions": ("shots", "template"), "likelihood": "student_t"},
    "features": {
        "skills": 2, "features": FEATURES, "n_families": 6, "family_slopes": SLOPES[:1],
        "families_per_developer": 2.0,
    },
    "features without deviations": {
        "skills": 1, "features": FEATURES, "n_families": 6, "deviations": False,
    },
    "one skill": {"skills": 1},
    "three skills": {"skills": 3},
    "family slopes": {"skills": 3, "family_slopes": SLOPES},
    "one skill, family slopes": {"skills": 1, "family_slopes": SLOPES[:1]},
    "no ceiling": {"skills": 3, "ceiling": False},
    "sigmoid": {"skills": 2, "link": "logistic"},
    "no deviations": {"skills": 3, "deviations": False},
    "no slopes of benchmarks": {"skills": 3, "benchmark_slopes": False},
    "the barest": {
        "skills": 1, "ceiling": False, "deviations": False, "benchmark_slopes": False,
        "link": "logistic",
    },
    "student t": {"skills": 2, "likelihood": "student_t"},
    "binomial": {"skills": 2, "likelihood": "binomial"},
}  # fmt: skip


HOLD_SHIFTS = ("family_effect", "llm_effect", "family_deviation")


def expected_of_scores(simulation):
    design = simulation.model.design
    return simulation.expected.to_numpy()[design.llm_of_obs, design.benchmark_of_obs]


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_graph_tells_the_same_story(settings):
    simulation = small(**settings)
    model, truth = simulation.model, simulation.truth
    graph, sampled = model.to_pymc(), drawn_in(simulation)
    likelihood = likelihood_of(model.spec.likelihood)
    named = [name for name in REPORTED if name in graph.named_vars]
    assert set(named) == set(truth) - {"relevance_scale", "relevance_local", "configuration"}
    if "configuration" in truth:  # whose shifts the graph's effects hold
        named = [name for name in named if name not in HOLD_SHIFTS]
    variables = [graph[name] for name in named]
    if model.spec.likelihood in ("normal", "student_t", "binomial"):
        variables.append(expected_in(graph, model.spec.likelihood))
    values = evaluate(graph, variables, sampled)
    for name, value in zip(named, values, strict=False):
        np.testing.assert_allclose(value, truth[name].to_numpy(), atol=1e-10, err_msg=name)
    np.testing.assert_allclose(values[-1], expected_of_scores(simulation), atol=1e-10)

    parameters = scatter_of(read_draws(one_draw(truth)), model.design.benchmark_of_obs)
    density = likelihood.log_density(
        model.design.scores, expected_of_scores(simulation)[None], parameters
    )
    in_graph = log_densities(graph, sampled, ["score"])["score"]
    np.testing.assert_allclose(in_graph, density[0], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
def test_prediction_of_the_truth_gives_the_expected_scores(settings):
    simulation = small(**settings)
    design, spec = simulation.model.design, simulation.model.spec
    draws = with_features(read_draws(one_draw(simulation.truth)), design)
    members = fitted_members(design, spec)
    llm, benchmark = np.indices(simulation.expected.shape).reshape(2, -1)
    expected = expected_of_cells(draws, members, llm, benchmark)
    np.testing.assert_allclose(expected[0], simulation.expected.to_numpy().ravel(), atol=1e-12)
    ability = ability_of(draws, members)[0]
    np.testing.assert_allclose(ability, simulation.truth["ability"], atol=1e-12)


TERMS = (
    "feature_slope", "tuning_shift", "family_effect", "recipe_effect", "llm_effect", "family_slope",
    "loading", "difficulty", "benchmark_slope", "benchmark_tuning", "family_deviation",
    "recipe_deviation", "condition_shift", "floor", "ceiling", "asymmetry",
)  # fmt: skip


@pytest.mark.parametrize("term", TERMS)
def test_every_term_matters_so_that_losing_one_is_noticed(term):
    simulation = EVERYTHING
    members = fitted_members(simulation.model.design, simulation.model.spec)
    draws = read_draws(one_draw(simulation.truth))
    nothing = 1.0 if term == "asymmetry" else 0.0
    without = draws.with_values(**{term: np.full_like(draws[term], nothing)})
    llm, benchmark = np.indices(simulation.expected.shape).reshape(2, -1)
    lost = expected_of_cells(without, members, llm, benchmark)[0]
    assert np.abs(lost - simulation.expected.to_numpy().ravel()).max() > 1e-3


OF_EVERYTHING = {
    "skills": 3, "family_slopes": SLOPES, "families_per_developer": 2.0,
    "conditions": ("shots", "template"),
}  # fmt: skip
EVERYTHING = small(**OF_EVERYTHING)
RANDOM = (
    "feature_slope", "tuning_shift", "family_scale", "developer_ratio", "recipe_ratio", "llm_ratio",
    "developer_z", "family_z", "recipe_z", "llm_z", "family_slope_ratio", "family_slope_z",
    "total_loading", "loading_contrast", "difficulty", "slope_scale", "tuning_scale",
    "condition_scale", "condition_z",
    "benchmark_slope_z", "benchmark_tuning_z", "developer_deviation_scale", "developer_deviation_z",
    "family_deviation_scale", "family_deviation_z", "recipe_deviation_scale", "recipe_deviation_z",
    "floor_slack", "ceiling_share", "asymmetry", "communality",
)  # fmt: skip


@pytest.mark.parametrize("name", RANDOM)
def test_every_draw_reaches_the_expected_scores(name):
    simulation = EVERYTHING
    halved = simulation.sampled[name].to_numpy() / 2
    other = small(**OF_EVERYTHING, truth={name: halved})
    assert np.abs(other.expected - simulation.expected).max() > 1e-4
    for untouched in set(simulation.sampled) - {name}:
        xr.testing.assert_equal(other.sampled[untouched], simulation.sampled[untouched])


def test_everything_that_the_graph_draws_is_drawn():
    simulation = small(**OF_EVERYTHING, likelihood="student_t")
    graph = simulation.model.to_pymc()
    assert {rv.name for rv in graph.free_RVs} == set(simulation.sampled)
    assert set(RANDOM) | {"precision", "tail"} == set(simulation.sampled)


def test_the_truth_has_the_dims_and_coords_of_the_posterior():
    simulation = small(**OF_EVERYTHING)
    graph = simulation.model.to_pymc()
    for name in simulation.truth:
        assert simulation.truth[name].dims == graph.named_vars_to_dims.get(name, ()), name
    for dim in simulation.truth.dims:
        assert simulation.truth[dim].to_numpy().tolist() == list(graph.coords[dim]), dim
    assert set(simulation.truth.coords) == set(simulation.truth.dims)


def test_the_truth_is_identified_as_the_posterior_is():
    simulation = small(skills=3, family_slopes=SLOPES)
    truth, anchors = simulation.truth, list(simulation.model.spec.anchors)
    np.testing.assert_array_equal(truth["loading"].sel(benchmark=anchors), np.eye(3))
    of_free = truth.drop_sel(benchmark=anchors)
    for name in ("benchmark_slope", "benchmark_tuning", "family_deviation", "recipe_deviation"):
        assert not truth[name].sel(benchmark=anchors).any(), name
        assert of_free[name].all(), name


def test_the_same_seed_gives_the_same_table():
    first, again, other = small(), small(), small(random_seed=4)
    assert first.table.equals(again.table)
    assert not first.table.equals(other.table)
    xr.testing.assert_identical(first.truth, again.truth)


def test_what_was_drawn_can_be_passed_back():
    simulation = small()
    again = small(truth=simulation.sampled)
    xr.testing.assert_identical(again.truth, simulation.truth)
    assert again.table.equals(simulation.table)


def test_a_scalar_truth_holds_for_every_element():
    simulation = small(truth={"recipe_ratio": 0.25, "llm_z": 0})
    truth = simulation.truth
    np.testing.assert_allclose(truth["recipe_scale"] / truth["family_scale"], 0.25)
    assert not truth["llm_effect"].any()


def test_recipes_have_tails():
    truth = {"recipe_ratio": 1.0, "family_scale": 1.0, "communality": 1e-6}
    sizes = {"n_families": 400, "recipes_per_family": 3.0, "benchmarks": 4, "random_seed": 6}
    heavy = simulate(**sizes, truth=truth, recipe_tail=3.0).truth["recipe_effect"]
    square = (heavy**2).sum("skill") / heavy.sizes["skill"]
    assert stats.kstest(square, stats.f(heavy.sizes["skill"], 3.0).cdf).pvalue > 0.01
    light = simulate(**sizes, truth=truth, recipe_tail=None).truth["recipe_effect"]
    assert stats.kstest(light.to_numpy().ravel(), stats.norm().cdf).pvalue > 0.01


def test_scores_scatter_around_their_expectation_as_the_precision_says():
    simulation = simulate(
        n_families=60, benchmarks=4, missing=0, chance=0.0, likelihood="normal", random_seed=5,
        truth={"precision": 200.0, "difficulty": 0.0},
    )  # fmt: skip
    expected = expected_of_scores(simulation)
    gap = simulation.model.design.score - expected
    standardised = gap / np.sqrt(expected * (1 - expected) / 201)
    inside = (expected > 0.1) & (expected < 0.9)
    assert inside.sum() > 700
    assert abs(standardised[inside].mean()) < 0.1
    assert abs(standardised[inside].std() - 1) < 0.08


@pytest.mark.parametrize("likelihood", ["binomial", "beta_binomial"])
def test_likelihoods_of_counts_get_counts(likelihood):
    scores = small(likelihood=likelihood, n_items=120).table.scores
    assert (scores["trials"] == 120).all()
    assert scores["successes"].between(0, 120).all()
    np.testing.assert_allclose(scores["score"], scores["successes"] / 120)


@pytest.mark.parametrize("likelihood", ["normal", "beta", "student_t"])
def test_other_likelihoods_get_fractions_alone(likelihood):
    scores = small(likelihood=likelihood).table.scores
    assert scores.columns.tolist() == ["llm", "benchmark", "score"]
    assert scores["score"].between(0, 1).all()


def test_llms_look_like_real_ones():
    table = simulate(n_families=300, random_seed=1).table
    llms = table.llms
    assert llms["llm"].is_unique
    assert llms["family"].nunique() == 300
    assert abs(llms["recipe"].nunique() / 300 - 2.25) < 0.25
    assert abs(len(llms) / llms["recipe"].nunique() - 2.2) < 0.25
    base = llms["recipe"] == llms["family"]
    assert not llms.loc[base, "tuned"].any()
    assert abs(llms[~base].groupby("recipe")["tuned"].first().mean() - 0.8) < 0.08
    log = np.log(llms[["params_b", "tokens_t"]]).assign(family=llms["family"])
    within = log.groupby("family").transform(lambda x: x - x.mean()).var() / log.var(
        numeric_only=True
    )
    assert 0.3 < within["params_b"] < 0.7
    assert within["tokens_t"] < 0.15
    assert llms["params_b"].between(0.01, 3000).all()
    assert llms["tokens_t"].between(0.01, 100).all()


def test_missing_cells_are_missing_at_random():
    table = simulate(n_families=60, missing=0.4, random_seed=2).table
    share = 1 - len(table.scores) / (len(table.llms) * 12)
    assert abs(share - 0.4) < 0.03


def test_missing_suites_are_missing_whole():
    table = simulate(n_families=60, missing=0.3, missing_by="suite", random_seed=2).table
    wide = table.to_wide()[table.benchmark_names].notna().to_numpy()
    first, second = wide[:, :6], wide[:, 6:]
    assert (first.all(axis=1) | ~first.any(axis=1)).all()
    assert (second.all(axis=1) | ~second.any(axis=1)).all()
    assert wide.any(axis=1).all()
    assert abs((~wide).mean() - 0.3) < 0.04


def test_every_llm_keeps_a_score_and_every_benchmark_two():
    table = small(missing=0.95, skills=1).table
    assert set(table.scores["llm"]) == set(table.llms["llm"])
    assert (table.scores["benchmark"].value_counts() >= 2).all()
    assert table.scores["benchmark"].nunique() == 7


def test_benchmarks_by_name_have_their_known_chance_levels():
    simulation = small(benchmarks=["MMLU", "GSM8K", "mine", "yours"])
    assert simulation.table.benchmarks["chance"].tolist() == [0.25, 0.0, 0.0, 0.0]
    assert simulation.model.spec.anchors == ("GSM8K", "MMLU")


def test_numbered_benchmarks_have_chance_levels_in_turn():
    assert small().table.benchmarks["chance"].tolist() == [0.25, 0, 0.5, 0.1, 0.25, 0, 0.5]
    assert small(chance=0.2).table.benchmarks["chance"].tolist() == [0.2] * 7


def test_a_table_can_be_simulated_like_another():
    table = ls.load_leaderboard().select(families=["pythia", "llama-2", "qwen2", "bloom"])
    simulation = simulate(like=table, skills=2, random_seed=1)
    cells = ["llm", "benchmark"]
    design = ls.ScalingModel(table, skills=2).design
    pd.testing.assert_frame_equal(simulation.table.scores[cells], design.scores[cells])
    pd.testing.assert_frame_equal(simulation.table.llms, table.llms, check_dtype=False)
    pd.testing.assert_frame_equal(simulation.table.benchmarks, table.benchmarks)
    assert not np.allclose(simulation.table.scores["score"], design.score)


def test_settings_and_priors_reach_the_model():
    prior = Prior("LogNormal", mu=9, sigma=0.1)
    simulation = small(features="log(params_b)", priors={"precision": prior}, ceiling=False)
    assert simulation.model.spec.features == "log(params_b)"
    assert simulation.truth["precision"].min() > 5000
    assert (simulation.truth["ceiling"] == 1).all()


def test_coverage_counts_truths_in_their_intervals():
    simulation = small(skills=2)
    truth = one_draw(simulation.truth).isel(chain=0, draw=0, drop=True)
    noise = xr.DataArray(np.linspace(-1, 1, 101).reshape(1, -1), dims=("chain", "draw"))
    around = truth + noise
    around["loading"] = around["loading"].where(truth["loading"] != 0, 0.0)
    beside = around.assign(precision=around["precision"] + 10)
    frame = simulation.coverage(beside, ci_prob=0.8)
    assert frame.index.name == "variable"
    assert frame.loc["precision"].tolist() == [7.0, 0.0, pytest.approx(1.6)]
    assert frame.loc["difficulty"].tolist() == [7.0, 1.0, pytest.approx(1.6)]
    assert frame.loc["loading", "n"] == 14 - 2
    assert set(frame.index) == set(simulation.truth)


def test_coverage_leaves_out_what_cannot_vary():
    simulation = small(skills=2, ceiling=False)
    assert simulation.coverage(simulation.truth.expand_dims(chain=2, draw=3)).empty


def test_the_repr_says_what_was_simulated():
    simulation = small(skills=2)
    design = simulation.model.design
    assert repr(simulation) == (
        f"Simulation of {len(design.llms)} LLMs in 5 families on 7 benchmarks: {design.n_obs} "
        "scores, 2 skills, likelihood student_t"
    )


PRIORS = {
    "Normal": Prior("Normal", mu=0.3, sigma=0.7),
    "StudentT": Prior("StudentT", nu=4, mu=0.2, sigma=1.5),
    "Laplace": Prior("Laplace", mu=0.1, b=2),
    "LogNormal": Prior("LogNormal", mu=-1, sigma=0.5),
    "HalfNormal": Prior("HalfNormal", sigma=2),
    "HalfStudentT": Prior("HalfStudentT", nu=4, sigma=1.5),
    "HalfCauchy": Prior("HalfCauchy", beta=1.5),
    "Exponential": Prior("Exponential", lam=3),
    "Gamma": Prior("Gamma", alpha=4, beta=0.5),
    "InverseGamma": Prior("InverseGamma", alpha=3, beta=2),
    "Beta": Prior("Beta", alpha=5, beta=1.5),
}


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())
def test_scipys_distribution_is_pymcs(prior):
    values = np.array([0.05, 0.3, 0.9])
    ours = scipy_of(prior).logpdf(values)
    theirs = pm.logp(prior.dist((3,)), values).eval(mode="FAST_COMPILE")
    # PyMC keeps some constants, such as the logarithm of 2 pi, in single precision.
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())
def test_draws_follow_their_distribution(prior):
    law = scipy_of(prior)
    drawn = law.rvs(size=4000, random_state=np.random.default_rng(1))
    for probability in (0.1, 0.5, 0.9):
        assert abs((drawn < law.ppf(probability)).mean() - probability) < 0.025


def test_every_distribution_that_a_prior_can_have_is_simulated():
    from latentscale.priors import FAMILIES

    assert set(PRIORS) == set(FAMILIES)
    assert all(scipy_of(default.prior).support() for default in DEFAULTS.values())


def test_points_are_complete():
    simulation = small()
    graph = simulation.model.to_pymc()
    assert set(point(graph, simulation.sampled)) == set(graph.initial_point(0))


def test_expected_scores_lie_between_floor_and_ceiling():
    simulation = small(skills=3)
    truth = simulation.truth
    assert (simulation.expected > truth["floor"]).all()
    assert (simulation.expected < truth["ceiling"]).all()
    draws = read_draws(one_draw(truth))
    high = expected_of(draws, np.full((1, 1, 7), 40.0))[0, 0]
    np.testing.assert_allclose(high, truth["ceiling"])


ERRORS = {
    "families": (
        {"n_families": 1},
        "n_families=1 must be a whole number of at least 2: with one family, no feature that "
        "families share could be told from it. Use n_families=40.",
    ),
    "recipes": (
        {"recipes_per_family": 0.5},
        "recipes_per_family=0.5 must be at least 1: it is a mean, and none is empty. Use "
        "recipes_per_family=2.2.",
    ),
    "llms": (
        {"llms_per_recipe": 0},
        "llms_per_recipe=0 must be at least 1: it is a mean, and none is empty. Use "
        "llms_per_recipe=2.2.",
    ),
    "tuned": ({"tuned_share": 2}, "tuned_share=2 is not a share from 0 to 1. Use 0.8."),
    "missing": (
        {"missing": 1.0},
        "missing=1.0 is not a share of cells from 0 to below 1. Use missing=0.3.",
    ),
    "missing by": (
        {"missing_by": "suites"},
        "missing_by='suites' (nearest: 'suite') is not known. Use 'cell' or 'suite'.",
    ),
    "missing suites": (
        {"missing_by": "suite", "missing": 0.6},
        "missing=0.6 with missing_by='suite' would leave LLMs without any score: an LLM lacks one "
        "half of the benchmarks or none. Use missing=0.5 or less.",
    ),
    "items": ({"n_items": 0}, "n_items=0 must be a whole number of at least 1. Use 1000."),
    "no benchmarks": (
        {"benchmarks": []},
        "benchmarks names no benchmark to simulate. Use benchmarks=12.",
    ),
    "chance": (
        {"chance": [0.1, 0.2]},
        "chance has 2 levels for 12 benchmarks. Give one for each, or a single number for all.",
    ),
    "unknown truth": (
        {
            "truth": {"recipe_ration": 1}, "benchmark_slopes": False, "deviations": False,
            "ceiling": False, "link": "logistic",
        },
        "truth gives values of 'recipe_ration' (nearest: 'recipe_ratio'), which this model does "
        "not draw. It draws 'feature_slope', 'tuning_shift', 'family_scale', 'recipe_ratio', "
        "'llm_ratio', 'family_z', 'recipe_z', 'llm_z', 'total_loading', 'loading_contrast', "
        "'difficulty', 'floor_slack', 'precision', 'tail', 'communality'.",
    ),
    "shape of truth": (
        {"truth": {"precision": [1.0, 2.0]}},
        "truth['precision'] has the shape (2,), and 'precision' has (12,), dims ('benchmark',). "
        "Give an array of that shape, or one number for all elements.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_unusable_arguments_are_explained(arguments, message):
    with pytest.raises(SpecError) as caught:
        simulate(random_seed=1, **arguments)
    assert str(caught.value) == message


def test_tokens_are_few_enough_for_a_table():
    class Far(np.random.Generator):
        def normal(self, loc=0.0, scale=1.0, size=None):
            return np.full(size or (), loc + 5 * scale)

    params, tokens = cohort._draw_sizes(3, Far(np.random.PCG64(1)))
    assert (tokens == MANY_TOKENS).all()
    assert (np.diff(params) > 0).all()
