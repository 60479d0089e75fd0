"""The kernels: smoothing against the dense Normal that it factors, derivatives against steps."""

from __future__ import annotations

from copy import deepcopy

import numba
import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import special, stats
from uncompiled import uncompile

from latentscale import transforms
from latentscale.kernels import (
    callbacks,
    deviations,
    elementary,
    laws,
    memory,
    posterior,
    scatter,
    skills,
)
from latentscale.kernels.arguments import (
    Benchmarks,
    Cells,
    Curve,
    Llms,
    OfDeviations,
    OfSkills,
    Parameters,
    Scatter,
    Unknown,
)
from latentscale.likelihoods import likelihood_of
from latentscale.priors import FAMILIES, UNIT, Prior
from latentscale.story import scipy_of


def callable_from_python(kernel):
    """Wrap a kernel: they are compiled for compiled callers alone."""

    @numba.njit
    def call(*arguments):
        return kernel(*arguments)

    return call


give_back = callable_from_python(memory.give_back)


def with_memory(kernel):
    """Wrap a kernel that takes its arrays from a memory; gives copies of what it gives."""
    call = callable_from_python(kernel)

    def with_a_memory(*arguments):
        empty = np.zeros(memory._N_INTEGERS, dtype=np.int64)
        found = deepcopy(call(empty, *arguments))
        give_back(empty)
        return found

    return with_a_memory


smooth_skills = with_memory(skills.smooth)
smooth_deviations = with_memory(deviations.smooth)
exp_all = callable_from_python(elementary.exp_all)
log_all = callable_from_python(elementary.log_all)
unwhitened = with_memory(callbacks._unwhitened)
whiten_gradient = callable_from_python(callbacks._whiten_gradient)
log_gamma_and_slope = callable_from_python(scatter.log_gamma_and_slope)
log_cdf_and_slope = callable_from_python(scatter.log_cdf_and_slope)
log_t_cdf_and_slopes = callable_from_python(scatter.log_t_cdf_and_slopes)

RECIPE_OF = np.array([0, 0, 1, 1, 1, 2, 3, 4, 4])
FAMILY_OF = np.array([0, 0, 1, 2, 2])
DEVELOPER_OF = np.array([0, 1, 0])
NORMAL = np.array([np.inf])  # how heavy the tails of recipes are
X, TUNED = np.zeros((9, 0)), np.zeros(9)
LEVELS = ("developer", "family", "recipe", "llm")
SIZES = {"developer": 2, "family": 3, "recipe": 5, "llm": 9}
WITHOUT_DEVELOPERS = SIZES | {"developer": 0}
BENCHMARK_OF_OBS, LLM_OF_OBS = np.nonzero(np.random.default_rng(0).uniform(size=(7, 7)) < 0.7)
N_BENCHMARKS = 7
ALL, BUT_ONE = np.arange(7), np.array([0, 1, 3, 4, 5, 6])  # the benchmarks with deviations


def inverse_covariance(rng, skills, scale=1.0):
    """Draw one that correlates skills."""
    root = rng.normal(size=(skills, skills))
    return scale * (root @ root.T + np.eye(skills))


def inputs(skills, sizes=SIZES, seed=1):
    """Draw scores, precisions and standard Normal w; the last recipe has no score."""
    rng = np.random.default_rng(seed)
    n = len(LLM_OF_OBS)
    found = {
        "information": np.exp(rng.normal(size=n)),
        "left": rng.normal(size=n),
        "loading": rng.normal(size=(N_BENCHMARKS, skills)),
        "blur": np.exp(rng.normal(size=N_BENCHMARKS)),
    }
    found |= {group: inverse_covariance(rng, skills) for group in sizes}
    return found | {f"w_{group}": rng.normal(size=(n, skills)) for group, n in sizes.items()}


