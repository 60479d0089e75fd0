"""Sampling the posterior: compile, run NUTS, and lay the draws out as a DataTree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from latentscale.configurations import with_configurations
from latentscale.errors import SamplingError
from latentscale.layout import observed_data, of_cells
from latentscale.priors import LOOK_AT_PRIORS
from latentscale.wording import first, quoted, with_nearest

if TYPE_CHECKING:
    from latentscale.model import ScalingModel

SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax")

# On the bundled leaderboard, 100 to 1000 tuning draws give chains that mix alike: of 1600 draws the
# median ESS of a variable's worst number was 594 to 636 with a Normal likelihood, 528 to 667 with a
# Beta one, in no order.
_TUNE_APPROXIMATED, _TUNE_PLAIN = 300, 1000

_INSTALL = {
    "numpyro": 'pip install "latentscale[gpu]"',
    "blackjax": "pip install blackjax jax",
}


def draw_posterior(
    model: ScalingModel,
    *,
    sampler: str,
    draws: int,
    tune: int | None,
    chains: int,
    cores: int | None,
    target_accept: float,
    random_seed: int | None,
    progressbar: bool,
) -> xr.DataTree:
    """Draw from the posterior of a model.

    Parameters
    ----------
    model : ScalingModel
    sampler : str
        ``nutpie``, ``pymc``, ``numpyro`` or ``blackjax``.
    draws, chains : int
        Kept draws of each chain; and the number of chains.
    tune : int or None
        Tuning draws of each chain; None for few with nutpie, and for many with the others.
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
        With the groups ``posterior`` and ``sample_stats``; of fewer draws or chains, if nutpie or
        PyMC was interrupted.

    Raises
    ------
    SamplingError
        The sampler is unknown, is not installed, or could not start.
    KeyboardInterrupt
        Sampling was interrupted before a draw was kept.
    """
    if tune is None:
        tune = _TUNE_APPROXIMATED if sampler == "nutpie" else _TUNE_PLAIN
    counts = {"draws": draws, "tune": tune, "chains": chains}
    _require_settings(
        sampler, target_accept, **counts if cores is None else counts | {"cores": cores}
    )
    seed = int(np.random.SeedSequence(random_seed).generate_state(1)[0])
    settings = {
        "sampler": sampler,
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "cores": cores,
        "target_accept": target_accept,
        "seed": seed,
        "progressbar": progressbar,
    }
    tree = (_with_nutpie if sampler == "nutpie" else _with_pymc)(model, **settings)
    if "posterior" not in tree:
        raise KeyboardInterrupt
    rng = np.random.default_rng(seed)
    drawn = with_configurations(tree["posterior"].to_dataset(), model.design, rng)
    tree["posterior"] = xr.DataTree(drawn)
    return tree


def _with_nutpie(model: ScalingModel, **settings: Any) -> xr.DataTree:
    """Sample in coordinates that are fitted to an approximation of the posterior."""
    from latentscale.approximation import approximation_of
    from latentscale.compiled_density import compile_density
    from latentscale.kept_draws import lay_out

    density = compile_density(model)
    near = approximation_of(model, density, settings["cores"])
    # As good as the symmetric root, and multiplied by in half the time.
    root = np.linalg.cholesky(near.root @ near.root.T)
    density = near.coordinates(density).whitened(near.mean, root)
    trace = _nutpie_run(density.for_nutpie(_Corner(density.size)), settings)
    return lay_out(trace, density.reported, density.coords)


def _nutpie_run(compiled: Any, settings: Mapping[str, Any]) -> Any:
    import nutpie

    try:
        return nutpie.sample(
            compiled,
            draws=settings["draws"],
            tune=settings["tune"],
            chains=settings["chains"],
            cores=settings["cores"],
            seed=settings["seed"],
            target_accept=settings["target_accept"],
            progress_bar=settings["progressbar"],
            return_raw_trace=True,
        )
    except RuntimeError as error:
        raise _stopped(error) from error


def _stopped(error: Exception) -> SamplingError:
    return SamplingError(f"The sampler stopped: {error}. {LOOK_AT_PRIORS}")


@dataclass(frozen=True)
class _Corner:
    """Start each chain a standard deviation off the approximation's mean in every coordinate.

    On which side is by its seed. nutpie takes the first scale of a coordinate from its derivative
    at the start, which of a standard Normal is one there. At a draw of the approximation some are
    near zero, and first trajectories take a thousand steps: 100 tuning draws of each of 4 chains
    took 15,531 gradients in all on a table of 242 LLMs and 12 benchmarks, 28,653 on one of 999 and
    50, and from here 10,165 and 19,382.

    Attributes
    ----------
    size : int
        Number of coordinates.
    """

    size: int

    def __call__(self, seed: Any) -> np.ndarray:
        """Give the start of a chain."""
        return np.random.default_rng(seed).choice([-1.0, 1.0], self.size)


def _with_pymc(model: ScalingModel, **settings: Any) -> xr.DataTree:
    """Sample the graph itself."""
    import pymc as pm

    from latentscale.graph import kept_variables

    graph = model.to_pymc()
    kept = kept_variables(graph, model.priors)
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
    except (RuntimeError, ValueError) as error:  # among them PyMC's own errors
        raise _stopped(error) from error
    tree["posterior"] = tree["posterior"].to_dataset()[kept]
    return tree


def prior_tree(model: ScalingModel, draws: int, random_seed: int | None) -> xr.DataTree:
    """Draw from the prior and lay it out as the posterior is."""
    import pymc as pm

    from latentscale.graph import REPORTED

    with model.to_pymc() as graph:
        kept = [name for name in REPORTED if name in graph.named_vars]
        tree = pm.sample_prior_predictive(
            draws=draws, var_names=[*kept, "score"], random_seed=random_seed
        )
    score = tree["prior_predictive"]["score"].to_numpy()
    if "trials" in model.design.scores and np.issubdtype(score.dtype, np.integer):
        score = score / model.design.scores["trials"].to_numpy()
    return xr.DataTree.from_dict(
        {
            "prior": tree["prior"].to_dataset(),
            "prior_predictive": of_cells(model.design, "score", score),
            "observed_data": observed_data(model.design),
        }
    )


def _require_settings(sampler: str, target_accept: float, **counts: int) -> None:
    if sampler not in SAMPLERS:
        raise SamplingError(
            f"sampler={first(with_nearest([str(sampler)], SAMPLERS))} is not known. Use one of "
            f"{first(quoted(SAMPLERS), 9)}."
        )
    for name, value in counts.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise SamplingError(f"{name}={value!r} must be a whole number of at least 1.")
    if not isinstance(target_accept, float) or not 0 < target_accept < 1:
        raise SamplingError(
            f"target_accept={target_accept!r} must be between 0 and 1: the rate of acceptance that "
            "steps are tuned to, such as 0.8, or 0.95 for smaller steps."
        )
