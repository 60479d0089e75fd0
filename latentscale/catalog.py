"""The bundled data sets: where they come from, in which units, and whether they are intact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import pandas as pd

from latentscale.bundled import read_bundled
from latentscale.errors import CatalogError
from latentscale.table import ScoreTable
from latentscale.wording import count, first, with_nearest

_SOURCES = (
    "Open LLM Leaderboard v1 and v2; Observational Scaling Laws (arXiv 2405.10938); "
    "Sloth (arXiv 2412.06540)"
)
_LICENCES = "figures published by the leaderboards; Apache-2.0; MIT"


@dataclass(frozen=True, slots=True)
class BundledSet:
    """One bundled file: what it should hold, and what to say of it."""

    name: str
    rows: int
    columns: tuple[str, ...]
    what: str
    source: str
    licence: str
    loader: str


_SETS = {
    bundled.name: bundled
    for bundled in (
        BundledSet(
            name="llms",
            rows=247,
            columns=("llm", "family", "developer", "recipe", "tuned", "params_b", "tokens_t"),
            what="LLMs: family, developer, recipe, release date, size (1e9 parameters), training "
            "tokens (1e12), architecture, data mix (percent)",
            source="model cards, papers and configurations published by the developers",
            licence="public facts, no licence needed",
            loader="load_leaderboard().llms",
        ),
        BundledSet(
            name="scores",
            rows=2454,
            columns=("llm", "benchmark", "score", "chat_template", "suspect", "source", "note"),
            what="scores (fractions) on 12 core and 2 extra benchmarks, with evaluation "
            "conditions and marks of suspect cells",
            source=_SOURCES,
            licence=_LICENCES,
            loader="load_leaderboard().scores",
        ),
        BundledSet(
            name="benchmarks",
            rows=14,
            columns=("benchmark", "task", "n_items", "chance", "empirical_floor", "metric", "core"),
            what="benchmarks: what they test, number of items, chance level, metric, shots",
            source="the benchmarks' papers and the leaderboards' documentation",
            licence="public facts, no licence needed",
            loader="load_leaderboard().benchmarks",
        ),
        BundledSet(
            name="subtask_scores",
            rows=12600,
            columns=("llm", "benchmark", "subtask", "score", "n_items", "chance", "source"),
            what="scores (fractions) on the sub-tasks of MMLU, BBH, MATH Lvl 5, GPQA and MUSR",
            source="Sloth (arXiv 2412.06540), from the Open LLM Leaderboards",
            licence="MIT",
            loader="load_subtasks()",
        ),
    )
}


def load_leaderboard(
    *,
    suspect: bool = False,
    extras: bool = False,
    tuned: bool = True,
    benchmarks: str | Iterable[str] | None = None,
) -> ScoreTable:
    """Load the bundled leaderboard: 247 LLMs in 51 families on 12 benchmarks.

    Parameters
    ----------
    suspect : bool, default False
        Keep the 30 cells whose evaluation evidently went wrong, such as answers that the harness
        cut off. The column ``suspect`` of the scores says why each is doubted.
    extras : bool, default False
        Add HumanEval and XWinograd, which no leaderboard but two papers report.
    tuned : bool, default True
        False for base LLMs alone, to study what pretraining choices are associated with.
    benchmarks : str or iterable of str, optional
        Only these benchmarks, any of the 14; then ``extras`` makes no difference.

    Returns
    -------
    ScoreTable
        Scores are fractions, ``params_b`` is in 1e9 parameters, ``tokens_t`` in 1e12 tokens, the
        data mix (``code_pct``, ``web_pct``, ``english_pct``) in percent, and ``release_date`` is
        a date. What no source states is NaN (the table is read with ``missing="keep"``). A few
        LLMs have no score on the core benchmarks.

    Raises
    ------
    CatalogError
        A benchmark is not in the leaderboard, or the bundled files are missing or damaged.

    Notes
    -----
    A score's ``chat_template``, ``source`` and ``note`` travel along, and ``task`` of the
    benchmarks says what each tests: language, knowledge, reasoning, maths, code, instructions or
    truthfulness. TruthfulQA has no chance
    level; its empirical floor on the leaderboard stands in.

    References
    ----------
    arXiv 2405.10938 (Observational Scaling Laws), arXiv 2412.06540 (Sloth).

    Examples
    --------
    >>> load_leaderboard(benchmarks=["MMLU", "GSM8K"])  # doctest: +ELLIPSIS
    ScoreTable
      LLMs        247 (51 families, 102 recipes)
      benchmarks  2
      scores      399 (19.2% of the cells missing)
      features    params_b, tokens_t, base_llm, release_date, ...
    """
    names = _benchmark_names(extras, benchmarks)
    scores, info = _read("scores"), _read("benchmarks")
    wanted = scores["benchmark"].isin(names)
    if not suspect:
        wanted &= scores["suspect"].isna()
    llms = _read("llms")
    llms["release_date"] = pd.to_datetime(llms["release_date"], format="%Y-%m-%d")
    if not tuned:
        llms = llms[llms["tuned"] == 0]
        wanted &= scores["llm"].isin(llms["llm"])
    return ScoreTable.from_long(
        scores[wanted], llms, info[info["benchmark"].isin(names)], missing="keep"
    )


def load_subtasks() -> pd.DataFrame:
    """Load the scores on sub-tasks: 57 of MMLU, 24 of BBH, 7 of MATH, 3 of GPQA, 3 of MUSR.

    Returns
    -------
    pandas.DataFrame
        One row per LLM and sub-task: ``llm`` (as in :func:`load_leaderboard`), ``benchmark``,
        ``subtask``, ``score`` (fraction), ``n_items`` (NaN for MMLU), ``chance`` (fraction) and
        ``source``.

    Raises
    ------
    CatalogError
        The bundled file is missing or damaged.

    Examples
    --------
    >>> load_subtasks().groupby("benchmark")["subtask"].nunique().to_dict()
    {'BBH': 24, 'GPQA': 3, 'MATH Lvl 5': 7, 'MMLU': 57, 'MUSR': 3}
    """
    return _read("subtask_scores")


def list_datasets() -> pd.DataFrame:
    """List what is bundled, with its origin and licence.

    Returns
    -------
    pandas.DataFrame
        One row a file: ``name``, ``rows``, ``what`` (with units), ``source`` (with arXiv ids),
        ``licence`` and ``loader`` (the call that gives it).

    Examples
    --------
    >>> list_datasets()[["name", "rows", "loader"]]
                 name   rows                         loader
    0            llms    247        load_leaderboard().llms
    1          scores   2454      load_leaderboard().scores
    2      benchmarks     14  load_leaderboard().benchmarks
    3  subtask_scores  12600                load_subtasks()
    """
    columns = ["name", "rows", "what", "source", "licence", "loader"]
    return pd.DataFrame(
        [[getattr(bundled, column) for column in columns] for bundled in _SETS.values()],
        columns=columns,
    )


def _benchmark_names(extras: bool, benchmarks: str | Iterable[str] | None) -> list[str]:
    info = _read("benchmarks")
    known = info["benchmark"].tolist()
    if benchmarks is None:
        return known if extras else info["benchmark"][info["core"]].tolist()
    names = [benchmarks] if isinstance(benchmarks, str) else list(benchmarks)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        what = "was asked for no benchmark"
        if unknown:
            what = f"holds no {first(with_nearest(unknown, known))}"
        raise CatalogError(
            f"The bundled leaderboard {what}. Its benchmarks are {', '.join(known)}; names are "
            'compared exactly:\n      load_leaderboard(benchmarks=["MMLU", "GSM8K"])'
        )
    return names


def _read(name: str) -> pd.DataFrame:
    """Give a copy of one bundled file, checked when it was first read."""
    return _checked(name).copy()


@cache
def _checked(name: str) -> pd.DataFrame:
    expected = _SETS[name]
    frame = read_bundled("leaderboard", f"{name}.csv")
    absent = [column for column in expected.columns if column not in frame]
    if absent or len(frame) != expected.rows:
        found = f"has {count(len(frame), 'row')}"
        if absent:
            found = f"lacks the columns {', '.join(absent)}"
        raise CatalogError(
            f"The bundled file leaderboard/{name}.csv {found}, where {expected.rows:,} rows of "
            f"{', '.join(expected.columns)} are expected. It was changed or cut since it was "
            "released, and results from it would not be comparable. Reinstall the package:\n"
            "      python -m pip install --force-reinstall latentscale"
        )
    return frame
