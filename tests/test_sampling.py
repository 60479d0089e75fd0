"""Where chains start, that a seed settles all, and what need not be compiled again."""

from __future__ import annotations

import json
import warnings

import numpy as np
import nutpie
import pytest
from graph_points import MODE
from uncompiled import uncompile

import latentscale as ls
from latentscale import compiling
from latentscale.compiled_density import gradient_of
from latentscale.compiling import Compiled, compile_model, structure_of
from latentscale.coordinates import first_guess
from latentscale.errors import ConvergenceWarning
from latentscale.graph import build_graph
from latentscale.recent import Recent
from latentscale.sampling import _StandardNormal


def test_chains_start_at_standard_normal_points_by_their_seed():
    starts = np.array([_StandardNormal(50)(seed) for seed in range(40)])
    np.testing.assert_array_equal(starts[3], _StandardNormal(50)(3))
    assert abs(starts.mean()) < 0.1
    assert 0.9 < starts.std() < 1.1


def small_model(**settings) -> ls.ScalingModel:
    table = ls.load_leaderboard(benchmarks=["MMLU", "ARC-C", "HellaSwag", "Winogrande", "GSM8K"])
    return ls.ScalingModel(table.select(families=["pythia", "llama", "opt"]), **settings)


def with_fewer_scores(model: ls.ScalingModel) -> ls.ScalingModel:
    """Hide every third score; no LLM and no benchmark loses all of its own."""
    design = model.design
    scores = design.scores.iloc[np.flatnonzero(np.arange(design.n_obs) % 3)]
    cells = scores[["llm", "benchmark", "score"]]
    table = ls.ScoreTable.from_long(cells, model.table.llms, model.table.benchmarks, missing="keep")
    return ls.ScalingModel(table, **json.loads(model.spec.to_json()))


def test_compiled_code_is_told_apart_by_what_it_depends_on():
    model = small_model(skills=2)
    fewer = with_fewer_scores(model)
    others = [
        small_model(skills=1),
        small_model(skills=2, link="logistic"),
        small_model(skills=2, priors={"difficulty": ls.Prior("Normal", mu=0, sigma=1)}),
    ]
    key, of_fewer, *of_others = (
        structure_of(each.design, each.spec, each.priors) for each in (model, fewer, *others)
    )
    assert fewer.design.n_obs < model.design.n_obs
    assert of_fewer == key
    assert len({key, *of_others}) == 1 + len(others)


@pytest.mark.slow
def test_a_seed_settles_all_and_other_scores_compile_nothing(monkeypatch):
    compile_graph, runs = nutpie.compile_pymc_model, []

    def counted(*args, **settings):
        runs.append(args)
        return compile_graph(*args, **settings)

    monkeypatch.setattr(nutpie, "compile_pymc_model", counted)
    monkeypatch.setattr(compiling, "_recent", Recent(3))
    model = small_model(skills=2)

    def ceiling() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            run = model.fit(draws=20, tune=20, random_seed=7, progressbar=False)
        return run.posterior["ceiling"].to_numpy()

    np.testing.assert_array_equal(ceiling(), ceiling())
    fewer = with_fewer_scores(model)
    reused = compile_model_of(fewer)
    assert len(runs) == 1
    require_density_of(fewer, reused, monkeypatch)


def compile_model_of(model: ls.ScalingModel) -> Compiled:
    return compile_model(model.design, model.spec, model.priors)


def require_density_of(model, compiled, monkeypatch):
    """Compare a compiled gradient with steps of the density of a graph of the same data."""
    uncompile(monkeypatch)
    graph = build_graph(model.design, model.spec, model.priors, guess=first_guess(model.design))
    logp = graph.compile_logp(mode=MODE)
    shapes = [(var.name, compiled.model.shapes[var.name]) for var in graph.value_vars]
    rng = np.random.default_rng(4)
    point, direction = 0.1 * rng.normal(size=(2, compiled.model.n_dim))

    def density(at):
        parts = np.split(at, np.cumsum([int(np.prod(shape)) for _, shape in shapes])[:-1])
        named = zip(shapes, parts, strict=True)
        return logp({name: part.reshape(shape) for (name, shape), part in named})

    step = 1e-5
    expected = (density(point + step * direction) - density(point - step * direction)) / (2 * step)
    np.testing.assert_allclose(gradient_of(compiled.model)(point) @ direction, expected, rtol=1e-6)
