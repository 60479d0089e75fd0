"""How good are predictions? Seven ways to hide scores, by the package and by every rival.

    python benchmarks/backtests.py -o benchmarks/results

On the bundled leaderboard, with exact refits and default settings. Written are ``metrics.csv`` and
``differences.csv`` (of every model from the package, with intervals from resampling families) on
the scores that all models predicted, ``by_benchmark.csv`` (of the package), ``cells.csv`` (every
score that the package predicted) and ``pairs.csv`` (pairs of LLMs of one unseen family). Finished
folds are kept, so that a run that was stopped goes on where it was. Families are dealt to ten
folds; ``--together 0`` leaves one out at a time, which takes twice as long, and ``--together 6`` is
faster: all models then know less, and err a bit more.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

import latentscale as ls
from latentscale.metrics import summarise_cells

PACKAGE = "latentscale"
_DIGITS = "%.6g"


def splits_of(table: ls.ScoreTable, together: int = 0) -> list[ls.splits.Splits]:
    """Give the seven ways to hide scores, that of unseen families first."""
    make = ls.splits
    by_family = [
        *(make.leave_family_out(table, observed) for observed in (0, 1, 2)),
        make.hold_out_largest(table),
        make.tuned_given_base(table),
    ]
    if together:
        by_family = [splits.together(together) for splits in by_family]
    return [*by_family, make.mask_suite(table), make.by_date(table)]


def baselines_of(table: ls.ScoreTable) -> dict[str, ls.baselines.PointBaseline]:
    """Give the rivals that are estimated as a point."""
    make, product = ls.baselines, "log(params_b) * log(tokens_t)"
    return {
        "family mean": make.FamilyMean(table),
        "nearest sibling": make.NearestSibling(table),
        "base plus shift": make.BasePlusShift(table),
        "compute law": make.LogisticLaw(table),
        "compute law, families": make.LogisticLaw(table, families=True),
        "size and tokens, families": make.LogisticLaw(table, features=product, families=True),
        "principal components": make.PcaLaw(table),
        "skills, sigmoid": make.SkillsLaw(table),
        "skills, monotone": make.SkillsLaw(table, link="monotone"),
        "boosted trees": make.BoostedTrees(table),
    }


def models_of(table: ls.ScoreTable) -> dict[str, ls.ScalingModel]:
    """Give the models that are sampled, the package's own first."""
    return {
        PACKAGE: ls.ScalingModel(table),
        "plain latent model": ls.baselines.plain_latent_model(table),
    }


def compare_all(table: ls.ScoreTable, together: int = 0, seed: int = 1) -> ls.Comparison:
    """Backtest everything on everything."""
    splits = splits_of(table, together)
    # Threads for the sampled models, which share what is compiled; processes for the others, which
    # run in Python. Spawned: forked ones would inherit locks of threads that are gone.
    sampled = ls.compare(models_of(table), splits, random_seed=seed)
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawned) as pool:
        pointed = ls.compare(baselines_of(table), splits, pool, random_seed=seed)
    return ls.Comparison(
        {name: {**sampled.backtests[name], **pointed.backtests[name]} for name in sampled.backtests}
    )


def tables_of(comparison: ls.Comparison) -> dict[str, pd.DataFrame]:
    """Lay out what is written, by the name of the file."""
    own = {name: models[PACKAGE] for name, models in comparison.backtests.items()}
    cells = pd.concat({name: found.cells for name, found in own.items()}, names=["splits"])
    cells = cells.reset_index("splits").reset_index(drop=True)
    return {
        "metrics": comparison.metrics().reset_index(),
        "differences": comparison.differences(to=PACKAGE).reset_index(),
        "by_benchmark": summarise_cells(cells, ["benchmark"]).reset_index(),
        "cells": cells,
        "pairs": next(iter(own.values())).pairs(),
    }


def write(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format=_DIGITS)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--together", type=int, default=10, help="deal families to so many folds; 0: one at a time"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", default="out/backtests", help="the folder to write to")
    asked = parser.parse_args(arguments)
    comparison = compare_all(ls.load_leaderboard(), asked.together, asked.seed)
    write(tables_of(comparison), Path(asked.output))
    print(comparison)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
