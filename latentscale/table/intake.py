"""Read a user's frames, long or wide, into a draft in which no value is judged yet."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from latentscale.errors import TableError
from latentscale.table.columns import DESCRIBING, Missing
from latentscale.table.findings import Finding, problem_rows
from latentscale.table.plain import label, plain_frame
from latentscale.table.reading import Reading, percent_benchmarks, read_scores
from latentscale.table.structure import check_structure, check_wide_names
from latentscale.wording import first


@dataclass(frozen=True)
class Draft:
    """What a user handed over, before it is judged.

    The frames' rows are numbered from 0; ``index`` holds, by frame, the labels that these rows
    have in the user's frames, so that a problem can name them.
    """

    scores: pd.DataFrame
    llms: pd.DataFrame
    benchmarks: pd.DataFrame | None
    index: Mapping[str, Sequence[Any]]
    missing: Missing = "error"
    wide: bool = False
    new: bool = False
    found: tuple[Finding, ...] = ()

    @cached_property
    def read(self) -> Reading:
        """The numbers in the scores, read once for all checks."""
        return read_scores(self.scores)

    @cached_property
    def percent(self) -> list[str]:
        """The benchmarks whose scores are evidently in percent."""
        return percent_benchmarks(self.scores, self.read)

    @property
    def subject(self) -> str:
        """Say what is being read, for the first line of an error."""
        return "The table of new LLMs" if self.new else "The score table"

    @property
    def llms_name(self) -> str:
        """Name the LLMs' frame as the user's code does."""
        return "frame" if self.wide else "llms"

    def row_names(self, name: str, rows: pd.DataFrame) -> str:
        """Name rows by the labels of the user's frame: ``row 3`` or ``rows 3, 8``."""
        labels = [str(self.index[name][position]) for position in rows.index]
        return f"{'row' if len(rows) == 1 else 'rows'} {first(labels)}"

    def users_rows(self, found: Finding) -> Finding:
        """Replace row numbers by the labels of the user's frame."""
        rows = [
            None if position is None else self.index[name][position]
            for name, position in zip(found.rows["frame"], found.rows["row"], strict=True)
        ]
        return Finding(found.text, found.rows.assign(row=pd.Series(rows, dtype=object)))


def draft_long(
    scores: object,
    llms: object,
    benchmarks: object | None,
    missing: Missing,
    *,
    new: bool = False,
) -> Draft:
    """Read the three frames of the long form; ``new`` LLMs may have few scores, or none."""
    _check_missing(missing)
    found = [
        *check_structure("scores", scores, may_be_empty=new),
        *check_structure("llms", llms),
    ]
    if benchmarks is not None:
        found += check_structure("benchmarks", benchmarks, may_be_empty=new)
    return Draft(
        scores=plain_frame(scores),
        llms=plain_frame(llms),
        benchmarks=None if benchmarks is None else plain_frame(benchmarks),
        index={
            "scores": _row_labels(scores),
            "llms": _row_labels(llms),
            "benchmarks": _row_labels(benchmarks),
        },
        missing=missing,
        new=new,
        found=tuple(found),
    )


def draft_new(
    llms: object, scores: object | None, benchmarks: object | None, missing: Missing
) -> Draft:
    """Read LLMs that are to be predicted, which may have few scores, or none."""
    if scores is None:
        scores = pd.DataFrame(columns=["llm", "benchmark", "score"])
    return draft_long(scores, llms, benchmarks, missing, new=True)


def draft_more(
    held: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], scores: object, llms: object | None
) -> Draft:
    """Read scores, and new LLMs if there are any, that join the clean frames of a table."""
    own_scores, own_llms, own_benchmarks = held
    found = list(check_structure("scores", scores))
    if llms is not None:
        found += check_structure("llms", llms)
    # What has no usable columns is reported as a whole; its rows would be reported once more.
    more_scores = own_scores.iloc[:0] if found else plain_frame(scores)
    more_llms = own_llms.iloc[:0] if found or llms is None else plain_frame(llms)
    if "tuned" not in more_llms:
        more_llms = more_llms.assign(tuned=0)
    known = set(own_benchmarks["benchmark"])
    new = [name for name in more_scores["benchmark"].dropna().unique() if name not in known]
    return Draft(
        scores=_joined(own_scores, more_scores),
        llms=_joined(own_llms, more_llms),
        benchmarks=_joined(own_benchmarks, pd.DataFrame({"benchmark": new}, dtype=object)),
        index={
            "scores": _labels_after(own_scores, scores),
            "llms": _labels_after(own_llms, llms),
            "benchmarks": _labels_after(own_benchmarks, None) + new,
        },
        missing="keep",
        found=tuple(found),
    )


