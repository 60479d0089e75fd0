"""What a model and a fit say of themselves, and that it is true of the graph."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_fit import fake_fit

import latentscale as ls
from latentscale.describe import (
    equations,
    fit_html,
    fit_text,
    model_html,
    model_text,
    n_free_parameters,
    symbols,
)
from latentscale.graph import REPORTED

SPECS: list[dict[str, Any]] = [
    {},
    {"skills": 2, "family_slopes": ("log(params_b)",)},
    {"likelihood": "student_t", "ceiling": False},
    {"likelihood": "beta", "deviations": False},
    {"likelihood": "binomial", "benchmark_slopes": False},
    {"likelihood": "beta_binomial", "deviations": False, "benchmark_slopes": False},
    {"skills": 2, "developers": True},
    {"developers": True, "deviations": False},
    {"conditions": ("shots",)},
    {"recipe_tail": None},
]


def table() -> ls.ScoreTable:
    sizes = [1.0, 2.0, 7.0, 3.0, 13.0]
    llms = pd.DataFrame(
        {
            "llm": [f"a-{n:g}b" for n in sizes[:3]] + [f"b-{n:g}b" for n in sizes[3:]],
            "family": list("aaabb"),
            "developer": "x",
            "recipe": ["a", "a", "a-chat", "b", "b"],
            "tuned": [0, 0, 1, 0, 0],
            "params_b": sizes,
            "tokens_t": [1.0, 2.0, 1.0, np.nan, 4.0],
        }
    )
    scores = pd.DataFrame(
        [(llm, name) for llm in llms["llm"] for name in ("MMLU", "GSM8K", "ARC <C>", "BBH")],
        columns=["llm", "benchmark"],
    ).iloc[:-1]
    n = np.arange(len(scores))
    scores = scores.assign(successes=n % 7 + 20, trials=50, shots=n % 3)
    return ls.ScoreTable.from_long(scores, llms, missing="keep")


def model(**spec: Any) -> ls.ScalingModel:
    settings = {"skills": 1, "features": "log(params_b)", "developers": False} | spec
    return ls.ScalingModel(table(), **settings)


class TestTruth:
    """The description is made from the specification; it must not drift from the graph."""

    @pytest.mark.parametrize("spec", SPECS, ids=str)
    def test_symbols_are_the_variables_of_the_graph(self, spec: dict[str, Any]) -> None:
        described = model(**spec)
        graph = described.to_pymc()
        dims = {s.name: s.dims for s in symbols(described.spec) if "(" not in s.name}
        reported = {name for name in REPORTED if name in graph.named_vars}
        # Ability is the left-hand side of an equation; a ceiling of 1 is written as 1.
        # What is unknown depends on the table.
        unlisted = {"ability", "loading", "unknown_feature"} | (
            set() if described.spec.ceiling else {"ceiling"}
        )
        assert set(dims) == reported - unlisted
        for name, shown in dims.items():
            assert shown == tuple(graph.named_vars_to_dims.get(name, ())), name

    @pytest.mark.parametrize("spec", SPECS, ids=str)
    def test_number_of_parameters_is_that_of_the_graph(self, spec: dict[str, Any]) -> None:
        described = model(**spec)
        graph = described.to_pymc()
        point = graph.initial_point()
        sampled = sum(point[graph.rvs_to_values[rv].name].size for rv in graph.free_RVs)
        assert n_free_parameters(described) == sampled

    @pytest.mark.parametrize("spec", SPECS, ids=str)
    def test_every_symbol_with_a_scale_is_in_the_equations(self, spec: dict[str, Any]) -> None:
        described = model(**spec).spec
        text = "\n".join(equations(described))
        for symbol in symbols(described):
            name = symbol.name.split(" ")[0]
            assert name.endswith("_scale") or name in text, name

    def test_every_overridable_prior_in_use_is_shown(self) -> None:
        settings = {
            "family_slopes": ("log(params_b)",), "likelihood": "student_t",
            "conditions": ("shots",), "shrunk": ("log(params_b)",),
        }  # fmt: skip
        described = model(skills=2, developers=True, **settings)
        assert {s.prior for s in symbols(described.spec)} - {None} == set(described.priors)


class TestEquations:
    def test_full_model(self) -> None:
        assert "\n".join(equations(model(family_slopes=("log(params_b)",)).spec)) == (
            "ability_i   = x_i feature_slope + tuned_i tuning_shift + family_effect[f(i)]\n"
            "              + recipe_effect[r(i)] + llm_effect_i + x_i family_slope[f(i)]\n"
            "eta_ij      = difficulty_j + loading_j . ability_i\n"
            "              + x_i benchmark_slope_j + tuned_i benchmark_tuning_j\n"
            "              + family_deviation[f(i), j] + recipe_deviation[r(i), j]\n"
            "recipe_effect_r ~ StudentT(4, 0, recipe_scale), of all skills together\n"
            "benchmark_slope_j, benchmark_tuning_j, family_deviation_fj, recipe_deviation_rj = 0, "
            "for anchors\n"
            "expected_ij = floor_j + (ceiling_j - floor_j) rise(eta_ij, asymmetry_j)\n"
            "score_ij    ~ StudentT(tail, expected_ij, sd_ij), censored to [0, 1]\n"
            "sd_ij^2     = expected_ij (1 - expected_ij) / (1 + precision_j)"
        )

    def test_terms_that_a_model_lacks_are_left_out(self) -> None:
        spec = model(
            likelihood="beta",
            link="logistic",
            ceiling=False,
            deviations=False,
            benchmark_slopes=False,
            recipe_tail=None,
        ).spec
        assert equations(spec)[2:] == (
            "eta_ij      = difficulty_j + loading_j . ability_i",
            "expected_ij = floor_j + (1 - floor_j) sigmoid(eta_ij)",
            "score_ij    ~ Beta(expected_ij precision_j, (1 - expected_ij) precision_j)",
        )


class TestModelText:
    def test_whole(self) -> None:
        described = model(
            features="log(params_b) + tokens_t",
            deviations=False,
            benchmark_slopes=False,
            priors={"precision": ls.Prior("Gamma", alpha=2, beta=0.01)},
        )
        assert repr(described) == model_text(described)
        assert repr(described) == WHOLE

    def test_html_holds_the_same_and_is_well_formed(self) -> None:
        described = model(anchors=("ARC <C>",))
        html = described._repr_html_()
        assert html == model_html(described)
        text = _text_of(html)
        assert "ARC <C>" in text
        for line in equations(described.spec):
            assert line in text
        for symbol in symbols(described.spec):
            assert symbol.name in text


WHOLE = """\
ScalingModel
  LLMs        5 (2 families, 3 recipes)
  benchmarks  4: MMLU, GSM8K, ARC <C>, BBH
  scores      19 (5.0% of the cells missing)
  features    log(params_b) + tokens_t (4 columns, among them log(params_b)^2, tuned:log(params_b))
  skills      1, anchored to GSM8K
  likelihood  student_t
  parameters  43 sampled
  unknown     tokens_t of 1 LLM, summed over given what is known

  ability_i   = x_i feature_slope + tuned_i tuning_shift + family_effect[f(i)]
                + recipe_effect[r(i)] + llm_effect_i
  eta_ij      = difficulty_j + loading_j . ability_i
  recipe_effect_r ~ StudentT(4, 0, recipe_scale), of all skills together
  expected_ij = floor_j + (ceiling_j - floor_j) rise(eta_ij, asymmetry_j)
  score_ij    ~ StudentT(tail, expected_ij, sd_ij), censored to [0, 1]
  sd_ij^2     = expected_ij (1 - expected_ij) / (1 + precision_j)

  symbol             dims            prior
  feature_slope      feature, skill  Normal(mu=0, sigma=1)
  tuning_shift       skill           Normal(mu=0, sigma=1)
  family_effect      family, skill   Normal(0, family_scale)
  recipe_effect      recipe, skill   StudentT(4, 0, recipe_scale)
  llm_effect         llm, skill      Normal(0, llm_scale)
  family_scale       skill           LogNormal(mu=-0.5, sigma=0.7)
  recipe_scale       skill           family_scale * LogNormal(mu=-1, sigma=0.5)
  llm_scale          skill           family_scale * LogNormal(mu=-1, sigma=0.5)
  loading (anchors)  skill           1 on the own skill, else 0
  loading (others)   benchmark       Normal(mu=1, sigma=0.7) in sum over the skills
  difficulty         benchmark       Normal(mu=-0.5, sigma=1.5)
  floor              benchmark       chance * (1 - Beta(alpha=1, beta=20))
  ceiling            benchmark       chance + (1 - chance) * Beta(alpha=5, beta=1)
  asymmetry          benchmark       LogNormal(mu=0, sigma=1), 1 for a sigmoid
  precision          benchmark       Gamma(alpha=2, beta=0.01)  [yours]
  tail               -               Gamma(alpha=4, beta=0.5)"""


class TestFitText:
    def test_whole(self) -> None:
        fit = fake_fit(skills=1, chains=1, draws=20, table=table(), features="log(params_b)")
        assert repr(fit) == fit_text(fit)
        assert fit_text(fit) == (
            "ScalingFit\n"
            "  model    1 skill (GSM8K), student_t likelihood, log(params_b)\n"
            "  data     5 LLMs (1 developer, 2 families, 3 recipes), 4 benchmarks, 19 scores\n"
            "  sampler  none, 1 chain of 20 draws\n"
            "  health   0 divergences; fit.diagnose() looks closer\n"
            "  groups   posterior, sampled, sample_stats, observed_data, constant_data"
        )

    def test_worst_rhat_names_the_variable(self) -> None:
        fit = fake_fit(skills=1, chains=2, draws=100, table=table(), features="log(params_b)")
        apart = fit.posterior.copy(deep=True)
        apart["ceiling"][1] += 5
        text = fit_text(_with_groups(fit, posterior=apart))
        assert "R-hat at most" in text
        assert "(ceiling), 0 divergences; fit.diagnose() looks closer" in text

    def test_divergences_and_seed_are_told(self) -> None:
        fit = fake_fit(skills=1, chains=1, draws=20, table=table(), features="log(params_b)")
        stats = fit.idata["sample_stats"].to_dataset().copy(deep=True)
        stats["diverging"][0, :3] = True
        told = _with_groups(fit, sample_stats=stats)
        told.idata.attrs |= {"sampler": "nutpie", "seed": "7"}
        assert "  sampler  nutpie, 1 chain of 20 draws, seed 7\n" in fit_text(told)
        assert "  health   3 divergences; fit.diagnose()" in fit_text(told)

    def test_html_holds_the_same_and_is_well_formed(self) -> None:
        fit = fake_fit(skills=1, chains=2, draws=20, table=table(), features="log(params_b)")
        text = _text_of(fit_html(fit))
        for line in fit_text(fit).splitlines()[1:]:
            assert line[2:].split("  ", 1)[1].strip() in text


def _with_groups(fit: ls.ScalingFit, **groups: xr.Dataset) -> ls.ScalingFit:
    tree = {node.path: node.to_dataset() for node in fit.idata.subtree}
    tree |= {f"/{name}": group for name, group in groups.items()}
    return dataclasses.replace(fit, idata=xr.DataTree.from_dict(tree))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "br":
            self.text += "\n"
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def _text_of(html: str) -> str:
    reader = _Reader()
    reader.feed(html)
    assert reader.open == []
    return reader.text
