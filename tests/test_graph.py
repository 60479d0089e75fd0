"""The graph: densities against scipy's, invariances, and the names and dims of the contract."""

from __future__ import annotations

import numpy as np
import pytest
from graph_points import (
    FEATURES,
    drawn_in,
    evaluate,
    evaluated,
    log_densities,
    point,
    small,
    total_log_density,
)
from scipy import stats

import latentscale as ls
from latentscale.forward import root_of
from latentscale.graph import REPORTED
from latentscale.priors import Prior
from latentscale.simulation import simulate
from latentscale.story import scipy_of

SLOPES = ("log(params_b)",)
ANCHORS = ("benchmark 2", "benchmark 5")


def rebuilt(simulation, scores=None, llms=None, benchmarks=None, anchors=ANCHORS):
    """Build the graph again, from a changed table."""
    table = simulation.table
    changed = ls.ScoreTable.from_long(
        table.scores if scores is None else scores,
        table.llms if llms is None else llms,
        table.benchmarks if benchmarks is None else benchmarks,
    )
    model = ls.ScalingModel(changed, skills=2, anchors=anchors, family_slopes=SLOPES)
    return model, model.to_pymc()


@pytest.fixture(scope="module")
def simulation():
    return small(skills=2, anchors=ANCHORS, family_slopes=SLOPES)


@pytest.fixture(scope="module")
def graph(simulation):
    return simulation.model.to_pymc()


@pytest.fixture(scope="module")
def total(simulation, graph):
    return total_log_density(graph, simulation.sampled)


