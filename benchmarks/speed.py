"""How fast is the package? The same posterior by the package and by direct transcriptions.

    python benchmarks/speed.py --likelihoods student_t normal beta -o speed.json

compares, on the bundled leaderboard, the package (``package``), the model written down plainly in
PyMC (``direct``) and in numpyro (``numpyro``), and for the limit of a gradient the same density
written by hand in numba (``handwritten``), which is not sampled.

Every contender runs in a process of its own, with empty caches of compiled code, one after the
other on the same machine; what counts are the ratios. Figures are written contender by contender:
the same command continues where it stopped. ``ess`` is the bulk effective sample size
over the parameters that all contenders report, per second of sampling (tuning and approximation
included, compiling not). Gaps are the largest differences of posterior means and sds between the
package and the contender, in standard errors of that difference: of some 200 that agree, the
largest is about 3.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fresh import figures_of, keep, options

CONTENDERS = ("package", "direct", "numpyro", "handwritten")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--likelihoods", nargs="+", default=["student_t", "normal", "beta"])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--draws", type=int, default=1000, help="kept draws of each of 4 chains")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", default="speed.json", help="where figures are kept")
    asked = parser.parse_args(arguments)
    settings = {"draws": asked.draws, "seed": asked.seed}
    path = Path(asked.output)
    figures = known(path, settings)
    for likelihood in asked.likelihoods:
        of = figures.setdefault(likelihood, {})
        for name in asked.contenders:
            if name not in of:
                words = [name, *options(likelihood=likelihood, **settings)]
                of[name] = figures_of("contender.py", words)
                keep(path, {**settings, "figures": figures})
        print(f"{likelihood} likelihood, {os.cpu_count()} cores\n{report(of)}\n", flush=True)
    return 0


def known(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Give the figures that an earlier run left, if it had the same settings."""
    if not path.exists():
        return {}
    held = json.loads(path.read_text(encoding="utf-8"))
    if any(held[name] != value for name, value in settings.items()):
        raise SystemExit(
            f"{path} holds figures of other settings, which cannot be compared with these. Give "
            "another -o, or delete the file."
        )
    figures: dict[str, Any] = held["figures"]
    return figures


def report(figures: dict[str, dict[str, Any]]) -> str:
    """Lay the figures out, one row a contender; ratios are the package's over the contender's."""
    package = figures["package"]
    rows = {name: _row(of, package) for name, of in figures.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.to_string(float_format=lambda value: f"{value:.3g}", na_rep="")


def _row(of: dict[str, Any], package: dict[str, Any]) -> dict[str, float]:
    gradient = {
        "us/gradient": of["us_per_gradient"],
        "ratio of us": package["us_per_gradient"] / of["us_per_gradient"],
        "peak MB": of["peak_mb"],
    }
    if "sample_s" not in of:
        return {"compile s": of["compile_s"], **gradient}
    return {
        "compile s": of["compile_s"],
        "sample s": of["sample_s"],
        "worst ess/s": _per_second(of, "worst_ess"),
        "ratio of worst": _per_second(package, "worst_ess") / _per_second(of, "worst_ess"),
        "median ess/s": _per_second(of, "median_ess"),
        "ratio of medians": _per_second(package, "median_ess") / _per_second(of, "median_ess"),
        "worst r_hat": of["worst_r_hat"],
        "gradients/draw": of["gradients_per_draw"],
        **gradient,
        "gap of means": largest_gap(of, package, "mean"),
        "gap of sds": largest_gap(of, package, "sd"),
    }


def _per_second(of: dict[str, Any], what: str) -> float:
    return float(of[what] / of["sample_s"])


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