def cells_at(
    llm, benchmark, score=None, guess=None, at_floor=None, n_benchmarks=N_BENCHMARKS, x=X,
    tuned=TUNED, deviating=ALL,
):  # fmt: skip
    """Give cells, sorted by benchmark, of which only the places need matter."""
    rest = np.full(len(llm), 0.5)
    score, guess = (rest if given is None else given for given in (score, guess))
    at_floor = np.zeros(len(llm)) if at_floor is None else at_floor
    start = np.searchsorted(benchmark, np.arange(n_benchmarks + 1))
    at_ends = np.bincount(benchmark[(score <= 0) | (score >= 1)], minlength=n_benchmarks)
    condition = np.random.default_rng(3).normal(size=(len(llm), 2))
    return Cells(
        score, np.ones(len(llm)), score, guess, at_floor, llm, RECIPE_OF[llm], start,
        start[1:] - at_ends, condition, deviating, x[llm].T.copy(), tuned[llm],
    )  # fmt: skip


def tree():
    """Give LLMs of which only the groups matter."""
    n, none = SIZES["llm"], np.zeros(0, dtype=int)
    return Llms(np.zeros((n, 0)), none, np.zeros(n), RECIPE_OF, FAMILY_OF, DEVELOPER_OF, NORMAL)


def smoothed(values, llm=LLM_OF_OBS, benchmark=BENCHMARK_OF_OBS):
    """Give developers, families, recipes, LLMs and the log Jacobian."""
    cells = cells_at(llm, benchmark, n_benchmarks=len(values["loading"]))
    n = values["loading"].shape[1]
    precisions = OfSkills(*(values[level] for level in LEVELS))
    w = OfSkills(*(values[f"w_{level}"] for level in LEVELS))
    scores = [values[name] for name in ("information", "left", "loading", "blur")]
    found, log_jacobian, _ = smooth_skills((0,) * n, *scores, precisions, w, cells, tree())
    return *found, log_jacobian


