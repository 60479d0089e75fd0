"""The graph as compiled code, compiled once for all data that it fits.

Compiling takes longer than most fits. What is compiled depends on the settings, the priors, and the
names of families, recipes, LLMs and benchmarks; scores, features and where they belong are data,
which are exchanged. So another fit of the same model, or of the same LLMs with some of their scores
hidden, compiles nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from latentscale.design import Design
from latentscale.priors import Prior
from latentscale.recent import Recent
from latentscale.spec import ModelSpec

if TYPE_CHECKING:
    import pymc as pm

# How many models stay compiled. Each holds some tens of megabytes.
_KEPT = 3


@dataclass(frozen=True, eq=False)
class Compiled:
    """A model in coordinates, ready to be sampled.

    Attributes
    ----------
    model : nutpie.CompiledPyMCModel
    shared : numpy.ndarray of int
        Which of the sampler's coordinates are parameters that all LLMs share.
    kept : list of str
        The variables to store.
    """

    model: Any
    shared: np.ndarray
    kept: list[str]

    def with_data(self, data: Mapping[str, np.ndarray]) -> Compiled:
        """Give the same with other data, by their names in the graph."""
        known = {variable.name for variable in self.model.shared_var_keys}
        used = {name: value for name, value in data.items() if name in known}
        return replace(self, model=self.model.with_data(**used))


_recent: Recent[Compiled] = Recent(_KEPT)


def compile_model(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> Compiled:
    """Compile a model in coordinates, or exchange the data of one that is compiled already.

    Parameters
    ----------
    design : Design
    spec : ModelSpec
    priors : mapping of str to Prior

    Returns
    -------
    Compiled
    """
    from latentscale.coordinates import first_guess
    from latentscale.graph import build_graph

    graph = build_graph(design, spec, priors, guess=first_guess(design))
    compiled = _recent.get(structure_of(design, spec, priors), lambda: _compile(graph, priors))
    return compiled.with_data({data.name: data.get_value() for data in graph.data_vars})


def kept_variables(graph: pm.Model, priors: Mapping[str, Prior]) -> list[str]:
    """Name the variables to store: what the posterior reports and what has a prior."""
    from latentscale.graph import REPORTED

    return [name for name in dict.fromkeys((*REPORTED, *priors)) if name in graph.named_vars]


def _compile(graph: pm.Model, priors: Mapping[str, Prior]) -> Compiled:
    import nutpie

    from latentscale.coordinates import shared_positions

    kept = kept_variables(graph, priors)
    model = nutpie.compile_pymc_model(graph, var_names=kept, jitter_rvs=set())
    return Compiled(model, shared_positions(graph, model.shapes), kept)


def structure_of(design: Design, spec: ModelSpec, priors: Mapping[str, Prior]) -> str:
    """Describe everything that compiled code depends on."""
    coords = design.coords(spec.anchors, spec.family_slopes)
    del coords["obs"]
    chosen = {name: repr(prior) for name, prior in priors.items()}
    return json.dumps([spec.to_json(), chosen, coords], default=str)
