"""How long does one wait? For a first fit, another fit, a prediction, and a whole backtest.

    python benchmarks/waits.py -o waits.json

In a process of its own, with empty caches of compiled code, on the bundled leaderboard: import the
package and fit the model; fit it again without a family; predict that family from the scores of its
smallest member, the first time and after it; leave every family out in turn. Reported beside the
seconds is the worst bulk effective sample size of all variables.
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

from fresh import figures_of, keep, options

_FAMILY = "qwen2"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=700, help="kept draws of each of 4 chains")
    parser.add_argument("--tune", type=int, default=100, help="tuning draws")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="do it, in this process")
    parser.add_argument("-o", "--output", default="waits.json", help="where figures are kept")
    asked = parser.parse_args(arguments)
    if asked.here:
        Path(asked.output).write_text(json.dumps(measure(asked)), encoding="utf-8")
        return 0
    settings = options(draws=asked.draws, tune=asked.tune, seed=asked.seed)
    figures = figures_of("waits.py", ["--here", *settings])
    keep(Path(asked.output), figures)
    print(report(figures))
    return 0


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Do everything once and time it."""
    took: dict[str, float] = {}
    with _timed(took, "import"):
        import latentscale as ls
    warnings.simplefilter("ignore", ls.errors.ConvergenceWarning)
    sampling = {"draws": asked.draws, "tune": asked.tune, "random_seed": asked.seed}
    with _timed(took, "first fit"):
        table = ls.load_leaderboard()
        model = ls.ScalingModel(table)
        first = model.fit(progressbar=False, **sampling)
    folds = ls.splits.leave_family_out(table)
    [fold] = [fold for fold in folds if fold.name == _FAMILY]
    with _timed(took, "fit of a part"):
        again = model.with_table(fold.known).fit(progressbar=False, **sampling)
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
    cold = seconds["import"] + seconds["first fit"]
    return "\n".join(
        [*lines, f"{'from import to first fit':<24}{cold:8.2f} s", figures["backtest"]]
    )


@contextmanager
def _timed(took: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    took[name] = time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
