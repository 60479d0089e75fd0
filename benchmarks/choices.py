"""Say what design choices are worth for predicting LLMs, beyond size, tokens and date.

    python benchmarks/choices.py -o benchmarks/results

compares the model that knows size, tokens and release date with the model that knows architecture
and data mix too, on the bundled base LLMs and 14 benchmarks: with families left out, and with
scores hidden at random, as in studies whose folds cut through families. It writes the relative
gains to choices.csv, by benchmark, with intervals from resampling families.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import pandas as pd

import latentscale as ls
from latentscale.errors import ExtrapolationWarning

SCALE = "log(params_b) * log(tokens_t) + release_date"
CHOICES = (
    "log(aspect_ratio) + log(mlp_ratio) + log(mlp_attention_ratio) + log(kv_head_ratio) "
    "+ log(vocab_size) + log(context_length) + log(head_dim) + code_pct + web_pct + english_pct "
    "+ tied_embeddings + parallel_block + position + norm_kind + gated + bias"
)
FOLDS = {"families": 10, "random": 5}
# Slopes of many features take longer to tune.
SETTINGS = {"draws": 300, "tune": 300}


def study() -> ls.ScoreTable:
    """Give base LLMs with their design choices.

    Kinds that fewer than three developers use are put together with others: they could not be told
    from these developers.
    """
    table = ls.load_leaderboard(extras=True, tuned=False)
    llms, position = table.llms, table.llms["positional_embedding"]
    choices = {
        "position": position.where(position.isin(["rotary", "learned", "alibi"]), "other"),
        "norm_kind": llms["norm"].str.partition("_")[0],
        "gated": llms["activation"].isin(["swiglu", "geglu"]),
        "bias": llms["attention_bias"].replace(["out", "qkv", "full"], "some"),
    }
    return ls.ScoreTable.from_long(
        table.scores, llms.assign(**choices), table.benchmarks, missing="keep"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", nargs="+", default=["families", "random"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", default="out", help="the folder to write to")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ExtrapolationWarning)
    table = study()
    splits = {
        "families": ls.splits.leave_family_out(table, observed=0).together(FOLDS["families"]),
        "random": ls.splits.random_cells(table, share=1 / FOLDS["random"]),
    }
    found = gains(table, [splits[name] for name in asked.splits], asked.seed)
    path = Path(asked.output)
    path.mkdir(parents=True, exist_ok=True)
    found.reset_index().to_csv(path / "choices.csv", index=False, float_format="%.5g")
    print(found.to_string())
    return 0


def gains(table: ls.ScoreTable, splits: list[ls.splits.Splits], seed: int) -> pd.DataFrame:
    """Give by what share errors are smaller with design choices than with scale alone."""
    with_choices = ls.ScalingModel(table, features=f"{SCALE} + {CHOICES}")
    scale_only = ls.ScalingModel(table, features=SCALE)
    return ls.relative_gain(with_choices, scale_only, splits, random_seed=seed, **SETTINGS)


if __name__ == "__main__":
    raise SystemExit(main())
