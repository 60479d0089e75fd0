"""Sampling the graph: compile, run NUTS, and lay the draws out as a DataTree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from latentscale.design import Design, place_within
from latentscale.errors import SamplingError
from latentscale.priors import LOOK_AT_PRIORS, Prior
from latentscale.spec import ModelSpec
from latentscale.wording import first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.approximation import Approximation

SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax")

_INSTALL = {
    "numpyro": 'pip install "latentscale[gpu]"',
    "blackjax": "pip install blackjax jax",
}


def draw_posterior(
    design: Design,
    spec: ModelSpec,
    priors: Mapping[str, Prior],
    *,
    sampler: str,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    target_accept: float,
    random_seed: int | None,
    progressbar: bool,
    within: Design | None = None,
    start: Approximation | None = None,
) -> xr.DataTree:
    """Draw from the posterior of a model.

    Parameters
    ----------
    design : Design
    spec : ModelSpec
    priors : mapping of str to Prior
    sampler : str
        ``nutpie``, ``pymc``, ``numpyro`` or ``blackjax``.
    draws, tune, chains : int
        Per chain: kept draws and tuning draws; and the number of chains.
    cores : int or None
        Chains to run at once; None for as many as there are cores.
    target_accept : float
        The acceptance rate that step sizes are tuned to, in (0, 1).
    random_seed : int or None
        The same seed gives the same draws.
    progressbar : bool
    within : Design, optional
        Of a larger table, whose compiled code is to be used.
    start : Approximation, optional
        Of a similar posterior, to be found sooner.

    Returns
    -------
    xarray.DataTree
        With the groups ``posterior`` and ``sample_stats``.

    Raises
    ------
    SamplingError
        The sampler is unknown, is not installed, or could not start.
    """
    _require_settings(sampler, draws=draws, tune=tune, chains=chains)
    settings = {
        "sampler": sampler,
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "cores": cores,
        "target_accept": target_accept,
        "seed": int(np.random.SeedSequence(random_seed).generate_state(1)[0]),
        "progressbar": progressbar,
    }
    if sampler != "nutpie":
        return _with_pymc(design, spec, priors, **settings)
    placed = None if within is None else place_within(design, within)
    if placed is None:
        return _with_nutpie(design, spec, priors, start, **settings)
    return _of_groups(_with_nutpie(placed, spec, priors, start, **settings), design)


def _of_groups(tree: xr.DataTree, design: Design) -> xr.DataTree:
    """Keep the draws of the families, recipes and LLMs of a design."""
    labels = {"family": design.families, "recipe": design.recipes, "llm": design.llms["llm"]}
    kept = tree["posterior"].to_dataset().sel({dim: list(names) for dim, names in labels.items()})
    groups = {"posterior": kept, "sample_stats": tree["sample_stats"].to_dataset()}
    return xr.DataTree.from_dict(groups)


def _with_nutpie(
    design: Design,
    spec: ModelSpec,
    priors: Mapping[str, Prior],
    start: Approximation | None,
    **settings: Any,
) -> xr.DataTree:
    """Sample in coordinates that are fitted to an approximation of the posterior."""
    from latentscale.approximation import approximate
    from latentscale.compiling import compile_model
    from latentscale.whitening import whiten

    found = compile_model(design, spec, priors)
    seed, cores = settings["seed"], settings["cores"]
    near = approximate(found, design, spec, seed=seed, cores=cores, start=start)
    compiled = found.model.with_data(guess=near.guess)
    begin = _StandardNormal(compiled.n_dim)
    tree = _nutpie_run(whiten(compiled, found.shared, near.mean, near.root, begin), settings)
    groups = {name: tree[name].to_dataset() for name in ("posterior", "sample_stats")}
    groups["posterior"] = groups["posterior"][found.kept]
    return xr.DataTree.from_dict(groups)


def _nutpie_run(compiled: Any, settings: Mapping[str, Any]) -> xr.DataTree:
    import nutpie

    try:
        tree: xr.DataTree = nutpie.sample(
            compiled,
            draws=settings["draws"],
            tune=settings["tune"],
            chains=settings["chains"],
            cores=settings["cores"],
            seed=settings["seed"],
            target_accept=settings["target_accept"],
            save_warmup=False,
            progress_bar=settings["progressbar"],
        )
    except RuntimeError as error:
        raise SamplingError(f"The sampler stopped: {error}. {LOOK_AT_PRIORS}") from error
    return tree


@dataclass(frozen=True)
class _StandardNormal:
    """Start each chain at a draw of the approximation, by its seed.

    Attributes
    ----------
    size : int
        Number of coordinates.
    """

    size: int

    def __call__(self, seed: Any) -> np.ndarray:
        """Give the start of a chain."""
        return np.random.default_rng(seed).standard_normal(self.size)


def _with_pymc(
    design: Design, spec: ModelSpec, priors: Mapping[str, Prior], **settings: Any
) -> xr.DataTree:
    import pymc as pm

    from latentscale.compiling import kept_variables
    from latentscale.graph import build_graph

    graph = build_graph(design, spec, priors)
    kept = kept_variables(graph, priors)
    try:
        with graph:
            tree: xr.DataTree = pm.sample(
                draws=settings["draws"],
                tune=settings["tune"],
                chains=settings["chains"],
                cores=settings["cores"],
                random_seed=settings["seed"],
                progressbar=settings["progressbar"],
                nuts_sampler=settings["sampler"],
                var_names=kept,
                nuts={"target_accept": settings["target_accept"]},
                compute_convergence_checks=False,
            )
    except ImportError as error:
        install = _INSTALL.get(settings["sampler"], "pip install pymc")
        raise SamplingError(
            f"sampler={settings['sampler']!r} needs a package that is not installed ({error}). "
            f'Install it with\n      {install}\nor use sampler="nutpie".'
        ) from error
    tree["posterior"] = tree["posterior"].to_dataset()[kept]
    return tree


def _require_settings(sampler: str, **counts: int) -> None:
    if sampler not in SAMPLERS:
        raise SamplingError(
            f"sampler={first(with_nearest([str(sampler)], SAMPLERS))} is not known. Use one of "
            f"{first(quoted(SAMPLERS), 9)}."
        )
    for name, value in counts.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise SamplingError(f"{name}={value!r} must be a whole number of at least 1.")