def dense(values, skills, sizes):
    """Give mean and precision of all nodes, developers first, as one Normal."""
    n = sum(sizes.values())
    start = dict(zip(LEVELS, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    precision, pull = np.zeros((n, skills, n, skills)), np.zeros((n, skills))

    def add(node, parent, group):
        own = values[group]
        precision[node, :, node] += own
        if parent is not None:
            precision[parent, :, parent] += own
            precision[node, :, parent] -= own
            precision[parent, :, node] -= own

    for d in range(sizes["developer"]):
        add(d, None, "developer")
    for f, d in enumerate(DEVELOPER_OF):
        add(start["family"] + f, d if sizes["developer"] else None, "family")
    for r, f in enumerate(FAMILY_OF):
        add(start["recipe"] + r, start["family"] + f, "recipe")
    for i, r in enumerate(RECIPE_OF):
        add(start["llm"] + i, start["recipe"] + r, "llm")
    for o, (i, j) in enumerate(zip(LLM_OF_OBS, BENCHMARK_OF_OBS, strict=True)):
        node, loading = start["llm"] + i, values["loading"][j]
        worth = 1 / (1 / values["information"][o] + values["blur"][j])
        precision[node, :, node] += worth * np.outer(loading, loading)
        pull[node] += worth * values["left"][o] * loading
    flat = precision.reshape(n * skills, n * skills)
    return np.linalg.solve(flat, pull.ravel()), flat


TREES = pytest.mark.parametrize(
    "sizes", [SIZES, WITHOUT_DEVELOPERS], ids=["developers", "no developers"]
)


@TREES
@pytest.mark.parametrize("skills", [1, 3])
def test_without_w_it_is_the_conditional_mean(skills, sizes):
    values = inputs(skills, sizes)
    still = values | {f"w_{group}": np.zeros((n, skills)) for group, n in sizes.items()}
    nodes = np.concatenate([part.ravel() for part in smoothed(still)[:4]])
    np.testing.assert_allclose(nodes, dense(values, skills, sizes)[0], rtol=1e-9, atol=1e-11)


@TREES
@pytest.mark.parametrize("skills", [1, 3])
def test_w_spreads_as_the_conditional_covariance(skills, sizes):
    values = inputs(skills, sizes)
    mean, precision = dense(values, skills, sizes)
    order = tuple(f"w_{level}" for level in LEVELS)
    columns = []
    for name in order:
        for position in range(values[name].size):
            unit = values | {each: np.zeros_like(values[each]) for each in order}
            unit[name].ravel()[position] = 1.0
            columns.append(np.concatenate([p.ravel() for p in smoothed(unit)[:4]]) - mean)
    root = np.array(columns).T
    np.testing.assert_allclose(root @ root.T @ precision, np.eye(len(mean)), atol=1e-8)
    log_jacobian = smoothed(values)[4]
    np.testing.assert_allclose(log_jacobian, np.linalg.slogdet(root)[1], rtol=1e-9)


def deviations_inputs(sizes=SIZES, seed=1):
    """Draw scores, precisions and standard Normal w of every benchmark."""
    rng = np.random.default_rng(seed)
    n = len(LLM_OF_OBS)
    found = {"information": np.exp(rng.normal(size=n)), "left": rng.normal(size=n)}
    found |= {level: np.exp(rng.normal(size=N_BENCHMARKS)) for level in LEVELS[:3]}
    shapes = {f"w_{level}": (sizes[level], N_BENCHMARKS) for level in LEVELS[:3]}
    return found | {name: rng.normal(size=shape) for name, shape in shapes.items()}


def smoothed_deviations(values):
    """Give developers, families, recipes and the log Jacobian."""
    found, log_jacobian, _ = smooth_deviations(
        values["information"], values["left"],
        OfDeviations(*(values[level] for level in LEVELS[:3])),
        OfDeviations(*(values[f"w_{level}"] for level in LEVELS[:3])),
        cells_at(LLM_OF_OBS, BENCHMARK_OF_OBS), tree(),
    )  # fmt: skip
    return *found, log_jacobian


@TREES
def test_deviations_are_those_of_a_skill_for_each_benchmark(sizes):
    """One benchmark that loads by 1 on one skill, without LLM effects, has the same tree."""
    values, j = deviations_inputs(sizes), 3
    *found, _ = smoothed_deviations(values)
    on_it = np.flatnonzero(j == BENCHMARK_OF_OBS)
    of_one = {
        "information": values["information"][on_it], "left": values["left"][on_it],
        "loading": np.ones((1, 1)), "blur": np.zeros(1), "llm": np.array([[1e8]]),
        "w_llm": np.zeros((SIZES["llm"], 1)),
    }  # fmt: skip
    of_one |= {level: values[level][[j]][:, None] for level in LEVELS[:3]}
    of_one |= {f"w_{level}": values[f"w_{level}"][:, [j]].copy() for level in LEVELS[:3]}
    on_first = np.zeros(len(on_it), dtype=int)
    on_skill = smoothed(of_one, LLM_OF_OBS[on_it], on_first)[:3]
    for of_level, expected in zip(found, on_skill, strict=True):
        np.testing.assert_allclose(of_level[:, j], expected[:, 0], rtol=1e-6)


@TREES
def test_the_log_jacobian_of_deviations(sizes):
    values = deviations_inputs(sizes)

    def flat(at):
        *levels, log_jacobian = smoothed_deviations(at)
        return np.concatenate([level.ravel() for level in levels]), log_jacobian

    start, log_jacobian = flat(values)
    columns = []
    for name in ("w_developer", "w_family", "w_recipe"):
        for position in range(values[name].size):
            ahead = values | {name: values[name].copy()}
            ahead[name].ravel()[position] += 1.0
            columns.append(flat(ahead)[0] - start)
    np.testing.assert_allclose(log_jacobian, np.linalg.slogdet(np.array(columns))[1], rtol=1e-9)


@pytest.mark.parametrize("n", [1, 4, 7])
def test_whitening_multiplies_by_a_lower_triangle(n):
    rng = np.random.default_rng(n)
    root, centre = np.tril(rng.normal(size=(n, n))), rng.normal(size=n)
    y, gradient = rng.normal(size=(2, n + 3))
    np.testing.assert_allclose(unwhitened(y, centre, root), centre + root @ y[:n])
    expected = np.concatenate([root.T @ gradient[:n], gradient[n:]])
    whiten_gradient(gradient, root)
    np.testing.assert_allclose(gradient, expected)


def posterior_inputs(n_skills, has_deviations, sizes):
    """Draw what the density takes; some scores lie at the ends, some guesses beyond the curve."""
    rng = np.random.default_rng(7)
    n, m, skill = len(LLM_OF_OBS), N_BENCHMARKS, n_skills

    def positive(*shape, scale=1.0):
        return scale * np.exp(0.3 * rng.normal(size=shape))

    score = rng.uniform(0.01, 0.99, n)
    last = np.flatnonzero(np.diff(BENCHMARK_OF_OBS))  # of each benchmark but the last
    score[last[0]], score[last[1]] = 0, 1
    guess = rng.uniform(-0.1, 1.1, n)
    at_floor = rng.uniform(size=n) * (BENCHMARK_OF_OBS > 0)
    tuned = (rng.uniform(size=SIZES["llm"]) < 0.5).astype(float)
    x = rng.normal(size=(SIZES["llm"], 2))
    deviating = BUT_ONE if has_deviations else BUT_ONE[:0]
    cells = cells_at(
        LLM_OF_OBS, BENCHMARK_OF_OBS, score, guess, at_floor, x=x, tuned=tuned, deviating=deviating
    )
    columns = np.array([1])
    llms = Llms(x, columns, tuned, RECIPE_OF, FAMILY_OF, DEVELOPER_OF, NORMAL)
    levels = {group: rng.normal(size=(sizes[group], skill)) for group in OfSkills._fields}
    of_deviations = [
        rng.normal(size=(sizes[group] if has_deviations else 0, m - 1))
        for group in OfDeviations._fields
    ]
    parameters = Parameters(
        Curve(rng.uniform(0, 0.2, m), rng.uniform(0.8, 0.99, m), positive(m, scale=2.0)),
        Scatter(positive(m, scale=30.0), np.array([4.0])),
        Benchmarks(
            rng.normal(size=m), 0.1 * rng.normal(size=(m, 2)), 0.1 * rng.normal(size=m),
            positive(m, skill), 0.1 * rng.normal(size=(m, 2)),
        ),
        0.3 * rng.normal(size=(2, skill)),
        rng.normal(size=skill),
        rng.normal(size=(SIZES["family"], skill)),
        OfSkills(
            *(inverse_covariance(rng, skill, scale) for scale in (0.3, 0.7, 1.5, 7.0)),
        ),
        OfSkills(**levels),
        OfDeviations(*(positive(m - 1, scale=each) for each in (8.0, 10.0, 20.0))),
        OfDeviations(*of_deviations),
    )  # fmt: skip
    return cells, llms, parameters


def what_is_unknown(n_configurations=4, seed=8):
    """Give configurations of two families: of one both features move, and two LLMs on their own."""
    rng = np.random.default_rng(seed)
    return Unknown(
        family=np.array([0, 2]), begin=np.array([0, 2, 3]), columns=np.array([0, 1, 1]),
        shift=rng.normal(size=3 * n_configurations), first_llm=np.array([0, 2, 2]),
        llm=np.array([1, 3]), first_off=np.array([0, 2 * n_configurations]),
        off=rng.normal(size=4 * n_configurations), n_configurations=n_configurations,
    )  # fmt: skip


def leaves(parameters):
    """Name every array of parameters."""
    for group, value in parameters._asdict().items():
        if isinstance(value, tuple):
            yield from ((f"{group}.{name}", array) for name, array in value._asdict().items())
        else:
            yield group, value


def replaced(parameters, name, array):
    """Give the same parameters with one array exchanged."""
    group, _, member = name.partition(".")
    if member:
        array = getattr(parameters, group)._replace(**{member: array})
    return parameters._replace(**{group: array})


posterior_density = posterior.density


@with_memory
@numba.njit
def density_of_all(given, n_skills, likelihood, cells, llms, unknown, parameters):
    return posterior_density(given, n_skills, likelihood, cells, llms, unknown, parameters)


@pytest.mark.parametrize("tail", [np.inf, 3.0])
def test_derivatives_of_the_density(tail):
    n_skills, functions = (0, 0, 0), scatter.LIKELIHOODS["student_t"]
    for has_deviations, sizes in (
        (True, SIZES), (False, SIZES), (True, WITHOUT_DEVELOPERS), (False, WITHOUT_DEVELOPERS),
    ):  # fmt: skip
        cells, llms, parameters = posterior_inputs(len(n_skills), has_deviations, sizes)
        llms = llms._replace(recipe_tail=np.array([tail]))

        def value_and_derivatives(at, cells=cells, llms=llms):
            inputs = n_skills, functions, cells, llms, what_is_unknown()
            return density_of_all(*inputs, at)[:2]

        derivatives = dict(leaves(value_and_derivatives(parameters)[1]))
        rng, step = np.random.default_rng(2), 1e-6
        for name, array in leaves(parameters):
            direction = rng.normal(size=array.shape)
            if name.startswith("precisions"):
                direction += direction.T
            ahead, behind = (
                value_and_derivatives(replaced(parameters, name, array + s * direction))[0]
                for s in (step, -step)
            )
            found = (derivatives[name] * direction).sum()
            np.testing.assert_allclose(
                found, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-4, err_msg=name
            )
            no_deviations = name.startswith("deviation") and not has_deviations
            no_developers = name.endswith("developer") and not sizes["developer"]
            assert (found == 0) == (no_deviations or no_developers), name


@pytest.mark.parametrize("likelihood", scatter.LIKELIHOODS)
@pytest.mark.parametrize("successes", [0.0, 7.0, 20.0])
def test_derivatives_of_the_likelihoods(likelihood, successes):
    constant_of, inside, at_ends, information_of = map(
        callable_from_python, scatter.LIKELIHOODS[likelihood]
    )
    density_of = inside if 0 < successes < 20 else at_ends
    trials = 20.0 if "binomial" in likelihood else 1.0
    score = successes * trials / 20

    def density(mean, precision, tail):
        constant = constant_of(precision, tail)
        return density_of(score, trials, mean, precision, tail, constant)

    def information(mean, precision, tail):
        return information_of(trials, mean, 1 / (mean * (1 - mean)), precision, tail)

    at, step = np.array([0.3, 25.0, 4.0]), 1e-6
    cell = pd.DataFrame({"score": [successes / 20], "successes": [score], "trials": [trials]})
    parameters = {"precision": at[[1]], "tail": at[[2]]}
    in_numpy = likelihood_of(likelihood)
    [expected] = in_numpy.log_density(cell, at[[0]], parameters)
    np.testing.assert_allclose(density(*at)[0], expected)
    counted = trials if "binomial" in likelihood else None
    [expected] = in_numpy._information(at[[0]], parameters, counted)
    np.testing.assert_allclose(information(*at)[0], expected)
    for function in (density, information):
        for place, derivative in enumerate(function(*at)[1:]):
            ahead, behind = (function(*(at + s * np.eye(3)[place]))[0] for s in (step, -step))
            np.testing.assert_allclose(derivative, (ahead - behind) / (2 * step), 1e-5, 1e-7)


def test_log_gamma_and_its_derivative():
    for x in (1e-3, 0.4, 1.0, 2.5, 9.99, 10.0, 300.0, 2e4):
        value, slope = log_gamma_and_slope(x)
        np.testing.assert_allclose(value, special.gammaln(x), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(slope, special.digamma(x), rtol=1e-13)


def test_exponentials_and_logarithms_of_arrays():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=1000) * 100, [0.0, -0.0, -700.0, 700.0, 1e-12]])
    expected, found = np.exp(x), x.copy()
    exp_all(found)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    log_all(found)
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-15, atol=1e-15)
    beyond = np.array([np.nan, -1e4, 1e4])
    exp_all(beyond)
    assert np.isnan(beyond[0])
    assert 0 <= beyond[1] < 1e-300
    assert beyond[2] > 1e300


