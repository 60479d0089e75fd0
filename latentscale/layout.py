"""How draws and data are laid out for ArviZ: groups, dims and the coords on ``obs``.

Observations are long, one row a cell on dim ``obs``, with the labels of the cell as non-index
coords: missing cells cost nothing, and ArviZ's predictive checks can group by benchmark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from latentscale.design import Design


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
