"""Folds that hide the future: LLMs by their release date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from latentscale.errors import SplitError
from latentscale.splits.folds import (
    Splits,
    fold_of,
    require_column,
    require_count,
)
from latentscale.table import ScoreTable, scored_llms

# The first of the dates that are chosen by default: this share of the LLMs came before it.
_FIRST = 0.5


def by_date(
    table: ScoreTable, folds: int = 4, dates: Sequence[str | date | pd.Timestamp] | None = None
) -> Splits:
    """Predict the LLMs that came after a date, knowing only those that came before.

    Parameters
    ----------
    table : ScoreTable
        With ``release_date``, dates or years; LLMs without it are left out.
    folds : int, default 4
        How many dates to choose, so that half of the LLMs came before the first and the others are
        shared evenly among the spans between them.
    dates : sequence of str or date, optional
        The dates, in place of chosen ones.

    Returns
    -------
    Splits
        One fold a date, named by it: known is what came before, hidden what came from then on until
        before the next.

    Raises
    ------
    SplitError
        There is no ``release_date``, a date cannot be read, or nothing lies before or after one.

    Examples
    --------
    >>> import latentscale as ls
    >>> splits = ls.splits.by_date(ls.load_leaderboard(), dates=["2024-01-01", "2024-07-01"])
    >>> [fold.name for fold in splits]
    ['2024-01-01', '2024-07-01']
    """
    llms = scored_llms(table)
    known = llms[llms["release_date"].notna()] if "release_date" in llms else llms
    require_column(known, "release_date", "so that before and after are not known")
    released = _dates(known.set_index("llm")["release_date"])
    if released.empty:
        raise SplitError(
            "The release date of no LLM with scores is known, so that before and after are not. "
            "Fill in 'release_date' of the LLMs, such as '2024-07-01'."
        )
    starts = _chosen(released, folds) if dates is None else _read(dates)
    of_score = table.scores["llm"].map(released)
    made = []
    for start, end in zip(starts, [*starts[1:], pd.Timestamp.max], strict=True):
        until = table.where(of_score < end)
        later = until.scores["llm"].map(released) >= start
        if later.all():
            raise _nothing(f"before {start.date()}", "learn from", released)
        if not later.any():
            before = "" if end == pd.Timestamp.max else f" and before {end.date()}"
            raise _nothing(f"from {start.date()} on{before}", "predict", released)
        made.append(fold_of(str(start.date()), until, later))
    return Splits("by date", tuple(made))


def _dates(released: pd.Series) -> pd.Series:
    """Give dates, where a table may have years: 2023.5 is the middle of that year."""
    if pd.api.types.is_numeric_dtype(released):
        first = pd.to_datetime(released.astype(int).astype(str), format="%Y")
        days = 365 + first.dt.is_leap_year
        released = first + pd.to_timedelta(released % 1 * days, unit="D")
    return released.astype("datetime64[ns]")


def _nothing(when: str, what: str, released: pd.Series) -> SplitError:
    return SplitError(
        f"No LLM with scores was released {when}, so that there is nothing to {what}. The table's "
        f"dates go from {released.min().date()} to {released.max().date()}."
    )


def _chosen(released: pd.Series, folds: int) -> list[pd.Timestamp]:
    """Choose dates that share the later LLMs evenly; fewer where many came at once."""
    require_count("folds", folds, "how many dates to choose", least=1)
    shares = [_FIRST + (1 - _FIRST) * position / folds for position in range(folds)]
    if released.min() == released.max():
        raise SplitError(
            f"All LLMs with scores were released on {released.min().date()}, so that none came "
            "before another. Use a table with several dates."
        )
    chosen = released.quantile(shares, interpolation="higher").drop_duplicates()
    return [pd.Timestamp(each) for each in chosen if each > released.min()]


def _read(dates: Sequence[str | date | pd.Timestamp]) -> list[pd.Timestamp]:
    try:
        found = sorted({pd.Timestamp(each) for each in dates})
    except (TypeError, ValueError) as error:
        raise SplitError(
            f"dates={dates!r} cannot be read ({error}). Write them as '2024-07-01'."
        ) from None
    if not found:
        raise SplitError("dates= names none. Leave it out to have dates chosen.")
    return found