def test_the_log_tail_of_a_normal_and_its_derivative():
    for z in (-300.0, -20.1, -19.9, -3.0, 0.0, 2.0, 6.0):
        value, slope = log_cdf_and_slope(z)
        np.testing.assert_allclose(value, special.log_ndtr(z), rtol=1e-8, atol=1e-15)
        np.testing.assert_allclose(slope, np.exp(stats.norm.logpdf(z) - value), rtol=1e-8)


@pytest.mark.parametrize("degrees", [1.5, 2.1, 4.0, 5.3, 12.0, 30.0, 60.0])
def test_the_log_tail_of_a_student_t_and_its_derivatives(degrees):
    for x in (-300.0, -20.0, -3.0, -0.4, 0.0):
        value, slope, by_degrees = log_t_cdf_and_slopes(x, degrees)
        np.testing.assert_allclose(value, stats.t.logcdf(x, degrees), rtol=1e-7)
        np.testing.assert_allclose(slope, np.exp(stats.t.logpdf(x, degrees) - value), rtol=1e-6)
        more, fewer = (stats.t.logcdf(x, degrees + s) for s in (1e-4, -1e-4))
        np.testing.assert_allclose(by_degrees, (more - fewer) / 2e-4, rtol=2e-5, atol=1e-7)


PRIORS = [
    Prior("Normal", mu=0.3, sigma=0.7),
    Prior("StudentT", nu=4, mu=0.3, sigma=0.7),
    Prior("Laplace", mu=0.3, b=0.7),
    Prior("LogNormal", mu=0.3, sigma=0.7),
    Prior("HalfNormal", sigma=0.7),
    Prior("HalfStudentT", nu=4, sigma=0.7),
    Prior("HalfCauchy", beta=0.7),
    Prior("Exponential", lam=0.7),
    Prior("Gamma", alpha=2.5, beta=0.7),
    Prior("InverseGamma", alpha=2.5, beta=0.7),
    Prior("Beta", alpha=2.5, beta=0.7),
]


