"""Where chains start, that a seed settles all, and what need not be compiled again."""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict

import numpy as np
import nutpie
import pytest
import xarray as xr
from graph_points import MODE
from uncompiled import uncompile

import latentscale as ls
from latentscale import compiling, sampling
from latentscale.compiling import Compiled, _structure, compile_model
from latentscale.coordinates import first_guess
from latentscale.errors import ConvergenceWarning
from latentscale.graph import build_graph
from latentscale.sampling import _near_ends, _Start, of_main_mode
from latentscale.whitening import gradient_of


def pilot(*means):
    """Give the draws of chains whose log densities have a standard deviation of 30."""
    noise = np.random.default_rng(1).standard_normal((len(means), 50))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, keepdims=True)
    logp = np.array(means)[:, None] + 30.0 * noise
    groups = {
        "posterior": {
            "skill": (("chain", "draw"), np.zeros(logp.shape) + np.array(means)[:, None])
        },
        "sample_stats": {"logp": (("chain", "draw"), logp)},
    }
    return xr.DataTree.from_dict({name: xr.Dataset(values) for name, values in groups.items()})


@pytest.mark.parametrize(
    ("means", "kept"),
    [
        ((-139.0, -148.0, -239.0, -152.0), [0, 1, 3]),
        ((-200.0, -118.0, -201.0, -199.0), [1]),
        ((-100.0, -125.0, -110.0, -129.0), [0, 1, 2, 3]),
        ((-100.0,), [0]),
    ],
    ids=["one is lost", "one has found it", "all are about equal", "a single chain"],
)
def test_chains_far_below_the_best_are_left_out(means, kept):
    found = of_main_mode(pilot(*means))
    assert found["posterior"]["skill"][:, 0].to_numpy().tolist() == [means[k] for k in kept]
    assert found["sample_stats"].sizes["chain"] == len(kept)


def test_chains_start_near_a_point_picked_by_their_seed():
    points = np.array([[0.0, 0.0, 5.0], [10.0, 10.0, 15.0]])
    starts = np.array([_Start(points, np.array([0.1, 0.0, 0.1]))(seed) for seed in range(40)])
    np.testing.assert_array_equal(starts[3], _Start(points, np.array([0.1, 0.0, 0.1]))(3))
    picked = starts[:, 1] / 10
    assert set(picked) == {0.0, 1.0}
    gaps = starts - points[picked.astype(int)]
    assert (gaps[:, 1] == 0).all()
    assert 0.05 < gaps[:, [0, 2]].std() < 0.2


def test_after_the_first_pilot_only_shared_parameters_start_where_it_ended():
    ends = np.array([[1.0, 2.0, 3.0, 4.0]])
    starts = np.array([_near_ends(ends, np.array([1, 3]))(seed) for seed in range(40)])
    assert (starts[:, [1, 3]] == [2.0, 4.0]).all()
    assert np.abs(starts[:, [0, 2]]).max() < 1.0
    assert len(np.unique(starts[:, 0])) == 40


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
        _structure(each.design, each.spec, each.priors) for each in (model, fewer, *others)
    )
    assert fewer.design.n_obs < model.design.n_obs
    assert of_fewer == key
    assert len({key, *of_others}) == 1 + len(others)


@pytest.mark.slow
def test_a_seed_settles_all_and_other_scores_compile_nothing(monkeypatch):
    for pilot in (sampling._FIRST_PILOT, sampling._SECOND_PILOT):  # it is not about where they end
        monkeypatch.setitem(pilot, "tune", 30)
        monkeypatch.setitem(pilot, "draws", 20)
    compile_graph, runs = nutpie.compile_pymc_model, []

    def counted(*args, **settings):
        runs.append(args)
        return compile_graph(*args, **settings)

    monkeypatch.setattr(nutpie, "compile_pymc_model", counted)
    monkeypatch.setattr(compiling, "_recent", OrderedDict())
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
