"""Can the draws be trusted? The sampler's health in numbers and in plain words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from latentscale.suspects import suspects
from latentscale.wording import count, first

# The limits of Vehtari et al. (arXiv 1903.08008) and, for E-BFMI, of Betancourt (arXiv 1604.00695).
MAX_RHAT, MIN_ESS, MIN_EBFMI = 1.01, 400, 0.3
_FIGURES = ("r_hat", "ess_bulk", "ess_tail")
# A smaller standard deviation is that of a constant.
_STILL = 1e-12
# Labels without an order.
UNORDERED = frozenset({"configuration"})
# Up to this many elements a variable's R-hat takes milliseconds; abilities and deviations, of
# which there are thousands, would make every look at a fit wait.
_FEW = 100
# Chains in different modes have between-chain variance far above what slow mixing gives.
_MODES_RHAT = 1.2


@dataclass(frozen=True)
class Diagnosis:
    """The sampler's health.

    Attributes
    ----------
    summary : pandas.DataFrame
        One row a variable: worst ``r_hat`` (NaN for one chain), smallest ``ess_bulk`` and
        ``ess_tail`` over its elements, and which element is worst. NaN where draws are not finite.
        Of many elements, over those whose draws wander most.
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
        rhat, bulk, tail = (self.summary[name].dropna() for name in _FIGURES)
        parts = [f"worst R-hat {rhat.max():.3f} ({rhat.idxmax()})"] if len(rhat) else []
        parts += [
            f"worst {name} ESS {ess.min():,.0f} ({ess.idxmin()})"
            for name, ess in (("bulk", bulk), ("tail", tail))
            if len(ess)
        ]
        parts += [count(self.divergences, "divergence"), f"E-BFMI {min(self.ebfmi):.2f}"]
        head = ", ".join(parts)
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
        *_broken_problem(summary, posterior.sizes["chain"]),
        *_mixing_problems(summary, posterior),
        *_divergence_problem(divergences),
        *_energy_problem(ebfmi),
        *_depth_problem(depth),
    )
    return Diagnosis(summary, divergences, ebfmi, depth, problems)


def quick_look(posterior: xr.Dataset, sample_stats: xr.Dataset) -> tuple[float, str, int]:
    """Look at the variables of few elements, which go wrong first when chains disagree.

    Parameters
    ----------
    posterior : xarray.Dataset, dims (chain, draw, ...)
    sample_stats : xarray.Dataset, dims (chain, draw)

    Returns
    -------
    r_hat : float
        The worst; NaN if there is one chain.
    which : str
        The variable.
    divergences : int
    """
    import arviz as az

    divergences = int(sample_stats["diverging"].sum()) if "diverging" in sample_stats else 0
    if posterior.sizes["chain"] < 2:
        return float("nan"), "", divergences
    n_draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    few = [
        name
        for name in posterior
        if name not in UNORDERED and posterior[name].size <= _FEW * n_draws
    ]
    with np.errstate(invalid="ignore", divide="ignore"):  # loadings that are zero throughout
        worst = {str(name): float(value.max()) for name, value in az.rhat(posterior[few]).items()}
    which = max(worst, key=lambda name: np.nan_to_num(worst[name]))
    return worst[which], which, divergences


def _worst_by_variable(posterior: xr.Dataset) -> pd.DataFrame:
    looked_at = {str(name): _looked_at(draws) for name, draws in posterior.items()}
    looked_at = {name: each for name, each in looked_at.items() if each.sizes["number"]}
    figures = _figures(looked_at)
    rows = {
        name: _worst(draws, posterior[name], {kind: of[name] for kind, of in figures.items()})
        for name, draws in looked_at.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _looked_at(draws: xr.DataArray) -> xr.DataArray:
    """Give the draws to look at, dims (chain, draw, number), with positions among all numbers.

    What does not vary by construction is passed over: zero loadings of anchors, a fixed floor.
    """
    flat = draws.transpose("chain", "draw", ...).to_numpy()
    flat = flat.reshape(*flat.shape[:2], -1)
    with np.errstate(invalid="ignore"):  # what is infinite has no spread
        moving = np.flatnonzero(~(flat.std(axis=(0, 1)) <= _STILL))
    numbers = moving[suspects(flat[:, :, moving])]
    dims = ("chain", "draw", "number")
    return xr.DataArray(flat[:, :, numbers], dims=dims, coords={"number": numbers})


def _figures(looked_at: dict[str, xr.DataArray]) -> dict[str, dict[str, np.ndarray]]:
    """Give R-hat, unless there is one chain, and effective sample sizes of each number."""
    import arviz as az

    dims = {name: f"number of {name}" for name in looked_at}
    draws = xr.Dataset(
        {
            name: each.drop_vars("number").rename(number=dims[name])
            for name, each in looked_at.items()
        }
    )
    with np.errstate(invalid="ignore", divide="ignore"):  # what is not finite
        found = {"r_hat": az.rhat(draws)} if draws.sizes["chain"] > 1 else {}
        found |= {
            "ess_bulk": az.ess(draws, method="bulk"),
            "ess_tail": az.ess(draws, method="tail"),
        }
    return {
        kind: {str(name): np.asarray(values) for name, values in of.items()}
        for kind, of in found.items()
    }


def _worst(
    draws: xr.DataArray, variable: xr.DataArray, figures: dict[str, np.ndarray]
) -> dict[str, float | str]:
    """Give the worst figures of a variable's numbers, NaN where draws are not finite."""
    finite = np.isfinite(draws.to_numpy()).all(axis=(0, 1))
    told = {kind: np.where(finite, of, np.nan) for kind, of in figures.items()}
    # numpy's extremes are NaN where a number is.
    rhat = float(np.max(told["r_hat"])) if "r_hat" in told else float("nan")
    worst = int(np.where(finite, told["ess_bulk"], -np.inf).argmin())
    return {
        "r_hat": rhat,
        "ess_bulk": float(np.min(told["ess_bulk"])),
        "ess_tail": float(np.min(told["ess_tail"])),
        "worst": _label(variable, int(draws["number"][worst])),
    }


def _label(variable: xr.DataArray, number: int) -> str:
    """Name a number of a variable by its labels."""
    one = variable.isel(chain=0, draw=0)
    where = np.unravel_index(number, one.shape)
    labels = (one[dim].to_numpy()[i] for dim, i in zip(one.dims, where, strict=True))
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
    for kind, noisy in (("bulk", "means"), ("tail", "the ends of intervals")):
        ess = summary[f"ess_{kind}"]
        few = ess[ess < MIN_ESS].sort_values()
        if len(few) and not len(bad):
            named = first([f"{name} ({value:.0f})" for name, value in few.items()], 4)
            problems.append(
                f"Too few effective draws ({kind} ESS below {MIN_ESS}) for {named}: {noisy} are "
                "still noisy. Fit again with more draws, such as draws=2000."
            )
    return problems


def _broken_problem(summary: pd.DataFrame, n_chains: int) -> list[str]:
    told = summary[list(_FIGURES if n_chains > 1 else _FIGURES[1:])]
    broken = summary.index[~np.isfinite(told).all(axis=1)]
    if broken.empty:
        return []
    return [
        f"Draws of {first([str(name) for name in broken], 4)} are not all finite, or a chain "
        "stands still, so that nothing can be read off them. Look at what the priors imply "
        "(model.prior_predictive()), and fit again."
    ]


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
