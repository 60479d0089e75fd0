"""The limit: the density of the direct transcription and its gradient, written by hand in numba.

The coordinates are those of PyMC for :func:`direct.direct_model`: a scale and standard Normals for
every effect, logarithms of what is positive. Nothing is solved or smoothed, so no gradient of this
model costs much less. Derivatives go through the same lines backwards. The likelihood of the scores
given their eta is the package's own kernel, which is as fast as we can make it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from scipy.linalg import helmert

from latentscale.coordinates import known_arrays
from latentscale.kernels.arguments import Cells, Curve, Scatter
from latentscale.kernels.directory import ARRAYS
from latentscale.kernels.links import lines
from latentscale.kernels.memory import begin, give_back, integers
from latentscale.kernels.scatter import LIKELIHOODS, log_gamma_and_slope
from latentscale.kernels.scoring import score
from latentscale.likelihoods import likelihood_of
from latentscale.model import ScalingModel

_HALF_LOG_2_PI = float(np.log(2 * np.pi)) / 2


class Table(NamedTuple):
    """All that is not sampled; the last column of ``x`` says who is tuned."""

    cells: Any
    x: Any
    developer: Any
    family: Any
    recipe: Any
    n_developers: int
    n_families: int
    n_recipes: int
    chance: Any
    anchored: Any
    column: Any  # among free benchmarks, or -1
    n_free: int
    weights: Any
    recipe_tail: float
    n_tails: int  # one, or none where scores have no tail


def table_of(model: ScalingModel) -> Table:
    """Lay the data of a model out for the kernel."""
    design, spec = model.design, model.spec
    anchored = [spec.anchors.index(j) if j in spec.anchors else -1 for j in design.benchmarks]
    free = design.free_benchmarks(spec.anchors)
    columns = np.full(len(anchored), -1)
    columns[free] = np.arange(len(free))
    known = known_arrays(design, spec, model.priors)
    cells = Cells(*(known[name] for name in ARRAYS[: len(Cells._fields)]))
    return Table(
        cells, np.column_stack([design.x, design.tuned]),
        design.developer_of_family[design.family_of_llm], design.family_of_llm,
        design.recipe_of_llm, len(design.developers), len(design.families), len(design.recipes),
        design.chance, np.array(anchored), columns, len(free), helmert(spec.skills),
        spec.recipe_tail, _n_tails(spec.likelihood),
    )  # fmt: skip


def repeated(model: ScalingModel) -> Callable[[int], Any]:
    """Give what computes the density and its gradient many times."""
    density, n = hand_written(model.spec.likelihood), n_coordinates(model)
    table, gradient, point = table_of(model), np.empty(n), np.zeros(n)
    skills = (0,) * model.spec.skills
    return lambda points: _many(points, density, skills, table, point, gradient)


def n_coordinates(model: ScalingModel) -> int:
    """Count the coordinates."""
    d, k = model.design, model.spec.skills
    (n, p), m = d.x.shape, len(d.benchmarks)
    groups = len(d.developers) + len(d.families) + len(d.recipes)
    of_free = (m - k) * (p + 1 + 3 + groups)
    of_all = p * k + 6 * k + (groups + n) * k + m * (k + 1) + (p + 1) + m * 4
    return of_all + of_free + _n_tails(model.spec.likelihood)


def _n_tails(likelihood: str) -> int:
    return int(likelihood_of(likelihood).has_tail)


@numba.njit
def _many(points, density, skills, table, point, gradient):
    total = 0.0
    for _ in range(points):
        total += density(skills, table, point, gradient)
    return total


@numba.njit(error_model="numpy")
def _next(flat, at, rows, columns):
    """Cut the next variable out, as a matrix; gives where it ends."""
    end = at + rows * columns
    return flat[at:end].reshape((rows, columns)), end


@numba.njit(error_model="numpy")
def _variables(flat, t, size):
    """Name the parts of a point, or of its gradient, in PyMC's order."""
    p, m, n, free = t.x.shape[1] - 1, t.chance.shape[0], t.x.shape[0], t.n_free
    feature_slope, at = _next(flat, 0, p, size)
    tuning_shift, at = _next(flat, at, 1, size)
    scales, at = _next(flat, at, 4, size)  # family; developer, recipe and LLM relative to it
    communality, at = _next(flat, at, 1, size)
    developer, at = _next(flat, at, t.n_developers, size)
    family, at = _next(flat, at, t.n_families, size)
    recipe, at = _next(flat, at, t.n_recipes, size)
    llm, at = _next(flat, at, n, size)
    total, at = _next(flat, at, 1, m)
    contrast, at = _next(flat, at, m, size - 1)
    difficulty, at = _next(flat, at, 1, m)
    own_scale, at = _next(flat, at, 1, p + 1)  # tuning last
    own, at = _next(flat, at, free, p)
    own_tuning, at = _next(flat, at, free, 1)
    spread, at = _next(flat, at, 3, free)  # of the deviations of developers, families and recipes
    developer_deviation, at = _next(flat, at, t.n_developers, free)
    family_deviation, at = _next(flat, at, t.n_families, free)
    recipe_deviation, at = _next(flat, at, t.n_recipes, free)
    slack_and_share, at = _next(flat, at, 2, m)
    asymmetry, at = _next(flat, at, 1, m)
    precision, at = _next(flat, at, 1, m)
    tail, at = _next(flat, at, 1, t.n_tails)
    return (
        feature_slope, tuning_shift, scales, communality, developer, family, recipe, llm, total,
        contrast, difficulty, own_scale, own, own_tuning, spread, developer_deviation,
        family_deviation, recipe_deviation, slack_and_share, asymmetry, precision, tail,
    )  # fmt: skip


