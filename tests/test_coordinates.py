"""Coordinates change how the posterior is walked through, never what it is."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from graph_points import FEATURES, MODE, point, small
from uncompiled import UncompiledDensity, uncompile

from latentscale.coordinates import (
    at_floor,
    first_guess,
    group_variables,
    known_arrays,
    order_of_cells,
    reported_variables,
)
from latentscale.forward import Draws, root_of
from latentscale.graph import REPORTED, kept_variables
from latentscale.kernels import links, measuring, scatter
from latentscale.kernels.arguments import Curve, Scatter
from latentscale.links import rise_and_slope
from latentscale.priors import Prior
from latentscale.slope_guess import SlopeGuess, guess_slopes
from latentscale.transforms import bent_coordinate, ceiling_coordinate

SLOPES = ("log(params_b)",)
VARIANTS = {
    "everything": {"skills": 2, "family_slopes": SLOPES, "likelihood": "student_t"},
    "developers": {
        "skills": 2, "n_families": 5, "families_per_developer": 2.0, "family_slopes": SLOPES,
    },
    "developers without deviations": {
        "skills": 2, "families_per_developer": 1.5, "deviations": False,
    },
    "conditions": {"skills": 1, "conditions": ("template", "shots"), "deviations": False},
    "features": {
        "skills": 2, "features": FEATURES.replace("increasing(context, 2)", "context"),
        "n_families": 6, "family_slopes": SLOPES,
    },
    "monotone terms": {
        "skills": 2, "features": FEATURES, "n_families": 6, "benchmark_slopes": False,
    },
    "nothing shrunk": {
        "skills": 1, "features": "log(params_b) * log(tokens_t) + code_pct", "n_families": 6,
        "shrunk": (), "deviations": False,
    },
    "nobody tuned": {"skills": 2, "tuned_share": 0.0},
    "recipes without tails": {"skills": 2, "recipe_tail": None, "deviations": False},
    "recipes with heavy tails": {"skills": 2, "recipe_tail": 1.5, "deviations": False},
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
    "other priors": {
        "skills": 2,
        "priors": {
            "difficulty": Prior("LogNormal", mu=-1, sigma=1),
            "loading_contrast": Prior("Laplace", mu=0, b=0.4),
            "asymmetry": Prior("Gamma", alpha=2, beta=1),
        },
    },
}  # fmt: skip

# The Jacobian is checked column by column, so the table is tiny.
TINY = {"n_families": 4, "recipes_per_family": 1.5, "llms_per_recipe": 1.5, "benchmarks": 4}


def built(settings, monkeypatch):
    uncompile(monkeypatch)
    model = small(**{**TINY, **settings}).model
    return model, model.to_pymc()


ABOUT_DEVELOPERS = ("family_effect", "family_deviation")


def model_has_developers(plain):
    return "developer_of_family" in plain.named_vars


def relevance_of(model, reported):
    """Give the relevance of each feature."""
    return np.append(reported["relevance"], 1.0)[model.design.shrinkage.term]


def slopes_relative_to_relevance(model, reported):
    """Give what slopes that are shrunk are drawn with."""
    z = reported["feature_slope"] / relevance_of(model, reported)[:, None]
    is_step = model.design.encoding.is_step[:, None]
    return np.where(is_step, np.log(np.where(is_step, z, 1.0)), z)


def plain_values(plain, reported, model):
    """Give the values of the plain graph's random variables, by name."""
    effects = ("developer", "family", "recipe", "llm")
    of_z = {f"{name}_z": (f"{name}_effect", f"{name}_scale") for name in effects}
    of_z |= {
        f"{name}_z": (name, f"{name}_scale")
        for name in (
            "family_slope",
            "developer_deviation",
            "family_deviation",
            "recipe_deviation",
        )
    }
    of_z |= {
        "benchmark_slope_z": ("benchmark_slope", "slope_scale"),
        "benchmark_tuning_z": ("benchmark_tuning", "tuning_scale"),
        "condition_z": ("condition_shift", "condition_scale"),
    }
    found = {}
    for rv in plain.free_RVs:
        if rv.name == "feature_slope_z":
            found[rv.name] = slopes_relative_to_relevance(model, reported)
            continue
        name, scale = of_z.get(rv.name, (rv.name, None))
        value = reported[name]
        if name == "benchmark_slope":
            value = value[:, model.design.shrinkage.own]
        if name in ABOUT_DEVELOPERS and model_has_developers(plain):
            of_developers = reported[name.replace("family", "developer")]
            value = value - of_developers[plain["developer_of_family"].get_value()]
        if name.endswith("_deviation"):
            value = value[:, model.design.free_benchmarks(model.spec.anchors)]
        if name in ("benchmark_slope", "benchmark_tuning"):
            value = value[model.design.free_benchmarks(model.spec.anchors)]
        value = value / (1 if scale is None else reported[scale])
        if name.endswith("_effect") and "communality" in reported:
            value = np.linalg.solve(root_of(reported["communality"]), value.T).T
        found[rv.name] = value
    return found


