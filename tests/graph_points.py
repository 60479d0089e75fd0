"""Tools for tests of the graph: points of its parameters, and what it computes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from scipy.special import logit

import latentscale as ls
from latentscale.simulation import Simulation, simulate
from latentscale.story import as_in_graph
from latentscale.transforms import Bent

# Compiling to machine code would take far longer than these few evaluations.
MODE = "FAST_COMPILE"

_EXPECTED_AT = {"normal": 0, "student_t": 0, "binomial": 1}
_FORWARD = {
    "": lambda x: x,
    "_log__": np.log,
    "_bent__": lambda x: Bent().forward(x).eval(),
    "_logodds__": logit,
}


def small(**settings: Any) -> Simulation:
    """Simulate a table of a dozen LLMs in which every term of the model plays a part."""
    if settings.get("conditions"):
        settings["like"] = evaluated(small(**{**settings, "conditions": (), "truth": None}).table)
    elif settings.get("features"):
        plain = {**settings, "features": None, "truth": None, "shrunk": None}
        settings["like"] = designed(small(**plain).table)
    sizes = {"n_families": 5, "recipes_per_family": 1.8, "llms_per_recipe": 1.6, "benchmarks": 7}
    return simulate(**{**sizes, "random_seed": 3, "tuned_share": 1.0, **settings})


# Every kind of term, shrunk and with unknown values, and tokens that are unknown of one family.
FEATURES = "log(params_b) * log(tokens_t) + code_pct + s(depth, 4) + increasing(context, 2) + norm"


def designed(table: ls.ScoreTable) -> ls.ScoreTable:
    """Give the same table with design choices, some of them unknown."""
    rng, n = np.random.default_rng(7), len(table.llms)
    family = table.llms["family"].factorize()[0]
    code = rng.uniform(0, 60, n)[family] + rng.uniform(0, 5, n)
    llms = table.llms.assign(
        code_pct=np.where(family % 3 == 1, np.nan, code),
        tokens_t=table.llms["tokens_t"].where(family != 2),
        depth=rng.integers(10, 80, n).astype(float),
        context=np.where(rng.uniform(size=n) < 0.3, np.nan, 2.0 ** rng.integers(10, 17, n)),
        norm=np.where(family == 0, None, np.where(family % 2, "layer", "rms")),
    )
    return ls.ScoreTable.from_long(table.scores, llms, table.benchmarks, missing="keep")


def evaluated(table: ls.ScoreTable) -> ls.ScoreTable:
    """Give the same table with two conditions of its scores, unknown for some."""
    n = np.arange(table.n_obs)
    scores = table.scores.assign(template=n % 3 == 0, shots=np.where(n % 4, n % 5, np.nan))
    return ls.ScoreTable.from_long(scores, table.llms, table.benchmarks, missing="keep")


def drawn_in(simulation: Simulation) -> xr.Dataset:
    """Give what was drawn of a simulation as the graph has it."""
    model = simulation.model
    return as_in_graph(simulation.sampled, simulation.truth, model.design, model.spec)


def point(graph: pm.Model, sampled: xr.Dataset) -> dict[str, np.ndarray]:
    """Give the point, in the graph's unconstrained variables, of parameters by name."""
    values = {}
    for rv in graph.free_RVs:
        name = graph.rvs_to_values[rv].name
        values[name] = _FORWARD[name.removeprefix(rv.name)](sampled[rv.name].to_numpy())
    return values


def evaluate(graph: pm.Model, outputs: Sequence[Any], sampled: xr.Dataset) -> list[np.ndarray]:
    """Compute variables of the graph from parameters by name."""
    inputs = graph.free_RVs
    compiled = graph.compile_fn(
        list(outputs), inputs=inputs, point_fn=False, mode=MODE, on_unused_input="ignore"
    )
    return compiled(*[sampled[rv.name].to_numpy() for rv in inputs])


def expected_in(graph: pm.Model, likelihood: str) -> Any:
    """Find the expected scores, dims (obs,), in the graph: a parameter of the likelihood."""
    node = graph["score"].owner
    return node.op.dist_params(node)[_EXPECTED_AT[likelihood]]


def log_densities(
    graph: pm.Model, sampled: xr.Dataset, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Give each variable's log density, without Jacobians, dims as the variable's."""
    variables = [graph[name] for name in names] if names else graph.basic_RVs
    logp = graph.compile_logp(vars=variables, jacobian=False, sum=False, mode=MODE)
    values = logp(point(graph, sampled))
    return dict(zip([v.name for v in variables], map(np.asarray, values), strict=True))


def total_log_density(graph: pm.Model, sampled: xr.Dataset) -> float:
    """Give the joint log density of parameters and scores, without Jacobians."""
    return float(sum(value.sum() for value in log_densities(graph, sampled).values()))


def one_draw(truth: xr.Dataset) -> xr.Dataset:
    """Present the truth as a posterior of one chain and one draw."""
    return truth.expand_dims(chain=1, draw=1)
