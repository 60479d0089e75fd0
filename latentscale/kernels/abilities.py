"""What features, tuning and the spread of groups make of abilities; and back."""

from __future__ import annotations

import numpy as np

from latentscale.kernels.arguments import OfDeviations, OfSkills
from latentscale.kernels.jit import array_giving, compiled
from latentscale.kernels.memory import empty, filled, zeros


@compiled
def skill_scales(memory, shared):
    """Give the spread of developers, families, recipes and LLMs on each skill.

    All but that of families are declared relative to it; without developers theirs is one.
    """
    n = shared.family_scale.shape[0]
    developer, recipe, llm = filled(memory, (n,), 1.0), empty(memory, (n,)), empty(memory, (n,))
    for k in range(n):
        if shared.developer_ratio.shape[0] > 0:
            developer[k] = shared.family_scale[k] * shared.developer_ratio[k]
        recipe[k] = shared.family_scale[k] * shared.recipe_ratio[k]
        llm[k] = shared.family_scale[k] * shared.llm_ratio[k]
    return OfSkills(developer, shared.family_scale, recipe, llm)


@array_giving
def inverse_correlation(memory, communality, n):
    """Give the inverse correlation of effects between skills, dims (skill, skill).

    With c the communality, the share of a variance that all skills have in common, and r = sqrt(c),
    effects on skills a and b correlate by r_a r_b. The inverse is D - D r r' D / (1 + r' D r), with
    D diagonal of 1 / (1 - c). A model of a single skill has no communality.
    """
    found, common = zeros(memory, (n, n)), 1.0
    for k in range(communality.shape[0]):
        common += communality[k] / (1 - communality[k])
    for a in range(n):
        found[a, a] = 1.0
        for b in range(communality.shape[0]):
            own = 1 / (1 - communality[a]) if a == b else 0.0
            shared = np.sqrt(communality[a] * communality[b])
            found[a, b] = own - shared / ((1 - communality[a]) * (1 - communality[b]) * common)
    return found


@compiled
def _pull_back_inverse_correlation(memory, communality, inverse, d_inverse, d_communality):
    """Reverse :func:`inverse_correlation`; adds to the last.

    The derivative by the correlation is -inverse d_inverse inverse, and that of the correlation of
    a and b by c_a is sqrt(c_b / c_a) / 2.
    """
    n, half = communality.shape[0], zeros(memory, inverse.shape)
    for a in range(n):
        for b in range(n):
            for c in range(n):
                half[a, b] += inverse[a, c] * (d_inverse[c, b] + d_inverse[b, c]) / 2
    for a in range(n):
        for b in range(n):
            if a != b:
                by_correlation = 0.0
                for c in range(n):
                    by_correlation -= half[a, c] * inverse[c, b]
                d_communality[a] += by_correlation * np.sqrt(communality[b] / communality[a])


@array_giving
def skill_precision(memory, inverse, scale):
    """Give the inverse covariance of effects between skills, dims (skill, skill)."""
    found = empty(memory, inverse.shape)
    for a in range(found.shape[0]):
        for b in range(found.shape[0]):
            found[a, b] = inverse[a, b] / (scale[a] * scale[b])
    return found


@array_giving
def _pull_back_skill_precision(memory, inverse, scale, d_precision, d_inverse):
    """Reverse :func:`skill_precision`; adds to the last. Gives derivatives by log scales."""
    by_log_scale = filled(memory, scale.shape, 0.0)
    for a in range(scale.shape[0]):
        for b in range(scale.shape[0]):
            d = d_precision[a, b] / (scale[a] * scale[b])
            d_inverse[a, b] += d
            by_log_scale[a] -= d * inverse[a, b]
            by_log_scale[b] -= d * inverse[a, b]
    return by_log_scale


@compiled
def pull_back_skill_scales(memory, shared, scales, inverse, d_precisions, d_shared):
    """Reverse precisions of :func:`skill_scales` and of a correlation; adds to ``d_shared``."""
    d_inverse = zeros(memory, inverse.shape)
    of_family = _pull_back_skill_precision(
        memory, inverse, scales.family, d_precisions.family, d_inverse
    )
    of_recipe = _pull_back_skill_precision(
        memory, inverse, scales.recipe, d_precisions.recipe, d_inverse
    )
    of_llm = _pull_back_skill_precision(memory, inverse, scales.llm, d_precisions.llm, d_inverse)
    if shared.developer_ratio.shape[0] > 0:
        of_developer = _pull_back_skill_precision(
            memory, inverse, scales.developer, d_precisions.developer, d_inverse
        )
        for k in range(of_developer.shape[0]):
            d_shared.developer_ratio[k] += of_developer[k] / shared.developer_ratio[k]
            of_family[k] += of_developer[k]
    for k in range(of_family.shape[0]):
        all_of_them = of_family[k] + of_recipe[k] + of_llm[k]
        d_shared.family_scale[k] += all_of_them / shared.family_scale[k]
        d_shared.recipe_ratio[k] += of_recipe[k] / shared.recipe_ratio[k]
        d_shared.llm_ratio[k] += of_llm[k] / shared.llm_ratio[k]
    _pull_back_inverse_correlation(
        memory, shared.communality, inverse, d_inverse, d_shared.communality
    )


