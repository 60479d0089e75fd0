"""How long does one wait? For a first fit, another fit, a prediction, and a whole backtest.

    python benchmarks/waits.py -o waits.json

In a process of its own, with empty caches of compiled code, on the bundled leaderboard: import the
package and fit the model; fit it again without a family; predict that family from the scores of its
smallest member, the first time and after it; leave every family out in turn. Another process, which
finds compiled code on disk, imports the package and fits the model once more. Reported beside the
seconds is the worst bulk effective sample size of all variables; the diagnosis asks for 400 of it,
and the draws are more than it takes for that.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fresh import figures_with, keep, options

_FAMILY = "qwen2"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000, help="kept draws of each of 4 chains")
    parser.add_argument("--tune", type=int, default=100, help="tuning draws")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", choices=_PROCESSES, help="do it, in this process")
    parser.add_argument("-o", "--output", default="waits.json", help="where figures are kept")
    asked = parser.parse_args(arguments)
    if asked.here:
        figures = _PROCESSES[asked.here](asked)
        Path(asked.output).write_text(json.dumps(figures), encoding="utf-8")
        return 0
    settings = options(draws=asked.draws, tune=asked.tune, seed=asked.seed)
    with tempfile.TemporaryDirectory() as compiled:
        figures = figures_with(compiled, "waits.py", ["--here", "first", *settings])
        again = figures_with(compiled, "waits.py", ["--here", "next", *settings])
    figures = {**figures, "next_process": again}
    keep(Path(asked.output), figures)
    print(report(figures))
    return 0


def fit_once(asked: argparse.Namespace) -> dict[str, Any]:
    """Import the package and fit the model, and time it."""
    took: dict[str, float] = {}
    _, first = _imported_and_fitted(asked, took)
    return {"seconds": took, "worst_ess": _worst(first), "draws": 4 * asked.draws}


def do_everything(asked: argparse.Namespace) -> dict[str, Any]:
    """Do everything that one waits for in a process, and time it."""
    took: dict[str, float] = {}
    model, first = _imported_and_fitted(asked, took)
    import latentscale as ls

    table, sampling = model.table, _sampling(asked)
    folds = ls.splits.leave_family_out(table)
    [fold] = [fold for fold in folds if fold.name == _FAMILY]
    with _timed(took, "fit of a part"):
        again = model.with_table(fold.known).fit(**sampling)
    known = ls.splits.leave_family_out(table, observed=1)
    [family] = [fold.family_scores() for fold in known if fold.name == _FAMILY]
    scores = family.loc[~family["hidden"], ["llm", "benchmark", "score"]]
    for name in ("first prediction", "next prediction"):
        with _timed(took, name):
            again.predict(fold.llms, scores=scores, random_seed=asked.seed)
    with _timed(took, "leave every family out"), tempfile.TemporaryDirectory() as folder:
        backtest = ls.backtest(model, folds, folder=folder, progressbar=False)
    return {
        "seconds": took,
        "worst_ess": {"first fit": _worst(first), "fit of a part": _worst(again)},
        "draws": {"first fit": 4 * asked.draws, "fit of a part": 4 * asked.draws},
        "folds": len(backtest.folds),
        "backtest": repr(backtest),
    }


_PROCESSES = {"first": do_everything, "next": fit_once}


def _imported_and_fitted(asked: argparse.Namespace, took: dict[str, float]) -> tuple[Any, Any]:
    with _timed(took, "import"):
        import latentscale as ls
    warnings.simplefilter("ignore", ls.errors.ConvergenceWarning)
    with _timed(took, "first fit"):
        model = ls.ScalingModel(ls.load_leaderboard())
        fit = model.fit(**_sampling(asked))
    return model, fit


def _sampling(asked: argparse.Namespace) -> dict[str, Any]:
    tuning = {"draws": asked.draws, "tune": asked.tune, "random_seed": asked.seed}
    return {**tuning, "progressbar": False}


def _worst(fit: Any) -> tuple[str, float]:
    """Give the smallest bulk effective sample size, and of which variable it is."""
    ess = fit.diagnose().summary["ess_bulk"]
    return str(ess.idxmin()), float(ess.min())


def report(figures: dict[str, Any]) -> str:
    """Lay the figures out."""
    seconds, lines = figures["seconds"], []
    for name, value in seconds.items():
        ess = figures["worst_ess"].get(name)
        of = figures["draws"].get(name)
        more = "" if ess is None else f"  worst ESS {ess[1]:.0f} ({ess[0]}) of {of} draws"
        lines.append(f"{name:<24}{value:8.2f} s{more}")
    again = figures["next_process"]
    for name, each in (("first", seconds), ("next", again["seconds"])):
        total = each["import"] + each["first fit"]
        lines.append(f"{f'from import, {name} process':<28}{total:8.2f} s")
    ess = "worst ESS {1:.0f} ({0})".format(*again["worst_ess"])
    return "\n".join([*lines, f"{'there':<28}{ess}", figures["backtest"]])


@contextmanager
def _timed(took: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    took[name] = time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
