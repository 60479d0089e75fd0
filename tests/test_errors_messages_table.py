"""Every bad table gets its whole message, its offending rows, and code that repairs it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentscale.errors import TableError, TableWarning
from latentscale.table import ScoreTable, table_of_new_llms

FOOTER = "All offending rows are in the `problems` frame of this error."
PROBLEM_COLUMNS = ["problem", "frame", "row", "llm", "benchmark", "value"]


def make_llms(**columns: Any) -> pd.DataFrame:
    """Three LLMs of two families."""
    return pd.DataFrame({"llm": ["a", "b", "c"], "family": ["f", "f", "g"]} | columns)


def make_scores(**columns: Any) -> pd.DataFrame:
    """Each of three LLMs on two benchmarks."""
    base = {
        "llm": ["a", "b", "c"] * 2,
        "benchmark": ["MMLU"] * 3 + ["GSM8K"] * 3,
        "score": [0.3, 0.4, 0.5, 0.1, 0.2, 0.3],
    }
    return pd.DataFrame(base | columns)


def make_benchmarks(**columns: Any) -> pd.DataFrame:
    """The two benchmarks."""
    return pd.DataFrame({"benchmark": ["MMLU", "GSM8K"]} | columns)


def make_wide(**columns: Any) -> pd.DataFrame:
    """The same scores with one LLM a row; one cell is empty."""
    base = {
        "llm": ["a", "b", "c"],
        "family": ["f", "f", "g"],
        "MMLU": [0.3, 0.4, 0.5],
        "GSM8K": [0.1, 0.2, np.nan],
    }
    return pd.DataFrame(base | columns)


def whole(*bullets: str, subject: str = "The score table") -> str:
    """Put the bullets between the first and the last line of a message."""
    head = f"{subject} has {len(bullets)} problem{'' if len(bullets) == 1 else 's'}:"
    return "\n".join([head, *(f"- {bullet}" for bullet in bullets), FOOTER])


def error_of(call: Callable[[], object]) -> TableError:
    """Give the error that a call raises."""
    with pytest.raises(TableError) as caught:
        call()
    return caught.value


def code_of(message: str) -> str:
    """Give the lines of code that a message offers."""
    return "\n".join(re.findall(r"^      (.*)$", message, flags=re.MULTILINE))


@dataclass(frozen=True)
class Case:
    """Frames in the long form that are wrong in one way."""

    name: str
    bullets: list[str]
    rows: list[tuple[Any, ...]]
    scores: Any = field(default_factory=make_scores)
    llms: Any = field(default_factory=make_llms)
    benchmarks: Any = None
    repairs: bool = True


CASES = [
    Case(
        "scores are a list",
        [
            "`scores` is of type list, not a pandas DataFrame. Its columns are read by name. "
            "Convert it first:\n      scores = pd.DataFrame(scores)"
        ],
        [("not a DataFrame", "scores", None, None, None, "list")],
        scores=make_scores().to_dict("records"),
    ),
    Case(
        "llms are None",
        [
            "`llms` is of type NoneType, not a pandas DataFrame. Its columns are read by name. "
            "Pass a DataFrame."
        ],
        [("not a DataFrame", "llms", None, None, None, "NoneType")],
        llms=None,
        repairs=False,
    ),
    Case(
        "another name for a column",
        [
            "`scores` has no column 'llm' (it has 'model', 'benchmark', 'score'). It says "
            "which LLM was evaluated. 'model' may be what is meant; rename it:\n"
            "      scores = scores.rename(columns={'model': 'llm'})"
        ],
        [("missing column", "scores", None, None, None, "llm")],
        scores=make_scores().rename(columns={"llm": "model"}),
    ),
    Case(
        "a misspelt column",
        [
            "`llms` has no column 'family' (it has 'llm', 'familly'). LLMs learn from each other "
            "through their pretraining family. 'familly' may be what is meant; rename it:\n"
            "      llms = llms.rename(columns={'familly': 'family'})"
        ],
        [("missing column", "llms", None, None, None, "family")],
        llms=make_llms().rename(columns={"family": "familly"}),
    ),
    Case(
        "a column in the index",
        [
            "`llms` has no column 'llm' (it has 'family'). It says which LLM a row describes. "
            "It is in the index; make it a column:\n"
            "      llms = llms.reset_index()"
        ],
        [("missing column", "llms", None, None, None, "llm")],
        llms=make_llms().set_index("llm"),
    ),
    Case(
        "a column that nothing resembles",
        [
            "`scores` has no column 'score' (it has 'llm', 'benchmark'). It holds the fraction of "
            "answers that are right, in [0, 1]. Add it:\n      scores = scores.assign(score=...)"
        ],
        [("missing column", "scores", None, None, None, "score")],
        scores=make_scores().drop(columns="score"),
        repairs=False,
    ),
    Case(
        "benchmarks without their names",
        [
            "`benchmarks` has no column 'benchmark' (it has 'task'). It says which benchmark a row "
            "describes. 'task' may be what is meant; rename it:\n"
            "      benchmarks = benchmarks.rename(columns={'task': 'benchmark'})"
        ],
        [("missing column", "benchmarks", None, None, None, "benchmark")],
        benchmarks=make_benchmarks().rename(columns={"benchmark": "task"}),
    ),
    Case(
        "a repeated column",
        [
            "1 column name used more than once in `llms`: 'family'. Which of them is meant "
            "cannot be told. Rename or drop the others:\n"
            "      llms = llms.loc[:, ~llms.columns.duplicated()]"
        ],
        [("repeated column", "llms", None, None, None, "family")],
        llms=pd.concat([make_llms(), make_llms()[["family"]]], axis=1),
    ),
    Case(
        "reserved columns",
        [
            "2 reserved column names in `scores`: 'family', 'draw'. The table's other frames "
            "or the posterior's dimensions use these names, so that results could not be told "
            "apart. Rename or drop what carries them:\n"
            "      scores = scores.rename(columns={'family': 'family_', 'draw': 'draw_'})",
            "1 reserved column name in `llms`: 'model'. The table's other frames or the "
            "posterior's dimensions use these names, so that results could not be told apart. "
            "Rename or drop what carries them:\n"
            "      llms = llms.rename(columns={'model': 'model_'})",
        ],
        [
            ("reserved column name", "scores", None, None, None, "family"),
            ("reserved column name", "scores", None, None, None, "draw"),
            ("reserved column name", "llms", None, None, None, "model"),
        ],
        scores=make_scores(family="f", draw=1),
        llms=make_llms(model="x"),
    ),
    Case(
        "no scores",
        [
            "`scores` has no rows. There is nothing to learn from. Check the file or the "
            "filter that it came from."
        ],
        [("no rows", "scores", None, None, None, None)],
        scores=make_scores().head(0),
        repairs=False,
    ),
    Case(
        "no LLMs",
        [
            "`llms` has no rows. There is nothing to learn from. Check the file or the filter "
            "that it came from."
        ],
        [("no rows", "llms", None, None, None, None)],
        llms=make_llms().head(0),
        repairs=False,
    ),
    Case(
        "successes without trials",
        [
            "`scores` has 'successes' but no 'trials'. A count of right answers says something "
            "only with the number of trials. Add the other column, or let `score` stand "
            "alone:\n"
            "      scores = scores.drop(columns=['successes'])"
        ],
        [("only one of successes and trials", "scores", None, None, None, "successes")],
        scores=make_scores(successes=1),
    ),
    Case(
        "trials alone",
        [
            "`scores` has 'trials' but no 'successes'. A count of right answers says something "
            "only with the number of trials. Add the other column, or give scores as fractions "
            "in `score`."
        ],
        [("only one of successes and trials", "scores", None, None, None, "trials")],
        scores=make_scores(trials=1).drop(columns="score"),
        repairs=False,
    ),
    Case(
        "scores of nobody",
        [
            "2 rows of `scores` with a blank 'llm' (rows 2, 3). A score says nothing unless it is "
            "known what was evaluated, and on what. Fill in the label or drop the rows:\n"
            '      scores = scores[scores["llm"].astype("string").str.strip().fillna("") != ""]'
        ],
        [
            ("blank llm", "scores", 2, None, "MMLU", None),
            ("blank llm", "scores", 3, None, "GSM8K", None),
        ],
        scores=make_scores(llm=["a", "b", None, " ", "b", "c"]),
    ),
    Case(
        "scores on nothing",
        [
            "1 row of `scores` with a blank 'benchmark' (row 0). A score says nothing unless "
            "it is known what was evaluated, and on what. Fill in the label or drop the rows:\n"
            '      scores = scores[scores["benchmark"].astype("string").str.strip().fillna("") '
            '!= ""]'
        ],
        [("blank benchmark", "scores", 0, "a", None, None)],
        scores=make_scores(benchmark=[np.nan, "MMLU", "MMLU", "GSM8K", "GSM8K", "GSM8K"]),
    ),
    Case(
        "duplicate scores",
        [
            "1 pair of LLM and benchmark with more than one score: 'a' on 'MMLU'. An "
            "evaluation that counts twice makes the posterior too sure. Average repeated runs, "
            "or keep one score of each pair:\n"
            '      scores = scores.drop_duplicates(["llm", "benchmark"], keep="last")'
        ],
        [
            ("duplicate score", "scores", 0, "a", "MMLU", 0.3),
            ("duplicate score", "scores", 0, "a", "MMLU", 0.3),
        ],
        scores=pd.concat([make_scores(), make_scores().head(1)]),
    ),
    Case(
        "scores of unknown LLMs",
        [
            "2 LLMs of `scores` absent from `llms` (2 scores): 'A' (nearest: 'a'), 'zz'. Its "
            "family and features must be known for a score to be of use. Correct the name, add "
            "it to `llms`, or drop the scores:\n"
            '      scores = scores[scores["llm"].isin(llms["llm"])]'
        ],
        [
            ("unknown LLM", "scores", 0, "A", "MMLU", 0.3),
            ("unknown LLM", "scores", 5, "zz", "GSM8K", 0.3),
        ],
        scores=make_scores(llm=["A", "b", "c", "a", "b", "zz"]),
    ),
    Case(
        "scores on unknown benchmarks",
        [
            "1 benchmark of `scores` absent from `benchmarks` (1 score): 'GSM-8K' (nearest: "
            "'GSM8K'). A benchmarks frame describes all benchmarks of the table: their chance "
            "levels count. Correct the name, add it to `benchmarks`, or drop the scores:\n"
            '      scores = scores[scores["benchmark"].isin(benchmarks["benchmark"])]'
        ],
        [("unknown benchmark", "scores", 3, "a", "GSM-8K", 0.1)],
        scores=make_scores(benchmark=["MMLU"] * 3 + ["GSM-8K", "GSM8K", "GSM8K"]),
        benchmarks=make_benchmarks(),
    ),
    Case(
        "missing scores",
        [
            "1 missing score: 'a' on 'MMLU'. An LLM that was not evaluated on a benchmark has "
            "no row in the long form. Drop the rows:\n"
            '      scores = scores.dropna(subset=["score"])'
        ],
        [("missing score", "scores", 0, "a", "MMLU", None)],
        scores=make_scores(score=[np.nan, 0.4, 0.5, 0.1, 0.2, 0.3]),
    ),
    Case(
        "missing counts",
        [
            "1 missing score: 'a' on 'MMLU'. An LLM that was not evaluated on a benchmark has "
            "no row in the long form. Drop the rows:\n"
            '      scores = scores.dropna(subset=["successes", "trials"])'
        ],
        [("missing score", "scores", 0, "a", "MMLU", None)],
        scores=make_scores(successes=[np.nan, 1, 2, 3, 4, 5], trials=[np.nan, 9, 9, 9, 9, 9]).drop(
            columns="score"
        ),
    ),
    Case(
        "scores in words",
        [
            "2 scores not a number: 'a' on 'MMLU' = 'n/a', 'b' on 'GSM8K' = '-'. Only numbers "
            "can be compared. Correct the cells, or count them as not evaluated:\n"
            '      scores["score"] = pd.to_numeric(scores["score"], errors="coerce")\n'
            '      scores = scores.dropna(subset=["score"])'
        ],
        [
            ("score not a number", "scores", 0, "a", "MMLU", "n/a"),
            ("score not a number", "scores", 4, "b", "GSM8K", "-"),
        ],
        scores=make_scores(score=["n/a", "0.4", "0.5", "0.1", "-", "0.3"]),
    ),
    Case(
        "a table in percent",
        [
            "Scores in percent throughout: 5 of 6 scores above 1, such as 'a' on 'MMLU' = 30, "
            "'b' on 'MMLU' = 40, 'c' on 'MMLU' = 50 and 2 more. A score is a fraction in [0, "
            "1]: 0.94, not 94. Divide by 100:\n"
            '      scores["score"] = scores["score"] / 100'
        ],
        [
            ("score in percent", "scores", 0, "a", "MMLU", 30.0),
            ("score in percent", "scores", 1, "b", "MMLU", 40.0),
            ("score in percent", "scores", 2, "c", "MMLU", 50.0),
            ("score in percent", "scores", 3, "a", "GSM8K", 10.0),
            ("score in percent", "scores", 5, "c", "GSM8K", 1.5),
        ],
        scores=make_scores(score=[30, 40, 50, 10, 0.2, 1.5]),
    ),
    Case(
        "a benchmark in percent",
        [
            "Scores in percent on 'MMLU': 2 of 3 scores above 1, such as 'a' on 'MMLU' = 30, "
            "'c' on 'MMLU' = 50. A score is a fraction in [0, 1]: 0.94, not 94. Divide by 100, "
            "and the other benchmarks too if needed:\n"
            '      scores["score"] = '
            'scores["score"].where(~scores["benchmark"].isin([\'MMLU\']), scores["score"] '
            "/ 100)"
        ],
        [
            ("score in percent", "scores", 0, "a", "MMLU", 30.0),
            ("score in percent", "scores", 2, "c", "MMLU", 50.0),
        ],
        scores=make_scores(score=[30, 0.9, 50, 0.1, 0.2, 0.3]),
    ),
    Case(
        "scores out of range",
        [
            "2 scores outside [0, 1]: 'a' on 'MMLU' = 1.2, 'b' on 'GSM8K' = -inf. A score is the "
            "fraction of answers that are right. Correct the cells, or count them as not "
            'evaluated:\n      scores = scores[scores["score"].between(0, 1)]'
        ],
        [
            ("score outside [0, 1]", "scores", 0, "a", "MMLU", 1.2),
            ("score outside [0, 1]", "scores", 4, "b", "GSM8K", -np.inf),
        ],
        scores=make_scores(score=[1.2, 0.4, 0.5, 0.1, -np.inf, 0.3]),
    ),
    Case(
        "impossible counts",
        [
            "1 row with only one of successes and trials: 'c' on 'GSM8K' (? of 10). Each trial "
            "counts as one right or wrong answer. Correct the rows or leave them out:\n"
            '      scores = scores.dropna(subset=["successes", "trials"])',
            "1 row with trials that are no whole number above 0: 'b' on 'MMLU' (4 of 0). Each "
            "trial counts as one right or wrong answer. Correct the rows or leave them out:\n"
            '      scores = scores[(scores["trials"] > 0) & (scores["trials"] % 1 == 0)]',
            "2 rows with successes that are no whole number from 0: 'c' on 'MMLU' (5.5 of 10), "
            "'b' on 'GSM8K' (-1 of 10). Each trial counts as one right or wrong answer. "
            "Correct the rows or leave them out:\n"
            '      scores = scores[(scores["successes"] >= 0) & (scores["successes"] % 1 == 0)]',
            "1 row with more successes than trials: 'a' on 'GSM8K' (20 of 10). Each trial "
            "counts as one right or wrong answer. Correct the rows or leave them out:\n"
            '      scores = scores[scores["successes"] <= scores["trials"]]',
        ],
        [
            ("only one of successes and trials", "scores", 5, "c", "GSM8K", "? of 10"),
            ("trials that are no whole number above 0", "scores", 1, "b", "MMLU", "4 of 0"),
            ("successes that are no whole number from 0", "scores", 2, "c", "MMLU", "5.5 of 10"),
            ("successes that are no whole number from 0", "scores", 4, "b", "GSM8K", "-1 of 10"),
            ("more successes than trials", "scores", 3, "a", "GSM8K", "20 of 10"),
        ],
        scores=make_scores(
            successes=[3, 4, 5.5, 20, -1, np.nan], trials=[10, 0, 10, 10, 10, 10]
        ).drop(columns="score"),
        repairs=False,
    ),
    Case(
        "a score unlike its counts",
        [
            "1 score unlike successes / trials: 'c' on 'GSM8K' = 0.3, counts say 0.9. One of "
            "the two is wrong, and which one cannot be told. Correct the counts, or let them "
            "make the score:\n"
            '      scores = scores.drop(columns="score")'
        ],
        [("score contradicts its counts", "scores", 5, "c", "GSM8K", 0.3)],
        scores=make_scores(successes=[3, 4, 5, 1, 2, 9], trials=10),
    ),
    Case(
        "numbers of items that are none",
        [
            "2 values of 'n_items' in `scores` that are no whole number above 0: 'a' on 'MMLU' "
            "= 0, 'c' on 'MMLU' = 2.5. How precise a score can be depends on the number of "
            "items behind it. Correct it, or leave it empty (NaN) where it is unknown:\n"
            '      known = pd.to_numeric(scores["n_items"], errors="coerce")\n'
            '      scores["n_items"] = known.where((known > 0) & (known % 1 == 0))',
            "1 value of 'n_items' in `benchmarks` that is no whole number above 0: 'GSM8K' = "
            "'many'. How precise a score can be depends on the number of items behind it. "
            "Correct it, or leave it empty (NaN) where it is unknown:\n"
            '      known = pd.to_numeric(benchmarks["n_items"], errors="coerce")\n'
            '      benchmarks["n_items"] = known.where((known > 0) & (known % 1 == 0))',
        ],
        [
            ("n_items not a whole number", "scores", 0, "a", "MMLU", 0.0),
            ("n_items not a whole number", "scores", 2, "c", "MMLU", 2.5),
            ("n_items not a whole number", "benchmarks", 1, None, "GSM8K", "many"),
        ],
        scores=make_scores(n_items=[0, 1, 2.5, 3, 4, np.nan]),
        benchmarks=make_benchmarks(n_items=[14042, "many"]),
    ),
    Case(
        "a benchmark with one score",
        [
            "1 benchmark with fewer than 2 scores: 'GSM8K' (1). How hard a benchmark is and "
            "which skills it asks for cannot be told from that. Add scores, or leave the "
            "benchmarks out:\n"
            "      scores = scores[~scores[\"benchmark\"].isin(['GSM8K'])]"
        ],
        [("too few scores", "scores", None, None, "GSM8K", 1)],
        scores=make_scores().head(4),
    ),
    Case(
        "a benchmark without scores",
        [
            "1 benchmark with fewer than 2 scores: 'BBH' (0). How hard a benchmark is and "
            "which skills it asks for cannot be told from that. Add scores, or leave the "
            "benchmarks out:\n"
            "      scores = scores[~scores[\"benchmark\"].isin(['BBH'])]\n"
            "      benchmarks = benchmarks[~benchmarks[\"benchmark\"].isin(['BBH'])]"
        ],
        [("too few scores", "scores", None, None, "BBH", 0)],
        benchmarks=pd.DataFrame({"benchmark": ["MMLU", "BBH", "GSM8K"]}),
    ),
    Case(
        "an LLM without a name",
        [
            "1 row of `llms` with a blank 'llm' (row three). An LLM without a name cannot be found "
            "again in any result. Fill in the name or drop the rows:\n"
            '      llms = llms[llms["llm"].astype("string").str.strip().fillna("") != ""]'
        ],
        [("blank llm", "llms", "three", None, None, None)],
        llms=pd.concat(
            [make_llms(), pd.DataFrame({"llm": [None], "family": ["g"]}, index=["three"])]
        ),
    ),
    Case(
        "an LLM described twice",
        [
            "1 LLM in more than one row of `llms`: 'a'. Which features are the LLM's cannot be "
            "told. Keep one row each, or name the versions differently:\n"
            '      llms = llms.drop_duplicates("llm", keep="last")'
        ],
        [
            ("duplicate LLM", "llms", 0, "a", None, None),
            ("duplicate LLM", "llms", 0, "a", None, None),
        ],
        llms=pd.concat([make_llms(), make_llms().head(1)]),
    ),
    Case(
        "LLMs without a family",
        [
            "2 LLMs without a family: 'b', 'c'. LLMs learn from each other through their "
            "pretraining family. Fill it in; an LLM that stands alone is a family of its own:\n"
            '      known = llms["family"].astype("string").str.strip().fillna("") != ""\n'
            '      llms["family"] = llms["family"].where(known, llms["llm"])'
        ],
        [
            ("missing family", "llms", 1, "b", None, None),
            ("missing family", "llms", 2, "c", None, None),
        ],
        llms=make_llms(family=["f", " ", None]),
    ),
    Case(
        "a recipe across families",
        [
            "1 recipe in more than one family: 'r' in 'f', 'g'. A recipe is one post-training "
            "of one pretraining family, and its effect is learnt inside that family. Correct "
            "the label, or make it the family's own:\n"
            '      llms["recipe"] = llms["family"] + " " + llms["recipe"]'
        ],
        [
            ("recipe in two families", "llms", 0, "a", None, "f"),
            ("recipe in two families", "llms", 2, "c", None, "g"),
        ],
        llms=make_llms(recipe=["r", "q", "r"]),
    ),
    Case(
        "a family of two developers",
        [
            "1 family of more than one developer: 'f' of 'X' and 'Y'. A family is pretrained by "
            "one developer, whose families are alike; who tunes an LLM makes a recipe of it. Name "
            "whoever pretrained it:\n"
            '      llms["developer"] = llms.groupby("family")["developer"].transform("first")'
        ],
        [
            ("family of two developers", "llms", 0, "a", None, "X"),
            ("family of two developers", "llms", 1, "b", None, "Y"),
        ],
        llms=make_llms(developer=["X", "Y", "X"]),
    ),
    Case(
        "tuned is neither 0 nor 1",
        [
            "3 LLMs whose 'tuned' is neither 0 nor 1: 'a' = 2, 'b' = 'yes', 'c' = nan. The "
            "shift that tuning brings is added to tuned LLMs (1) and to no others (0). Use 1 "
            "for an LLM tuned to follow instructions or to chat, else 0:\n"
            '      llms["tuned"] = llms["llm"].isin(["name of a tuned LLM"]).astype(int)'
        ],
        [
            ("tuned neither 0 nor 1", "llms", 0, "a", None, 2),
            ("tuned neither 0 nor 1", "llms", 1, "b", None, "yes"),
            ("tuned neither 0 nor 1", "llms", 2, "c", None, np.nan),
        ],
        llms=make_llms(tuned=[2, "yes", None]),
    ),
    Case(
        "tuned and untuned LLMs of a family",
        [
            "1 recipe with tuned and untuned LLMs: 'f' (without a 'recipe' column, the family "
            "stands in). A recipe is one post-training, so that all its LLMs are tuned or none "
            "is. Give the tuned ones a recipe of their own:\n"
            '      llms["recipe"] = llms["family"] + llms["tuned"].astype(int).map({0: "", 1: '
            '" tuned"})'
        ],
        [
            ("tuned mixed within a recipe", "llms", 0, "a", None, False),
            ("tuned mixed within a recipe", "llms", 1, "b", None, True),
        ],
        llms=make_llms(tuned=[False, True, False]),
    ),
    Case(
        "tuned and untuned LLMs of a recipe",
        [
            "1 recipe with tuned and untuned LLMs: 'r'. A recipe is one post-training, so that all "
            "its LLMs are tuned or none is. Give the tuned ones a recipe of their own:\n"
            '      llms["recipe"] = llms["recipe"] + llms["tuned"].astype(int).map('
            '{0: "", 1: " tuned"})'
        ],
        [
            ("tuned mixed within a recipe", "llms", 0, "a", None, 0),
            ("tuned mixed within a recipe", "llms", 1, "b", None, 1),
        ],
        llms=make_llms(tuned=[0, 1, 0], recipe=["r", "r", "g"]),
    ),
    Case(
        "sizes in words",
        [
            "1 value of 'params_b' not a number: 'c' = '7B'. Formulas take logarithms of it. Write "
            "plain numbers, in 1e9 parameters, or make them unknown (NaN) and pass "
            'missing="keep":\n      llms["params_b"] = pd.to_numeric(llms["params_b"], '
            'errors="coerce")'
        ],
        [("params_b not a number", "llms", 2, "c", None, "7B")],
        llms=make_llms(params_b=["1", "3", "7B"]),
    ),
    Case(
        "dates in words",
        [
            "2 values of 'release_date' not a date: 'b' = 'May 2024', 'c' = '2024-13-01'. Dates "
            "count in years; as text each would be a category of its own. Write dates such as "
            '"2024-06-07", or make them unknown:\n'
            '      llms["release_date"] = pd.to_datetime(llms["release_date"], format="mixed", '
            'errors="coerce")'
        ],
        [
            ("release_date not a date", "llms", 1, "b", None, "May 2024"),
            ("release_date not a date", "llms", 2, "c", None, "2024-13-01"),
        ],
        llms=make_llms(release_date=["2024-06-07", "May 2024", "2024-13-01"]),
    ),
    Case(
        "sizes of nothing",
        [
            "1 value of 'params_b' not above 0: 'a' = -1. Formulas take logarithms of it. "
            'Correct it, or make it unknown (NaN) and pass missing="keep":\n'
            '      llms["params_b"] = llms["params_b"].where(llms["params_b"] > 0)',
            "1 value of 'tokens_t' not above 0: 'b' = 0. Formulas take logarithms of it. "
            'Correct it, or make it unknown (NaN) and pass missing="keep":\n'
            '      llms["tokens_t"] = llms["tokens_t"].where(llms["tokens_t"] > 0)',
        ],
        [
            ("params_b not above 0", "llms", 0, "a", None, -1),
            ("tokens_t not above 0", "llms", 1, "b", None, 0),
        ],
        llms=make_llms(params_b=[-1, 3, 7], tokens_t=[1, 0, 2]),
    ),
    Case(
        "raw counts of parameters",
        [
            "2 values of 'params_b' beyond any LLM: 'b' = 6.7e+09, 'c' = 1.3e+10. params_b is "
            "in 1e9 parameters; numbers like these are raw counts. Divide by 1e9:\n"
            '      params_b = llms["params_b"]\n'
            '      llms["params_b"] = params_b.where(params_b <= 1e5, params_b / 1e9)'
        ],
        [
            ("params_b in another unit", "llms", 1, "b", None, 6.7e9),
            ("params_b in another unit", "llms", 2, "c", None, 1.3e10),
        ],
        llms=make_llms(params_b=[1, 6_700_000_000, 13_000_000_000]),
    ),
    Case(
        "tokens in other units",
        [
            "1 value of 'tokens_t' beyond any LLM: 'c' = 2e+12. tokens_t is in 1e12 tokens; "
            "numbers like these are raw counts. Divide by 1e12:\n"
            '      tokens_t = llms["tokens_t"]\n'
            '      llms["tokens_t"] = tokens_t.where(tokens_t <= 1e6, tokens_t / 1e12)',
            "1 value of 'tokens_t' beyond any LLM: 'b' = 2000. tokens_t is in 1e12 tokens; numbers "
            "like these are 1e9 tokens. Divide by 1e3:\n"
            '      tokens_t = llms["tokens_t"]\n'
            '      llms["tokens_t"] = tokens_t.where(tokens_t <= 1e2, tokens_t / 1e3)',
        ],
        [
            ("tokens_t in another unit", "llms", 2, "c", None, 2e12),
            ("tokens_t in another unit", "llms", 1, "b", None, 2e3),
        ],
        llms=make_llms(tokens_t=[1.5, 2000, 2e12]),
    ),
    Case(
        "all tokens in other units",
        [
            "2 values of 'tokens_t' beyond any LLM: 'b' = 300, 'c' = 2000. tokens_t is in 1e12 "
            "tokens; numbers like these are 1e9 tokens. Divide by 1e3:\n"
            '      tokens_t = llms["tokens_t"]\n'
            '      llms["tokens_t"] = tokens_t / 1e3',
        ],
        [
            ("tokens_t in another unit", "llms", 1, "b", None, 300.0),
            ("tokens_t in another unit", "llms", 2, "c", None, 2e3),
        ],
        llms=make_llms(tokens_t=[40.0, 300.0, 2000.0]),
    ),
    Case(
        "unknown features",
        [
            "3 missing values in 2 numeric features: 'params_b' (1), 'code_pct' (2); 2 LLMs: 'b', "
            "'c'. Where an LLM stands on a feature that is unknown for it can only be guessed. "
            'Pass missing="keep" to carry them as unknown (a model then draws them given what is '
            "known; the bundled leaderboard is read this way), or leave these LLMs out now:\n"
            "      llms = llms.dropna(subset=['params_b', 'code_pct'])\n"
            '      scores = scores[scores["llm"].isin(llms["llm"])]'
        ],
        [
            ("missing params_b", "llms", 1, "b", None, None),
            ("missing code_pct", "llms", 1, "b", None, None),
            ("missing code_pct", "llms", 2, "c", None, None),
        ],
        llms=make_llms(params_b=[1, np.nan, 7], code_pct=[1.5, np.nan, np.nan]),
        repairs=False,
    ),
    Case(
        "infinite features",
        [
            "1 infinite value of 'code_pct': 'a'. One infinite feature makes every slope "
            'undefined. Correct it, or make it unknown (NaN) and pass missing="keep":\n'
            '      llms["code_pct"] = llms["code_pct"].replace([np.inf, -np.inf], np.nan)'
        ],
        [("infinite code_pct", "llms", 0, "a", None, -np.inf)],
        llms=make_llms(code_pct=[-np.inf, 0, 1]),
    ),
    Case(
        "impossible chance levels",
        [
            "2 chance levels outside [0, 1): 'MMLU' = 25, 'GSM8K' = 'none'. A chance level is "
            "the fraction that random guessing gets right: 0.25, not 25, for four options, and "
            "0 where an answer cannot be guessed. Correct it, or leave it empty (NaN) for the "
            "level of a well-known benchmark, else 0."
        ],
        [
            ("chance outside [0, 1)", "benchmarks", 0, None, "MMLU", 25),
            ("chance outside [0, 1)", "benchmarks", 1, None, "GSM8K", "none"),
        ],
        benchmarks=make_benchmarks(chance=[25, "none"]),
        repairs=False,
    ),
    Case(
        "benchmarks described badly",
        [
            "1 row of `benchmarks` with a blank name (row 3). A benchmark without a name can "
            "have no scores. Fill in the name or leave the rows out.",
            "1 benchmark named more than once in `benchmarks`: 'MMLU'. Which chance level is the "
            "benchmark's cannot be told. Name each benchmark once.",
        ],
        [
            ("blank benchmark", "benchmarks", 3, None, None, None),
            ("duplicate benchmark", "benchmarks", 0, None, "MMLU", None),
            ("duplicate benchmark", "benchmarks", 2, None, "MMLU", None),
        ],
        benchmarks=pd.DataFrame({"benchmark": ["MMLU", "GSM8K", "MMLU", ""]}),
        repairs=False,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_long_form_says_what_is_wrong(case: Case) -> None:
    error = error_of(lambda: ScoreTable.from_long(case.scores, case.llms, case.benchmarks))
    assert str(error) == whole(*case.bullets)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_long_form_lists_every_offending_row(case: Case) -> None:
    error = error_of(lambda: ScoreTable.from_long(case.scores, case.llms, case.benchmarks))
    expected = pd.DataFrame(case.rows, columns=PROBLEM_COLUMNS, dtype=object)
    pd.testing.assert_frame_equal(error.problems, expected, check_dtype=False)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.repairs], ids=lambda case: case.name
)
def test_the_code_of_a_message_repairs_the_table(case: Case) -> None:
    frames = {"scores": case.scores, "llms": case.llms, "benchmarks": case.benchmarks}
    frames = {name: getattr(frame, "copy", lambda: None)() for name, frame in frames.items()}
    error = error_of(lambda: ScoreTable.from_long(**frames, missing="keep"))
    exec(code_of(str(error)), {"pd": pd, "np": np}, frames)
    repaired = {name: frames[name] for name in ("scores", "llms", "benchmarks")}
    assert ScoreTable.from_long(**repaired, missing="keep").n_obs > 0


def test_all_problems_of_all_frames_come_at_once() -> None:
    error = error_of(
        lambda: ScoreTable.from_long(
            make_scores(score=[1.2, 0.4, 0.5, 0.1, 0.2, np.nan]),
            make_llms(family=["f", "f", None], params_b=[1, 3, -7]),
            make_benchmarks(chance=[0.25, -1]),
        )
    )
    assert str(error) == whole(
        "1 missing score: 'c' on 'GSM8K'. An LLM that was not evaluated on a benchmark has no row "
        'in the long form. Drop the rows:\n      scores = scores.dropna(subset=["score"])',
        "1 score outside [0, 1]: 'a' on 'MMLU' = 1.2. A score is the fraction of answers that are "
        "right. Correct the cells, or count them as not evaluated:\n"
        '      scores = scores[scores["score"].between(0, 1)]',
        "1 LLM without a family: 'c'. LLMs learn from each other through their pretraining "
        "family. Fill it in; an LLM that stands alone is a family of its own:\n"
        '      known = llms["family"].astype("string").str.strip().fillna("") != ""\n'
        '      llms["family"] = llms["family"].where(known, llms["llm"])',
        "1 value of 'params_b' not above 0: 'c' = -7. Formulas take logarithms of it. Correct it, "
        'or make it unknown (NaN) and pass missing="keep":\n'
        '      llms["params_b"] = llms["params_b"].where(llms["params_b"] > 0)',
        "1 chance level outside [0, 1): 'GSM8K' = -1. A chance level is the fraction that random "
        "guessing gets right: 0.25, not 25, for four options, and 0 where an answer cannot be "
        "guessed. Correct it, or leave it empty (NaN) for the level of a well-known benchmark, "
        "else 0.",
    )
    assert error.problems["frame"].tolist() == ["scores", "scores", "llms", "llms", "benchmarks"]


def test_long_lists_of_labels_are_cut() -> None:
    llms = pd.DataFrame({"llm": [f"m{number}" for number in range(9)], "family": None})
    scores = pd.DataFrame({"llm": ["m0", "m1"], "benchmark": "MMLU", "score": 0.5})
    error = error_of(lambda: ScoreTable.from_long(scores, llms))
    assert "9 LLMs without a family: 'm0', 'm1', 'm2' and 6 more. " in str(error)
    assert len(error.problems) == 9


def test_an_object_that_can_become_a_frame_is_told_how() -> None:
    class Foreign:
        def to_pandas(self) -> pd.DataFrame:
            return make_llms()

    error = error_of(lambda: ScoreTable.from_long(make_scores(), Foreign()))
    assert str(error) == whole(
        "`llms` is of type Foreign, not a pandas DataFrame. Its columns are read by name. Convert "
        "it first:\n      llms = llms.to_pandas()"
    )


def test_an_unknown_policy_for_missing_features() -> None:
    error = error_of(lambda: ScoreTable.from_long(make_scores(), make_llms(), missing="drop"))
    assert str(error) == (
        "missing='drop' is not an option. It says what to do about unknown numeric features: "
        'missing="error" reports them, missing="keep" carries them as NaN.'
    )
    assert error.problems.columns.tolist() == PROBLEM_COLUMNS


def test_calling_the_class() -> None:
    error = error_of(lambda: ScoreTable(make_scores(), make_llms()))
    assert str(error) == (
        "A ScoreTable is not made by calling the class, which would leave its frames unchecked. "
        "Use one of:\n"
        "      ScoreTable.from_long(scores, llms, benchmarks=None)\n"
        '      ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])'
    )


WIDE_CASES = [
    (
        "a benchmark that is no column",
        {"benchmarks": ["MMLUU", "GSM8K"]},
        "1 benchmark without a column in `frame`: 'MMLUU' (nearest: 'MMLU'). Each name in "
        "`benchmarks` must be a column that holds scores. Correct the name or leave it out.",
    ),
    (
        "every column named",
        {"benchmarks": ["llm", "family", "MMLU", "GSM8K"]},
        "2 names in `benchmarks` of no benchmark: 'llm', 'family'. Such columns describe the LLMs. "
        "List only columns that hold scores.",
    ),
    (
        "no benchmark named",
        {"frame": make_wide(GSM8K=0.1), "benchmarks": []},
        "`benchmarks` names no benchmark. Nothing tells which columns of `frame` hold scores. Pass "
        'their names:\n      ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])',
    ),
    (
        "a benchmark named twice",
        {"benchmarks": ["MMLU", "GSM8K", "MMLU"]},
        "1 benchmark named more than once in `benchmarks`: 'MMLU'. Which chance level is the "
        "benchmark's cannot be told. Name each benchmark once.",
    ),
    (
        "a chance level of no benchmark",
        {"chance": {"mmlu": 0.25}},
        "1 chance level of no benchmark in this table: 'mmlu' (nearest: 'MMLU'). The level would "
        "be ignored, and the benchmark that was meant would get another. Use the names in "
        "`benchmarks` as the keys of `chance`.",
    ),
    (
        "a score column twice",
        {"frame": pd.concat([make_wide(), make_wide()[["MMLU"]]], axis=1)},
        "1 column name used more than once in `frame`: 'MMLU'. Which of them is meant cannot be "
        "told. Rename or drop the others:\n"
        "      frame = frame.loc[:, ~frame.columns.duplicated()]",
    ),
    (
        "a benchmark in percent",
        {"frame": make_wide(MMLU=[30, 40, 0.9])},
        "Scores in percent on 'MMLU': 2 of 3 scores above 1, such as 'a' on 'MMLU' = 30, 'b' on "
        "'MMLU' = 40. A score is a fraction in [0, 1]: 0.94, not 94. Divide by 100, and the other "
        "benchmarks too if needed:\n      frame[['MMLU']] = frame[['MMLU']] / 100",
    ),
    (
        "scores out of range",
        {"frame": make_wide(MMLU=[0.3, -0.4, 0.9])},
        "1 score outside [0, 1]: 'b' on 'MMLU' = -0.4. A score is the fraction of answers that are "
        "right. Correct the cells, or count them as not evaluated:\n"
        "      frame[['MMLU']] = frame[['MMLU']].where("
        "frame[['MMLU']].ge(0) & frame[['MMLU']].le(1))",
    ),
    (
        "scores in words",
        {"frame": make_wide(MMLU=["-", "0.2", "0.3"])},
        "1 score not a number: 'a' on 'MMLU' = '-'. Only numbers can be compared. Correct the "
        "cells, or count them as not evaluated:\n"
        "      frame[['MMLU']] = frame[['MMLU']].apply(pd.to_numeric, errors=\"coerce\")",
    ),
    (
        "an LLM in two rows",
        {"frame": pd.concat([make_wide(), make_wide().head(1)])},
        "1 LLM in more than one row of `frame`: 'a'. Which features are the LLM's cannot be told. "
        "Keep one row each, or name the versions differently:\n"
        '      frame = frame.drop_duplicates("llm", keep="last")',
    ),
    (
        "an LLM without a name",
        {"frame": pd.concat([make_wide(), make_wide(llm=None).tail(1)], ignore_index=True)},
        "1 row of `frame` with a blank 'llm' (row 3). An LLM without a name cannot be found again "
        "in any result. Fill in the name or drop the rows:\n"
        '      frame = frame[frame["llm"].astype("string").str.strip().fillna("") != ""]',
    ),
    (
        "a benchmark without scores",
        {"frame": make_wide(GSM8K=np.nan)},
        "1 benchmark with fewer than 2 scores: 'GSM8K' (0). How hard a benchmark is and which "
        "skills it asks for cannot be told from that. Add scores, or leave the columns out of "
        "`benchmarks`.",
    ),
    (
        "a score column that is not named",
        {"benchmarks": ["MMLU"]},
        "1 missing value in 1 numeric feature: 'GSM8K' (1); 1 LLM: 'c'. Where an LLM stands on a "
        "feature that is unknown for it can only be guessed. (A column that holds scores belongs "
        'in `benchmarks`.) Pass missing="keep" to carry them as unknown (a model then draws them '
        "given what is known; the bundled leaderboard is read this way), or leave these LLMs out "
        "now:\n      frame = frame.dropna(subset=['GSM8K'])",
    ),
    (
        "a list instead of a frame",
        {"frame": [1, 2]},
        "`frame` is of type list, not a pandas DataFrame. Its columns are read by name. Convert it "
        "first:\n      frame = pd.DataFrame(frame)",
    ),
    (
        "a frame without rows",
        {"frame": make_wide().head(0)},
        "`frame` has no rows. There is nothing to learn from. Check the file or the filter that it "
        "came from.",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "bullet"), [case[1:] for case in WIDE_CASES], ids=[case[0] for case in WIDE_CASES]
)
def test_wide_form_says_what_is_wrong(arguments: dict[str, Any], bullet: str) -> None:
    given = {"frame": make_wide(), "benchmarks": ["MMLU", "GSM8K"]} | arguments
    assert str(error_of(lambda: ScoreTable.from_wide(**given))) == whole(bullet)


def test_wide_form_names_the_row_of_the_wide_frame() -> None:
    frame = make_wide(MMLU=[0.3, -0.4, 0.9]).set_axis(["x", "y", "z"])
    error = error_of(lambda: ScoreTable.from_wide(frame, ["MMLU", "GSM8K"]))
    assert error.problems.values.tolist() == [
        ["score outside [0, 1]", "scores", "y", "b", "MMLU", -0.4]
    ]


def test_wide_form_with_a_number_for_names() -> None:
    assert str(error_of(lambda: ScoreTable.from_wide(make_wide(), 3))) == (
        "`benchmarks` names the score columns of the wide frame, and int holds no names. Pass a "
        "list of them, or a benchmarks frame:\n"
        '      ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])'
    )


def test_wide_form_with_one_chance_level_for_all() -> None:
    assert str(error_of(lambda: ScoreTable.from_wide(make_wide(), ["MMLU"], chance=0.25))) == (
        "`chance` is of type float, and a chance level belongs to one benchmark. Pass a dict of "
        "levels by benchmark:\n"
        '      ScoreTable.from_wide(frame, benchmarks=["MMLU"], chance={"MMLU": 0.25})'
    )


def test_new_llms_are_checked_alike() -> None:
    error = error_of(lambda: table_of_new_llms(make_llms(params_b=[1, 3, 0])))
    assert str(error) == whole(
        "1 value of 'params_b' not above 0: 'c' = 0. Formulas take logarithms of it. Correct it, "
        'or make it unknown (NaN) and pass missing="keep":\n'
        '      llms["params_b"] = llms["params_b"].where(llms["params_b"] > 0)',
        subject="The table of new LLMs",
    )


def make_table() -> ScoreTable:
    """A valid table."""
    return ScoreTable.from_long(make_scores(), make_llms())


def test_selecting_names_that_are_not_there() -> None:
    error = error_of(
        lambda: make_table().select(llms=["a", "x"], families="h", benchmarks=["mmlu"])
    )
    assert str(error) == whole(
        "1 LLM not in the table: 'x'. Names are compared exactly, case and blanks included. The "
        "table's are listed by `table.llm_names`.",
        "1 family not in the table: 'h'. Names are compared exactly, case and blanks included. The "
        "table's are listed by `table.family_names`.",
        "1 benchmark not in the table: 'mmlu' (nearest: 'MMLU'). Names are compared exactly, case "
        "and blanks included. The table's are listed by `table.benchmark_names`.",
        subject="The selection",
    )
    assert error.problems["value"].tolist() == ["x", "h", "mmlu"]


def test_dropping_names_that_are_not_there() -> None:
    assert str(error_of(lambda: make_table().drop(recipes=["q", "r"]))) == whole(
        "2 recipes not in the table: 'q', 'r'. Names are compared exactly, case and blanks "
        "included. The table's are listed by `table.recipe_names`.",
        subject="The selection",
    )


@pytest.mark.parametrize(
    ("mask", "shape", "dtype"),
    [([True], "(1,)", "bool"), ([1, 0, 1, 0, 1, 0], "(6,)", "int64")],
    ids=["too short", "not boolean"],
)
def test_a_mask_that_is_none(mask: list[Any], shape: str, dtype: str) -> None:
    assert str(error_of(lambda: make_table().where(mask))) == (
        f"A mask has one True or False for each of the 6 scores, and this one has shape {shape} "
        f"and dtype {dtype}. Compare a column of the table:\n"
        '      table.where(table.joined()["params_b"] < 10)'
    )


def test_a_mask_with_another_index() -> None:
    mask = pd.Series(True, index=range(1, 7))
    assert str(error_of(lambda: make_table().where(mask))) == (
        "The mask's index differs from that of the table's scores, so that its rows cannot be "
        "matched with confidence. Compute it from the table itself, or pass plain values:\n"
        "      table.where(mask.to_numpy())"
    )


def test_a_benchmark_named_as_a_column_of_the_llms() -> None:
    scores = make_scores().replace({"benchmark": {"MMLU": "norm"}})
    table = ScoreTable.from_long(scores, make_llms(norm="rmsnorm"))
    assert str(error_of(table.to_wide)) == (
        "A benchmark and a column of the LLMs have the same name: 'norm'. A wide frame would have "
        "the column twice. Rename the benchmark in the frames that the table is made of."
    )


def test_labels_that_look_alike_are_warned_of_and_kept_apart() -> None:
    llms = pd.DataFrame({"llm": ["a", "A", "b"], "family": ["F", "f", "f "], "recipe": list("xyz")})
    scores = pd.DataFrame(
        {"llm": ["a", "A"] * 2, "benchmark": ["quiz", "quiz", "Qu iz", "Qu iz"], "score": 0.5}
    )
    with pytest.warns(TableWarning) as caught:
        table = ScoreTable.from_long(scores, llms)
    assert [str(warning.message) for warning in caught] == [
        "1 group of LLM labels differing only by case or blanks: 'a' and 'A'. They count as "
        "different LLMs, so that what is known of one does not help the other. If one LLM is "
        "meant, write it one way in every frame.",
        "1 group of family labels differing only by case or blanks: 'F' and 'f' and 'f '. They "
        "count as different families, so that what is known of one does not help the other. If "
        "one family is meant, write it one way:\n"
        "      llms[\"family\"] = llms[\"family\"].replace({'f': 'F', 'f ': 'F'})",
        "1 group of benchmark labels differing only by case or blanks: 'quiz' and 'Qu iz'. They "
        "count as different benchmarks, so that what is known of one does not help the other. If "
        "one benchmark is meant, write it one way in every frame.",
    ]
    assert {warning.filename for warning in caught} == {__file__}
    assert table.family_names == ["F", "f", "f "]


def test_recipes_that_look_alike_are_warned_of_once() -> None:
    llms = make_llms(recipe=["r-chat", "R-chat", "g"])
    with pytest.warns(TableWarning) as caught:
        ScoreTable.from_long(make_scores(), llms)
    assert [str(warning.message) for warning in caught] == [
        "1 group of recipe labels differing only by case or blanks: 'r-chat' and 'R-chat'. They "
        "count as different recipes, so that what is known of one does not help the other. If one "
        "recipe is meant, write it one way:\n"
        "      llms[\"recipe\"] = llms[\"recipe\"].replace({'R-chat': 'r-chat'})"
    ]