@numba.njit(error_model="numpy")
def _normal(x, d, mean, sd):
    """Give the log density of independent Normals; adds to the derivatives."""
    total = 0.0
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            z = (x[i, k] - mean) / sd
            total -= z * z / 2 + np.log(sd) + _HALF_LOG_2_PI
            d[i, k] -= z / sd
    return total


@numba.njit(error_model="numpy")
def _student_t(x, d, tail):
    """Give the log density of rows that are multivariate t's; adds to the derivatives."""
    n, m = x.shape
    of_whole, of_tail = log_gamma_and_slope((tail + m) / 2)[0], log_gamma_and_slope(tail / 2)[0]
    total = n * (of_whole - of_tail - m / 2 * np.log(np.pi * tail))
    for i in range(n):
        square = 0.0
        for k in range(m):
            square += x[i, k] ** 2
        total -= (tail + m) / 2 * np.log1p(square / tail)
        for k in range(m):
            d[i, k] -= (tail + m) / (tail + square) * x[i, k]
    return total


@numba.njit(error_model="numpy")
def _beta(x, d, a, b):
    """Give the log density of the log odds of a Beta variable; adds to the derivatives."""
    log_beta = log_gamma_and_slope(a)[0] + log_gamma_and_slope(b)[0] - log_gamma_and_slope(a + b)[0]
    total = 0.0
    for i in range(x.shape[0]):
        p = 1 / (1 + np.exp(-x[i]))
        total += a * np.log(p) + b * np.log1p(-p) - log_beta
        d[i] += a - (a + b) * p
    return total


@numba.njit(error_model="numpy")
def _gamma(x, d, a, rate):
    """Give the log density of the logarithm of a Gamma variable; adds to the derivatives."""
    constant = a * np.log(rate) - log_gamma_and_slope(a)[0]
    total = 0.0
    for i in range(x.shape[0]):
        total += a * x[i] - rate * np.exp(x[i]) + constant
        d[i] += a - rate * np.exp(x[i])
    return total


@numba.njit(error_model="numpy")
def _root(log_odds):
    """Give the lower triangle of which the square is the correlation between skills."""
    common = np.sqrt(1 / (1 + np.exp(-log_odds)))
    correlation = np.outer(common, common)
    np.fill_diagonal(correlation, 1.0)
    return np.linalg.cholesky(correlation)


