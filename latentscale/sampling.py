"""Sampling the graph: compile, run NUTS, and lay the draws out as a DataTree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentscale.errors import SamplingError
from latentscale.wording import first, quoted, with_nearest

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax")

_INSTALL = {
    "numpyro": 'pip install "latentscale[gpu]"',
    "blackjax": "pip install blackjax jax",
}


def draw_posterior(
    graph: pm.Model,
    keep: Sequence[str],
    *,
    sampler: str,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    target_accept: float,
    random_seed: int | None,
    progressbar: bool,
) -> xr.DataTree:
    """Draw from the posterior of a graph.

    Parameters
    ----------
    graph : pymc.Model
    keep : sequence of str
        Variables to store; names that the graph does not have are passed over.
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
    kept = [name for name in keep if name in graph.named_vars]
    run = _with_nutpie if sampler == "nutpie" else _with_pymc
    tree = run(
        graph,
        kept,
        sampler=sampler,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        target_accept=target_accept,
        seed=int(np.random.SeedSequence(random_seed).generate_state(1)[0]),
        progressbar=progressbar,
    )
    tree["posterior"] = tree["posterior"].to_dataset()[kept]
    return tree


def _with_nutpie(graph: pm.Model, kept: list[str], **settings: Any) -> xr.DataTree:
    import nutpie
    import xarray as xr

    compiled = nutpie.compile_pymc_model(graph, var_names=kept)
    try:
        tree = nutpie.sample(
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
        raise SamplingError(
            f"The sampler stopped: {error}. Most often a prior puts mass where the likelihood is "
            "not defined. Look at model.prior_predictive(), then at the priors you changed."
        ) from error
    groups = {name: tree[name].to_dataset() for name in ("posterior", "sample_stats")}
    return xr.DataTree.from_dict(groups)


def _with_pymc(graph: pm.Model, kept: list[str], **settings: Any) -> xr.DataTree:
    import pymc as pm

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