@pytest.mark.parametrize(
    "settings",
    [
        {
            "skills": 3, "family_slopes": SLOPES, "likelihood": "student_t",
            "families_per_developer": 2.0, "conditions": ("shots", "template"),
        },
        {"skills": 1, "ceiling": False, "deviations": False, "features": FEATURES},
        {"skills": 2, "priors": {"recipe_ratio": Prior("HalfNormal", sigma=0.3)},
         "recipe_tail": None},
    ],
    ids=["everything", "little", "another prior"],
)  # fmt: skip
def test_every_random_variable_has_its_prior(settings):
    simulation = small(**settings)
    sampled = drawn_in(simulation)
    densities = log_densities(simulation.model.to_pymc(), sampled)
    densities.pop("score")
    assert set(densities) == set(sampled)
    for name, density in densities.items():
        if name == "recipe_z" and simulation.model.spec.recipe_tail is not None:
            continue
        prior = simulation.model.priors.get("feature_slope" if name == "feature_slope_z" else name)
        law = stats.norm() if prior is None else scipy_of(prior)
        expected = law.logpdf(sampled[name].to_numpy())
        # PyMC keeps some constants, such as the logarithm of 2 pi, in single precision.
        np.testing.assert_allclose(density, expected, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("skills", [1, 3])
def test_recipes_are_outlying_in_all_skills_together(skills):
    simulation = small(skills=skills, recipe_tail=3.0)
    density = log_densities(simulation.model.to_pymc(), simulation.sampled)["recipe_z"]
    law = stats.multivariate_t(df=3.0, shape=np.eye(skills))
    of_recipes = law.logpdf(simulation.sampled["recipe_z"].transpose("recipe", "skill").to_numpy())
    np.testing.assert_allclose(density.sum(), of_recipes.sum(), rtol=1e-6)


def test_effects_that_have_no_prior_of_their_own_are_standard_normal(graph):
    standard = {rv.name for rv in graph.free_RVs if rv.name.endswith("_z")}
    assert standard == {
        "family_z", "recipe_z", "llm_z", "family_slope_z", "benchmark_slope_z",
        "benchmark_tuning_z", "family_deviation_z", "recipe_deviation_z",
    }  # fmt: skip


def test_anchors_have_nothing_of_their_own(simulation, graph):
    names = ("benchmark_slope", "benchmark_tuning", "family_deviation", "recipe_deviation")
    is_anchor = np.isin(simulation.model.design.benchmarks, ANCHORS)
    for name in names:
        [values] = evaluate(graph, [graph[name]], simulation.sampled)
        of_benchmarks = values if name.startswith("benchmark") else values.T
        assert not of_benchmarks[is_anchor].any(), name
        assert of_benchmarks[~is_anchor].all(), name


def test_a_table_of_one_benchmark_has_its_anchor_alone():
    table = ls.load_leaderboard(benchmarks=["MMLU"]).select(families=["pythia", "llama"])
    model = ls.ScalingModel(table, skills=1)
    assert (model.spec.deviations, model.spec.benchmark_slopes) == (False, False)
    assert not any("deviation" in name for name in model.to_pymc().named_vars)


def test_the_order_of_the_scores_does_not_matter(simulation, total):
    scores = simulation.table.scores.sample(frac=1, random_state=1)
    _, graph = rebuilt(simulation, scores=scores)
    np.testing.assert_allclose(total_log_density(graph, simulation.sampled), total, rtol=1e-10)


def test_the_order_of_the_llms_does_not_matter(simulation, total):
    model, graph = rebuilt(simulation, llms=simulation.table.llms.sample(frac=1, random_state=2))
    design = model.design
    assert design.families != simulation.model.design.families
    moved = simulation.sampled.sel(
        llm=design.llms["llm"].tolist(), family=list(design.families), recipe=list(design.recipes)
    )
    np.testing.assert_allclose(total_log_density(graph, moved), total, rtol=1e-10)


def test_the_order_of_the_benchmarks_does_not_matter(simulation, total):
    shuffled = simulation.table.benchmarks.sample(frac=1, random_state=3)
    model, graph = rebuilt(simulation, benchmarks=shuffled)
    benchmarks, anchors = list(model.design.benchmarks), model.spec.anchors
    free = [name for name in benchmarks if name not in anchors]
    moved = simulation.sampled.sel(benchmark=benchmarks, free_benchmark=free)
    np.testing.assert_allclose(total_log_density(graph, moved), total, rtol=1e-10)


def test_the_order_of_the_skills_does_not_matter(simulation, total):
    _, graph = rebuilt(simulation, anchors=ANCHORS[::-1])
    drawn = simulation.sampled
    moved = drawn.isel(skill=[1, 0])
    moved["loading_contrast"] = -moved["loading_contrast"]
    # The first of two effects is made of the first z alone.
    for name in ("family_z", "recipe_z", "llm_z"):
        effect = drawn[name].to_numpy() @ root_of(drawn["communality"].to_numpy()).T
        root = root_of(moved["communality"].to_numpy())
        moved[name] = moved[name].copy(data=np.linalg.solve(root, effect[:, ::-1].T).T)
    np.testing.assert_allclose(total_log_density(graph, moved), total, rtol=1e-10)


def test_labels_do_not_matter(simulation, total):
    table = simulation.table
    llms = table.llms.assign(
        **{name: "other " + table.llms[name] for name in ("llm", "family", "recipe")}
    )
    names = dict(zip(table.benchmark_names, "abcdefg", strict=True))
    scores = table.scores.assign(
        llm="other " + table.scores["llm"], benchmark=table.scores["benchmark"].map(names)
    )
    benchmarks = table.benchmarks.assign(benchmark=table.benchmarks["benchmark"].map(names))
    anchors = tuple(names[anchor] for anchor in ANCHORS)
    _, graph = rebuilt(simulation, scores, llms, benchmarks, anchors)
    np.testing.assert_allclose(total_log_density(graph, simulation.sampled), total, rtol=1e-12)


def test_a_missing_cell_costs_exactly_its_own_density(simulation, graph, total):
    dropped = 4
    cell = log_densities(graph, simulation.sampled, ["score"])["score"][dropped]
    _, without = rebuilt(simulation, scores=simulation.table.scores.drop(index=dropped))
    left = total_log_density(without, simulation.sampled)
    np.testing.assert_allclose(total - left, cell, rtol=1e-9)
    assert abs(cell) > 0.1


DIMS = {
    "ability": ("llm", "skill"),
    "feature_slope": ("feature", "skill"),
    "relevance": ("term",),
    "tuning_shift": ("skill",),
    "developer_effect": ("developer", "skill"),
    "family_effect": ("family", "skill"),
    "recipe_effect": ("recipe", "skill"),
    "llm_effect": ("llm", "skill"),
    "family_slope": ("family", "slope_feature", "skill"),
    "communality": ("skill",),
    "family_scale": ("skill",),
    "developer_scale": ("skill",),
    "recipe_scale": ("skill",),
    "llm_scale": ("skill",),
    "family_slope_scale": ("slope_feature", "skill"),
    "loading": ("benchmark", "skill"),
    "difficulty": ("benchmark",),
    "benchmark_slope": ("benchmark", "feature"),
    "benchmark_tuning": ("benchmark",),
    "slope_scale": ("own_feature",),
    "tuning_scale": (),
    "condition_shift": ("benchmark", "condition"),
    "condition_scale": ("condition",),
    "developer_deviation": ("developer", "benchmark"),
    "family_deviation": ("family", "benchmark"),
    "recipe_deviation": ("recipe", "benchmark"),
    "developer_deviation_scale": ("free_benchmark",),
    "family_deviation_scale": ("free_benchmark",),
    "recipe_deviation_scale": ("free_benchmark",),
    "floor": ("benchmark",),
    "ceiling": ("benchmark",),
    "asymmetry": ("benchmark",),
    "precision": ("benchmark",),
    "tail": (),
}


def test_the_reported_variables_and_their_dims_are_the_contracts():
    settings = {"family_slopes": SLOPES, "likelihood": "student_t", "families_per_developer": 2.0}
    plain = small(skills=2, features=FEATURES, **settings).table
    settings |= {"like": evaluated(plain), "features": FEATURES, "conditions": ("shots",)}
    graph = simulate(skills=2, random_seed=3, **settings).model.to_pymc()
    assert tuple(DIMS) == REPORTED
    assert {name: graph.named_vars_to_dims.get(name, ()) for name in REPORTED} == DIMS
    assert graph.named_vars_to_dims["score"] == ("obs",)
    assert [rv.name for rv in graph.observed_RVs] == ["score"]


def test_no_dim_has_a_name_that_arviz_reserves(graph):
    assert not {"model", "column", "chain", "draw", "sample"} & set(graph.coords)


@pytest.mark.parametrize(
    ("settings", "absent"),
    [
        ({"ceiling": False}, {"ceiling_share"}),
        ({"link": "logistic"}, {"asymmetry"}),
        ({"likelihood": "binomial"}, {"precision", "tail"}),
        ({"likelihood": "beta_binomial"}, {"tail"}),
        (
            {"families_per_developer": 2.0, "developers": False},
            {"developer_effect", "developer_deviation", "developer_scale", "developer_z"},
        ),
        ({"conditions": ()}, {"condition_shift", "condition_scale", "condition_z"}),
        ({"family_slopes": ()}, {"family_slope", "family_slope_scale", "family_slope_ratio"}),
        (
            {"benchmark_slopes": False},
            {"benchmark_slope", "benchmark_tuning", "slope_scale", "tuning_scale"},
        ),
        (
            {"deviations": False},
            {"family_deviation", "recipe_deviation", "family_deviation_scale"},
        ),
    ],
)
def test_what_is_not_asked_for_is_not_in_the_graph(settings, absent):
    graph = small(**settings).model.to_pymc()
    assert not absent & set(graph.named_vars)


def test_a_fixed_ceiling_is_one():
    simulation = small(ceiling=False)
    graph = simulation.model.to_pymc()
    [ceiling] = evaluate(graph, [graph["ceiling"]], simulation.sampled)
    np.testing.assert_array_equal(ceiling, 1.0)


def test_anchors_load_on_their_own_skill_only_and_by_one(simulation, graph):
    [loading] = evaluate(graph, [graph["loading"]], simulation.sampled)
    assert list(graph.coords["skill"]) == ["skill 1 (benchmark 2)", "skill 2 (benchmark 5)"]
    np.testing.assert_array_equal(loading[[1, 4]], np.eye(2))
    assert (loading[[0, 2, 3, 5, 6]] != 0).all()


@pytest.mark.slow
def test_the_density_and_its_gradient_are_finite_where_sampling_starts(simulation, graph):
    start = point(graph, simulation.sampled)
    jittered = {name: value + 0.5 for name, value in start.items()}
    gradient = graph.compile_dlogp(mode="FAST_COMPILE")(jittered)
    assert np.isfinite(gradient).all()
    assert np.count_nonzero(gradient) > 0.9 * gradient.size
