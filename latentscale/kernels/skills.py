"""The recursions on skills: up the tree, down it, and their reverses.

The equations are in :mod:`latentscale.kernels`; ``inverse`` is C^-1, the inverse of the lower
Cholesky factor of Q, for every node of a level.
"""

from __future__ import annotations

import numpy as np

from latentscale.kernels.elementary import log
from latentscale.kernels.jit import array_giving, compiled, summed
from latentscale.kernels.memory import empty, matrix, one_row, vector, zeros

# The helpers take whole arrays and the row that is meant: to cut the row out costs more than the
# arithmetic on it.


@compiled
def invert_factor(skills, q, inverse, row):
    """Write the inverse of the lower Cholesky factor of q."""
    n = len(skills)
    factor = matrix(skills)
    for j in range(n):
        total = q[j, j]
        for k in range(j):
            total -= factor[j, k] * factor[j, k]
        inverse[row, j, j] = 1 / np.sqrt(total)
        for i in range(j + 1, n):
            total = q[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            factor[i, j] = total * inverse[row, j, j]
    for j in range(n):
        for i in range(j):
            inverse[row, i, j] = 0.0
        for i in range(j + 1, n):
            total = 0.0
            for k in range(j, i):
                total += factor[i, k] * inverse[row, k, j]
            inverse[row, i, j] = -total * inverse[row, i, i]


@compiled
def fill_covariance(skills, inverse, row, out):
    """Write Q^-1 = C^-T C^-1."""
    n = len(skills)
    for a in range(n):
        for b in range(a + 1):
            total = 0.0
            for k in range(a, n):
                total += inverse[row, k, a] * inverse[row, k, b]
            out[a, b] = total
            out[b, a] = total


@compiled
def _times_lower(skills, inverse, row, v, v_row, out, out_row):
    """Write C^-1 v."""
    for a in range(len(skills)):
        total = 0.0
        for b in range(a + 1):
            total += inverse[row, a, b] * v[v_row, b]
        out[out_row, a] = total


@compiled
def _times_upper(skills, inverse, row, v, v_row, out, out_row):
    """Write C^-T v."""
    n = len(skills)
    for a in range(n):
        total = 0.0
        for k in range(a, n):
            total += inverse[row, k, a] * v[v_row, k]
        out[out_row, a] = total


@array_giving
def _factor_level(memory, skills, known, precision):
    """Give C^-1 of every node."""
    n, size = known.shape[0], len(skills)
    inverse = empty(memory, (n, size, size))
    q = matrix(skills)
    for i in range(n):
        for a in range(size):
            for b in range(a + 1):
                q[a, b] = known[i, a, b] + precision[a, b]
        invert_factor(skills, q, inverse, i)
    return inverse


@compiled
def _pass_up(memory, skills, inverse, pull, precision, parent, n_parents):
    """Integrate a level out: what its measurements say about its parents.

    Of the symmetric ``known`` only the lower triangles are written, and read, here and below.
    known' = precision - precision Q^-1 precision, pull' = precision Q^-1 pull, in sum. Without
    parents there is nobody to tell.
    """
    n, size = pull.shape[0] if n_parents > 0 else 0, len(skills)
    known_up = zeros(memory, (n_parents, size, size))
    pull_up = zeros(memory, (n_parents, size))
    cov, through = matrix(skills), matrix(skills)
    for i in range(n):
        p = parent[i]
        fill_covariance(skills, inverse, i, cov)
        for a in range(size):
            for b in range(size):
                through[a, b] = 0.0
                for c in range(size):
                    through[a, b] += precision[a, c] * cov[c, b]
                pull_up[p, a] += through[a, b] * pull[i, b]
            for b in range(a + 1):
                total = precision[a, b]
                for c in range(size):
                    total -= through[a, c] * precision[c, b]
                known_up[p, a, b] += total
    return known_up, pull_up


@compiled
def _set_target(skills, pull, precision, parent, above, i, target):
    """Write precision parent + pull of node i; the top level has nothing above it."""
    for a in range(len(skills)):
        target[0, a] = pull[i, a]
        if above.shape[0] > 0:
            for b in range(len(skills)):
                target[0, a] += precision[a, b] * above[parent[i], b]


@compiled
def _pass_down(memory, skills, inverse, pull, precision, parent, above, w):
    """Give the values of a level from those of its parents; and its log Jacobian."""
    n, size = pull.shape[0], len(skills)
    values = empty(memory, (n, size))
    whitened, target = one_row(skills), one_row(skills)
    log_jacobian = 0.0
    for i in range(n):
        _set_target(skills, pull, precision, parent, above, i, target)
        _times_lower(skills, inverse, i, target, 0, whitened, 0)
        determinant = 1.0
        for a in range(size):
            whitened[0, a] += w[i, a]
            determinant *= inverse[i, a, a]
        log_jacobian += log(determinant)
        _times_upper(skills, inverse, i, whitened, 0, values, i)
    return values, log_jacobian


@compiled
def _pull_back_down(memory, skills, inverse, pull, precision, parent, above, w, d_values, d_above):
    """Reverse :func:`_pass_down`, log Jacobian included; adds to ``d_above``.

    With m = Q^-1 target: d_target = Q^-1 d, d_w = C^-1 d, and d_Q is -Q^-1 d m' from the mean, and
    from the spread C^-T Phi(C' d_C) C^-1 with d_C = -C^-T w d_w', so that C' d_C = -w d_w', where
    Phi keeps the lower triangle and halves the diagonal; both made symmetric.
    """
    n, size = pull.shape[0], len(skills)
    d_q = empty(memory, (n, size, size))
    d_pull = empty(memory, (n, size))
    d_w = empty(memory, (n, size))
    d_precision = zeros(memory, (size, size))
    target, whitened, mean = one_row(skills), one_row(skills), one_row(skills)
    phi, right = matrix(skills), matrix(skills)
    for i in range(n):
        _set_target(skills, pull, precision, parent, above, i, target)
        _times_lower(skills, inverse, i, target, 0, whitened, 0)
        _times_upper(skills, inverse, i, whitened, 0, mean, 0)
        _times_lower(skills, inverse, i, d_values, i, d_w, i)
        _times_upper(skills, inverse, i, d_w, i, d_pull, i)
        if above.shape[0] > 0:
            for a in range(size):
                for b in range(size):
                    d_above[parent[i], a] += precision[a, b] * d_pull[i, b]
                    d_precision[a, b] += d_pull[i, a] * above[parent[i], b]
        for a in range(size):
            for b in range(a):
                phi[a, b] = -w[i, a] * d_w[i, b] / 2
            phi[a, a] = -(w[i, a] * d_w[i, a] + 1) / 4
        for a in range(size):  # Phi C^-1 / 2, a lower triangle
            for b in range(a + 1):
                right[a, b] = 0.0
                for k in range(b, a + 1):
                    right[a, b] += phi[a, k] * inverse[i, k, b]
        for a in range(size):
            for b in range(size):
                d_q[i, a, b] = -(d_pull[i, a] * mean[0, b] + mean[0, a] * d_pull[i, b]) / 2
        for a in range(size):
            for b in range(size):
                total = 0.0
                for k in range(max(a, b), size):
                    total += inverse[i, k, a] * right[k, b]
                d_q[i, a, b] += total
                d_q[i, b, a] += total
    return d_q, d_pull, d_w, d_precision


@compiled
def _pull_back_up(
    skills, inverse, pull, precision, parent, d_known_up, d_pull_up, d_q, d_pull, d_precision
):
    """Reverse :func:`_pass_up`; adds to ``d_q``, ``d_pull`` and ``d_precision``.

    With T = Q^-1 precision, m = Q^-1 pull, D the symmetric ``d_known_up`` and u = T d_pull_up, the
    derivative by Q is T D T' - (u m' + m u') / 2, and that by the precision, made symmetric,
    D - T D - D T' + d_pull_up m'.
    """
    n, size = pull.shape[0] if d_pull_up.shape[0] > 0 else 0, len(skills)
    cov, through, half = matrix(skills), matrix(skills), matrix(skills)
    up, mean = vector(skills), vector(skills)
    for i in range(n):
        p = parent[i]
        fill_covariance(skills, inverse, i, cov)
        for a in range(size):
            up[a], mean[a] = 0.0, 0.0
            for b in range(size):
                mean[a] += cov[a, b] * pull[i, b]
                through[a, b] = 0.0
                for c in range(size):
                    through[a, b] += cov[a, c] * precision[c, b]
                up[a] += through[a, b] * d_pull_up[p, b]
            d_pull[i, a] += up[a]
        for a in range(size):
            for b in range(size):
                half[a, b] = 0.0
                for k in range(size):
                    half[a, b] += through[a, k] * d_known_up[p, k, b]
                d_precision[a, b] += d_known_up[p, a, b] - 2 * half[a, b]
                d_precision[a, b] += d_pull_up[p, a] * mean[b]
        for a in range(size):
            for b in range(a + 1):
                total = -(up[a] * mean[b] + mean[a] * up[b]) / 2
                for k in range(size):
                    total += half[a, k] * through[b, k]
                d_q[i, a, b] += total
                if a != b:
                    d_q[i, b, a] += total


@compiled
def _add_all(skills, d_q, d_precision):
    """Reverse Q = known + precision, for the precision."""
    for i in range(d_q.shape[0]):
        for a in range(len(skills)):
            for b in range(len(skills)):
                d_precision[a, b] += d_q[i, a, b]


@compiled
def _pool(memory, skills, information, left, loading, blur, cells, n_llms):
    """Add up what the scores of each LLM say about its skills.

    A deviation of variance ``blur`` lies between a skill and a score, so that an information u
    about eta is one of e = u / (1 + u blur) about the skills: known = sum e loading loading', and
    pull = sum e left loading.
    """
    size = len(skills)
    known, pull = zeros(memory, (n_llms, size, size)), zeros(memory, (n_llms, size))
    for j in range(blur.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        _pool_on(skills, j, cells.llm[rows], information[rows], left[rows], loading, blur[j],
                 known, pull)  # fmt: skip
    return known, pull


@compiled
def _pool_on(skills, j, llm, information, left, loading, blur, known, pull):
    """Add up what the scores on one benchmark say."""
    size = len(skills)
    products = matrix(skills)
    for a in range(size):
        for b in range(a + 1):
            products[a, b] = loading[j, a] * loading[j, b]
    for o in range(information.shape[0]):
        i = llm[o]
        worth = information[o] / (1 + information[o] * blur)
        measured = worth * left[o]
        for a in range(size):
            pull[i, a] += measured * loading[j, a]
            for b in range(a + 1):
                known[i, a, b] += worth * products[a, b]


@compiled
def _pull_back_pool(
    memory, skills, information, left, loading, blur, cells, d_known, d_pull, d_information, d_left
):  # fmt: skip
    """Reverse :func:`_pool`, of a symmetric ``d_known``; adds to the last two.

    Gives the derivatives by loading and blur.
    """
    d_loading, d_blur = empty(memory, loading.shape), empty(memory, blur.shape)
    for j in range(blur.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        d_blur[j] = _pull_back_pool_on(
            skills, j, cells.llm[rows], information[rows], left[rows], loading, blur[j], d_known,
            d_pull, d_information[rows], d_left[rows], d_loading,
        )  # fmt: skip
    return d_loading, d_blur


@summed
def _pull_back_pool_on(skills, j, llm, information, left, loading, blur, d_known, d_pull,
                       d_information, d_left, d_loading):  # fmt: skip
    """Reverse :func:`_pool_on`: add to the derivatives of scores, and give that by the blur.

    With W and v the sums of worth d_known and of worth left d_pull, d_loading is 2 W loading + v.
    """
    size = len(skills)
    total, linear, products, d_blur = matrix(skills), vector(skills), matrix(skills), 0.0
    for a in range(size):
        linear[a] = 0.0
        for b in range(a + 1):
            total[a, b] = 0.0
            products[a, b] = loading[j, a] * loading[j, b] * (1.0 if a == b else 2.0)
    for o in range(information.shape[0]):
        i = llm[o]
        share = 1 / (1 + information[o] * blur)
        worth = information[o] * share
        measured = worth * left[o]
        along, to_left = 0.0, 0.0
        for a in range(size):
            to_left += d_pull[i, a] * loading[j, a]
            linear[a] += measured * d_pull[i, a]
            for b in range(a + 1):
                along += d_known[i, a, b] * products[a, b]
                total[a, b] += worth * d_known[i, a, b]
        d_worth = along + to_left * left[o]
        d_left[o] += worth * to_left
        d_information[o] += d_worth * share * share
        d_blur -= d_worth * worth * worth
    for a in range(size):
        d_loading[j, a] = linear[a]
        for b in range(size):
            d_loading[j, a] += 2 * (total[a, b] if b <= a else total[b, a]) * loading[j, b]
    return d_blur


@compiled
def smooth(memory, skills, information, left, loading, blur, precisions, w, cells, llms):
    """Smooth skills.

    Parameters
    ----------
    skills : tuple of K integers
    information, left : dims (obs,)
        Of each score: its information about eta, and the value of eta that it measures less what
        is known of eta otherwise.
    loading : dims (benchmark, skill)
    blur : dims (benchmark,)
        Variance that lies between a skill and a score.
    precisions, w : OfSkills, dims (skill, skill) and (group, skill)
    cells : Cells
    llms : Llms

    Returns
    -------
    values : four arrays, dims (group, skill)
        Of developers, families, recipes and LLMs.
    log_jacobian : float
    kept : tuple
        What the reverse needs again.
    """
    prec_developer, prec_family, prec_recipe, prec_llm = precisions
    w_developer, w_family, w_recipe, w_llm = w
    developer_of, family_of, recipe_of = (
        llms.developer_of_family, llms.family_of_recipe, llms.recipe,
    )  # fmt: skip
    known, pull = _pool(memory, skills, information, left, loading, blur, cells, w_llm.shape[0])
    inv_llm = _factor_level(memory, skills, known, prec_llm)
    known_r, pull_r = _pass_up(
        memory, skills, inv_llm, pull, prec_llm, recipe_of, w_recipe.shape[0]
    )
    inv_recipe = _factor_level(memory, skills, known_r, prec_recipe)
    known_f, pull_f = _pass_up(
        memory, skills, inv_recipe, pull_r, prec_recipe, family_of, w_family.shape[0]
    )
    inv_family = _factor_level(memory, skills, known_f, prec_family)
    known_d, pull_d = _pass_up(
        memory, skills, inv_family, pull_f, prec_family, developer_of, w_developer.shape[0]
    )
    inv_developer = _factor_level(memory, skills, known_d, prec_developer)
    nothing = empty(memory, (0, pull.shape[1]))
    developer, log_d = _pass_down(
        memory, skills, inv_developer, pull_d, prec_developer, developer_of, nothing, w_developer
    )
    family, log_f = _pass_down(
        memory, skills, inv_family, pull_f, prec_family, developer_of, developer, w_family
    )
    recipe, log_r = _pass_down(
        memory, skills, inv_recipe, pull_r, prec_recipe, family_of, family, w_recipe
    )
    llm, log_l = _pass_down(memory, skills, inv_llm, pull, prec_llm, recipe_of, recipe, w_llm)
    kept = ((inv_developer, pull_d), (inv_family, pull_f), (inv_recipe, pull_r), (inv_llm, pull))
    return (developer, family, recipe, llm), log_d + log_f + log_r + log_l, kept


@compiled
def pull_back(memory, skills, information, left, loading, blur, precisions, w, cells, llms, values,
              kept, d_values, d_information, d_left):  # fmt: skip
    """Reverse :func:`smooth`, log Jacobian included; writes over ``d_values``.

    Adds to the last two. Gives the derivatives by loading and blur, those by the precisions, and
    those by w.
    """
    prec_developer, prec_family, prec_recipe, prec_llm = precisions
    w_developer, w_family, w_recipe, w_llm = w
    developer_of, family_of, recipe_of = (
        llms.developer_of_family, llms.family_of_recipe, llms.recipe,
    )  # fmt: skip
    developer, family, recipe, _ = values
    d_developer, d_family, d_recipe, d_llm = d_values
    (inv_developer, pull_d), (inv_family, pull_f), (inv_recipe, pull_r), (inv_llm, pull) = kept
    nothing = empty(memory, (0, pull.shape[1]))
    dq_llm, dpull_llm, dw_llm, dprec_llm = _pull_back_down(
        memory, skills, inv_llm, pull, prec_llm, recipe_of, recipe, w_llm, d_llm, d_recipe
    )
    dq_recipe, dpull_recipe, dw_recipe, dprec_recipe = _pull_back_down(
        memory, skills, inv_recipe, pull_r, prec_recipe, family_of, family, w_recipe, d_recipe,
        d_family,
    )  # fmt: skip
    dq_family, dpull_family, dw_family, dprec_family = _pull_back_down(
        memory, skills, inv_family, pull_f, prec_family, developer_of, developer, w_family,
        d_family, d_developer,
    )  # fmt: skip
    dq_developer, dpull_developer, dw_developer, dprec_developer = _pull_back_down(
        memory, skills, inv_developer, pull_d, prec_developer, developer_of, nothing, w_developer,
        d_developer, nothing,
    )  # fmt: skip
    _add_all(skills, dq_developer, dprec_developer)
    _pull_back_up(
        skills, inv_family, pull_f, prec_family, developer_of, dq_developer, dpull_developer,
        dq_family, dpull_family, dprec_family,
    )  # fmt: skip
    _add_all(skills, dq_family, dprec_family)
    _pull_back_up(skills, inv_recipe, pull_r, prec_recipe, family_of, dq_family, dpull_family,
                  dq_recipe, dpull_recipe, dprec_recipe)  # fmt: skip
    _add_all(skills, dq_recipe, dprec_recipe)
    _pull_back_up(skills, inv_llm, pull, prec_llm, recipe_of, dq_recipe, dpull_recipe,
                  dq_llm, dpull_llm, dprec_llm)  # fmt: skip
    _add_all(skills, dq_llm, dprec_llm)
    of_benchmarks = _pull_back_pool(
        memory, skills, information, left, loading, blur, cells, dq_llm, dpull_llm, d_information,
        d_left,
    )  # fmt: skip
    return (
        of_benchmarks, (dprec_developer, dprec_family, dprec_recipe, dprec_llm),
        (dw_developer, dw_family, dw_recipe, dw_llm),
    )  # fmt: skip
