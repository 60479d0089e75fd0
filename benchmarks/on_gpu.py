"""What a gradient costs on a GPU: the transcription in numpyro, and the package on a core.

    python benchmarks/on_gpu.py -o out/on_gpu.json

for simulated tables of several sizes, as those of ``scaling.py``. JAX takes the GPU if it finds
one; the figures say which device it was. Nothing is sampled.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scaling import simulated

from latentscale.compiled_density import compile_density
from latentscale.coordinates import middle_of_prior
from latentscale.model import ScalingModel

SIZES = ((250, 12), (4000, 12), (4000, 50))
# Long enough to be measured, the first not among them.
_SECONDS = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", default="out/on_gpu.json")
    asked = parser.parse_args(arguments)
    rows = []
    for n_llms, n_benchmarks in SIZES:
        rows.append(measured(simulated(n_llms, n_benchmarks, asked.seed)))
        print(rows[-1], flush=True)
    path = Path(asked.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def measured(model: ScalingModel) -> dict[str, Any]:
    """Give microseconds of a gradient, of one and of four chains at once in JAX."""
    design = model.design
    return {
        "scores": design.n_obs,
        "package": _package(model),
        "jax": _jax(model, 1),
        "jax, 4 chains": _jax(model, 4),
        "device": _device(),
    }


def _device() -> str:
    import jax

    return str(jax.devices()[0].device_kind)


def _package(model: ScalingModel) -> float:
    density = compile_density(model)
    point = np.zeros(density.size)
    point[: density.n_shared] = middle_of_prior(model.design, model.spec, model.priors)
    return _microseconds(lambda: density.at(point))


def _jax(model: ScalingModel, chains: int) -> float:
    import jax
    import numpyro
    from in_numpyro import numpyro_model
    from numpyro.infer import init_to_uniform
    from numpyro.infer.util import initialize_model

    numpyro.enable_x64()
    keys = jax.random.split(jax.random.PRNGKey(0), chains)
    # Where a point is possible or not, a gradient takes as long.
    found = initialize_model(
        keys if chains > 1 else keys[0],
        numpyro_model(model),
        init_strategy=init_to_uniform(radius=0.1),  # further out, large tables are impossible
        validate_grad=False,
    )
    one = jax.value_and_grad(found.potential_fn)
    gradient = jax.jit(jax.vmap(one) if chains > 1 else one)
    point = found.param_info.z
    return _microseconds(lambda: jax.block_until_ready(gradient(point)))


def _microseconds(call: Callable[[], Any]) -> float:
    call()
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        call()
        n += 1
    return 1e6 * (time.perf_counter() - start) / n


if __name__ == "__main__":
    raise SystemExit(main())
