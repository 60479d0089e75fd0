"""Run one contender on the bundled leaderboard and write down what it took, as JSON.

    python benchmarks/contender.py package --likelihood normal -o package.json

Meant to be started by speed.py, each contender in a process of its own: compiled code is not
shared, and the peak of memory is its own.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import nutpie
import xarray as xr
from direct import direct_model

import latentscale as ls
from latentscale.compiled_density import compile_density
from latentscale.coordinates import middle_of_prior
from latentscale.errors import MissingFeatureWarning

# Variables that every contender reports under the same name.
COMPARED = (
    "feature_slope", "tuning_shift", "loading", "difficulty", "ceiling", "asymmetry", "precision",
    "family_scale", "slope_scale", "tuning_scale", "family_deviation_scale",
    "recipe_deviation_scale",
)  # fmt: skip
_POINTS = 300
_DOUBLES = ctypes.POINTER(ctypes.c_double)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contender", choices=list(CONTENDERS))
    parser.add_argument("--likelihood", default="normal", choices=("normal", "beta"))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tune", type=int, default=None, help="default: the contender's own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", required=True)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", MissingFeatureWarning)
    warnings.simplefilter("ignore", ls.errors.ConvergenceWarning)
    model = ls.ScalingModel(ls.load_leaderboard(), likelihood=asked.likelihood)
    run = CONTENDERS[asked.contender](model, asked.draws, asked.tune, asked.seed)
    Path(asked.output).write_text(json.dumps(_figures(run), indent=1), encoding="utf-8")


def _package(model: ls.ScalingModel, draws: int, tune: int | None, seed: int) -> dict[str, Any]:
    """Fit as a user does, having compiled before."""
    start = time.perf_counter()
    density = compile_density(model)
    compile_s = time.perf_counter() - start
    start = time.perf_counter()
    fit = model.fit(draws=draws, tune=tune or 300, random_seed=seed, progressbar=False)
    sample_s = time.perf_counter() - start
    point = np.zeros(density.size)
    point[: density.n_shared] = middle_of_prior(model.design, model.spec, model.priors)
    return {
        "posterior": fit.posterior,
        "steps": fit.idata["sample_stats"]["n_steps"].to_numpy(),
        "compile_s": compile_s,
        "sample_s": sample_s,
        "compiled": density.for_nutpie(lambda seed: point),
    }


def _direct(model: ls.ScalingModel, draws: int, tune: int | None, seed: int) -> dict[str, Any]:
    """Sample the direct transcription with nutpie's defaults."""
    start = time.perf_counter()
    compiled = nutpie.compile_pymc_model(direct_model(model))
    compile_s = time.perf_counter() - start
    start = time.perf_counter()
    tree = nutpie.sample(
        compiled, draws=draws, tune=tune or 1000, chains=4, seed=seed, progress_bar=False,
        save_warmup=False,
    )  # fmt: skip
    sample_s = time.perf_counter() - start
    return {
        "posterior": tree["posterior"].to_dataset(),
        "steps": tree["sample_stats"]["n_steps"].to_numpy(),
        "compile_s": compile_s,
        "sample_s": sample_s,
        "compiled": compiled,
    }


CONTENDERS: dict[str, Callable[..., dict[str, Any]]] = {"package": _package, "direct": _direct}


def _figures(run: dict[str, Any]) -> dict[str, Any]:
    posterior: xr.Dataset = run["posterior"][list(COMPARED)]
    with np.errstate(invalid="ignore", divide="ignore"):  # loadings of anchors do not vary
        found = {"ess": az.ess(posterior, method="bulk"), "r_hat": az.rhat(posterior)}
        found |= {f"error_of_{what}": az.mcse(posterior, method=what) for what in ("mean", "sd")}
    found |= {"mean": posterior.mean(("chain", "draw")), "sd": posterior.std(("chain", "draw"))}
    lists = {
        what: {name: np.ravel(values[name]).tolist() for name in COMPARED}
        for what, values in found.items()
    }
    flat = {what: np.concatenate(list(values.values())) for what, values in lists.items()}
    varies = flat["sd"] > 1e-12
    return {
        "compile_s": run["compile_s"],
        "sample_s": run["sample_s"],
        "worst_ess": float(flat["ess"][varies].min()),
        "median_ess": float(np.median(flat["ess"][varies])),
        "worst_r_hat": float(flat["r_hat"][varies].max()),
        "gradients_per_draw": float(run["steps"].mean()),
        "us_per_gradient": _microseconds(run["compiled"]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **{what: lists[what] for what in ("mean", "sd", "ess", "error_of_mean", "error_of_sd")},
    }


def _microseconds(compiled: Any) -> float:
    """Time one gradient as nutpie computes it, from Python, the best of seven rounds."""
    function, data, n = compiled.compiled_logp_func.ctypes, compiled.user_data, compiled.n_dim
    arrays = (compiled.initial_point_func(1), np.empty(n), np.empty(()))
    pointers = [array.ctypes.data_as(_DOUBLES) for array in arrays]
    rounds = []
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(_POINTS):
            function(n, *pointers, data.ctypes.data)
        rounds.append((time.perf_counter() - start) / _POINTS)
    return 1e6 * min(rounds)


if __name__ == "__main__":
    main()
