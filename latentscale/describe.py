"""Models and fits in one look, as text and as HTML: equations, priors, counts, health."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import prod
from typing import TYPE_CHECKING

from latentscale.health import quick_look
from latentscale.priors import Prior, merge_priors
from latentscale.unknown import unknown_of
from latentscale.wording import chains_of, count, first

if TYPE_CHECKING:
    from latentscale.features import FeatureEncoding
    from latentscale.fit import ScalingFit
    from latentscale.model import ScalingModel
    from latentscale.spec import ModelSpec

# How each likelihood reads in the equations; `sd_ij` is spelt out where it is used.
_NORMAL_SD = "sd_ij^2     = expected_ij (1 - expected_ij) / (1 + precision_j)"
_SCATTER = {
    "normal": ("score_ij    ~ Normal(expected_ij, sd_ij), censored to [0, 1]", _NORMAL_SD),
    "student_t": (
        "score_ij    ~ StudentT(tail, expected_ij, sd_ij), censored to [0, 1]",
        _NORMAL_SD,
    ),
    "beta": ("score_ij    ~ Beta(expected_ij precision_j, (1 - expected_ij) precision_j)",),
    "binomial": ("successes_ij ~ Binomial(trials_ij, expected_ij)",),
    "beta_binomial": (
        "successes_ij ~ BetaBinomial(trials_ij, expected_ij precision_j, "
        "(1 - expected_ij) precision_j)",
    ),
}

_BUT_ANCHORS = ", 0 for anchors"


@dataclass(frozen=True)
class Symbol:
    """One line of the table of priors.

    Attributes
    ----------
    name : str
        The variable in the posterior.
    dims : tuple of str
    formula : str
        Its prior; ``{}`` stands for the distribution.
    prior : str or None
        The name under which that distribution can be overridden.
    sampled : bool
        Whether it has free parameters of its own, one for each element.
    free : tuple of str, optional
        Dims of those parameters, where some elements are fixed.
    """

    name: str
    dims: tuple[str, ...]
    formula: str
    prior: str | None = None
    sampled: bool = True
    free: tuple[str, ...] | None = None


def equations(spec: ModelSpec) -> tuple[str, ...]:
    r"""Write the equations of a model, without the terms that it does not have.

    Parameters
    ----------
    spec : ModelSpec

    Returns
    -------
    tuple of str
        With the symbols of ``graph.py``; i is an LLM, j a benchmark, f(i) and r(i) are the family
        and the recipe of an LLM, and d(f) is the developer of a family.

    Examples
    --------
    >>> from latentscale.spec import ModelSpec
    >>> spec = ModelSpec(
    ...     skills=1, anchors=("ARC",), features="log(params_b)", likelihood="binomial",
    ...     deviations=False, benchmark_slopes=False,
    ... )
    >>> print(*equations(spec)[-3:], sep="\n")
    eta_ij      = difficulty_j + loading_j . ability_i
    expected_ij = floor_j + (ceiling_j - floor_j) rise(eta_ij, asymmetry_j)
    successes_ij ~ Binomial(trials_ij, expected_ij)
    """
    own = []
    if spec.skills > 1:
        own.append("effects on skills k and l correlate by sqrt(communality_k communality_l)")
    if spec.recipe_tail is not None:
        own.append(f"recipe_effect_r ~ {_law_of_recipes(spec)}, of all skills together")
    if spec.shrunk:
        own += [
            "feature_slope_pk ~ relevance_t(p) times its prior, for columns that are shrunk",
            "benchmark_slope_jp = 0, for columns that are shrunk",
            "relevance_t = s_t / sqrt(1 + s_t^2), s_t = relevance_scale relevance_local_t",
        ]
    if spec.developers:
        own.append("family_effect_f ~ Normal(developer_effect[d(f)], family_scale)")
        if spec.deviations:
            own.append(
                "family_deviation_fj ~ Normal(developer_deviation[d(f), j], "
                "family_deviation_scale_j)"
            )
    beyond_skills = (
        *(("benchmark_slope_j", "benchmark_tuning_j") if spec.benchmark_slopes else ()),
        *(("family_deviation_fj", "recipe_deviation_rj") if spec.deviations else ()),
    )
    if beyond_skills:
        own.append(f"{', '.join(beyond_skills)} = 0, for anchors")
    ability = [
        "x_i feature_slope + tuned_i tuning_shift + family_effect[f(i)]",
        "+ recipe_effect[r(i)] + llm_effect_i",
    ]
    if spec.family_slopes:
        ability[1] += " + x_i family_slope[f(i)]"
    eta = ["difficulty_j + loading_j . ability_i"]
    if spec.benchmark_slopes:
        eta.append("+ x_i benchmark_slope_j + tuned_i benchmark_tuning_j")
    if spec.deviations:
        eta.append("+ family_deviation[f(i), j] + recipe_deviation[r(i), j]")
    if spec.conditions:
        eta.append("+ condition_ij condition_shift_j")
    top = "ceiling_j" if spec.ceiling else "1"
    rise = "sigmoid(eta_ij)" if spec.link == "logistic" else "rise(eta_ij, asymmetry_j)"
    return (
        *_equation("ability_i", ability),
        *_equation("eta_ij", eta),
        *own,
        f"expected_ij = floor_j + ({top} - floor_j) {rise}",
        *_SCATTER[spec.likelihood],
    )


def symbols(spec: ModelSpec) -> tuple[Symbol, ...]:
    """List the variables of a model with their dims and priors, in the order of the equations."""
    return (
        *_ability_symbols(spec),
        *_score_symbols(spec),
        *_bound_symbols(spec),
    )


def n_free_parameters(model: ScalingModel) -> int:
    """Count what the sampler moves through: the elements of all sampled variables.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard(benchmarks=["HellaSwag", "MMLU"]).select(families=["pythia"])
    >>> n_free_parameters(ls.ScalingModel(table, skills=1, features="log(params_b)"))
    56
    """
    sizes = _sizes(model)
    return sum(_n_elements(s.free or s.dims, sizes) for s in symbols(model.spec) if s.sampled)


def model_text(model: ScalingModel) -> str:
    """Describe a model: counts, equations, and each symbol's dims and prior."""
    rows = _prior_rows(model)
    return "\n".join(
        [
            "ScalingModel",
            *_aligned(_model_facts(model).items()),
            "",
            *(f"  {line}" for line in equations(model.spec)),
            "",
            *_aligned([("symbol", "dims", "prior"), *rows]),
        ]
    )