def log_volume(values_at, start, part, names):
    """Give log |dz / dw|: z is a linear function of w, into as many dimensions or more."""

    def flat(at):
        found = values_at(at)
        return np.concatenate([found[name].ravel() for name in names])

    middle, columns = flat(start), []
    for position in range(part.start, part.stop):
        ahead = start.copy()
        ahead[position] += 1.0
        columns.append(flat(ahead) - middle)
    matrix = np.array(columns)
    return np.linalg.slogdet(matrix @ matrix.T)[1] / 2


def log_volume_of_ceilings(values_at, start, part, step=1e-6):
    """Give log |db / dt|: b, of the graph, is no linear function of t, but each of its own."""
    move = np.zeros_like(start)
    move[part] = step
    ahead, behind = (bent_coordinate(values_at(start + s * move)["ceiling_share"]) for s in (1, -1))
    return np.log((ahead - behind) / (2 * step)).sum()


def log_volumes(density, plain, values_at, at, model):
    """Add up what the plain density lacks: the volumes, and what the plain graph has too much."""
    parts, spec, total = density.parts, model.spec, 0.0
    of_groups = slice(len(density.middle), density.size)
    zs = [f"{each.name}_z" for each in group_variables(model.design, spec) if each.size]
    total += log_volume(values_at, at, of_groups, zs)
    for name in ("total_loading", "loading_contrast"):
        if name in plain.named_vars and model.priors[name].support == "a real number":
            total += log_volume(values_at, at, parts[name], [name])
    if spec.ceiling:
        total += log_volume_of_ceilings(values_at, at, parts["ceiling_share"])
    if spec.shrunk:
        total += log_volume(values_at, at, parts["feature_slope"], ["feature_slope_z"])
    if spec.benchmark_slopes:
        slopes = ["benchmark_slope_z", "benchmark_tuning_z"]
        total += log_volume(values_at, at, parts["benchmark_slope"], slopes)
    return total


def wild_guess(model):
    """Give a guess of slopes that has nothing to do with the scores."""
    rng, shape = np.random.default_rng(7), (len(model.design.encoding.names), model.spec.skills)
    axes = np.linalg.qr(rng.standard_normal((*shape, shape[1])))[0]
    return SlopeGuess(axes, rng.exponential(20, shape), rng.normal(0, 5, shape))


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_density_is_that_of_the_plain_graph_with_the_jacobian(settings, monkeypatch):
    model, plain = built(settings, monkeypatch)
    # Summed here: PyTensor's Python mode adds no more than 32 numbers at a time.
    log_densities = plain.compile_logp(mode=MODE, sum=False)
    # Expectations that have nothing to do with the scores, some of them impossible.
    rng = np.random.default_rng(5)
    absurd = {
        "guess": rng.uniform(-0.1, 1.1, model.design.n_obs),
        "at_floor": rng.uniform(size=model.design.n_obs),
    }
    wild = wild_guess(model).arrays()
    for density in (UncompiledDensity(model), UncompiledDensity(model, **absurd, **wild)):

        def values_at(at, density=density):
            return plain_values(plain, density.report(at), model)

        at = density.somewhere()
        sampled = xr.Dataset(
            {
                name: ([f"{name} {i}" for i in range(value.ndim)], value)
                for name, value in values_at(at).items()
            }
        )
        expected = sum(each.sum() for each in log_densities(point(plain, sampled)))
        expected += log_volumes(density, plain, values_at, at, model)
        np.testing.assert_allclose(density.at(at)[0], expected, rtol=1e-6)


