"""Run one contender on the bundled leaderboard and write down what it took, as JSON.

    python benchmarks/contender.py package --likelihood normal -o package.json

Meant to be started by speed.py, each contender in a process of its own: compiled code is not
shared, and the peak of memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import arviz as az
import numba
import numpy as np
import xarray as xr
from rounds import microseconds

import latentscale as ls
from latentscale.compiled_density import compile_density
from latentscale.coordinates import middle_of_prior
from latentscale.model import DEFAULT_LIKELIHOOD

# Variables that every contender reports under the same name.
COMPARED = (
    "feature_slope", "tuning_shift", "loading", "difficulty", "ceiling", "asymmetry", "precision",
    "family_scale", "slope_scale", "tuning_scale", "family_deviation_scale",
    "recipe_deviation_scale",
)  # fmt: skip


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contender", choices=list(CONTENDERS))
    parser.add_argument(
        "--likelihood", default=DEFAULT_LIKELIHOOD, choices=("student_t", "normal", "beta")
    )
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tune", type=int, default=None, help="default: the contender's own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", required=True)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ls.errors.ConvergenceWarning)
    model = ls.ScalingModel(complete(ls.load_leaderboard()), likelihood=asked.likelihood)
    run = CONTENDERS[asked.contender](model, asked.draws, asked.tune, asked.seed)
    figures = {
        **(_of_posterior(run) if run.posterior is not None else {}),
        "compile_s": run.compile_s,
        "us_per_gradient": microseconds(run.gradients),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    Path(asked.output).write_text(json.dumps(figures, indent=1), encoding="utf-8")


def complete(table: ls.ScoreTable) -> ls.ScoreTable:
    """Keep the LLMs of which tokens are known: the rivals of the package cannot do without."""
    return table.drop(llms=table.llms.loc[table.llms["tokens_t"].isna(), "llm"])


@dataclass(frozen=True)
class Run:
    """What a contender did.

    Attributes
    ----------
    compile_s
    gradients : callable
        Computes as many gradients as it is told.
    posterior : xarray.Dataset, optional
        None if it does not sample.
    steps : numpy.ndarray, optional
        Gradients of each kept draw.
    sample_s : float
    """

    compile_s: float
    gradients: Callable[[int], Any]
    posterior: xr.Dataset | None = None
    steps: np.ndarray | None = None
    sample_s: float = np.nan


def _package(model: ls.ScalingModel, draws: int, tune: int | None, seed: int) -> Run:
    """Fit as a user does, having compiled before."""
    start = time.perf_counter()
    density = compile_density(model)
    compile_s = time.perf_counter() - start
    start = time.perf_counter()
    fit = model.fit(draws=draws, tune=tune, random_seed=seed, progressbar=False)
    sample_s = time.perf_counter() - start
    point = np.zeros(density.size)
    point[: density.n_shared] = middle_of_prior(model.design, model.spec, model.priors)
    compiled = density.for_nutpie(lambda seed: point)
    steps = fit.idata["sample_stats"]["n_steps"].to_numpy()
    return Run(compile_s, _gradients(compiled), fit.posterior, steps, sample_s)


def _direct(model: ls.ScalingModel, draws: int, tune: int | None, seed: int) -> Run:
    """Sample the direct transcription with nutpie's defaults."""
    import nutpie
    from direct import direct_model

    start = time.perf_counter()
    compiled = nutpie.compile_pymc_model(direct_model(model))
    compile_s = time.perf_counter() - start
    start = time.perf_counter()
    tree = nutpie.sample(
        compiled, draws=draws, tune=tune or 1000, chains=4, seed=seed, progress_bar=False,
        save_warmup=False,
    )  # fmt: skip
    sample_s = time.perf_counter() - start
    posterior, steps = tree["posterior"].to_dataset(), tree["sample_stats"]["n_steps"].to_numpy()
    return Run(compile_s, _gradients(compiled), posterior, steps, sample_s)


def _numpyro(model: ls.ScalingModel, draws: int, tune: int | None, seed: int) -> Run:
    """Sample the direct transcription in numpyro, with its defaults, a chain on a device."""
    import numpyro

    numpyro.enable_x64()
    numpyro.set_host_device_count(4)  # before JAX starts
    import jax
    from in_numpyro import numpyro_model
    from numpyro.infer import MCMC, NUTS

    compiling: list[float] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiling.append(seconds if "compile" in event else 0.0)
    )
    in_numpyro = numpyro_model(model)
    chains = MCMC(
        NUTS(in_numpyro), num_warmup=tune or 1000, num_samples=draws, num_chains=4,
        progress_bar=False,
    )  # fmt: skip
    start = time.perf_counter()
    chains.run(jax.random.key(seed), extra_fields=("num_steps",))
    steps = np.asarray(chains.get_extra_fields(group_by_chain=True)["num_steps"])
    whole_s, compile_s = time.perf_counter() - start, sum(compiling)
    posterior = az.from_numpyro(chains)["posterior"].to_dataset()
    return Run(compile_s, _gradients_in_jax(in_numpyro), posterior, steps, whole_s - compile_s)


def _handwritten(model: ls.ScalingModel, draws: int, tune: int | None, seed: int) -> Run:
    """Compile the hand-written density of the direct transcription, which is not sampled."""
    from handwritten import repeated

    start = time.perf_counter()
    repeat = repeated(model)
    repeat(1)
    return Run(time.perf_counter() - start, repeat)


CONTENDERS: dict[str, Callable[..., Run]] = {
    "package": _package, "direct": _direct, "numpyro": _numpyro, "handwritten": _handwritten,
}  # fmt: skip


def _of_posterior(run: Run) -> dict[str, Any]:
    """Give how good a sample is, and what it says of the parameters."""
    posterior = run.posterior[list(COMPARED)]
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
        "sample_s": run.sample_s,
        "worst_ess": float(flat["ess"][varies].min()),
        "median_ess": float(np.median(flat["ess"][varies])),
        "worst_r_hat": float(flat["r_hat"][varies].max()),
        "gradients_per_draw": float(run.steps.mean()),
        **{what: lists[what] for what in ("mean", "sd", "ess", "error_of_mean", "error_of_sd")},
    }


def _gradients(compiled: Any) -> Callable[[int], None]:
    """Give what computes gradients as nutpie does: compiled code calls compiled code."""
    function, data, n = compiled.compiled_logp_func.ctypes, compiled.user_data, compiled.n_dim

    @numba.njit
    def many(points: int, point: Any, gradient: Any, value: Any, data: Any) -> None:
        for _ in range(points):
            function(n, point.ctypes, gradient.ctypes, value.ctypes, data.ctypes)

    point = compiled.initial_point_func(1)

    # What is pointed to lives as long as the function.
    def repeat(points: int, _held: Any = compiled) -> None:
        many(points, point, np.empty(n), np.empty(1), data)

    return repeat


def _gradients_in_jax(in_numpyro: Callable[[], None]) -> Callable[[int], None]:
    """Give what computes gradients within a compiled loop."""
    import jax
    from numpyro.infer.util import initialize_model

    start_of = initialize_model(jax.random.key(0), in_numpyro)
    gradient = jax.grad(start_of.potential_fn)

    def onwards(_: int, point: Any) -> Any:  # each point needs the one before
        return jax.tree.map(lambda x, slope: x - 1e-9 * slope, point, gradient(point))

    loop = jax.jit(lambda points, point: jax.lax.fori_loop(0, points, onwards, point))
    return lambda points: jax.block_until_ready(loop(points, start_of.param_info.z))


if __name__ == "__main__":
    main()
