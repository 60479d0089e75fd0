"""Log densities of posterior draws: of each observed score, and of each prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from latentscale.forward import (
    expected_of_cells,
    fitted_members,
    read_draws,
    scatter_of,
    with_features,
)
from latentscale.layout import of_cells
from latentscale.likelihoods import likelihood_of

if TYPE_CHECKING:
    from latentscale.model import ScalingModel


def log_likelihood(model: ScalingModel, posterior: xr.Dataset) -> xr.Dataset:
    """Give the log density of every observed score, dims (chain, draw, obs)."""
    design = model.design
    draws = with_features(read_draws(posterior), design)
    members = fitted_members(design, model.spec)
    expected = expected_of_cells(draws, members, design.llm_of_obs, design.benchmark_of_obs)
    scatter = scatter_of(draws, design.benchmark_of_obs)
    density = likelihood_of(model.spec.likelihood).log_density(design.scores, expected, scatter)
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], -1)
    return of_cells(design, "score", density.reshape(shape))


def log_prior(model: ScalingModel, posterior: xr.Dataset, sampled: xr.Dataset) -> xr.Dataset:
    """Give the log density of every parameter under its own prior, dims as the parameter's.

    Group effects are left out: their distribution is the model, and scaling it for a check of
    prior sensitivity (``az.psense``) would change the model instead of the prior.
    """
    import pymc as pm

    densities = {}
    for name, prior in model.priors.items():
        if name not in sampled and name not in posterior:
            continue
        draws = sampled[name] if name in sampled else posterior[name]
        values = draws.to_numpy()
        density = pm.logp(prior.dist(values.shape), values).eval()
        if name == "feature_slope":
            # Slopes that are shrunk have a distribution that is part of the model.
            density *= (model.design.shrinkage.term < 0)[:, None]
        densities[name] = draws.copy(data=density)
    return xr.Dataset(densities)
