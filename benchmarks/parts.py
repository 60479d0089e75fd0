"""See whether the chains of the default fit agree, whatever the table.

    python benchmarks/parts.py --parts 30 -o parts.csv

fits random parts of the bundled leaderboard, of 8 to 39 families and 6 to 12 benchmarks, by the
defaults, and gives a row for each: its size, the worst R-hat and effective sample sizes, of which
variable, divergences, and whether the fit passed its own diagnosis. Parts with too few benchmarks
in common for their skills are left out. A part is the same for a seed, whatever is fitted to it.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd

import latentscale as ls
from latentscale.wording import count

_FAMILIES, _BENCHMARKS = (8, 40), (6, 13)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, default=30, help="how many parts to draw (30)")
    parser.add_argument("--seed", type=int, default=500, help="the same seed, the same parts (500)")
    parser.add_argument("-o", "--output", default="parts.csv", help="where the rows are kept")
    asked = parser.parse_args(arguments)
    table, rows = ls.load_leaderboard(), []
    for number in range(asked.parts):
        row = fitted(part_of(table, asked.seed + number))
        if row is not None:
            rows.append({"part": number, **row})
            pd.DataFrame(rows).to_csv(asked.output, index=False)
            print(rows[-1], flush=True)
    print(report(pd.DataFrame(rows)))
    return 0


def part_of(table: ls.ScoreTable, seed: int) -> ls.ScoreTable:
    """Draw some families and some benchmarks of a table."""
    rng = np.random.default_rng(seed)
    n_families, n_benchmarks = int(rng.integers(*_FAMILIES)), int(rng.integers(*_BENCHMARKS))
    chosen = set(rng.choice(table.benchmark_names, n_benchmarks, replace=False))
    families = rng.choice(sorted(table.llms["family"].unique()), n_families, replace=False)
    benchmarks = [name for name in table.benchmark_names if name in chosen]
    return table.select(families=list(families), benchmarks=benchmarks)


def fitted(part: ls.ScoreTable) -> dict[str, Any] | None:
    """Fit a part by the defaults, and say how its chains agree; nothing if it cannot be fitted."""
    try:
        model = ls.ScalingModel(part)
    except ls.LatentScaleError:
        return None
    start = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):  # of what the row says
        fit = model.fit(random_seed=1, progressbar=False)
    seconds, health = time.perf_counter() - start, fit.diagnose()
    summary = health.summary
    return {
        "families": len(model.design.families),
        "benchmarks": len(model.design.benchmarks),
        "scores": model.design.n_obs,
        "seconds": round(seconds, 1),
        "r_hat": round(summary["r_hat"].max(), 3),
        "ess_bulk": round(summary["ess_bulk"].min()),
        "worst": summary["ess_bulk"].idxmin(),
        "ess_tail": round(summary["ess_tail"].min()),
        "divergences": health.divergences,
        "ok": health.ok,
    }


def report(rows: pd.DataFrame) -> str:
    """Sum the parts up."""
    least, middle, most = rows["ess_bulk"].quantile([0, 0.5, 1]).round().astype(int)
    return (
        f"{count(len(rows), 'part')}, of which {rows['ok'].sum()} pass. The smallest bulk ESS of "
        f"each is {least} to {most}, in the median {middle}; R-hat is at most 1.02 in "
        f"{(rows['r_hat'] <= 1.02).sum()}, and {(rows['divergences'] > 0).sum()} have divergences."
    )


if __name__ == "__main__":
    raise SystemExit(main())
