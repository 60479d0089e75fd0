"""What eta has before the group effects, and back.

Difficulty, features, tuning and conditions of evaluation::

    difficulty_j + x_i . total_j + tuned_i total_tuning_j + condition_ij . condition_j
        (+ loading_j . x_i family_slope[f(i)])

Features act on a benchmark by way of the skills and on their own. Added up before any score is
looked at, total_j = slope_j + B loading_j, this costs a score one product for each feature.
"""

from __future__ import annotations

from latentscale.kernels.adding import product
from latentscale.kernels.jit import array_giving, compiled, summed
from latentscale.kernels.memory import copy, empty


@compiled
def _total_slopes(memory, skills, benchmarks, slope, tuning_shift):
    """Give what features add to eta in all, dims (benchmark, feature), and what tuning does."""
    total = copy(memory, benchmarks.slope)
    tuning = copy(memory, benchmarks.tuning)
    for j in range(total.shape[0]):
        for k in range(len(skills)):
            loading = benchmarks.loading[j, k]
            tuning[j] += loading * tuning_shift[k]
            for p in range(total.shape[1]):
                total[j, p] += loading * slope[p, k]
    return total, tuning


@compiled
def _pull_back_total_slopes(
    skills, benchmarks, slope, tuning_shift, d_total, d_tuning, d_benchmarks, d_slope,
    d_tuning_shift,
):  # fmt: skip
    """Reverse :func:`_total_slopes`; adds to the last three."""
    for j in range(d_total.shape[0]):
        d_benchmarks.tuning[j] += d_tuning[j]
        for p in range(d_total.shape[1]):
            d_benchmarks.slope[j, p] += d_total[j, p]
        for k in range(len(skills)):
            loading, d_loading = benchmarks.loading[j, k], d_tuning[j] * tuning_shift[k]
            d_tuning_shift[k] += loading * d_tuning[j]
            for p in range(d_total.shape[1]):
                d_slope[p, k] += loading * d_total[j, p]
                d_loading += slope[p, k] * d_total[j, p]
            d_benchmarks.loading[j, k] += d_loading


@array_giving
def own_part(memory, skills, cells, llms, benchmarks, slope, tuning_shift, family_slope):
    """Give what eta has before the group effects, dims (obs,)."""
    own = empty(memory, cells.llm.shape)
    total, tuning = _total_slopes(memory, skills, benchmarks, slope, tuning_shift)
    for j in range(total.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        on_benchmark, condition = own[rows], cells.condition[rows]
        _start(benchmarks.difficulty[j], cells.tuned[rows], tuning[j], on_benchmark)
        for p in range(total.shape[1]):
            _add_multiple(cells.x[p, rows], total[j, p], on_benchmark)
        for c in range(condition.shape[1]):
            _add_multiple(condition[:, c], benchmarks.condition[j, c], on_benchmark)
        if family_slope.shape[0] > 0:
            _add_family_slopes(
                skills, j, cells.x[:, rows], cells.recipe[rows], llms, benchmarks.loading,
                family_slope, on_benchmark,
            )  # fmt: skip
    return own


@compiled
def _start(difficulty, tuned, tuning, own):
    """Write difficulty and tuning of the scores on one benchmark."""
    for o in range(own.shape[0]):
        own[o] = difficulty + tuned[o] * tuning


@compiled
def _add_multiple(x, factor, total):
    """Add a multiple of some numbers to a total of each."""
    for o in range(total.shape[0]):
        total[o] += factor * x[o]


@compiled
def _add_family_slopes(skills, j, x, recipe, llms, loading, family_slope, own):
    """Add what the slopes of families add, to the scores on one benchmark."""
    columns = llms.slope_columns
    for o in range(own.shape[0]):
        first = llms.family_of_recipe[recipe[o]] * columns.shape[0]
        for s in range(columns.shape[0]):
            for k in range(len(skills)):
                own[o] += loading[j, k] * x[columns[s], o] * family_slope[first + s, k]


@compiled
def pull_back_own_part(
    memory, skills, cells, llms, benchmarks, slope, tuning_shift, family_slope, d_own, d_benchmarks,
    d_slope, d_tuning_shift, d_family_slope,
):  # fmt: skip
    """Reverse :func:`own_part`; adds to the last four."""
    d_total, d_tuning = (
        empty(memory, benchmarks.slope.shape),
        empty(memory, benchmarks.tuning.shape),
    )
    for j in range(d_total.shape[0]):
        rows = slice(cells.start[j], cells.start[j + 1])
        d, condition = d_own[rows], cells.condition[rows]
        d_benchmarks.difficulty[j] += _sum(d)
        d_tuning[j] = product(cells.tuned[rows], d)
        for p in range(d_total.shape[1]):
            d_total[j, p] = product(cells.x[p, rows], d)
        for c in range(condition.shape[1]):
            d_benchmarks.condition[j, c] += product(condition[:, c], d)
        if family_slope.shape[0] > 0:
            _pull_back_family_slopes_on(
                skills, j, cells.x[:, rows], cells.recipe[rows], llms, benchmarks.loading,
                family_slope, d, d_benchmarks.loading, d_family_slope,
            )  # fmt: skip
    _pull_back_total_slopes(
        skills, benchmarks, slope, tuning_shift, d_total, d_tuning, d_benchmarks, d_slope,
        d_tuning_shift,
    )  # fmt: skip


@summed
def _sum(d):
    """Give the sum of some numbers."""
    total = 0.0
    for o in range(d.shape[0]):
        total += d[o]
    return total


@compiled
def _pull_back_family_slopes_on(
    skills, j, x, recipe, llms, loading, family_slope, d_own, d_loading, d_family_slope
):
    """Reverse :func:`_add_family_slopes`; adds to the last two."""
    columns = llms.slope_columns
    for o in range(d_own.shape[0]):
        first = llms.family_of_recipe[recipe[o]] * columns.shape[0]
        for s in range(columns.shape[0]):
            for k in range(len(skills)):
                d = d_own[o] * x[columns[s], o]
                d_family_slope[first + s, k] += loading[j, k] * d
                d_loading[j, k] += family_slope[first + s, k] * d
