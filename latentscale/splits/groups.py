"""Folds that hide LLMs of one developer, family or recipe: all, the largest, or the tuned."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from latentscale.errors import SplitError
from latentscale.splits.folds import (
    Splits,
    fold_of,
    require_column,
    require_count,
)
from latentscale.table import ScoreTable, developer_or_own, scored_llms
from latentscale.wording import count

# LLMs whose sizes differ by no more than this factor are of one size: tuning may add some tokens
# to the vocabulary.
_SAME_SIZE = 1.05

_PLURAL = {"developer": "developers", "family": "families", "recipe": "recipes"}


def leave_family_out(table: ScoreTable, observed: int = 0) -> Splits:
    """Leave out one family after the other, but for its smallest LLMs.

    Parameters
    ----------
    table : ScoreTable
    observed : int, default 0
        How many of each family's smallest LLMs, by ``params_b``, keep their scores. Families
        without more LLMs than that have no fold. LLMs of equal size are taken in the order of the
        table, base LLMs first.

    Returns
    -------
    Splits
        One fold a family.

    Raises
    ------
    SplitError
        ``observed`` is not a whole number of at least 0, sizes are needed and unknown, or no family
        has enough LLMs.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["pythia", "opt"])
    >>> ls.splits.leave_family_out(table, observed=1)
    leave family out, 1 observed: 2 folds, 204 hidden scores
    """
    return _leave_out(table, "family", observed)


def leave_developer_out(table: ScoreTable, observed: int = 0) -> Splits:
    """Leave out one developer after the other, with all families, but for the smallest LLMs.

    It asks what is known of an LLM when not even another family of its developer was seen.

    Parameters
    ----------
    table : ScoreTable
        With ``developer``; a family whose developer is unknown stands for itself.
    observed : int, default 0
        How many of each developer's smallest LLMs keep their scores, as in
        :func:`leave_family_out`.

    Returns
    -------
    Splits
        One fold a developer.

    Raises
    ------
    SplitError
        No LLM has a developer, or as for :func:`leave_family_out`.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["llama", "llama-2", "gemma"])
    >>> [fold.name for fold in ls.splits.leave_developer_out(table)]
    ['Google', 'Meta']
    """
    if "developer" not in table.llms or table.llms["developer"].isna().all():
        raise SplitError(
            "The table does not say who developed its families. Add a column 'developer' to the "
            "LLMs, or leave families out: leave_family_out(table)."
        )
    return _leave_out(table, "developer", observed)


def leave_recipe_out(table: ScoreTable, observed: int = 0) -> Splits:
    """Leave out one recipe after the other, but for its smallest LLMs.

    A recipe is one way of post-training within a family: base, chat, a named fine-tune. The other
    recipes of its family stay known.

    Parameters
    ----------
    table : ScoreTable
    observed : int, default 0
        How many of each recipe's smallest LLMs keep their scores, as in :func:`leave_family_out`.

    Returns
    -------
    Splits
        One fold a recipe.

    Raises
    ------
    SplitError
        As for :func:`leave_family_out`.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["llama-2", "gemma"])
    >>> ls.splits.leave_recipe_out(table)
    leave recipe out, 0 observed: 12 folds, 269 hidden scores
    """
    return _leave_out(table, "recipe", observed)


def _leave_out(table: ScoreTable, group: str, observed: int) -> Splits:
    what = f"how many of each {group}'s smallest LLMs keep their scores"
    require_count("observed", observed, what)
    if observed:
        why = f"so that the smallest of a {group} is not known"
        require_column(scored_llms(table), "params_b", why)

    def rest(members: pd.DataFrame) -> pd.Series:
        by_size = members.sort_values(["params_b", "tuned"], kind="stable") if observed else members
        return by_size["llm"].iloc[observed:]

    none = (
        f"No {group} of the table has more than {count(observed, 'LLM')} with scores, so there "
        f"is none to leave out. Use a smaller observed=, or a table with larger {_PLURAL[group]}."
    )
    return _each(table, group, f"leave {group} out, {observed} observed", rest, none)


def hold_out_largest(table: ScoreTable) -> Splits:
    """Hold out the largest LLM of one family after the other, whose smaller ones are known.

    All LLMs of a family's largest size are held out together, base and tuned.

    Parameters
    ----------
    table : ScoreTable
        With ``params_b``.

    Returns
    -------
    Splits
        One fold for each family with LLMs of several sizes.

    Raises
    ------
    SplitError
        Sizes are unknown, or no family has several.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["pythia", "opt"])
    >>> ls.splits.hold_out_largest(table)
    hold out the largest: 2 folds, 42 hidden scores
    """
    require_column(scored_llms(table), "params_b", "so that the largest of a family is not known")

    def largest(members: pd.DataFrame) -> pd.Series:
        is_largest = members["params_b"] * _SAME_SIZE >= members["params_b"].max()
        return _unless_all(members["llm"], is_largest)

    none = (
        "No family of the table has LLMs of several sizes with scores, so there is no largest "
        "to hold out. Use a table with larger families."
    )
    return _each(table, "family", "hold out the largest", largest, none)


def tuned_given_base(table: ScoreTable) -> Splits:
    """Hold out the tuned LLMs of one family after the other, whose base LLMs are known.

    Parameters
    ----------
    table : ScoreTable

    Returns
    -------
    Splits
        One fold for each family with both base and tuned LLMs.

    Raises
    ------
    SplitError
        No family has both.

    Examples
    --------
    >>> import latentscale as ls
    >>> table = ls.load_leaderboard().select(families=["llama-2", "gemma"])
    >>> ls.splits.tuned_given_base(table)
    tuned given base: 2 folds, 209 hidden scores
    """

    def tuned(members: pd.DataFrame) -> pd.Series:
        return _unless_all(members["llm"], members["tuned"] > 0)

    none = (
        "No family of the table has both base and tuned LLMs with scores, so there are no "
        "tuned ones to hold out. The column tuned of the LLMs says which are: 0 or 1."
    )
    return _each(table, "family", "tuned given base", tuned, none)


def _unless_all(llms: pd.Series, chosen: pd.Series) -> pd.Series:
    """Give the LLMs that are chosen, or none if that leaves nothing to know them by."""
    return llms[:0] if chosen.all() else llms[chosen]


def _each(
    table: ScoreTable,
    group: str,
    name: str,
    hidden_of: Callable[[pd.DataFrame], pd.Series],
    none: str,
) -> Splits:
    """Make a fold of each group with LLMs to hide; ``none`` is what to say if there is none."""
    folds = []
    llms = scored_llms(table)
    if group == "developer":
        llms = llms.assign(developer=developer_or_own(llms))
    for label, members in llms.groupby(group, sort=True):
        hidden = hidden_of(members)
        if len(hidden):
            folds.append(fold_of(str(label), table, table.scores["llm"].isin(hidden)))
    if not folds:
        raise SplitError(none)
    return Splits(name, tuple(folds))