def test_every_distribution_of_a_prior_is_tried():
    assert [prior.family for prior in PRIORS] == list(FAMILIES)


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_the_density_of_a_prior_and_its_derivative(prior, monkeypatch):
    uncompile(monkeypatch)
    law, numbers = list(FAMILIES).index(prior.family), [value for _, value in prior.parameters]
    numbers += [0.0] * (3 - len(numbers))
    for x in (0.01, 0.4, 0.95) if prior.support == UNIT else (0.1, 0.31, 2.0):
        value, slope = laws.log_density(law, *numbers, x)
        np.testing.assert_allclose(value, scipy_of(prior).logpdf(x), rtol=1e-12)
        ahead, behind = (laws.log_density(law, *numbers, x + s)[0] for s in (1e-6, -1e-6))
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("prior", [PRIORS[0], PRIORS[3], PRIORS[-1]], ids=str)
def test_coordinates_of_a_prior_are_those_of_the_plain_graph(prior, monkeypatch):
    uncompile(monkeypatch)
    with pm.Model() as model:
        rv = prior.declare("x", dims=None)
    transform = model.rvs_to_transforms[rv]
    support = laws.SUPPORTS.index(prior.support)
    for x in (-2.0, 0.1, 3.0, 30.0, 40.0):
        value, slope, log_jacobian, d_log_jacobian = laws.value_at(support, x)
        expected, log_slope = x, 0.0
        if transform is not None:
            expected = transform.backward(pt.constant(np.float64(x))).eval()
            log_slope = transform.log_jac_det(pt.constant(np.float64(x))).eval()
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose([np.log(slope), log_jacobian], log_slope, rtol=1e-9, atol=1e-12)
        ahead, behind = (laws.value_at(support, x + s)[2] for s in (1e-6, -1e-6))
        np.testing.assert_allclose(d_log_jacobian, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("best", [0.0, 0.2, 0.9, 1.0])
def test_the_coordinate_of_a_ceiling(best, monkeypatch):
    uncompile(monkeypatch)
    top = transforms.top_of(best)
    shares = []
    for x in (-8.0, -1.0, 0.0, 1.0, 4.0):
        value, slope, log_jacobian, d_log_jacobian = laws.ceiling_at(x, top)
        if value < 0.999:  # nearer to one, a share says little of its coordinate
            np.testing.assert_allclose(
                transforms.ceiling_coordinate(value, top), x, rtol=1e-6, atol=1e-12
            )
        np.testing.assert_allclose(np.log(slope), log_jacobian, rtol=1e-9)
        ahead, behind = (laws.ceiling_at(x + s, top) for s in (1e-6, -1e-6))
        np.testing.assert_allclose(slope, (ahead[0] - behind[0]) / 2e-6, rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(d_log_jacobian, (ahead[2] - behind[2]) / 2e-6, rtol=1e-6)
        shares.append(value)
    assert 0 < min(shares) < max(shares) < 1
    assert abs(laws.ceiling_at(0.0, top)[0] - np.clip(best, 0.02, 0.98)) < 0.04
    # Far out, where nothing is known, a density stays one.
    assert laws.ceiling_at(9.0, top)[0] < 1