def _joined(own: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    return plain_frame(pd.concat([own, more], ignore_index=True)) if len(more) else own


def _labels_after(own: pd.DataFrame, more: object) -> list[Any]:
    """Label a table's own rows, which a user has no labels of, before those of a frame."""
    return [f"{row} of the table" for row in own.index] + _row_labels(more)


def draft_wide(
    frame: object,
    benchmarks: Sequence[str] | pd.DataFrame,
    chance: Mapping[str, float] | None,
    missing: Missing,
) -> Draft:
    """Read one frame that has an LLM a row and a benchmark a column."""
    _check_missing(missing)
    _check_chance(chance)
    given = benchmarks if isinstance(benchmarks, pd.DataFrame) else _name_frame(benchmarks)
    info = _with_chance(plain_frame(given), chance)
    names = list(info["benchmark"].dropna().unique()) if "benchmark" in info else []
    whole = plain_frame(frame)
    held = [name for name in names if name in whole and name not in DESCRIBING]
    # The LLMs are judged without the score columns: a benchmark may be called `score`.
    llms = whole.drop(columns=held)
    found = [*check_structure("llms", _without(frame, held), shown="frame")]
    found += check_structure("benchmarks", given, may_be_empty=True)
    if isinstance(frame, pd.DataFrame):
        found += check_wide_names(names, chance, [str(column) for column in frame.columns])
    scores, origin = _melt(whole, held)
    labels = _row_labels(frame)
    return Draft(
        scores=scores,
        llms=llms,
        # A blank name stays, to be reported; one that is no score column is reported already.
        benchmarks=info[info["benchmark"].isin([*held, None])] if names else info,
        index={
            "scores": [labels[row] for row in origin],
            "llms": labels,
            "benchmarks": _row_labels(given),
        },
        missing=missing,
        wide=True,
        found=tuple(found),
    )


def _row_labels(frame: object) -> list[Any]:
    return frame.index.tolist() if isinstance(frame, pd.DataFrame) else []


def _melt(frame: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, list[int]]:
    """Turn score columns into rows, LLM by LLM, and say which row of the frame each is from.

    An empty cell makes no row.
    """
    llm = frame["llm"] if "llm" in frame else pd.Series(None, index=frame.index, dtype=object)
    long = pd.DataFrame(
        {
            "llm": np.repeat(llm.to_numpy(dtype=object), len(names)),
            "benchmark": np.array(names * len(frame), dtype=object),
            "score": frame[names].astype(object).to_numpy().ravel(),
        },
        index=frame.index.repeat(len(names)),
    )
    kept = long[long["score"].notna() & long["llm"].notna()]
    return kept.reset_index(drop=True), kept.index.tolist()


def _name_frame(benchmarks: object) -> pd.DataFrame:
    """Make a benchmarks frame of the names that a wide table came with."""
    names = [benchmarks] if isinstance(benchmarks, str) else list(_iterable(benchmarks))
    return pd.DataFrame({"benchmark": pd.Series(names, dtype=object)})


def _with_chance(info: pd.DataFrame, chance: Mapping[str, float] | None) -> pd.DataFrame:
    """Let the chance levels that were given by name win over the frame's."""
    if not chance or "benchmark" not in info:
        return info
    given = info["benchmark"].map({label(name): level for name, level in chance.items()})
    return info.assign(chance=given.where(given.notna(), info.get("chance", np.nan)))


def _iterable(benchmarks: object) -> Iterable[Hashable]:
    if isinstance(benchmarks, Iterable):
        return benchmarks
    raise _bad_argument(
        "benchmarks",
        "`benchmarks` names the score columns of the wide frame, and "
        f"{type(benchmarks).__name__} holds no names. Pass a list of them, or a benchmarks frame:\n"
        '      ScoreTable.from_wide(frame, benchmarks=["MMLU", "GSM8K"])',
    )


def _without(frame: object, names: list[str]) -> object:
    if not isinstance(frame, pd.DataFrame):
        return frame
    return frame.loc[:, [str(column) not in names for column in frame.columns]]


def _check_chance(chance: object) -> None:
    if chance is not None and not isinstance(chance, Mapping):
        raise _bad_argument(
            "benchmarks",
            f"`chance` is of type {type(chance).__name__}, and a chance level belongs to one "
            "benchmark. Pass a dict of levels by benchmark:\n"
            '      ScoreTable.from_wide(frame, benchmarks=["MMLU"], chance={"MMLU": 0.25})',
        )


def _check_missing(missing: str) -> None:
    if missing not in ("error", "keep"):
        raise _bad_argument(
            "llms",
            f"missing={missing!r} is not an option. It says what to do about unknown numeric "
            'features: missing="error" reports them, missing="keep" carries them as NaN.',
        )


def _bad_argument(frame: str, message: str) -> TableError:
    return TableError(message, problem_rows("unusable argument", frame))
