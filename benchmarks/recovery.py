"""Does the package find the truth? Simulated tables, fitted, and intervals counted.

    python benchmarks/recovery.py --tables 20 --draws 500 --tune 500 --chains 2 --skills 2 \
        --seed 1 -o recovery.json

simulates tables from the default priors, with the size of the bundled leaderboard, fits each, and
counts for every group of variables the share of true values that lie in their equal-tailed
intervals. Under a correct sampler and a correct graph that share is the intervals' probability,
up to chance. Results are written table by table: the same command continues where it stopped.
Tables are fitted side by side, one on each core, or on the workers of a Dask cluster:
``--dask tcp://address:8786``.

With --tables 20 --tune 300 (2 minutes on two cores) 90 % intervals held 90.7 % of the loadings,
87.0 % of the feature slopes, 87.9 % of the benchmarks' own, 91.0 % of the family effects, 80 %
(standard error 9) of the scales of what tuning does to benchmarks, and of every other variable
between 87.5 and 95.0 %. Of 20 tables 2 had chains that disagreed (R-hat above 1.11, of an
asymmetry): where one is above 11, as few are, the curve leaves its floor so abruptly that chains
hardly find their way; four of 1,000 draws disagree less (1.02 and 1.07), and fits say so.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentscale.parallel import run_each
from latentscale.progress import counted
from latentscale.simulation import Simulation, simulate
from latentscale.wording import count

# Of a developer, as on the bundled leaderboard.
_FAMILIES = 1.8

# Shares between these are what the project promises of 90 % intervals.
LOWEST, HIGHEST = 0.85, 0.95


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    asked = _parse(arguments)
    settings = {name: value for name, value in vars(asked).items() if name not in _NOT_SETTINGS}
    path = Path(asked.output)
    with _executor(asked.dask) as executor:
        results = study(asked.tables, settings, path, executor)
    print(report(results, settings["ci_prob"]))
    return 0


def study(
    n_tables: int, settings: dict[str, Any], path: Path, executor: Executor | None = None
) -> list[dict[str, Any]]:
    """Fit the tables that are not in the file yet, on any executor.

    Each is written to the file when it is done. Gives the results of all tables, in their order.
    """
    results = _read(path, settings)
    known = {result["table"] for result in results}
    waiting = [table for table in range(n_tables) if table not in known]
    with counted("tables", n_tables - len(waiting), n_tables) as advance:

        def keep(_: int, future: Future[dict[str, Any]]) -> None:
            results.append(future.result())
            _write(path, settings, results)
            print(_line(results[-1]), flush=True)
            advance()

        run_each(partial(fit_one, settings=settings), waiting, keep, executor)
    in_order = sorted(results, key=lambda result: result["table"])
    return [result for result in in_order if result["table"] < n_tables]


@contextmanager
def _executor(address: str | None) -> Iterator[Executor | None]:
    """Give the workers of a Dask cluster, or nothing for the local cores."""
    if address is None:
        yield None
        return
    from distributed import Client

    with Client(address) as client, client.get_executor() as executor:
        yield executor


def fit_one(table: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Simulate one table, fit it on one core, and compare the posterior with the truth."""
    seed = int(np.random.SeedSequence([settings["seed"], table]).generate_state(1)[0])
    simulation = simulate_one(seed, settings)
    start = time.perf_counter()
    sampling = {name: settings[name] for name in ("draws", "tune", "chains")}
    fit = simulation.model.refit(random_seed=seed, **sampling)
    coverage = simulation.coverage(fit.posterior, settings["ci_prob"])
    health = fit.diagnose(coverage.index.tolist())
    return {
        "table": table,
        "seed": seed,
        "what": repr(simulation),
        "seconds": round(time.perf_counter() - start, 1),
        "divergences": health.divergences,
        "r_hat": health.summary["r_hat"].round(4).to_dict(),
        "n": coverage["n"].to_dict(),
        "covered": (coverage["n"] * coverage["coverage"]).round().astype(int).to_dict(),
        "width": coverage["width"].round(5).to_dict(),
    }


def simulate_one(seed: int, settings: dict[str, Any]) -> Simulation:
    """Simulate one table of the size that was asked for."""
    return simulate(
        n_families=settings["families"],
        families_per_developer=_FAMILIES,
        benchmarks=settings["benchmarks"],
        missing=settings["missing"],
        missing_by=settings["missing_by"],
        skills=settings["skills"],
        likelihood=settings["likelihood"],
        random_seed=seed,
    )