@array_giving
def precision(memory, scale):
    """Give one over the square of each scale."""
    found = empty(memory, scale.shape)
    for k in range(found.shape[0]):
        found[k] = 1 / (scale[k] * scale[k])
    return found


@compiled
def deviation_precisions(memory, shared):
    """Give the precisions of deviations, dims (free_benchmark,); ones where there are none."""
    n = shared.difficulty.shape[0]
    return OfDeviations(
        precision(memory, or_ones(memory, shared.developer_deviation_scale, n)),
        precision(memory, or_ones(memory, shared.family_deviation_scale, n)),
        precision(memory, or_ones(memory, shared.recipe_deviation_scale, n)),
    )


@array_giving
def or_ones(memory, array, n):
    """Give an array, or ones where the model lacks the parameter."""
    return array if array.shape[0] > 0 else filled(memory, (n,), 1.0)


@compiled
def pull_back_deviation_precisions(shared, precisions, d_precisions, d_shared):
    """Reverse :func:`deviation_precisions`; adds to ``d_shared``."""
    _pull_back_precision(
        shared.developer_deviation_scale, precisions.developer, d_precisions.developer,
        d_shared.developer_deviation_scale,
    )  # fmt: skip
    _pull_back_precision(
        shared.family_deviation_scale, precisions.family, d_precisions.family,
        d_shared.family_deviation_scale,
    )  # fmt: skip
    _pull_back_precision(
        shared.recipe_deviation_scale, precisions.recipe, d_precisions.recipe,
        d_shared.recipe_deviation_scale,
    )  # fmt: skip


@compiled
def _pull_back_precision(scale, precisions, d_precisions, d_scale):
    """Reverse :func:`precision`; adds to ``d_scale``."""
    for j in range(scale.shape[0]):
        d_scale[j] -= 2 * precisions[j] / scale[j] * d_precisions[j]


@array_giving
def condition_shifts(memory, shared):
    """Give what conditions of evaluation add to eta, dims (benchmark, condition)."""
    n = shared.condition_scale.shape[0]
    shift = zeros(memory, (shared.difficulty.shape[0], n))
    for j in range(shift.shape[0]):
        for c in range(n):
            shift[j, c] = shared.condition_scale[c] * shared.condition_z[j, c]
    return shift


@compiled
def pull_back_condition_shifts(shared, d_shift, d_shared):
    """Reverse :func:`condition_shifts`; adds to ``d_shared``."""
    for j in range(d_shift.shape[0]):
        for c in range(d_shift.shape[1]):
            d_shared.condition_scale[c] += shared.condition_z[j, c] * d_shift[j, c]
            d_shared.condition_z[j, c] += shared.condition_scale[c] * d_shift[j, c]


@compiled
def family_slopes(memory, shared, z):
    """Give how slopes in some features differ between families, dims (family and feature, skill).

    ``z`` are standard Normal, in the same dims; with it comes their log density.
    """
    n_features, value = shared.family_slope_ratio.shape[0], 0.0
    slope = empty(memory, z.shape)
    for i in range(z.shape[0]):
        for k in range(z.shape[1]):
            ratio = shared.family_slope_ratio[i % n_features, k]
            slope[i, k] = shared.family_scale[k] * ratio * z[i, k]
            value -= (z[i, k] * z[i, k] + np.log(2 * np.pi)) / 2
    return slope, value


@array_giving
def explained(memory, llms, slope, tuning_shift, family_slope):
    """Give x_i B + tuned_i tuning_shift (+ x_i family_slope[f(i)]), dims (llm, skill)."""
    x, columns, tuned, recipe = llms.x, llms.slope_columns, llms.tuned, llms.recipe
    family_of_recipe = llms.family_of_recipe
    total = empty(memory, (x.shape[0], tuning_shift.shape[0]))
    for i in range(total.shape[0]):
        first = family_of_recipe[recipe[i]] * columns.shape[0]
        for k in range(total.shape[1]):
            value = tuned[i] * tuning_shift[k]
            for p in range(x.shape[1]):
                value += x[i, p] * slope[p, k]
            for s in range(columns.shape[0]):
                value += x[i, columns[s]] * family_slope[first + s, k]
            total[i, k] = value
    return total


@compiled
def pull_back_family_slopes(shared, z, d_family_slope, d_z, d_shared):
    """Reverse :func:`family_slopes`, log density included; adds to the derivatives."""
    n_features = shared.family_slope_ratio.shape[0]
    for i in range(z.shape[0]):
        for k in range(z.shape[1]):
            s = i % n_features
            family, ratio = shared.family_scale[k], shared.family_slope_ratio[s, k]
            d = d_family_slope[i, k]
            d_z[i, k] += family * ratio * d - z[i, k]
            d_shared.family_scale[k] += ratio * z[i, k] * d
            d_shared.family_slope_ratio[s, k] += family * z[i, k] * d
