"""Find effects of design choices when many of them are unknown: simulated tables, counted.

    python benchmarks/covariates.py --tables 12 --seed 1 -o covariates.json

LLMs, families, sizes, tokens and dates are those of the bundled base LLMs, and so is which scores
are observed. Six design choices are made up, three of a data mix, which hardly differ within a
family, and three of an architecture, which differ less within families than between them. Two of
the six have
effects on skills, four have none. Then choices become unknown, the data mix of a family together
and its architecture together, and the more likely the larger the first of them is: about 40 % of
the values. The effects are estimated

* by the package, which sums over what is unknown;
* from the LLMs of which all is known;
* with -1 for what is unknown.

It prints, for effects that there are and for those that there are not, how many 90 % intervals hold
the truth and how many 95 % intervals leave out zero, with the root mean squared error; effects are
per standard deviation of the choice before any was hidden, in logits of the skill's anchor.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import latentscale as ls
from latentscale.errors import ConvergenceWarning
from latentscale.simulation import simulate

MIX, ARCHITECTURE = ("mix_1", "mix_2", "mix_3"), ("arch_1", "arch_2", "arch_3")
CHOICES = (*MIX, *ARCHITECTURE)
SCALE = "log(params_b) + log(tokens_t) + release_date"
FEATURES = " + ".join((SCALE, *CHOICES))
# On each of two skills, for a standard deviation of the choice.
EFFECTS = {"mix_1": (-0.35, 0.2), "arch_2": (0.25, 0.25)}
BENCHMARKS = ("HellaSwag", "GSM8K", "MMLU", "ARC-C", "Winogrande", "TruthfulQA", "BBH", "IFEval")
WAYS = ("summed over", "complete LLMs", "-1")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--tune", type=int, default=500)
    parser.add_argument("-o", "--output", default="out/covariates.json")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seeds = range(asked.seed, asked.seed + asked.tables)
        found = list(pool.map(lambda seed: one_table(seed, asked.draws, asked.tune), seeds))
    rows = pd.DataFrame([row for rows in found for row in rows])
    path = Path(asked.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows.to_dict("records"), indent=1), encoding="utf-8")
    print(report(rows).to_string())
    return 0


def one_table(seed: int, draws: int, tune: int) -> list[dict[str, Any]]:
    """Simulate a table, hide choices, and estimate effects in every way."""
    rng = np.random.default_rng(seed)
    known = with_choices(ls.load_leaderboard(benchmarks=BENCHMARKS, tuned=False), rng)
    simulation = simulated(known, seed)
    truth, spread = truth_of(simulation), _spread(simulation.model)
    table, rows = hidden(simulation.table, rng), []
    for way in WAYS:
        model = ls.ScalingModel(treated(table, way), skills=2, features=FEATURES)
        fit = model.refit(seed, draws=draws, tune=tune, chains=2)
        rows += [{"table": seed, "way": way, **row} for row in compared(fit, truth, spread)]
    return rows


def with_choices(table: ls.ScoreTable, rng: np.random.Generator) -> ls.ScoreTable:
    """Make up choices, correlated with each other and with when LLMs came out."""
    scored = table.llms["llm"].isin(table.scores["llm"]) & table.llms["tokens_t"].notna()
    llms = table.llms[scored].reset_index(drop=True)
    family = llms["family"].factorize()[0]
    date = llms["release_date"].astype("int64").to_numpy(dtype=float)
    date = (date - date.mean()) / date.std()
    shared = rng.standard_normal(family.max() + 1)[family]
    columns = {}
    for name in CHOICES:
        between = rng.standard_normal(family.max() + 1)[family]
        within = 0.0 if name in MIX else 0.6
        noise = within * rng.standard_normal(len(llms))
        columns[name] = 50 + 10 * (between + 0.5 * shared + 0.4 * date + noise)
    scores = table.scores[table.scores["llm"].isin(llms["llm"])]
    return ls.ScoreTable.from_long(scores, llms.assign(**columns), table.benchmarks, missing="keep")


def simulated(table: ls.ScoreTable, seed: int) -> Any:
    """Simulate scores."""
    blank = ls.ScalingModel(table, skills=2, features=FEATURES)
    names = blank.design.encoding.names
    rng = np.random.default_rng(10_000 + seed)
    slope = 0.2 * rng.standard_normal((len(names), 2))
    slope[names.index("log(params_b)")] = 1.0
    slope[names.index("log(tokens_t)")] = 0.5
    for name in CHOICES:
        # Relevances are 1 / sqrt(2), as both of their parts are one.
        slope[names.index(name)] = np.sqrt(2) * np.array(EFFECTS.get(name, (0.0, 0.0)))
    truth = {
        "relevance_scale": 1.0, "relevance_local": 1.0, "feature_slope_z": slope,
        "family_scale": 0.5, "slope_scale": 0.1, "asymmetry": 1.0, "total_loading": 1.0,
        "difficulty": 0.0, "ceiling_share": 0.95,
    }  # fmt: skip
    settings = {"skills": 2, "features": FEATURES}
    return simulate(like=table, truth=truth, random_seed=seed, **settings)


def truth_of(simulation: Any) -> dict[tuple[str, int], float]:
    """Give the true effects of a standard deviation of each choice on each skill."""
    slope = simulation.truth["feature_slope"]
    return {(name, k): float(slope.sel(feature=name)[k]) for name in CHOICES for k in range(2)}


def _spread(model: ls.ScalingModel) -> Mapping[str, float]:
    """Give the standard deviation of each choice, which slopes are in."""
    return model.design.llms[list(CHOICES)].std(ddof=0).to_dict()


def hidden(table: ls.ScoreTable, rng: np.random.Generator) -> ls.ScoreTable:
    """Hide the data mix or the architecture of families, larger values sooner."""
    llms = table.llms.copy()
    for names in (MIX, ARCHITECTURE):
        first = llms.groupby("family")[names[0]].mean()
        chance = 1 / (1 + np.exp(0.45 - (first - first.mean()) / first.std()))
        hides = first.index[rng.random(len(first)) < chance]
        llms.loc[llms["family"].isin(hides), list(names)] = np.nan
    return ls.ScoreTable.from_long(table.scores, llms, table.benchmarks, missing="keep")


def treated(table: ls.ScoreTable, way: str) -> ls.ScoreTable:
    """Treat what is unknown in one of the ways."""
    llms = table.llms
    if way == "complete LLMs":
        return table.select(llms=llms.loc[llms[list(CHOICES)].notna().all(axis=1), "llm"])
    if way == "-1":
        filled = llms.assign(**{name: llms[name].fillna(-1.0) for name in CHOICES})
        return ls.ScoreTable.from_long(table.scores, filled, table.benchmarks, missing="keep")
    return table


def compared(
    fit: ls.ScalingFit, truth: Mapping[tuple[str, int], float], spread: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Compare estimated effects with the true ones, which are per ``spread`` of each choice."""
    own, rows = _spread(fit.model), []
    unknown = fit.model.design.llms[list(CHOICES)].isna().to_numpy().mean()
    for (name, k), value in truth.items():
        slope = fit.posterior["feature_slope"].sel(feature=name).isel(skill=k).to_numpy().ravel()
        slope = slope * spread[name] / own[name]
        low, high = np.quantile(slope, [0.05, 0.95])
        below, above = np.quantile(slope, [0.025, 0.975])
        rows.append(
            {
                "choice": name,
                "skill": k,
                "truth": value,
                "mean": float(slope.mean()),
                "inside": bool(low <= value <= high),
                "width": float(high - low),
                "non_zero": bool(below > 0 or above < 0),
                "unknown": float(unknown),
            }
        )
    return rows


def report(rows: pd.DataFrame) -> pd.DataFrame:
    """Count by way, for effects that there are and for those that there are not."""
    rows = rows.assign(is_zero=rows["truth"] == 0, error=(rows["mean"] - rows["truth"]) ** 2)
    whole = rows.assign(is_zero="all")
    by = pd.concat([rows, whole]).groupby(["way", "is_zero"], sort=False)
    return by.agg(
        n=("inside", "size"),
        inside_90=("inside", "mean"),
        width_90=("width", "mean"),
        called_non_zero=("non_zero", "mean"),
        rmse=("error", lambda error: float(np.sqrt(error.mean()))),
    )


if __name__ == "__main__":
    raise SystemExit(main())