def report(results: list[dict[str, Any]], ci_prob: float) -> str:
    """Lay the shares of covered truths out, one row a variable."""
    if not results:
        return "No table has been fitted."
    frame = summarise(results)
    shown = frame.to_string(float_format=lambda value: f"{value:.3f}")
    outside = frame.index[(frame["coverage"] < LOWEST) | (frame["coverage"] > HIGHEST)].tolist()
    verdict = f"Outside {LOWEST:.0%} to {HIGHEST:.0%}: {', '.join(outside) or 'none'}."
    divergences = sum(result["divergences"] for result in results)
    return (
        f"{count(len(results), 'table')}; shares of true values in their {ci_prob:.0%} intervals\n"
        f"{shown}\n"
        f"{verdict} Divergences: {divergences}."
    )


def summarise(results: list[dict[str, Any]]) -> pd.DataFrame:
    """Pool the tables.

    The values of one table go astray together, so the standard error is taken between tables.
    """
    rows = {}
    for name in results[0]["n"]:
        held = [result for result in results if name in result["n"]]
        n = np.array([result["n"][name] for result in held])
        covered = np.array([result["covered"][name] for result in held])
        share = covered.sum() / n.sum()
        gaps = (covered - share * n) * len(held) / n.sum()
        rows[name] = {
            "values": int(n.sum()),
            "coverage": share,
            "se": gaps.std(ddof=1) / np.sqrt(len(held)) if len(held) > 1 else np.nan,
            "width": np.average([result["width"][name] for result in held], weights=n),
            "worst_r_hat": max(result["r_hat"][name] for result in held),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("variable")


_NOT_SETTINGS = ("tables", "output", "dask")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Count how often posterior intervals hold the truth, on simulated tables."
    )
    parser.add_argument("--tables", type=int, default=20, help="how many tables (20)")
    parser.add_argument("--draws", type=int, default=500, help="kept draws of each chain (500)")
    parser.add_argument("--tune", type=int, default=500, help="tuning draws of each chain (500)")
    parser.add_argument("--chains", type=int, default=2, help="chains of each fit (2)")
    parser.add_argument("--skills", type=int, default=2, help="number of skills K (2)")
    parser.add_argument("--likelihood", default="student_t", help="likelihood (student_t)")
    parser.add_argument("--families", type=int, default=40, help="families in a table (40)")
    parser.add_argument("--benchmarks", type=int, default=12, help="benchmarks in a table (12)")
    parser.add_argument("--missing", type=float, default=0.3, help="share of missing cells (0.3)")
    parser.add_argument("--missing-by", choices=("cell", "suite"), default="cell")
    parser.add_argument("--ci-prob", type=float, default=0.9, help="of the intervals (0.9)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same tables (1)")
    parser.add_argument("-o", "--output", default="recovery.json", help="where results are kept")
    parser.add_argument("--dask", metavar="ADDRESS", help="of the scheduler of a Dask cluster")
    return parser.parse_args(arguments)


def _read(path: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Read what an earlier run left, if it had the same settings."""
    if not path.exists():
        return []
    held = json.loads(path.read_text(encoding="utf-8"))
    if held["settings"] != settings:
        changed = sorted(name for name in settings if held["settings"].get(name) != settings[name])
        raise SystemExit(
            f"{path} holds results of other settings ({', '.join(changed)}), which cannot be "
            "pooled with these. Give another -o, or delete the file."
        )
    results: list[dict[str, Any]] = held["results"]
    return sorted(results, key=lambda result: result["table"])


def _write(path: Path, settings: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Replace the file only once all is written, so that stopping at any time loses no table."""
    partial = path.with_name(path.name + ".part")
    ordered = sorted(results, key=lambda result: result["table"])
    partial.write_text(
        json.dumps({"settings": settings, "results": ordered}, indent=1), encoding="utf-8"
    )
    os.replace(partial, path)


def _line(result: dict[str, Any]) -> str:
    share = sum(result["covered"].values()) / sum(result["n"].values())
    name, worst = max(result["r_hat"].items(), key=lambda item: item[1])
    return (
        f"table {result['table'] + 1}: {share:.1%} covered, worst R-hat {worst:.3f} ({name}), "
        f"{count(result['divergences'], 'divergence')}, {result['seconds']:.0f} s. {result['what']}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