@numba.njit(error_model="numpy")
def _pull_back_root(log_odds, root, d_root, d_log_odds):
    """Reverse :func:`_root`, by the derivative of a Cholesky factor (Murray, 2016, arXiv)."""
    n, inverse = len(log_odds), np.linalg.inv(root)
    common = np.sqrt(1 / (1 + np.exp(-log_odds)))
    inner = np.tril(root.T @ np.tril(d_root))
    for k in range(n):
        inner[k, k] /= 2
    d_correlation = inverse.T @ inner @ inverse
    for a in range(n):
        d_common = 0.0
        for b in range(n):
            if a != b:
                d_common += (d_correlation[a, b] + d_correlation[b, a]) * common[b]
        d_log_odds[a] += d_common * common[a] * (1 - common[a] ** 2) / 2


@numba.njit(error_model="numpy")
def _mixed(skills, z, root):
    """Give z root', so that effects correlate between skills."""
    found = np.empty(z.shape)
    for i in range(z.shape[0]):
        for k in range(len(skills)):
            total = 0.0
            for b in range(k + 1):
                total += root[k, b] * z[i, b]
            found[i, k] = total
    return found


@numba.njit(error_model="numpy")
def _pull_back_mixed(skills, z, root, d_mixed, d_z, d_root):
    """Reverse :func:`_mixed`; adds to the last two."""
    total = np.zeros(root.shape)
    for i in range(z.shape[0]):
        for k in range(len(skills)):
            for b in range(k + 1):
                d_z[i, b] += root[k, b] * d_mixed[i, k]
                total[k, b] += z[i, b] * d_mixed[i, k]
    d_root += total


@numba.njit(error_model="numpy")
def _add_effects(ability, of, scale, effect):
    for i in range(ability.shape[0]):
        for k in range(ability.shape[1]):
            ability[i, k] += scale[k] * effect[of[i], k]


@numba.njit(error_model="numpy")
def _pull_back_effects(d_ability, of, scale, effect):
    """Reverse :func:`_add_effects`; gives derivatives by log scales and effects."""
    d_log_scale, d_effect = np.zeros(scale.shape[0]), np.zeros(effect.shape)
    for i in range(d_ability.shape[0]):
        for k in range(scale.shape[0]):
            d = d_ability[i, k] * scale[k]
            d_effect[of[i], k] += d
            d_log_scale[k] += d * effect[of[i], k]
    return d_log_scale, d_effect


@numba.njit(error_model="numpy")
def _loadings(t, total, contrast, size):
    loading = np.zeros((total.shape[1], size))
    for j in range(loading.shape[0]):
        for k in range(size):
            if t.anchored[j] >= 0:
                loading[j, k] = 1.0 if t.anchored[j] == k else 0.0
            else:
                loading[j, k] = total[0, j] / size
                for c in range(size - 1):
                    loading[j, k] += contrast[j, c] * t.weights[c, k]
    return loading


@numba.njit(error_model="numpy")
def _pull_back_loadings(t, d_loading, d_total, d_contrast):
    size = d_loading.shape[1]
    for j in range(d_loading.shape[0]):
        if t.anchored[j] < 0:
            for k in range(size):
                d_total[0, j] += d_loading[j, k] / size
                for c in range(size - 1):
                    d_contrast[j, c] += d_loading[j, k] * t.weights[c, k]


@numba.njit(error_model="numpy")
def _etas(t, ability, loading, difficulty, own, spread, developer_z, family_z, recipe_z):
    eta = np.empty(t.cells.llm.shape[0])
    for j in range(loading.shape[0]):
        c = t.column[j]
        for o in range(t.cells.start[j], t.cells.start[j + 1]):
            i = t.cells.llm[o]
            value = difficulty[0, j]
            for k in range(ability.shape[1]):
                value += ability[i, k] * loading[j, k]
            if c >= 0:
                for p in range(own.shape[1]):
                    value += t.x[i, p] * own[c, p]
                value += spread[0, c] * developer_z[t.developer[i], c]
                value += spread[1, c] * family_z[t.family[i], c]
                value += spread[2, c] * recipe_z[t.recipe[i], c]
            eta[o] = value
    return eta


