"""Sampling the graph: compile, run NUTS, and lay the draws out as a DataTree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from latentscale.design import Design
from latentscale.errors import SamplingError
from latentscale.priors import Prior
from latentscale.spec import ModelSpec
from latentscale.wording import first, quoted, with_nearest

SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax")

# Lengths of the pilot runs, how many chains at least they have, and how many points of the second
# one the shared parameters are whitened at. None of them touches what the posterior is, only how
# fast it is drawn from.
_FIRST_PILOT = {"tune": 300, "draws": 50, "is_pilot": True}
_SECOND_PILOT = {"tune": 150, "draws": 50, "is_pilot": True}
_PILOT_CHAINS = 4
_POINTS = 12

# Standard deviation of starts about the middle of the prior. Further out, a skill may take up the
# anchor of another: on two simulated tables with anchors near their ceilings, 2 of 24 pilot chains
# ended in such a mode with 0.1, 4 with 0.3, and 3 of 4 with the sampler's own jitter of up to 1.
_SPREAD = 0.1

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
    run = _with_nutpie if sampler == "nutpie" else _with_pymc
    return run(
        design,
        spec,
        priors,
        sampler=sampler,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        target_accept=target_accept,
        seed=int(np.random.SeedSequence(random_seed).generate_state(1)[0]),
        progressbar=progressbar,
    )


def _with_nutpie(
    design: Design, spec: ModelSpec, priors: Mapping[str, Prior], **settings: Any
) -> xr.DataTree:
    """Sample in coordinates that two pilot runs have fitted to the posterior.

    The first finds rough expectations to build the coordinates of the group effects on; the second,
    in these, the correlations of the parameters that all LLMs share. Chains start where the second
    one ended.
    """
    from latentscale.compiling import compile_model

    found = compile_model(design, spec, priors)
    compiled, shared, kept = found.model, found.shared, found.kept
    compiled = replace(compiled, initial_point_func=_near_prior(compiled))
    pilot = _pilot(compiled, settings | _FIRST_PILOT)
    guess = _mean_expectations(design, spec, pilot)
    ends = _unconstrained(pilot)
    compiled = compiled.with_data(guess=guess)
    settings["seed"] += 1
    compiled = replace(compiled, initial_point_func=_near_ends(ends, shared))
    pilot = _pilot(compiled, settings | _SECOND_PILOT)
    settings["seed"] += 1
    tree = _nutpie_run(_whitened(compiled, _unconstrained(pilot), shared), settings)
    groups = {name: tree[name].to_dataset() for name in ("posterior", "sample_stats")}
    groups["posterior"] = groups["posterior"][kept]
    return xr.DataTree.from_dict(groups)


def _pilot(compiled: Any, settings: Mapping[str, Any]) -> xr.DataTree:
    """Run the sampler briefly, and keep the chains that have found where the posterior is."""
    chains = max(settings["chains"], _PILOT_CHAINS)
    return of_main_mode(_nutpie_run(compiled, {**settings, "chains": chains}))


def of_main_mode(pilot: xr.DataTree) -> xr.DataTree:
    """Leave out chains that are far less probable than the best one.

    Skills can trade their anchors: a mode that NUTS does not leave, and that has no mass to speak
    of. In these coordinates all modes are about equally wide, so that the log density tells their
    mass. One that lies lower by its standard deviation, thirty or so, does not belong to the
    posterior; modes nearer than that stay, and are there for R-hat to find.

    Parameters
    ----------
    pilot : xarray.DataTree
        With ``sample_stats`` that has ``logp``, dims (chain, draw).

    Returns
    -------
    xarray.DataTree
        The same with some of the chains.
    """
    logp = pilot["sample_stats"]["logp"]
    mean, sd = logp.mean("draw"), float(logp.std("draw").median())
    return pilot.isel(chain=np.flatnonzero(mean >= mean.max() - sd))


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
            store_unconstrained=settings.get("is_pilot", False),
        )
    except RuntimeError as error:
        raise SamplingError(
            f"The sampler stopped: {error}. Most often a prior puts mass where the likelihood is "
            "not defined. Look at model.prior_predictive(), then at the priors you changed."
        ) from error
    return tree


def _mean_expectations(design: Design, spec: ModelSpec, pilot: xr.DataTree) -> np.ndarray:
    """Give the mean of the expected scores over the draws of a pilot run, dims (obs,)."""
    from latentscale.forward import expected_of_cells, fitted_members, read_draws

    draws, members = read_draws(pilot["posterior"].to_dataset()), fitted_members(design, spec)
    cells = expected_of_cells(draws, members, design.llm_of_obs, design.benchmark_of_obs)
    mean: np.ndarray = cells.mean(axis=0)
    return mean


def _unconstrained(pilot: xr.DataTree) -> np.ndarray:
    """Give the draws of a pilot run in the sampler's coordinates, dims (draw, coordinate)."""
    points = pilot["sample_stats"]["unconstrained_draw"].to_numpy()
    flat: np.ndarray = points.reshape(-1, points.shape[-1])
    return flat


def _whitened(compiled: Any, points: np.ndarray, shared: np.ndarray) -> Any:
    """Whiten the shared parameters by their mean information at some of the points."""
    from latentscale.whitening import inverse_root, mean_information, whiten

    some = points[np.linspace(0, len(points) - 1, _POINTS).astype(int)]
    information = mean_information(compiled, some, shared)
    centre, root = points[:, shared].mean(axis=0), inverse_root(information)
    start = points.copy()
    start[:, shared] = np.linalg.solve(root, (points[:, shared] - centre).T).T
    return whiten(compiled, shared, centre, root, _Start(start))


@dataclass(frozen=True, eq=False)
class _Start:
    """Start each chain near one of the points, picked by its seed.

    Attributes
    ----------
    points : numpy.ndarray, dims (point, coordinate)
    spread : numpy.ndarray, dims (coordinate,), or float
        Standard deviation of a start about its point.
    """

    points: np.ndarray
    spread: np.ndarray | float = 0.0

    def __call__(self, seed: Any) -> np.ndarray:
        """Give the start of a chain."""
        rng = np.random.default_rng(seed)
        point = self.points[rng.integers(len(self.points))]
        start: np.ndarray = point + self.spread * rng.standard_normal(len(point))
        return start


def _near_prior(compiled: Any) -> _Start:
    """Start near the middle of the prior: far out, skills find each other's anchors."""
    return _Start(compiled.initial_point_func(0)[None], _SPREAD)


def _near_ends(ends: np.ndarray, shared: np.ndarray) -> _Start:
    """Start where a pilot run ended; coordinates that no longer mean the same, near zero."""
    points, spread = np.zeros_like(ends), np.full(ends.shape[1], _SPREAD)
    points[:, shared], spread[shared] = ends[:, shared], 0.0
    return _Start(points, spread)


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
