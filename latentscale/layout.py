"""How draws and data are laid out for ArviZ: groups, dims and the coords on ``obs``.

Observations are long, one row a cell on dim ``obs``, with the labels of the cell as non-index
coords: missing cells cost nothing, and ArviZ's predictive checks can group by benchmark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from latentscale.design import Design

if TYPE_CHECKING:
    from latentscale.model import ScalingModel


def cell_coords(design: Design) -> dict[str, Any]:
    """Label the cells: LLM, benchmark, family and recipe as coords on ``obs``."""
    cells = design.scores.merge(design.llms[["llm", "family", "recipe"]], on="llm", how="left")
    labels = {
        name: ("obs", cells[name].to_numpy(dtype=str))
        for name in ("llm", "benchmark", "family", "recipe")
    }
    return {"obs": np.arange(design.n_obs), **labels}


def of_cells(design: Design, name: str, values: np.ndarray) -> xr.Dataset:
    """Make a Dataset of one variable on the cells, dims (..., obs)."""
    dims = ("chain", "draw", "obs") if values.ndim == 3 else ("obs",)
    coords = cell_coords(design)
    if values.ndim == 3:
        coords |= {"chain": np.arange(values.shape[0]), "draw": np.arange(values.shape[1])}
    return xr.Dataset({name: (dims, values)}, coords=coords)


def observed_data(design: Design) -> xr.Dataset:
    """Give the observed scores, dims (obs,)."""
    return of_cells(design, "score", design.score)


def constant_data(design: Design) -> xr.Dataset:
    """Give what the model was told of LLMs and benchmarks.

    The features are standardised; positions are given by label.
    """
    llms = design.llms
    return xr.Dataset(
        {
            "x": (("llm", "feature"), design.x),
            "tuned": ("llm", design.tuned),
            "family_of_llm": ("llm", llms["family"].to_numpy(dtype=str)),
            "recipe_of_llm": ("llm", llms["recipe"].to_numpy(dtype=str)),
            "chance": ("benchmark", design.chance),
        },
        coords={
            "llm": llms["llm"].to_numpy(dtype=str),
            "feature": list(design.encoding.names),
            "benchmark": list(design.benchmarks),
        },
    )


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