def model_html(model: ScalingModel) -> str:
    """Describe a model as HTML, for notebooks."""
    lines = "<br>".join(escape(line).replace(" ", "&nbsp;") for line in equations(model.spec))
    code = f'<code style="white-space: nowrap">{lines}</code>'
    return (
        _html_table("ScalingModel", _model_facts(model).items())
        + f"<p>{code}</p>"
        + _html_table("Priors", _prior_rows(model), ("symbol", "dims", "prior"))
    )


def fit_text(fit: ScalingFit) -> str:
    """Say what was fitted, how it was sampled, and how the chains look at first sight."""
    return "\n".join(["ScalingFit", *_aligned(_fit_facts(fit).items())])


def fit_html(fit: ScalingFit) -> str:
    """Say the same as :func:`fit_text` as an HTML table, for notebooks."""
    return _html_table("ScalingFit", _fit_facts(fit).items())


def _equation(left: str, terms: Sequence[str]) -> list[str]:
    head, *rest = terms
    return [f"{left:<11} = {head}", *(f"{'':<14}{line}" for line in rest)]


def _law_of_recipes(spec: ModelSpec) -> str:
    if spec.recipe_tail is None:
        return "Normal(0, recipe_scale)"
    return f"StudentT({spec.recipe_tail:g}, 0, recipe_scale)"


