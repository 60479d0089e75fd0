"""How fast is the package? The same posterior by the package and by a direct transcription.

    python benchmarks/speed.py --likelihoods normal beta -o speed.json

Every contender runs in a process of its own, with empty caches of compiled code, one after the
other on the same machine; what counts are the ratios. ``ess`` is the bulk effective sample size
over the parameters that all contenders report, per second of sampling (tuning and approximation
included, compiling not). Gaps are the largest differences of posterior means and sds between the
package and the contender, in standard errors of that difference: of some 200 that agree, the
largest is about 3.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CONTENDERS = ("package", "direct")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--likelihoods", nargs="+", default=["normal", "beta"])
    parser.add_argument("--draws", type=int, default=1000, help="kept draws of each of 4 chains")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", default="speed.json", help="where figures are kept")
    asked = parser.parse_args(arguments)
    figures = {}
    Path(asked.output).parent.mkdir(parents=True, exist_ok=True)
    for likelihood in asked.likelihoods:
        of = {name: run(name, likelihood, asked.draws, asked.seed) for name in CONTENDERS}
        figures[likelihood] = of
        record = {"cores": os.cpu_count(), "draws": asked.draws, "figures": figures}
        Path(asked.output).write_text(json.dumps(record, indent=1), encoding="utf-8")
        print(f"{likelihood} likelihood, {os.cpu_count()} cores\n{report(of)}\n", flush=True)
    return 0


def run(name: str, likelihood: str, draws: int, seed: int) -> dict[str, Any]:
    """Run one contender in a process of its own, with nothing compiled yet."""
    script = Path(__file__).with_name("contender.py")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "figures.json"
        command = [
            sys.executable, str(script), name, "--likelihood", likelihood, "--draws", str(draws),
            "--seed", str(seed), "-o", str(output),
        ]  # fmt: skip
        empty = {"PYTENSOR_FLAGS": f"base_compiledir={folder}", "NUMBA_CACHE_DIR": folder}
        subprocess.run(command, check=True, env={**os.environ, **empty})
        figures: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return figures


def report(figures: dict[str, dict[str, Any]]) -> str:
    """Lay the figures out, one row a contender, with ratios to the direct transcription."""
    rows = {}
    for name, of in figures.items():
        rows[name] = {
            "compile s": of["compile_s"],
            "sample s": of["sample_s"],
            "worst ess/s": of["worst_ess"] / of["sample_s"],
            "median ess/s": of["median_ess"] / of["sample_s"],
            "worst r_hat": of["worst_r_hat"],
            "gradients/draw": of["gradients_per_draw"],
            "us/gradient": of["us_per_gradient"],
            "peak MB": of["peak_mb"],
            "gap of means": largest_gap(of, figures["package"], "mean"),
            "gap of sds": largest_gap(of, figures["package"], "sd"),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    ratio = frame["worst ess/s"] / frame.loc["direct", "worst ess/s"]
    frame.insert(3, "ratio", ratio)
    return frame.to_string(float_format=lambda value: f"{value:.3g}")


def largest_gap(one: dict[str, Any], other: dict[str, Any], what: str) -> float:
    """Give the largest difference of means, or of sds, in its standard error."""
    gaps = []
    for name in one[what]:
        values, errors, sds = (
            [np.array(figures[key][name], dtype=float) for figures in (one, other)]
            for key in (what, f"error_of_{what}", "sd")
        )
        varies = (sds[0] > 1e-12) & (sds[1] > 1e-12)
        error = np.sqrt(errors[0] ** 2 + errors[1] ** 2)[varies]
        gaps += (np.abs(values[0] - values[1])[varies] / error).tolist()
    return float(max(gaps))


if __name__ == "__main__":
    raise SystemExit(main())
