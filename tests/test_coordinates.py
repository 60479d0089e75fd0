"""Coordinates change how the posterior is walked through, never what it is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytensor.tensor as pt
import pytest
from graph_points import MODE, small
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import applys_between
from uncompiled import uncompile

from latentscale.coordinates import first_guess, shared_positions
from latentscale.graph import REPORTED, build_graph
from latentscale.links import rise_and_slope
from latentscale.priors import Prior

SLOPES = ("log(params_b)",)
VARIANTS = {
    "everything": {"skills": 2, "family_slopes": SLOPES, "likelihood": "student_t"},
    "three skills": {"skills": 3, "benchmarks": 6},
    "no deviations": {"skills": 2, "deviations": False, "likelihood": "beta"},
    "the barest": {
        "skills": 1, "ceiling": False, "deviations": False, "benchmark_slopes": False,
        "link": "logistic",
    },
    "binomial": {"skills": 2, "likelihood": "binomial", "benchmark_slopes": False},
    "beta-binomial": {
        "skills": 1, "likelihood": "beta_binomial",
        "priors": {"total_loading": Prior("HalfNormal", sigma=1)},
    },
}  # fmt: skip
EFFECTS = ("family_effect", "recipe_effect", "llm_effect", "family_deviation", "recipe_deviation")
OF_BENCHMARKS = ("difficulty", "total_loading", "loading_contrast")


def w_of(effect):
    """Name the coordinate that stands for an effect."""
    return f"{effect.removesuffix('_effect')}_w"


def z_of(effect):
    """Name the plain coordinate of an effect."""
    return f"{effect.removesuffix('_effect')}_z"


# The Jacobian is checked column by column, so the table is tiny.
TINY = {"n_families": 4, "recipes_per_family": 1.5, "llms_per_recipe": 1.5, "benchmarks": 4}


def built(settings):
    model = small(**{**TINY, **settings}).model
    return (
        model.to_pymc(),
        build_graph(model.design, model.spec, model.priors, guess=first_guess(model.design)),
    )


def somewhere(graph, seed=0):
    """Give a point in the middle of nowhere."""
    rng = np.random.default_rng(seed)
    start = graph.initial_point()
    return {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in start.items()}


def plain_point_of(plain, graph, effects):
    """Compile the map from a point in coordinates to the point of the plain graph."""
    names = [*effects, *(f"{name.removesuffix('_effect')}_scale" for name in effects)]
    of_benchmarks = [name for name in OF_BENCHMARKS if name in graph.named_vars]
    names += of_benchmarks
    if "benchmark_slope" in graph.named_vars:
        names += ["benchmark_slope", "benchmark_tuning", "slope_scale", "tuning_scale"]
    outputs = graph.replace_rvs_by_values([graph[name] for name in names])
    values = graph.compile_fn(outputs, inputs=graph.value_vars, point_fn=True, mode=MODE)
    of_both = {var.name for var in plain.value_vars} & {var.name for var in graph.value_vars}

    def plain_point(point):
        found = dict(zip(names, values(point), strict=True))
        mapped = {name: point[name] for name in of_both}
        mapped |= {name: found[name] for name in of_benchmarks if w_of(name) in point}
        for name in effects:
            scale = found[f"{name.removesuffix('_effect')}_scale"]
            mapped[z_of(name)] = found[name] / scale
        if "benchmark_slope" in found:
            mapped["benchmark_slope_z"] = found["benchmark_slope"] / found["slope_scale"]
            mapped["benchmark_tuning_z"] = found["benchmark_tuning"] / found["tuning_scale"]
        return mapped

    return plain_point


def log_volume(plain_point, point, ws, zs):
    """Give log |dz / dw|: z is a linear function of w, into as many dimensions or more."""

    def flat(at):
        mapped = plain_point(at)
        return np.concatenate([mapped[name].ravel() for name in zs])

    start, columns = flat(point), []
    for name in ws:
        for position in range(point[name].size):
            at = {key: value.copy() for key, value in point.items()}
            at[name].ravel()[position] += 1.0
            columns.append(flat(at) - start)
    matrix = np.array(columns)
    return np.linalg.slogdet(matrix @ matrix.T)[1] / 2


def total_of(graph):
    """Compile the log density, summed."""
    parts = graph.compile_logp(sum=False, mode=MODE)
    return lambda point: float(sum(part.sum() for part in parts(point)))


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_density_is_that_of_the_plain_graph_with_the_jacobian(settings, monkeypatch):
    uncompile(monkeypatch)
    plain, graph = built(settings)
    effects = [name for name in EFFECTS if name in graph.named_vars]
    plain_point, point = plain_point_of(plain, graph, effects), somewhere(graph)
    density, plain_density = total_of(graph), total_of(plain)
    ws, zs = [w_of(name) for name in effects], [z_of(name) for name in effects]
    loadings = [name for name in OF_BENCHMARKS[1:] if w_of(name) in point]

    def require_equal():
        expected = plain_density(plain_point(point)) + log_volume(plain_point, point, ws, zs)
        if loadings:
            expected += log_volume(plain_point, point, [w_of(name) for name in loadings], loadings)
        if "benchmark_slope_w" in point:
            slopes = ["benchmark_slope_z", "benchmark_tuning_z"]
            expected += log_volume(plain_point, point, ["benchmark_slope_w"], slopes)
            # Along the loadings the plain coordinates have standard Normals that do nothing.
            n_columns = point["benchmark_slope_w"].shape[1]
            expected += graph.dim_lengths["skill"].eval() * n_columns * np.log(2 * np.pi) / 2
        np.testing.assert_allclose(density(point), expected, rtol=1e-6)

    require_equal()
    # Expectations that have nothing to do with the scores, some of them impossible.
    guess = graph["guess"]
    guess.set_value(np.random.default_rng(5).uniform(-0.1, 1.1, len(guess.get_value())))
    require_equal()


def test_it_reports_the_same_variables_with_the_same_dims():
    plain, graph = built({"skills": 2, "family_slopes": SLOPES, "likelihood": "student_t"})
    for name in REPORTED:
        assert graph.named_vars_to_dims.get(name) == plain.named_vars_to_dims.get(name), name
    assert [rv.name for rv in plain.observed_RVs] == ["score"]
    assert not graph.observed_RVs, "the density of the scores is part of a potential"


def test_the_first_guess_is_the_score_where_it_lies_well_within_the_curve():
    design = small(skills=1).model.design
    guess, chance = first_guess(design), design.chance[design.benchmark_of_obs]
    share = (guess - chance) / (1 - chance)
    assert share.min() == pytest.approx(0.03)
    assert share.max() <= 0.97
    well = (share > 0.031) & (share < 0.969)
    np.testing.assert_array_equal(guess[well], design.score[well])


@pytest.mark.parametrize("link", ["asymmetric", "logistic"])
def test_floor_ceiling_and_asymmetry_leave_the_middle_of_a_curve_where_it_is(link, monkeypatch):
    """A benchmark's mean score is reached at the same ability, and with the same slope."""
    uncompile(monkeypatch)
    model = small(**TINY, skills=1, link=link).model
    graph = build_graph(model.design, model.spec, model.priors, guess=first_guess(model.design))
    names = ["difficulty", "loading", "floor", "ceiling"]
    names += ["asymmetry"] if link == "asymmetric" else []
    outputs = graph.replace_rvs_by_values([graph[name] for name in names])
    values = graph.compile_fn(outputs, inputs=graph.value_vars, mode=MODE, on_unused_input="ignore")
    mean = graph["mean_score"].get_value()
    still = {"difficulty_w": np.full(4, -0.2), "total_loading_w": np.full(4, 0.7)}
    slopes, reached = [], []
    for seed in range(3):
        difficulty, loading, floor, ceiling, *asymmetry = values(somewhere(graph, seed) | still)
        share, slope = rise_and_slope(difficulty + 0.2, *asymmetry)
        reached.append(floor + (ceiling - floor) * share)
        slopes.append((ceiling - floor) * slope * loading[:, 0])
    inside = np.isclose(reached, mean).all(axis=0)
    assert inside.sum() >= 3, "a mean beyond the curve is an exception"
    is_free = np.array([name not in model.spec.anchors for name in model.design.benchmarks])
    free = inside & is_free
    assert free.sum() >= 2
    np.testing.assert_allclose(np.array(slopes)[:, free] / np.array(slopes)[0, free], 1.0)


