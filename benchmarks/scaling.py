"""How do time and memory grow with the table? Simulated tables of 250 to 4,000 LLMs.

    python benchmarks/scaling.py -o scaling.json

fits six tables, 40 % of whose cells are missing, with three skills, each in a process of its own.
All come from one population: what is drawn at random are LLMs, group effects and how benchmarks
load on skills; everything else is at the medians of the priors. Seconds hold approximation, tuning
and sampling, not compiling, which takes the same for every table. The exponent is the slope of
log seconds per effective draw over log observed cells, for the median parameter and for the worst.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
from fresh import figures_of, keep, options

import latentscale as ls
from latentscale.compiled_density import compile_density
from latentscale.coordinates import shared_variables
from latentscale.model import DEFAULT_LIKELIHOOD

LLMS, BENCHMARKS = (250, 1_000, 4_000), (12, 50)
_MISSING, _SKILLS = 0.4, 3
_FAMILIES = 1.8  # of a developer, as on the bundled leaderboard
_LLMS_PER_FAMILY = 4.75  # with the other defaults of simulate()

# Medians of the priors, about; so that no benchmark is at its ceiling or floor for most LLMs.
_TYPICAL: dict[str, Any] = {
    "feature_slope": 0.5, "tuning_shift": 0.3, "family_scale": 0.6, "developer_ratio": 1.0,
    "recipe_ratio": 0.37, "llm_ratio": 0.37, "total_loading": 1.0, "slope_scale": 0.1,
    "tuning_scale": 0.22, "developer_deviation_scale": 0.15, "family_deviation_scale": 0.15,
    "recipe_deviation_scale": 0.15, "floor_slack": 0.03, "ceiling_share": 0.9, "asymmetry": 1.0,
    "communality": 0.5, "precision": 500.0, "tail": 5.0,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llms", nargs="+", type=int, default=list(LLMS))
    parser.add_argument("--benchmarks", nargs="+", type=int, default=list(BENCHMARKS))
    parser.add_argument("--draws", type=int, default=150, help="kept draws of each of 4 chains")
    parser.add_argument("--tune", type=int, default=100, help="tuning draws")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="fit one table, in this process")
    parser.add_argument("-o", "--output", default="scaling.json", help="where figures are kept")
    asked = parser.parse_args(arguments)
    if asked.here:
        figures = fit_one(asked.llms[0], asked.benchmarks[0], asked.draws, asked.tune, asked.seed)
        Path(asked.output).write_text(json.dumps(figures), encoding="utf-8")
        return 0
    rows = []
    sampling = {"draws": asked.draws, "tune": asked.tune, "seed": asked.seed}
    for n_benchmarks in asked.benchmarks:
        for n_llms in asked.llms:
            settings = options(llms=n_llms, benchmarks=n_benchmarks, **sampling)
            rows.append(figures_of("scaling.py", ["--here", *settings]))
            print(rows[-1], flush=True)
            keep(Path(asked.output), {**sampling, "tables": rows})
    print(report(rows))
    return 0


def simulated(n_llms: int, n_benchmarks: int, seed: int) -> ls.ScalingModel:
    """Simulate one table, with the default likelihood."""
    truth = {**_TYPICAL, "difficulty": np.linspace(-1.5, 1.0, n_benchmarks)}
    return ls.simulate(
        n_families=round(n_llms / _LLMS_PER_FAMILY), families_per_developer=_FAMILIES,
        benchmarks=n_benchmarks, missing=_MISSING,
        skills=_SKILLS, likelihood=DEFAULT_LIKELIHOOD, truth=truth, random_seed=seed,
    ).model  # fmt: skip


def fit_one(n_llms: int, n_benchmarks: int, draws: int, tune: int, seed: int) -> dict[str, Any]:
    """Simulate one table and fit it."""
    model = simulated(n_llms, n_benchmarks, seed)
    density = compile_density(model)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ls.errors.ConvergenceWarning)
        fit = model.fit(draws=draws, tune=tune, random_seed=seed, progressbar=False)
    seconds = time.perf_counter() - start
    stats = fit.idata["sample_stats"]
    ess = _ess_of_shared(fit)
    every = np.concatenate(list(ess.values()))
    return {
        "LLMs": len(model.design.llms),
        "benchmarks": n_benchmarks,
        "cells": model.design.n_obs,
        "dimensions": density.size,
        "seconds": seconds,
        "median_ess": float(np.median(every)),
        "worst_ess": float(every.min()),
        "worst": min(ess, key=lambda name: ess[name].min()),
        "gradients_per_draw": float(stats["n_steps"].mean()),
        "divergences": int(stats["diverging"].sum()),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _ess_of_shared(fit: ls.ScalingFit) -> dict[str, np.ndarray]:
    """Give the effective sample sizes of the parameters that all LLMs share, by variable."""
    drawn = fit.idata["posterior"].to_dataset().assign(fit.idata["sampled"].to_dataset())
    names = [each.name for each in shared_variables(fit.model.design, fit.spec)]
    shared = drawn[[name for name in names if name in drawn]]
    # What is fixed by construction, as anchors' loadings are, counts as well mixed to ArviZ.
    found = az.ess(shared, method="bulk").where(shared.std(["chain", "draw"]) > 0)
    sizes = {str(name): found[name].to_numpy() for name in found.data_vars}
    told = {name: size[np.isfinite(size)] for name, size in sizes.items()}
    return {name: size for name, size in told.items() if size.size}


def report(rows: list[dict[str, Any]]) -> str:
    """Lay the figures out, with the exponents."""
    frame = pd.DataFrame(rows)
    lines = []
    for what in ("median", "worst"):
        per_draw = frame["seconds"] / frame[f"{what}_ess"]
        frame[f"s per 1,000 ({what})"] = 1_000 * per_draw
        if len(frame) > 1:
            slope = np.polyfit(np.log(frame["cells"]), np.log(per_draw), 1)[0]
            lines.append(f"exponent of seconds per effective draw ({what}): {slope:.2f}")
    shown = frame.to_string(index=False, float_format=lambda value: f"{value:.3g}")
    return "\n".join([shown, *lines])


if __name__ == "__main__":
    raise SystemExit(main())