def require_gradient(density, names):
    """Compare the gradient by some variables with finite differences in some direction."""
    at, rng, step = density.somewhere(), np.random.default_rng(6), 1e-5
    _, gradient = density.at(at)
    for name in names:
        direction, part = np.zeros(density.size), density.parts[name]
        direction[part] = rng.standard_normal(part.stop - part.start)
        ahead, behind = (density.at(at + s * direction)[0] for s in (step, -step))
        expected = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(
            gradient @ direction, expected, rtol=1e-5, atol=1e-5, err_msg=name
        )


def test_the_gradient_knows_the_guess_of_slopes(monkeypatch):
    model, _ = built({"skills": 2, "features": FEATURES, "n_families": 6}, monkeypatch)
    density = UncompiledDensity(model, **wild_guess(model).arrays())
    require_gradient(
        density, ["feature_slope", "relevance_scale", "relevance_local", "family_scale"]
    )


def test_a_slope_is_where_the_guess_has_it_and_as_wide(monkeypatch):
    model, _ = built({"skills": 2, "features": FEATURES, "n_families": 6}, monkeypatch)
    design = model.design
    [p] = np.flatnonzero((design.shrinkage.term == 0) & ~design.encoding.is_step)[:1]
    # Scores say that slopes are (0.3, -0.2) with such a covariance; relevance is 0.4.
    told, r = np.array([0.3, -0.2]), 0.4
    information = np.linalg.inv([[0.01, 0.004], [0.004, 0.02]])
    of_z = np.eye(2) + r**2 * information
    mean, at = UncompiledDensity(model).somewhere(), UncompiledDensity(model).parts
    n = at["benchmark_slope"].stop
    mean, covariance = mean[:n], np.eye(n)
    own = np.arange(at["feature_slope"].start, at["feature_slope"].stop).reshape(-1, 2)[p]
    mean[own] = np.linalg.solve(of_z, r * information @ told)
    covariance[np.ix_(own, own)] = np.linalg.inv(of_z)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values)) @ vectors.T
    relevance = np.full(len(design.shrinkage.terms), r)
    guess = guess_slopes(design, at, mean, root, relevance)
    axes = guess.axes[p]
    np.testing.assert_allclose((axes * guess.information[p]) @ axes.T, information)
    np.testing.assert_allclose(axes @ guess.pull[p], information @ told)
    assert (guess.information[design.encoding.is_step] == 0).all()
    # Where the posterior is wider than the prior scores tell nothing.
    nothing = guess_slopes(design, at, mean, 2**0.5 * np.eye(n), relevance)
    assert not nothing.information.any()
    assert not nothing.pull.any()

    # At the coordinates of zero slopes have the mean that follows, and of one they are a standard
    # deviation off along an axis, whatever the relevance.
    density = UncompiledDensity(model, **guess.arrays())
    point = density.somewhere()
    point[own] = 0.0
    found = density.report(point)
    r = found["relevance"][0]
    covariance = np.linalg.inv(np.eye(2) / r**2 + information)
    middle = covariance @ information @ told
    np.testing.assert_allclose(found["feature_slope"][p], middle)
    for i in range(2):
        point[own] = np.eye(2)[i]
        off = density.report(point)["feature_slope"][p] - middle
        np.testing.assert_allclose(off @ np.linalg.solve(covariance, off), 1.0)