@numba.njit(error_model="numpy")
def _pull_back_etas(
    t, ability, loading, spread, developer_z, family_z, recipe_z, d_eta, d_ability, d_loading,
    d_difficulty, d_own, d_log_spread, d_developer_z, d_family_z, d_recipe_z,
):  # fmt: skip
    for j in range(loading.shape[0]):
        c = t.column[j]
        for o in range(t.cells.start[j], t.cells.start[j + 1]):
            i, d = t.cells.llm[o], d_eta[o]
            d_difficulty[0, j] += d
            for k in range(ability.shape[1]):
                d_ability[i, k] += d * loading[j, k]
                d_loading[j, k] += d * ability[i, k]
            if c >= 0:
                for p in range(d_own.shape[1]):
                    d_own[c, p] += d * t.x[i, p]
                v, f, r = t.developer[i], t.family[i], t.recipe[i]
                of_developer = d * spread[0, c]
                of_family, of_recipe = d * spread[1, c], d * spread[2, c]
                d_developer_z[v, c] += of_developer
                d_family_z[f, c] += of_family
                d_recipe_z[r, c] += of_recipe
                d_log_spread[0, c] += of_developer * developer_z[v, c]
                d_log_spread[1, c] += of_family * family_z[f, c]
                d_log_spread[2, c] += of_recipe * recipe_z[r, c]


