"""Reading a Wilkinson formula: its variables, and every numeric factor standardised."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula
from formulaic.errors import FormulaicError

from latentscale.derived import inputs_of, names_in
from latentscale.errors import FeatureError
from latentscale.terms import TERMS
from latentscale.wording import first, quoted

_CATEGORIES = re.compile(r"C\((\w+)")


def required_columns(formula: str, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the columns that a formula needs, sorted.

    Parameters
    ----------
    formula : str
        As for :func:`learn_encoding`.
    known : iterable of str
        The columns that there are: what is among them need not be derived.

    Returns
    -------
    tuple of str

    Raises
    ------
    FeatureError
        The formula cannot be read.

    Examples
    --------
    >>> required_columns("log(params_b) * log(tokens_t)")
    ('params_b', 'tokens_t')
    """
    variables = variables_of(parse(formula))
    derived = names_in(variables, set(known))
    return tuple(sorted({*variables, *inputs_of(derived)} - set(derived)))


def variables_of(parsed: Any) -> list[str]:
    """Name the variables of a formula, sorted."""
    return sorted({str(name) for name in parsed.required_variables} - set(TERMS))


def read_as_categories(parsed: Any) -> set[str]:
    """Name the variables that a formula reads as categories whatever they hold: ``C(kind)``.

    Raises
    ------
    FeatureError
        One of them is read as a number too.
    """
    factors = [factor.expr for term in parsed for factor in term.factors]
    found = {expr: _CATEGORIES.match(expr) for expr in factors}
    named = {match.group(1) for match in found.values() if match}
    others = [expr for expr, match in found.items() if not match]
    both = sorted(named & set(variables_of(Formula(" + ".join(others))))) if others else []
    if both:
        raise FeatureError(
            f"The formula reads {first(quoted(both))} both as categories, C({both[0]}), and as a "
            "number. Give one of the two a column of its own."
        )
    return named


def parse(formula: str) -> Any:
    """Read a formula, one-sided and over at least one variable.

    Raises
    ------
    FeatureError
    """
    if not isinstance(formula, str) or not formula.strip():
        raise FeatureError(
            f"features={formula!r} is not a formula. Write the right-hand side of a Wilkinson "
            "formula over the columns of the LLMs, such as "
            'features="log(params_b) + log(tokens_t)".'
        )
    try:
        parsed = Formula(formula)
        two_sided = hasattr(parsed, "lhs")
        if not two_sided and variables_of(parsed):
            return parsed
    except FormulaicError as error:
        raise unreadable(formula, error) from error
    if two_sided:
        raise FeatureError(
            f"The formula {formula!r} has a left-hand side. The scores are always what is "
            "explained: write only the features, right of the tilde."
        )
    raise FeatureError(
        f"The formula {formula!r} names no column of the LLMs, so the model would know nothing of "
        'an unseen LLM. Name at least one, such as features="log(params_b)".'
    )


def with_standardised_factors(parsed: Any, frame: pd.DataFrame) -> Any:
    """Wrap each numeric factor in :func:`latentscale.terms.standardised`, then take products."""
    terms = ["1"]
    for term in parsed:
        if str(term) in ("0", "1"):
            continue
        terms.append(":".join(_standardised(factor.expr, frame) for factor in term.factors))
    return Formula(" + ".join(terms))


def _standardised(factor: str, frame: pd.DataFrame) -> str:
    try:
        # Logarithms of what should not be there are reported below, by column.
        with np.errstate(all="ignore"):
            matrix = Formula(f"0 + {factor}").get_model_matrix(
                frame, context=dict(TERMS), na_action="ignore"
            )
    except (FormulaicError, NameError, TypeError, ValueError) as error:
        raise _told(error) or unreadable(factor, error) from error
    if any("[" in str(name) for name in matrix.columns):
        return factor
    values = matrix.to_numpy(dtype=float)
    known = values[~np.isnan(values)]
    # Scaling would turn one infinite value into a column of NaN, and a constant into 0 / 0.
    varies = known.size > 0 and np.isfinite(known).all() and np.ptp(known) > 0
    return f"standardised({factor})" if varies else factor


def _told(error: BaseException | None) -> FeatureError | None:
    """Give the error that a term of ours raised, which formulaic may have wrapped."""
    while error is not None and not isinstance(error, FeatureError):
        error = error.__cause__ or error.__context__
    return error


def plain_name(name: str) -> str:
    """Undo the wrapping: ``standardised(log(params_b))`` is called ``log(params_b)``."""
    parts = re.split(r":(?=standardised\()|(?<=\)):", name)
    return ":".join(re.sub(r"^standardised\((.*)\)$", r"\1", part) for part in parts)


def unreadable(formula: str, error: Exception) -> FeatureError:
    """Say that a formula or a part of it cannot be read."""
    return FeatureError(
        f"The formula {formula!r} cannot be read: {error}. Write it over the columns of the LLMs, "
        'such as features="log(params_b) * log(tokens_t)".'
    )
