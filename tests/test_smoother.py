"""The smoother on the tree, against the dense Normal distribution that it factors."""

from __future__ import annotations

import numpy as np
import pytest

from latentscale.recursions import backward, forward

RECIPE_OF = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4])
FAMILY_OF = np.array([0, 0, 1, 2, 2])
SIZES = {"llm": 9, "recipe": 5, "family": 3}
INPUTS = ("known", "pull", "llm", "recipe", "family", "w_llm", "w_recipe", "w_family")


def inputs(skills, seed=1):
    """Draw measurements, precisions and standard Normal w; the last recipe has no measurement."""
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(SIZES["llm"], 7, skills))
    loading[-2:] = 0.0
    known = np.einsum("njk,njl->nkl", loading, loading)
    pull = np.einsum("njk,nj->nk", loading, rng.normal(size=(SIZES["llm"], 7)))
    found = {"known": known, "pull": pull}
    found |= {group: np.exp(rng.normal(size=skills)) for group in SIZES}
    return found | {f"w_{group}": rng.normal(size=(n, skills)) for group, n in SIZES.items()}


def smoothed(values):
    v = values
    return forward(
        v["known"], v["pull"], v["llm"], v["recipe"], v["family"], RECIPE_OF, FAMILY_OF,
        v["w_llm"], v["w_recipe"], v["w_family"],
    )  # fmt: skip


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
        precision[start["llm"] + i, :, start["llm"] + i] += values["known"][i]
        pull[start["llm"] + i] += values["pull"][i]
    flat = precision.reshape(n * skills, n * skills)
    return np.linalg.solve(flat, pull.ravel()), flat


@pytest.mark.parametrize("skills", [1, 2, 3, 5])
def test_without_w_it_is_the_conditional_mean(skills):
    values = inputs(skills)
    still = values | {f"w_{group}": np.zeros((n, skills)) for group, n in SIZES.items()}
    nodes = np.concatenate([part.ravel() for part in smoothed(still)[:3]])
    np.testing.assert_allclose(nodes, dense(values, skills)[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("skills", [1, 2, 3, 5])
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
    log_jacobian = smoothed(values)[3]
    np.testing.assert_allclose(log_jacobian, np.linalg.slogdet(root)[1], rtol=1e-9)


@pytest.mark.parametrize("skills", [1, 3, 4])
@pytest.mark.parametrize("name", INPUTS)
def test_the_pullback_is_the_derivative(skills, name):
    values = inputs(skills)
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=part.shape) for part in smoothed(values)[:3]]

    def result(at):
        *nodes, log_jacobian = smoothed(at)
        return sum((w * n).sum() for w, n in zip(weights, nodes, strict=True)) + 1.7 * log_jacobian

    v = values
    derivative = backward(
        v["known"], v["pull"], v["llm"], v["recipe"], v["family"], RECIPE_OF, FAMILY_OF,
        v["w_llm"], v["w_recipe"], v["w_family"], *weights, 1.7,
    )[INPUTS.index(name)]  # fmt: skip
    direction = rng.normal(size=values[name].shape)
    if name == "known":
        direction = direction + direction.transpose(0, 2, 1)
    step = 1e-6
    ahead, behind = (result(values | {name: values[name] + s * direction}) for s in (step, -step))
    np.testing.assert_allclose(
        (derivative * direction).sum(), (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6
    )