def _ability_symbols(spec: ModelSpec) -> list[Symbol]:
    about, effect, scale = "0", [], []
    if spec.developers:
        about = "developer_effect"
        effect = [Symbol(about, ("developer", "skill"), "Normal(0, developer_scale)")]
        scale = [Symbol("developer_scale", ("skill",), "family_scale * {}", "developer_ratio")]
    common = [Symbol("communality", ("skill",), "{}", "communality")] if spec.skills > 1 else []
    prior = "relevance * {0} where shrunk, else {0}" if spec.shrunk else "{}"
    found = [
        Symbol("feature_slope", ("feature", "skill"), prior, "feature_slope"),
        *_shrinkage_symbols(spec),
        Symbol("tuning_shift", ("skill",), "{}", "tuning_shift"),
        *effect,
        Symbol("family_effect", ("family", "skill"), f"Normal({about}, family_scale)"),
        Symbol("recipe_effect", ("recipe", "skill"), _law_of_recipes(spec)),
        Symbol("llm_effect", ("llm", "skill"), "Normal(0, llm_scale)"),
        *common,
        Symbol("family_scale", ("skill",), "{}", "family_scale"),
        *scale,
        Symbol("recipe_scale", ("skill",), "family_scale * {}", "recipe_ratio"),
        Symbol("llm_scale", ("skill",), "family_scale * {}", "llm_ratio"),
    ]
    if spec.family_slopes:
        slope = ("slope_feature", "skill")
        found += [
            Symbol("family_slope", ("family", *slope), "Normal(0, family_slope_scale)"),
            Symbol("family_slope_scale", slope, "family_scale * {}", "family_slope_ratio"),
        ]
    return found


def _shrinkage_symbols(spec: ModelSpec) -> list[Symbol]:
    if not spec.shrunk:
        return []
    return [
        Symbol("relevance", ("term",), "s / sqrt(1 + s^2), s = overall local", sampled=False),
        Symbol("relevance (overall)", (), "{}", "relevance_scale"),
        Symbol("relevance (local)", ("term",), "{}", "relevance_local"),
    ]


def _score_symbols(spec: ModelSpec) -> list[Symbol]:
    one = ("benchmark",)
    found = [
        Symbol("loading (anchors)", ("skill",), "1 on the own skill, else 0", sampled=False),
        Symbol("loading (others)", one, "{} in sum over the skills", "total_loading"),
        Symbol("difficulty", one, "{}", "difficulty"),
    ]
    if spec.skills > 1:
        contrast = ("benchmark", "contrast")
        found.insert(
            2, Symbol("loading (others)", contrast, "{} between skills", "loading_contrast")
        )
    if spec.benchmark_slopes:
        found += [
            Symbol(
                "benchmark_slope",
                (*one, "feature"),
                f"Normal(0, slope_scale){_BUT_ANCHORS}",
                free=("free_benchmark", "own_feature"),
            ),
            Symbol("slope_scale", ("own_feature",), "{}", "slope_scale"),
            Symbol(
                "benchmark_tuning",
                one,
                f"Normal(0, tuning_scale){_BUT_ANCHORS}",
                free=("free_benchmark",),
            ),
            Symbol("tuning_scale", (), "{}", "tuning_scale"),
        ]
    if spec.conditions:
        found += [
            Symbol("condition_shift", (*one, "condition"), "Normal(0, condition_scale)"),
            Symbol("condition_scale", ("condition",), "{}", "condition_scale"),
        ]
    developers = ("developer",) if spec.developers else ()
    for group in (*developers, "family", "recipe") if spec.deviations else ():
        name = f"{group}_deviation"
        about = "developer_deviation" if developers and group == "family" else "0"
        found += [
            Symbol(
                name,
                (group, "benchmark"),
                f"Normal({about}, {name}_scale){_BUT_ANCHORS}",
                free=(group, "free_benchmark"),
            ),
            Symbol(f"{name}_scale", ("free_benchmark",), "{}", f"{name}_scale"),
        ]
    return found


def _bound_symbols(spec: ModelSpec) -> list[Symbol]:
    one = ("benchmark",)
    found = [Symbol("floor", one, "chance * (1 - {})", "floor_slack")]
    if spec.ceiling:
        found.append(Symbol("ceiling", one, "chance + (1 - chance) * {}", "ceiling_share"))
    if spec.link == "asymmetric":
        found.append(Symbol("asymmetry", one, "{}, 1 for a sigmoid", "asymmetry"))
    if spec.likelihood != "binomial":
        found.append(Symbol("precision", one, "{}", "precision"))
    if spec.likelihood == "student_t":
        found.append(Symbol("tail", (), "{}", "tail"))
    return found


def _prior_rows(model: ScalingModel) -> list[tuple[str, str, str]]:
    usual = merge_priors(None, len(model.design.shrinkage.terms))
    return [
        (symbol.name, ", ".join(symbol.dims) or "-", _prior_text(symbol, model.priors, usual))
        for symbol in symbols(model.spec)
    ]