def test_the_density_and_its_derivatives_are_found_together():
    """Written in two ways in one graph, it would be computed twice at every gradient."""
    _, graph = built({"skills": 2})
    logp = rewrite_graph(graph.logp(), include=["canonicalize", "stabilize"])
    whole = [logp, *pt.grad(logp, graph.value_vars)]
    rewritten = rewrite_graph(whole, include=["canonicalize", "merge"])
    ops = Counter(type(node.op).__name__ for node in applys_between([], rewritten))
    assert (ops["_Density"], ops["_LogGram"], ops["_Effects"]) == (1, 1, 0)
    assert not ops["Dot"], "numba takes ten seconds to compile each"


def test_shared_parameters_are_those_without_a_group():
    _, graph = built({"skills": 2, "family_slopes": SLOPES})
    shapes = {name: value.shape for name, value in graph.initial_point().items()}
    shared = shared_positions(graph, shapes)
    names = np.repeat(
        [rv.name for rv in graph.free_RVs],
        [int(np.prod(shapes[graph.rvs_to_values[rv].name])) for rv in graph.free_RVs],
    )
    others = set(np.delete(names, shared))
    assert others == {
        "family_w", "recipe_w", "llm_w", "family_deviation_w", "recipe_deviation_w",
        "family_slope_z",
    }  # fmt: skip
    assert not others & set(names[shared])
