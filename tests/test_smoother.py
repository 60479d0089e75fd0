"""The smoother on the tree, against the dense Normal distribution that it factors."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from latentscale import gram, recursions, scalar_recursions
from latentscale.smoother import log_gram

RECIPE_OF = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4])
FAMILY_OF = np.array([0, 0, 1, 2, 2])
SIZES = {"llm": 9, "recipe": 5, "family": 3}
LLM_OF_OBS, BENCHMARK_OF_OBS = np.nonzero(np.random.default_rng(0).uniform(size=(7, 7)) < 0.7)
SCORES = ("information", "left", "loading", "blur", "llm", "recipe", "family")
INPUTS = (*SCORES, "w_llm", "w_recipe", "w_family")
N_BENCHMARKS = 7


def inputs(skills, seed=1):
    """Draw scores, precisions and standard Normal w; the last recipe has no score."""
    rng = np.random.default_rng(seed)
    n = len(LLM_OF_OBS)
    found = {
        "information": np.exp(rng.normal(size=n)),
        "left": rng.normal(size=n),
        "loading": rng.normal(size=(N_BENCHMARKS, skills)),
        "blur": np.exp(rng.normal(size=N_BENCHMARKS)),
    }
    found |= {group: np.exp(rng.normal(size=skills)) for group in SIZES}
    return found | {f"w_{group}": rng.normal(size=(n, skills)) for group, n in SIZES.items()}


def skills_of(values):
    return (0,) * values["loading"].shape[1]


def smoothed(values):
    return recursions.forward(
        skills_of(values),
        *(values[name] for name in INPUTS),
        LLM_OF_OBS,
        BENCHMARK_OF_OBS,
        RECIPE_OF,
        FAMILY_OF,
    )


def dense(values, skills):
    """Give mean and precision of all nodes, families first, as one Normal."""
    n = sum(SIZES.values())
    start = {"family": 0, "recipe": SIZES["family"], "llm": SIZES["family"] + SIZES["recipe"]}
    precision, pull = np.zeros((n, skills, n, skills)), np.zeros((n, skills))

    def add(node, parent, group):
        own = np.diag(values[group])
        precision[node, :, node] += own
        if parent is not None:
            precision[parent, :, parent] += own
            precision[node, :, parent] -= own
            precision[parent, :, node] -= own

    for f in range(SIZES["family"]):
        add(f, None, "family")
    for r, f in enumerate(FAMILY_OF):
        add(start["recipe"] + r, f, "recipe")
    for i, r in enumerate(RECIPE_OF):
        add(start["llm"] + i, start["recipe"] + r, "llm")
    for o, (i, j) in enumerate(zip(LLM_OF_OBS, BENCHMARK_OF_OBS, strict=True)):
        node, loading = start["llm"] + i, values["loading"][j]
        worth = 1 / (1 / values["information"][o] + values["blur"][j])
        precision[node, :, node] += worth * np.outer(loading, loading)
        pull[node] += worth * values["left"][o] * loading
    flat = precision.reshape(n * skills, n * skills)
    return np.linalg.solve(flat, pull.ravel()), flat


@pytest.mark.parametrize("skills", [1, 3])
def test_without_w_it_is_the_conditional_mean(skills):
    values = inputs(skills)
    still = values | {f"w_{group}": np.zeros((n, skills)) for group, n in SIZES.items()}
    nodes = np.concatenate([part.ravel() for part in smoothed(still)[:3]])
    np.testing.assert_allclose(nodes, dense(values, skills)[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("skills", [1, 3])
def test_w_spreads_as_the_conditional_covariance(skills):
    values = inputs(skills)
    mean, precision = dense(values, skills)
    order = ("w_family", "w_recipe", "w_llm")
    columns = []
    for name in order:
        for position in range(values[name].size):
            unit = values | {each: np.zeros_like(values[each]) for each in order}
            unit[name].ravel()[position] = 1.0
            columns.append(np.concatenate([p.ravel() for p in smoothed(unit)[:3]]) - mean)
    root = np.array(columns).T
    np.testing.assert_allclose(root @ root.T @ precision, np.eye(len(mean)), atol=1e-8)
    log_jacobian = smoothed(values)[3][0]
    np.testing.assert_allclose(log_jacobian, np.linalg.slogdet(root)[1], rtol=1e-9)


@pytest.mark.parametrize("skills", [3])
@pytest.mark.parametrize("name", INPUTS)
def test_the_pullback_is_the_derivative(skills, name):
    values = inputs(skills)
    where = (LLM_OF_OBS, BENCHMARK_OF_OBS, RECIPE_OF, FAMILY_OF)
    first = (skills_of(values),)
    require_derivative(recursions, first, values, INPUTS, where, name)


DEVIATIONS = ("information", "left", "recipe", "family", "w_recipe", "w_family")


def deviations(seed=1):
    """Draw scores, precisions and standard Normal w of every benchmark."""
    rng = np.random.default_rng(seed)
    n = len(LLM_OF_OBS)
    found = {"information": np.exp(rng.normal(size=n)), "left": rng.normal(size=n)}
    found |= {group: np.exp(rng.normal(size=N_BENCHMARKS)) for group in ("recipe", "family")}
    sizes = {f"w_{group}": (SIZES[group], N_BENCHMARKS) for group in ("recipe", "family")}
    return found | {name: rng.normal(size=shape) for name, shape in sizes.items()}


def test_deviations_are_those_of_a_skill_for_each_benchmark():
    """One benchmark that loads by 1 on one skill, without LLM effects, has the same tree."""
    values, j = deviations(), 3
    family, recipe, _ = scalar_recursions.forward(
        *(values[name] for name in DEVIATIONS), RECIPE_OF[LLM_OF_OBS], BENCHMARK_OF_OBS, FAMILY_OF
    )
    on_it = np.flatnonzero(j == BENCHMARK_OF_OBS)
    skill_family, skill_recipe, _, _ = recursions.forward(
        (0,), values["information"][on_it], values["left"][on_it], np.ones((1, 1)), np.zeros(1),
        np.array([1e8]), values["recipe"][[j]], values["family"][[j]],
        np.zeros((SIZES["llm"], 1)), values["w_recipe"][:, [j]], values["w_family"][:, [j]],
        LLM_OF_OBS[on_it], np.zeros(len(on_it), dtype=int), RECIPE_OF, FAMILY_OF,
    )  # fmt: skip
    np.testing.assert_allclose(family[:, j], skill_family[:, 0], rtol=1e-6)
    np.testing.assert_allclose(recipe[:, j], skill_recipe[:, 0], rtol=1e-6)


def test_the_log_jacobian_of_deviations():
    values = deviations()
    where = (RECIPE_OF[LLM_OF_OBS], BENCHMARK_OF_OBS, FAMILY_OF)

    def flat(at):
        parts = scalar_recursions.forward(*(at[name] for name in DEVIATIONS), *where)
        return np.concatenate([part.ravel() for part in parts[:2]]), parts[2][0]

    start, log_jacobian = flat(values)
    columns = []
    for name in ("w_family", "w_recipe"):
        for position in range(values[name].size):
            ahead = values | {name: values[name].copy()}
            ahead[name].ravel()[position] += 1.0
            columns.append(flat(ahead)[0] - start)
    np.testing.assert_allclose(log_jacobian, np.linalg.slogdet(np.array(columns))[1], rtol=1e-9)


@pytest.mark.parametrize("name", DEVIATIONS)
def test_the_pullback_of_deviations_is_the_derivative(name):
    where = (RECIPE_OF[LLM_OF_OBS], BENCHMARK_OF_OBS, FAMILY_OF)
    require_derivative(scalar_recursions, (), deviations(), DEVIATIONS, where, name)


def require_derivative(kernel, first, values, names, where, name):
    """Compare a pullback with the numerical derivative of a random mixture of the outputs."""
    rng = np.random.default_rng(2)

    def outputs(at):
        return kernel.forward(*first, *(at[each] for each in names), *where)

    weights = [rng.normal(size=part.shape) for part in outputs(values)]

    def result(at):
        return sum((w * part).sum() for w, part in zip(weights, outputs(at), strict=True))

    found = kernel.backward(*first, *(values[each] for each in names), *where, *weights)
    derivative = found[names.index(name)]
    direction = rng.normal(size=values[name].shape)
    step = 1e-6
    ahead, behind = (result(values | {name: values[name] + s * direction}) for s in (step, -step))
    np.testing.assert_allclose(
        (derivative * direction).sum(), (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6
    )


def test_the_log_determinant_of_the_loadings_and_its_derivative():
    loading = np.random.default_rng(3).normal(size=(7, 3))
    skills, step = (0, 0, 0), 1e-6
    [found] = gram.forward(skills, loading)
    np.testing.assert_allclose(found, np.linalg.slogdet(loading.T @ loading)[1])
    [derivative] = gram.backward(skills, loading, np.array([1.7]))
    direction = np.random.default_rng(4).normal(size=(7, 3))
    ahead, behind = (gram.forward(skills, loading + s * direction)[0][0] for s in (step, -step))
    np.testing.assert_allclose(
        (derivative * direction).sum(), 1.7 * (ahead - behind) / (2 * step), rtol=1e-7
    )


@pytest.mark.parametrize("mode", ["NUMBA", "FAST_COMPILE"])
def test_kernels_are_operations_of_pytensor(mode):
    loading = pt.dmatrix("loading")
    total = 1.7 * log_gram(3, loading)
    compiled = pytensor.function([loading], [total, pt.grad(total, loading)], mode=mode)
    value, skills = np.random.default_rng(3).normal(size=(7, 3)), (0, 0, 0)
    found, derivative = compiled(value)
    np.testing.assert_allclose(found, 1.7 * gram.forward(skills, value)[0][0])
    [expected] = gram.backward(skills, value, np.array([1.7]))
    np.testing.assert_allclose(derivative, expected)