def hand_written(likelihood: str) -> Any:
    """Give the function of (skills, table, point, gradient) that writes the gradient."""
    of_scores = LIKELIHOODS[likelihood]

    @numba.njit(error_model="numpy")
    def density(skills, t, x, gradient):
        size, m = len(skills), t.chance.shape[0]
        gradient[:] = 0.0
        (
            B, shift, scales, communality, zd, zf, zr, zi, total, contrast, difficulty, own_scale,
            own_z, tuning_z, spread, dev_d, dev_f, dev_r, slack_share, asymmetry, precision, tail,
        ) = _variables(x, t, size)  # fmt: skip
        (
            d_B, d_shift, d_scales, d_communality, d_zd, d_zf, d_zr, d_zi, d_total, d_contrast,
            d_difficulty, d_own_scale, d_own_z, d_tuning_z, d_spread, d_dev_d, d_dev_f, d_dev_r,
            d_slack_share, d_asymmetry, d_precision, d_tail,
        ) = _variables(gradient, t, size)  # fmt: skip

        # Priors, those of logarithms in what is sampled.
        value = _normal(B, d_B, 0, 1) + _normal(shift, d_shift, 0, 1)
        value += _normal(scales[:1], d_scales[:1], -0.5, 0.7)
        value += _normal(scales[1:2], d_scales[1:2], 0, 0.5)
        value += _normal(scales[2:], d_scales[2:], -1, 0.5)
        value += _beta(communality[0], d_communality[0], 2, 2)
        value += _normal(zd, d_zd, 0, 1) + _normal(dev_d, d_dev_d, 0, 1)
        value += _normal(zf, d_zf, 0, 1) + _normal(zi, d_zi, 0, 1)
        value += _student_t(zr, d_zr, t.recipe_tail)
        value += _normal(total, d_total, 1, 0.7) + _normal(contrast, d_contrast, 0, 0.5)
        value += _normal(difficulty, d_difficulty, -0.5, 1.5)
        n_own = own_scale.shape[1] - 1
        value += _normal(own_scale[:, :n_own], d_own_scale[:, :n_own], -2.3, 0.7)
        value += _normal(own_scale[:, n_own:], d_own_scale[:, n_own:], -1.5, 0.7)
        value += _normal(own_z, d_own_z, 0, 1) + _normal(tuning_z, d_tuning_z, 0, 1)
        value += _normal(spread[:1], d_spread[:1], -2.5, 0.5)
        value += _normal(spread[1:], d_spread[1:], -1.9, 0.5)
        value += _normal(dev_f, d_dev_f, 0, 1) + _normal(dev_r, d_dev_r, 0, 1)
        value += _beta(slack_share[0], d_slack_share[0], 1, 20)
        value += _beta(slack_share[1], d_slack_share[1], 5, 1)
        value += _normal(asymmetry, d_asymmetry, 0, 1) + _normal(precision, d_precision, 5.7, 0.7)
        value += _gamma(tail[0], d_tail[0], 4, 0.5)

        # Abilities.
        scale = np.exp(scales)
        for level in range(1, 4):
            scale[level] *= scale[0]
        slopes = np.vstack((B, shift))
        ability = np.dot(t.x, slopes)
        llms = np.arange(t.x.shape[0])
        root = _root(communality[0])
        ef, ed, er, ei = (
            _mixed(skills, zf, root),
            _mixed(skills, zd, root),
            _mixed(skills, zr, root),
            _mixed(skills, zi, root),
        )
        _add_effects(ability, t.family, scale[0], ef)
        _add_effects(ability, t.developer, scale[1], ed)
        _add_effects(ability, t.recipe, scale[2], er)
        _add_effects(ability, llms, scale[3], ei)
        # Benchmarks.
        loading = _loadings(t, total, contrast, size)
        own = np.exp(own_scale) * np.hstack((own_z, tuning_z))
        sd = np.exp(spread)
        eta = _etas(t, ability, loading, difficulty, own, sd, dev_d, dev_f, dev_r)
        # Scores.
        odds = 1 / (1 + np.exp(-slack_share))
        floor = t.chance * (1 - odds[0])
        curve = Curve(floor, t.chance + (1 - t.chance) * odds[1], np.exp(asymmetry[0]))
        tails = np.exp(tail[0]) if t.n_tails > 0 else np.ones(1)
        scatter = Scatter(np.exp(precision[0]), tails)
        d_curve = Curve(np.zeros(m), np.zeros(m), np.zeros(m))
        d_scatter = Scatter(np.zeros(m), np.zeros(1))
        memory = begin(integers(()))
        log_scores, d_eta = score(
            memory, of_scores, t.cells, eta, curve, lines(memory, curve.asymmetry), scatter,
            d_curve, d_scatter,
        )  # fmt: skip
        value += log_scores

        # And back.
        d_precision[0] += d_scatter.precision * scatter.precision
        for i in range(t.n_tails):
            d_tail[0, i] += d_scatter.tail[i] * tails[i]
        d_asymmetry[0] += d_curve.asymmetry * curve.asymmetry
        d_slack_share[0] -= d_curve.floor * t.chance * odds[0] * (1 - odds[0])
        d_slack_share[1] += d_curve.ceiling * (1 - t.chance) * odds[1] * (1 - odds[1])
        d_ability, d_loading = np.zeros(ability.shape), np.zeros(loading.shape)
        d_own = np.zeros(own.shape)
        _pull_back_etas(
            t, ability, loading, sd, dev_d, dev_f, dev_r, d_eta, d_ability, d_loading,
            d_difficulty, d_own, d_spread, d_dev_d, d_dev_f, d_dev_r,
        )  # fmt: skip
        d_z = d_own * np.exp(own_scale)
        d_own_z += d_z[:, :n_own]
        d_tuning_z += d_z[:, n_own:]
        for p in range(n_own + 1):
            d_own_scale[0, p] += np.sum(d_own[:, p] * own[:, p])
        _pull_back_loadings(t, d_loading, d_total, d_contrast)
        d_slopes = np.dot(t.x.T, d_ability)
        d_B += d_slopes[:n_own]
        d_shift += d_slopes[n_own:]
        by_developer, d_ed = _pull_back_effects(d_ability, t.developer, scale[1], ed)
        by_recipe, d_er = _pull_back_effects(d_ability, t.recipe, scale[2], er)
        by_llm, d_ei = _pull_back_effects(d_ability, llms, scale[3], ei)
        by_family, d_ef = _pull_back_effects(d_ability, t.family, scale[0], ef)
        d_root = np.zeros(root.shape)
        _pull_back_mixed(skills, zd, root, d_ed, d_zd, d_root)
        _pull_back_mixed(skills, zr, root, d_er, d_zr, d_root)
        _pull_back_mixed(skills, zi, root, d_ei, d_zi, d_root)
        _pull_back_mixed(skills, zf, root, d_ef, d_zf, d_root)
        _pull_back_root(communality[0], root, d_root, d_communality[0])
        d_scales[0] += by_family + by_developer + by_recipe + by_llm
        d_scales[1] += by_developer
        d_scales[2] += by_recipe
        d_scales[3] += by_llm
        give_back(memory)
        return value

    return density