def _prior_text(symbol: Symbol, priors: Mapping[str, Prior], usual: Mapping[str, Prior]) -> str:
    """Fill the distribution in, and mark it if it is the user's own."""
    if symbol.prior is None:
        return symbol.formula
    prior = priors[symbol.prior]
    mark = "" if prior == usual[symbol.prior] else "  [yours]"
    return symbol.formula.format(prior) + mark


def _model_facts(model: ScalingModel) -> dict[str, str]:
    design, spec = model.design, model.spec
    cells = len(design.llms) * len(design.benchmarks)
    facts = {
        "LLMs": f"{len(design.llms):,} ({_groups(model)})",
        "benchmarks": f"{len(design.benchmarks)}: {first(design.benchmarks, 12)}",
        "scores": f"{design.n_obs:,} ({1 - design.n_obs / cells:.1%} of the cells missing)",
        "features": f"{spec.features} ({_columns(design.encoding)})",
        "skills": f"{spec.skills}, anchored to {first(spec.anchors, 6)}",
        "likelihood": spec.likelihood,
        "parameters": f"{n_free_parameters(model):,} sampled",
    }
    lacks = unknown_of(design.encoding, design.llms)
    if lacks.to_numpy().any():
        facts["unknown"] = (
            f"{first(list(lacks.columns[lacks.any()]), 6)} of "
            f"{count(int(lacks.any(axis=1).sum()), 'LLM')}, summed over given what is known"
        )
    return facts


def _columns(encoding: FeatureEncoding) -> str:
    formula = len(encoding.names) - len(encoding.squares.columns) - len(encoding.tuning_slopes)
    more = encoding.names[formula:]
    which = f", among them {first(more)}" if more else ""
    return count(len(encoding.names), "column") + which


def _groups(model: ScalingModel) -> str:
    families, recipes = len(model.design.families), len(model.design.recipes)
    groups = f"{count(families, 'family', 'families')}, {count(recipes, 'recipe')}"
    if not model.design.developers:
        return groups
    return f"{count(len(model.design.developers), 'developer')}, {groups}"


def _sizes(model: ScalingModel) -> Mapping[str, int]:
    spec = model.spec
    coords = model.design.coords(spec.skill_names, spec.family_slopes, spec.anchors)
    return {dim: len(labels) for dim, labels in coords.items()}


def _n_elements(dims: Iterable[str], sizes: Mapping[str, int]) -> int:
    return prod(sizes[dim] for dim in dims)


def _fit_facts(fit: ScalingFit) -> dict[str, str]:
    model, spec, sizes = fit.model, fit.spec, fit.idata["posterior"].sizes
    attrs = fit.idata.attrs
    seed = "" if attrs.get("seed", "None") == "None" else f", seed {attrs['seed']}"
    return {
        "model": f"{count(spec.skills, 'skill')} ({first(spec.anchors, 6)}), {spec.likelihood} "
        f"likelihood, {spec.features}",
        "data": f"{count(len(model.design.llms), 'LLM')} ({_groups(model)}), "
        f"{count(len(model.design.benchmarks), 'benchmark')}, {count(model.design.n_obs, 'score')}",
        "sampler": f"{attrs.get('sampler', 'unknown')}, "
        f"{chains_of(sizes['chain'], sizes['draw'])}{seed}",
        "health": _quick_health(fit),
        "groups": ", ".join(fit.idata.children),
    }


def _quick_health(fit: ScalingFit) -> str:
    worst, which, divergences = quick_look(fit.posterior, fit.sample_stats)
    parts = [f"R-hat at most {worst:.3f} ({which})"] if which else []
    parts.append(count(divergences, "divergence"))
    return ", ".join(parts) + "; fit.diagnose() looks closer"


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Pad every cell but the last of a row, so that columns stand below each other."""
    rows = [tuple(row) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _html_table(
    caption: str, rows: Iterable[Sequence[str]], header: Sequence[str] | None = None
) -> str:
    left = 'style="text-align: left"'
    head = "".join(f"<th {left}>{escape(name)}</th>" for name in header or ())
    body = "".join(
        f"<tr><th {left}>{escape(name)}</th>"
        + "".join(f"<td {left}>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    thead = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table><caption>{escape(caption)}</caption>{thead}<tbody>{body}</tbody></table>"
