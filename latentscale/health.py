"""Can the draws be trusted? The sampler's health in numbers and in plain words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.wording import count, first

# The limits of Vehtari et al. (arXiv 1903.08008) and, for E-BFMI, of Betancourt (arXiv 1604.00695).
MAX_RHAT, MIN_ESS, MIN_EBFMI = 1.01, 400, 0.3
# Chains in different modes have between-chain variance far above what slow mixing gives.
_MODES_RHAT = 1.2


@dataclass(frozen=True)
class Diagnosis:
    """The sampler's health.

    Attributes
    ----------
    summary : pandas.DataFrame
        One row a variable: worst ``r_hat``, smallest ``ess_bulk`` and ``ess_tail`` over its
        elements, and which element is worst.
    divergences : int
    ebfmi : tuple of float
        By chain.
    at_max_depth : float
        Share of draws whose trajectory was cut short.
    problems : tuple of str
        Plain sentences, each with what to do; empty if all is well.
    """

    summary: pd.DataFrame
    divergences: int
    ebfmi: tuple[float, ...]
    at_max_depth: float
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return not self.problems

    @property
    def text(self) -> str:
        """The verdict in plain words."""
        worst = self.summary
        head = (
            f"worst R-hat {worst['r_hat'].max():.3f} ({worst['r_hat'].idxmax()}), worst bulk ESS "
            f"{worst['ess_bulk'].min():,.0f} ({worst['ess_bulk'].idxmin()}), worst tail ESS "
            f"{worst['ess_tail'].min():,.0f} ({worst['ess_tail'].idxmin()}), "
            f"{count(self.divergences, 'divergence')}, E-BFMI {min(self.ebfmi):.2f}"
        )
        if self.ok:
            return f"The chains agree: {head}."
        listed = "\n".join(f"- {problem}" for problem in self.problems)
        return f"The posterior cannot be trusted yet: {head}.\n{listed}"

    def __repr__(self) -> str:
        """Give the verdict."""
        return self.text


def diagnose(posterior: xr.Dataset, sample_stats: xr.Dataset) -> Diagnosis:
    """Check the chains.

    Parameters
    ----------
    posterior : xarray.Dataset, dims (chain, draw, ...)
    sample_stats : xarray.Dataset, dims (chain, draw)

    Returns
    -------
    Diagnosis
    """
    summary = _worst_by_variable(posterior)
    divergences = int(sample_stats["diverging"].sum()) if "diverging" in sample_stats else 0
    ebfmi = _ebfmi(sample_stats)
    depth = _share_at_max_depth(sample_stats)
    problems = (
        *_mixing_problems(summary, posterior),
        *_divergence_problem(divergences),
        *_energy_problem(ebfmi),
        *_depth_problem(depth),
    )
    return Diagnosis(summary, divergences, ebfmi, depth, problems)


def _worst_by_variable(posterior: xr.Dataset) -> pd.DataFrame:
    import arviz as az

    # What is constant by construction, such as an anchor's zero loadings, divides 0 by 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {"r_hat": az.rhat(posterior)} if posterior.sizes["chain"] > 1 else {}
        values |= {
            "ess_bulk": az.ess(posterior, method="bulk"),
            "ess_tail": az.ess(posterior, method="tail"),
        }
    rows = {}
    for name in posterior.data_vars:
        moving = _moving(posterior[name])
        if not moving.any():
            continue
        worst = values["ess_bulk"][name].where(moving)
        rows[name] = {
            "r_hat": float(values["r_hat"][name].where(moving).max()) if "r_hat" in values else 1.0,
            "ess_bulk": float(worst.min()),
            "ess_tail": float(values["ess_tail"][name].where(moving).min()),
            "worst": _label(worst),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _moving(variable: xr.DataArray) -> xr.DataArray:
    """Leave out what does not vary by construction: zero loadings of anchors, a fixed floor."""
    return variable.std(("chain", "draw")) > 1e-12


def _label(ess: xr.DataArray) -> str:
    if not ess.dims:
        return ""
    values = ess.fillna(np.inf).to_numpy()
    where = np.unravel_index(values.argmin(), values.shape)
    labels = (ess[dim].to_numpy()[i] for dim, i in zip(ess.dims, where, strict=True))
    return ", ".join(str(label) for label in labels)


def _ebfmi(sample_stats: xr.Dataset) -> tuple[float, ...]:
    if "energy" not in sample_stats:
        return (float("nan"),)
    energy = sample_stats["energy"].transpose("chain", "draw").to_numpy()
    steps = np.square(np.diff(energy, axis=1)).mean(axis=1)
    return tuple(float(value) for value in steps / energy.var(axis=1))


def _share_at_max_depth(sample_stats: xr.Dataset) -> float:
    for name in ("maxdepth_reached", "reached_max_treedepth"):
        if name in sample_stats:
            return float(sample_stats[name].mean())
    return 0.0


def _mixing_problems(summary: pd.DataFrame, posterior: xr.Dataset) -> list[str]:
    problems = []
    if posterior.sizes["chain"] < 2:
        problems.append(
            "There is one chain only, so nothing shows whether another would agree. Use chains=4."
        )
    bad = summary[summary["r_hat"] > MAX_RHAT].sort_values("r_hat", ascending=False)
    named = first([f"{name} ({row.r_hat:.2f})" for name, row in bad.iterrows()], 4)
    if (bad["r_hat"] > _MODES_RHAT).any():
        problems.append(
            f"The chains ended in different modes: R-hat of {named}; "
            f"{_odd_chain(posterior, str(bad.index[0]))}. More draws do not help. Use fewer "
            "skills, or anchors= that the skills explain well and that differ from each other."
        )
    elif len(bad):
        problems.append(
            f"The chains have not mixed: R-hat above {MAX_RHAT} for {named}. Fit again with more "
            "of both, such as tune=2000, draws=2000."
        )
    few = summary[summary["ess_bulk"] < MIN_ESS].sort_values("ess_bulk")
    if len(few) and not len(bad):
        named = first([f"{name} ({row.ess_bulk:.0f})" for name, row in few.iterrows()], 4)
        problems.append(
            f"Too few effective draws (bulk ESS below {MIN_ESS}) for {named}: means are still "
            "noisy. Fit again with more draws, such as draws=2000."
        )
    return problems


def _odd_chain(posterior: xr.Dataset, name: str) -> str:
    means = posterior[name].mean("draw")
    spread = posterior[name].std(("chain", "draw"))
    distance = (abs(means - means.median("chain")) / spread).fillna(0)
    by_chain = distance.mean([dim for dim in distance.dims if dim != "chain"])
    return f"chain {int(by_chain.to_numpy().argmax())} lies apart"


def _divergence_problem(divergences: int) -> list[str]:
    if not divergences:
        return []
    return [
        f"{count(divergences, 'trajectory', 'trajectories')} diverged: part of the posterior may "
        "not have been reached. Fit again with target_accept=0.95; if they stay, tighten the "
        "priors of the scales."
    ]


def _energy_problem(ebfmi: tuple[float, ...]) -> list[str]:
    if not any(value < MIN_EBFMI for value in ebfmi):
        return []
    return [
        f"E-BFMI is {np.nanmin(ebfmi):.2f} (below {MIN_EBFMI}): the sampler explores the tails of "
        "the posterior slowly. Fit again with tune=2000, or tighten the priors of the scales."
    ]


def _depth_problem(share: float) -> list[str]:
    if share < 0.05:
        return []
    return [
        f"{share:.0%} of the trajectories were cut short at the largest tree depth: the draws move "
        "slowly. Fit again with tune=2000."
    ]
