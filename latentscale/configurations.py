"""Which configuration of its unknown features each family has, drawn given all else.

The sampler sums configurations out, and its effects hold what they shift
(:mod:`latentscale.kernels.unknown`). Here each draw of the posterior gets a configuration of each
family, with its probability given the draw, and the effects are freed of its shifts.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from latentscale.design import Design
from latentscale.forward import on_all_benchmarks, root_of

# Shifts of all configurations at once are kept to so many numbers, for memory.
_NUMBERS_AT_ONCE = 10_000_000


def with_configurations(
    posterior: xr.Dataset, design: Design, rng: np.random.Generator
) -> xr.Dataset:
    """Draw configurations, and free effects of their shifts.

    Parameters
    ----------
    posterior : xarray.Dataset, dims (chain, draw, ...)
        Whose effects hold the shifts.
    design : Design
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
        With ``configuration``, dims (chain, draw, unknown_family), and effects of families and LLMs
        and deviations of families about their means again; the same if nothing is unknown.
    """
    if not len(design.unknowns):
        return posterior
    n_families, n_configurations, _ = design.unknowns.shift.shape
    numbers = n_families * n_configurations * len(design.benchmarks)
    at_once, n_draws = max(1, _NUMBERS_AT_ONCE // numbers), posterior.sizes["draw"]
    chains = []
    for chain in range(posterior.sizes["chain"]):
        own = posterior.isel(chain=[chain])
        parts = [
            _of_draws(own.isel(draw=slice(start, start + at_once)), design, rng)
            for start in range(0, n_draws, at_once)
        ]
        chains.append(xr.concat(parts, "draw", data_vars="all"))
    return xr.concat(chains, "chain", data_vars="all")


def _of_draws(posterior: xr.Dataset, design: Design, rng: np.random.Generator) -> xr.Dataset:
    shifts = _Shifts(posterior, design)
    log_weights = shifts.log_weights()
    chosen = (log_weights + rng.gumbel(size=log_weights.shape)).argmax(axis=-1)
    configuration = xr.DataArray(
        chosen,
        dims=("chain", "draw", "unknown_family"),
        coords={"unknown_family": design.unknown_families},
    )
    return posterior.assign({**shifts.freed(chosen), "configuration": configuration})


class _Shifts:
    """What configurations shift effects by, under each draw."""

    def __init__(self, posterior: xr.Dataset, design: Design) -> None:
        # Anchors, whose deviations do not move, are given a scale that divides by nothing.
        self.design, self.posterior = design, on_all_benchmarks(posterior, of_anchors=1.0)
        unknowns, columns = design.unknowns, design.unknowns.columns
        slope = posterior["feature_slope"].transpose("chain", "draw", "feature", "skill").to_numpy()
        # dims (chain, draw, unknown family or LLM, configuration, skill)
        self.of_family = np.einsum("ucq,...qk->...uck", unknowns.shift, slope[..., columns, :])
        self.of_llm = np.einsum("ocq,...qk->...ock", unknowns.off, slope[..., columns, :])
        self.root = None  # of the correlation of effects between skills
        if "communality" in posterior:
            self.root = root_of(posterior["communality"].transpose(..., "skill").to_numpy())
        self.of_deviation = None
        if "family_deviation" in posterior and "benchmark_slope" in posterior:
            own = posterior["benchmark_slope"].transpose("chain", "draw", "benchmark", "feature")
            own_slope = own.to_numpy()[..., columns]
            self.of_deviation = np.einsum("ucq,...jq->...ucj", unknowns.shift, own_slope)

    def log_weights(self) -> np.ndarray:
        """Give the log probability of each configuration, up to a constant."""
        found = self._gain(
            "family_effect", "developer_effect", self.of_family, "family_scale", self.root
        )
        if self.of_deviation is not None:
            found += self._gain("family_deviation", "developer_deviation", self.of_deviation,
                                "family_deviation_scale")  # fmt: skip
        unknowns = self.design.unknowns
        if len(unknowns.llm):
            effect = self.posterior["llm_effect"].to_numpy()[..., unknowns.llm, :]
            scale = self.posterior["llm_scale"].to_numpy()
            of_llms = _gain(effect, self.of_llm, scale, self.root)
            for u, (first, last) in enumerate(
                zip(unknowns.begin[:-1], unknowns.begin[1:], strict=True)
            ):
                found[..., u, :] += of_llms[..., first:last, :].sum(axis=-2)
        return found

    def _gain(
        self, name: str, above: str, shift: np.ndarray, scale: str, root: np.ndarray | None = None
    ) -> np.ndarray:
        families = self.design.unknowns.family
        effect = self.posterior[name].to_numpy()[..., families, :]
        if above in self.posterior:
            developers = self.design.developer_of_family[families]
            effect = effect - self.posterior[above].to_numpy()[..., developers, :]
        return _gain(effect, shift, self.posterior[scale].to_numpy(), root)

    def freed(self, chosen: np.ndarray) -> dict[str, xr.DataArray]:
        """Give the effects less the shifts of the configurations that were chosen."""
        unknowns, posterior = self.design.unknowns, self.posterior
        moved = {"family_effect": (unknowns.family, _take(self.of_family, chosen))}
        if self.of_deviation is not None:
            moved["family_deviation"] = (unknowns.family, _take(self.of_deviation, chosen))
        if len(unknowns.llm):
            of_llms = _take(self.of_llm, chosen[..., unknowns.of_llm])
            moved["llm_effect"] = (unknowns.llm, of_llms)
        found = {}
        for name, (places, shift) in moved.items():
            values = posterior[name].to_numpy().copy()
            values[..., places, :] -= shift
            found[name] = posterior[name].copy(data=values)
        return found


def _gain(
    effect: np.ndarray, shift: np.ndarray, scale: np.ndarray, root: np.ndarray | None
) -> np.ndarray:
    """Give the sum of z z_c - z_c^2 / 2, dims (..., group, configuration).

    z and z_c are the effect and its shift relative to the scale, and to the root of the correlation
    where elements correlate.
    """
    z, moved = effect / scale[..., None, :], shift / scale[..., None, None, :]
    if root is not None:
        inverse = np.linalg.inv(root).swapaxes(-1, -2)
        z, moved = z @ inverse, moved @ inverse[..., None, :, :]
    gain: np.ndarray = (moved * (z[..., None, :] - moved / 2)).sum(axis=-1)
    return gain


def _take(shift: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Give the shifts of one configuration each, dims (..., group, element)."""
    found: np.ndarray = np.take_along_axis(shift, chosen[..., None, None], axis=-2)[..., 0, :]
    return found