def test_what_is_shrunk_moves_skills_alone_and_steps_rise_with_them(monkeypatch):
    model, _ = built({"skills": 2, "features": FEATURES, "n_families": 6}, monkeypatch)
    density, is_step = UncompiledDensity(model), model.design.encoding.is_step
    found = density.report(density.somewhere())
    assert is_step.sum() == 2
    assert (found["feature_slope"][is_step] > 0).all()
    is_shrunk = model.design.shrinkage.term >= 0
    assert is_shrunk[is_step].all()
    assert 0 < is_shrunk.sum() < len(is_shrunk)
    assert not found["benchmark_slope"][:, is_shrunk].any()
    free = model.design.free_benchmarks(model.spec.anchors)
    assert found["benchmark_slope"][np.ix_(free, ~is_shrunk)].all()
    require_gradient(
        density, ["feature_slope", "benchmark_slope", "slope_scale", "relevance_local"]
    )


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_gradient_is_that_of_the_density(settings, monkeypatch):
    model, _ = built(settings, monkeypatch)
    density = UncompiledDensity(model)
    require_gradient(
        density, [name for name, part in density.parts.items() if part.stop > part.start]
    )


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
def test_what_is_reported_are_the_variables_of_the_plain_graph(settings, monkeypatch):
    """The same variables with the same dims, and the same values at the same parameters."""
    model, plain = built(settings, monkeypatch)
    density = UncompiledDensity(model)
    variables = {each.name: each for each in reported_variables(model.design, model.spec)}
    assert set(variables) == set(kept_variables(plain, model.priors))
    reported = density.report(density.somewhere())
    values = plain_values(plain, reported, model)
    names = [name for name in REPORTED if name in variables]
    compute = plain.compile_fn(
        [plain[name] for name in names], inputs=plain.free_RVs, point_fn=False, mode=MODE,
        on_unused_input="ignore",
    )  # fmt: skip
    expected = compute(*(values[rv.name] for rv in plain.free_RVs))
    for name, value in zip(names, expected, strict=True):
        assert variables[name].dims == (plain.named_vars_to_dims.get(name) or ()), name
        np.testing.assert_allclose(reported[name], value, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("meets", [0.995, 0.985])
def test_derivatives_do_not_jump_where_a_ceiling_passes_expectations(meets, monkeypatch):
    """Second derivatives by steps, which the approximation takes, would be anything there."""
    model, _ = built({"skills": 1}, monkeypatch)
    design = model.design
    guess, is_first, chance = first_guess(design), design.benchmark_of_obs == 0, design.chance[0]
    highest = 0.7
    guess[is_first] = np.minimum(guess[is_first], chance + highest * (1 - chance))
    density = UncompiledDensity(model, guess=guess[order_of_cells(design)])
    point, slopes = density.somewhere(), []
    ceiling, top = density.parts["ceiling_share"].start, density.known.suite.top[0]
    for share in highest / meets + 2e-5 * np.arange(-10, 10):
        point[ceiling] = ceiling_coordinate(share, top)
        slopes.append(density.at(point)[1])
    changes = np.abs(np.diff(slopes, axis=0))
    assert (changes.max(axis=0) < 1.5 * np.median(changes, axis=0) + 1e-3).all()


def test_the_first_guess_is_the_score_where_it_lies_well_within_the_curve():
    design = small(skills=1).model.design
    guess, chance = first_guess(design), design.chance[design.benchmark_of_obs]
    share = (guess - chance) / (1 - chance)
    assert share.min() == pytest.approx(0.03)
    assert share.max() <= 0.97
    well = (share > 0.031) & (share < 0.969)
    np.testing.assert_array_equal(guess[well], design.score[well])


def measured(model, asymmetry, own, **arrays):
    """Measure scores whose eta is the same without the effects of groups."""
    cells = UncompiledDensity(model, **arrays).known.cells
    n, m = model.design.n_obs, len(model.design.benchmarks)
    curve = Curve(np.full(m, 0.25), np.full(m, 0.95), np.full(m, asymmetry))
    of = scatter.LIKELIHOODS[model.spec.likelihood]
    given = np.full(n, own), curve, links.lines(None, curve.asymmetry)
    return measuring.measure(None, of, cells, *given, Scatter(np.full(m, 99.0), np.full(m, 4.0)))


@pytest.mark.parametrize("asymmetry", [1.0, 8.0])
def test_a_score_at_the_floor_tells_nothing_of_an_llm_that_is_expected_far_below(
    asymmetry, monkeypatch
):
    """And of one that is expected above it that it is not there, as any score does."""
    model, _ = built({"skills": 1}, monkeypatch)
    n, far = model.design.n_obs, 20.0
    guess, floor = np.full(n, 0.27), np.ones(n)
    _, plain, _ = measured(model, asymmetry, far, guess=guess)
    _, told, _ = measured(model, asymmetry, far, guess=guess, at_floor=floor)
    np.testing.assert_allclose(told, plain, rtol=0.1)
    at, plain, _ = measured(model, asymmetry, -far, guess=guess)
    below, told, _ = measured(model, asymmetry, -far, guess=guess, at_floor=floor)
    assert (told < 0.05 * plain).all()
    assert (np.abs(told * (below + far)) < 0.05 * np.abs(plain * (at + far))).all()


@pytest.mark.parametrize("likelihood", ["student_t", "normal", "beta"])
def test_scores_are_at_the_floor_as_far_as_it_explains_them(likelihood):
    model = small(skills=1, likelihood=likelihood).model
    design, m = model.design, len(model.design.benchmarks)
    draws = {"floor": np.full((1, m), 0.25), "ceiling": np.full((1, m), 0.95)}
    draws |= {"precision": np.full((1, m), 199.0), "tail": np.full(1, 4.0)}
    design.scores["score"] = np.linspace(0.2, 0.5, design.n_obs)
    found = at_floor(design, model.spec, Draws(draws, {}))
    below = design.score <= 0.25
    assert below.any()
    assert (found[below] > 0.98).all()
    assert (np.diff(found[~below]) <= 0).all()
    assert found[np.searchsorted(design.score, 0.25 + 0.043)] == pytest.approx(0.91, abs=0.02)
    if likelihood != "student_t":  # with which it may be anywhere
        assert (found[design.score > 0.48] == 0).all()


@pytest.mark.parametrize(("n_families", "power"), [(5, 0.8), (20, 0.5)])
def test_more_families_tell_own_slopes_better(n_families, power):
    model = small(skills=1, n_families=n_families).model
    found = known_arrays(model.design, model.spec, model.priors)["own_power"]
    np.testing.assert_allclose(found, power)


def test_nothing_tells_own_slopes_in_tuning_if_nobody_is_tuned():
    model = small(skills=1, n_families=20, tuned_share=0.0).model
    found = known_arrays(model.design, model.spec, model.priors)["own_power"]
    np.testing.assert_allclose(found, [*[0.5] * (len(found) - 1), 1.0])


@pytest.mark.parametrize("link", ["asymmetric", "logistic"])
def test_floor_ceiling_and_asymmetry_leave_the_middle_of_a_curve_where_it_is(link, monkeypatch):
    """A benchmark's mean score is reached at the same ability, and with the same slope."""
    model, _ = built({"skills": 1, "link": link}, monkeypatch)
    density, design = UncompiledDensity(model), model.design
    mean = np.bincount(design.benchmark_of_obs, design.score) / np.bincount(design.benchmark_of_obs)
    slopes, reached = [], []
    for seed in range(3):
        at = density.somewhere(seed)
        at[density.parts["difficulty"]] = -0.2
        at[density.parts["total_loading"]] = 0.7
        found = density.report(at)
        asymmetry = [found["asymmetry"]] if link == "asymmetric" else []
        share, slope = rise_and_slope(found["difficulty"] + 0.2, *asymmetry)
        height = found["ceiling"] - found["floor"]
        reached.append(found["floor"] + height * share)
        slopes.append(height * slope * found["loading"][:, 0])
    inside = np.isclose(reached, mean).all(axis=0)
    assert inside.sum() >= 3, "a mean beyond the curve is an exception"
    is_free = np.array([name not in model.spec.anchors for name in design.benchmarks])
    free = inside & is_free
    assert free.sum() >= 2
    np.testing.assert_allclose(np.array(slopes)[:, free] / np.array(slopes)[0, free], 1.0)


@pytest.mark.parametrize(
    ("prior", "median"),
    [
        (Prior("LogNormal", mu=0.5, sigma=1), np.exp(0.5)),
        (Prior("HalfCauchy", beta=2), 2.0),
    ],
)
def test_the_middle_of_the_prior_is_at_its_medians(prior, median, monkeypatch):
    model, _ = built({"skills": 1, "priors": {"precision": prior}}, monkeypatch)
    density = UncompiledDensity(model)
    found = density.report(density.somewhere(scale=0.0))
    np.testing.assert_allclose(found["precision"], median)
    np.testing.assert_allclose(found["ceiling_share"], 0.5 ** (1 / 5))
    assert not found["benchmark_slope"].any()
