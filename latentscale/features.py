"""From a Wilkinson formula to the design matrix, with an encoding that is learnt once and reused.

The formula is read by formulaic. Every numeric factor is standardised *before* products are taken,
so that ``log(params_b) * log(tokens_t)`` has an interaction that is nearly uncorrelated with its
parts; then every column is standardised. What was learnt (means, standard deviations, category
levels) is stored and applied to new LLMs as it is. A date counts in years. All is learnt from what
is known; where a value is unknown, so are the columns that need it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from latentscale.derived import names_in, of_experts, with_derived
from latentscale.errors import FeatureError
from latentscale.formulas import (
    parse,
    plain_name,
    read_as_categories,
    required_columns,
    unreadable,
    variables_of,
    with_standardised_factors,
)
from latentscale.squares import NO_SQUARES, Squares, square_of
from latentscale.terms import BEND, STEP, TERMS, is_step, part_of
from latentscale.wording import count, first, quoted, with_nearest

# A feature whose spread is this small beside its size is constant up to rounding.
_CONSTANT = 1e-10
_DAYS_OF_A_YEAR = 365.25
# Columns of the design matrix whose smallest singular value is below this share of the largest
# are collinear: no data could tell their effects apart.
_COLLINEAR = 1e-8


@dataclass(frozen=True, eq=False)
class FeatureEncoding:
    """How features of LLMs become columns of the design matrix.

    Configuration
    -------------
    formula : str
        The right-hand side of a Wilkinson formula, as the user wrote it.

    State
    -----
    columns : tuple of str
        The columns of the LLMs that the formula needs.
    names : tuple of str
        The names of the design columns, dim ``feature``.
    mean, sd : numpy.ndarray, dims (feature,)
        Of the design columns over the LLMs that the encoding was learnt from.
    lowest, highest : numpy.ndarray, dims (feature,)
        The range of the standardised columns over those LLMs.
    levels : dict of str to tuple
        The categories seen, by column.
    dates : frozenset of str
        The columns that are dates.
    inputs : tuple of str
        The numbers that the formula names, of its columns or derived.
    derived : tuple of str
        What the formula names that follows from columns, :data:`latentscale.derived.DERIVED`.
    squares : Squares
        Design columns that also enter squared, after those of the formula.
    tuning_slopes : tuple of str
        Design columns in which tuned LLMs have slopes of their own. Each has one more column, after
        all others: itself for tuned LLMs, zero for the rest.
    """

    formula: str
    columns: tuple[str, ...]
    names: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    levels: dict[str, tuple[Hashable, ...]]
    dates: frozenset[str]
    inputs: tuple[str, ...]
    derived: tuple[str, ...]
    _model_spec: Any
    squares: Squares = NO_SQUARES
    tuning_slopes: tuple[str, ...] = ()

    @property
    def is_product(self) -> np.ndarray:
        """Which design columns are interactions or squares, dims (feature,)."""
        squares = {square_of(name) for name in self.squares.columns}
        return np.array([":" in name or name in squares for name in self.names])

    @property
    def parts(self) -> tuple[str, ...]:
        """What each design column is a part of: a number, a category, bends of a smooth term."""
        return tuple(part_of(name) for name in self.names)

    @property
    def is_step(self) -> np.ndarray:
        """Which design columns are steps of monotone terms, dims (feature,)."""
        return np.array([is_step(name) for name in self.names])

    def takes_logarithm(self, feature: str) -> bool:
        """Say whether the formula takes the logarithm of a feature."""
        pattern = re.compile(rf"\blog(2|10)?\({re.escape(feature)}\)")
        return any(pattern.search(name) for name in self.names)

    def encode(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Encode LLMs as the fitted ones were.

        Parameters
        ----------
        llms : pandas.DataFrame
            With the columns :attr:`columns`, all known; one LLM a row.

        Returns
        -------
        pandas.DataFrame, dims (llm, feature)
            Standardised design columns, on the index of ``llms``.

        Raises
        ------
        FeatureError
            A column is missing, a value is unknown, or a category was not seen in training.
        """
        _require_columns(self.columns, llms, self.formula)
        _require_known(self.columns, llms)
        self.require_categories(llms)
        return self.encode_plain(self.plain(llms), llms.get("tuned"))

    def plain(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Give the variables of the formula, dates in years; what is unknown is NaN."""
        return _variables(llms, self.columns, self.dates, self.derived)

    def encode_plain(self, plain: pd.DataFrame, tuned: pd.Series | None) -> pd.DataFrame:
        """Encode what :meth:`plain` gave.

        Parameters
        ----------
        plain : pandas.DataFrame
        tuned : pandas.Series or None
            May be None without tuning slopes.

        Returns
        -------
        pandas.DataFrame, dims (llm, feature)
            NaN where a column needs what is unknown.
        """
        raw = _materialise(self._model_spec, plain, self.levels, self.formula)
        design = (raw - self.mean) / self.sd
        of_tuned = design[:, self._positions(self.tuning_slopes)]
        if tuned is not None:
            of_tuned = np.where(tuned.to_numpy()[:, None] == 1, of_tuned, 0.0)
        squared = self.squares.of(design[:, self._positions(self.squares.columns)])
        columns = np.hstack([design, squared, of_tuned])
        return pd.DataFrame(columns, index=plain.index, columns=self.names)

    def extended(
        self, llms: pd.DataFrame, *, squares: Sequence[str], tuning_slopes: Sequence[str]
    ) -> FeatureEncoding:
        """Give the same encoding with more columns, which need no formula.

        Parameters
        ----------
        llms : pandas.DataFrame
            Those that the encoding was learnt from, with ``tuned``.
        squares : sequence of str
            Those of :attr:`names` that also enter squared.
        tuning_slopes : sequence of str
            Those of :attr:`names` in which tuned LLMs have slopes of their own.

        Returns
        -------
        FeatureEncoding

        Examples
        --------
        >>> llms = pd.DataFrame({"params_b": [1.0, 2.0, 4.0, 8.0], "tuned": [0, 1, 0, 1]})
        >>> encoding = learn_encoding("params_b", llms).extended(
        ...     llms, squares=["params_b"], tuning_slopes=["params_b"]
        ... )
        >>> encoding.encode(llms).iloc[3].round(2).to_dict()
        {'params_b': 1.59, 'params_b^2': 1.59, 'tuned:params_b': 1.59}
        """
        tuned = llms.get("tuned")
        own = self.encode_plain(self.plain(llms), tuned).to_numpy()
        learnt = Squares.learn(tuple(squares), own[:, self._positions(squares)])
        more = (*map(square_of, squares), *(f"tuned:{column}" for column in tuning_slopes))
        encoding = replace(
            self, names=(*self.names, *more), squares=learnt, tuning_slopes=tuple(tuning_slopes)
        )
        design = encoding.encode_plain(encoding.plain(llms), tuned).to_numpy()
        lowest, highest = _range(design)
        return replace(encoding, lowest=lowest, highest=highest)

    def _positions(self, columns: Sequence[str]) -> list[int]:
        return [self.names.index(name) for name in columns]

    def require_categories(self, llms: pd.DataFrame) -> None:
        """Check that the categories of LLMs were seen in training, or are unknown.

        Raises
        ------
        FeatureError
        """
        for column, seen in self.levels.items():
            if column not in llms:
                continue
            unseen = ~llms[column].isin(seen) & llms[column].notna()
            if unseen.any():
                raise FeatureError(
                    f"The feature {column!r} has a category that no fitted LLM has: "
                    f"{first(quoted(llms.loc[unseen, column].unique().tolist()))} (LLM "
                    f"{first(_labels(llms, unseen))}). Nothing was learnt about it, so no "
                    f"prediction can use it. The categories seen are {first(quoted(seen), 8)}: "
                    "use one of them, leave it unknown (None), or refit with LLMs of the new "
                    "category."
                )

    def known_categories(self, llms: pd.DataFrame) -> pd.DataFrame:
        """Give the same LLMs, with categories that were not seen in training unknown."""
        seen = {
            column: llms[column].where(llms[column].isin(levels))
            for column, levels in self.levels.items()
            if column in llms
        }
        return llms.assign(**seen)


def learn_encoding(formula: str, llms: pd.DataFrame) -> FeatureEncoding:
    """Learn how a formula encodes the features of LLMs.

    Parameters
    ----------
    formula : str
        The right-hand side of a Wilkinson formula over columns of ``llms``, such as
        ``"log(params_b) * log(tokens_t)"``. The intercept is implied and dropped: the
        benchmarks' difficulties play its part. A column of dates, such as ``release_date``, counts
        in years. Some names follow from other columns (:data:`latentscale.derived.DERIVED`), such
        as ``log(tokens_per_parameter)`` or ``mlp_ratio``.
    llms : pandas.DataFrame
        One LLM a row. What is unknown (NaN) teaches nothing.

    Returns
    -------
    FeatureEncoding

    Raises
    ------
    FeatureError
        The formula cannot be read or names a column that there is not, a value is infinite, a
        column is unknown of all LLMs or constant, or columns are collinear.

    Examples
    --------
    >>> llms = pd.DataFrame({"params_b": [1.0, 2.0, 4.0, 8.0], "tokens_t": [1.0, 3.0, 1.0, 3.0]})
    >>> encoding = learn_encoding("log(params_b) + log(tokens_t)", llms)
    >>> encoding.names
    ('log(params_b)', 'log(tokens_t)')
    >>> encoding.encode(llms)["log(params_b)"].round(2).tolist()
    [-1.34, -0.45, 0.45, 1.34]
    """
    parsed = parse(formula)
    columns = required_columns(formula, llms.columns)
    variables = variables_of(parsed)
    derived = names_in(variables, llms.columns)
    _require_columns(columns, llms, formula)
    _require_finite(columns, llms)
    _require_some_known(columns, llms)
    dates = frozenset(name for name in columns if is_datetime64_any_dtype(llms[name]))
    frame = _variables(llms, columns, dates, derived)
    plain = frame[[name for name in variables if name not in derived]]
    categories = read_as_categories(parsed)
    levels = _levels(plain, categories)
    _require_no_stray_text({name: seen for name, seen in levels.items() if name not in categories})
    whole = _with_placeholders(frame, levels)
    standardised = with_standardised_factors(parsed, whole)
    try:
        with np.errstate(all="ignore"):
            matrix = standardised.get_model_matrix(whole, context=dict(TERMS), na_action="ignore")
    except FormulaicError as error:
        raise unreadable(formula, error) from error
    raw = _materialise(matrix.model_spec, frame, levels, formula)
    names = tuple(plain_name(name) for name in matrix.columns if name != "Intercept")
    _require_varying(raw, names, formula)
    mean, sd = np.nanmean(raw, axis=0), _spread(raw, names)
    design = (raw - mean) / sd
    _require_independent(design, names)
    lowest, highest = _range(design)
    return FeatureEncoding(
        formula=formula,
        columns=columns,
        names=names,
        mean=mean,
        sd=sd,
        lowest=lowest,
        highest=highest,
        levels=levels,
        dates=dates,
        inputs=tuple(name for name in variables if name not in levels),
        derived=derived,
        _model_spec=matrix.model_spec,
    )


def _range(design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.nanmin(design, axis=0), np.nanmax(design, axis=0)


def _spread(raw: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Give the standard deviations; the bends of a smooth term have one together, as its steps do.

    So bends keep their relative sizes, by which a slope is the less likely the more it bends.
    """
    sd: np.ndarray = np.nanstd(raw, axis=0)
    parts = np.array([part_of(name) for name in names])
    for kind, size in ((BEND, lambda part: np.sqrt((np.nanstd(part, axis=0) ** 2).sum())),
                       (STEP, lambda part: np.nanstd(part.sum(axis=1)))):  # fmt: skip
        of_kind = np.array([f"[{kind} " in name for name in names])
        for part in np.unique(parts[of_kind]):
            together = of_kind & (parts == part)
            sd[together] = size(raw[:, together])
    return sd


def _materialise(
    model_spec: Any, frame: pd.DataFrame, levels: Mapping[str, Sequence[Hashable]], formula: str
) -> np.ndarray:
    """Give the columns of the formula, dims (llm, feature); NaN where they need what is unknown."""
    whole = _with_placeholders(frame, levels)
    # Logarithms of what should not be there are reported below, by column.
    with np.errstate(all="ignore"):
        matrix = pd.DataFrame(
            model_spec.get_model_matrix(whole, context=dict(TERMS), na_action="ignore")
        )
    values = matrix.to_numpy(dtype=float)
    unknown = np.zeros(values.shape, dtype=bool)
    for term, variables in model_spec.term_variables.items():
        needed = [str(name) for name in variables if str(name) in frame]
        unknown[:, model_spec.term_indices[term]] = (
            frame[needed].isna().any(axis=1).to_numpy()[:, None]
        )
    broken = ~np.isfinite(values) & ~unknown
    if broken.any():
        rows, columns = np.nonzero(broken)
        where = np.unique(matrix.columns[columns])
        raise FeatureError(
            f"The formula {formula!r} gives a value that is not a number for "
            f"{count(len(np.unique(rows)), 'LLM')} in {first(quoted(map(plain_name, where)))} "
            "(a logarithm of zero or of a negative number, or a division by zero?). Correct these "
            "values or use another transform."
        )
    found: np.ndarray = np.where(unknown, np.nan, values)[:, matrix.columns != "Intercept"]
    return found


def _with_placeholders(
    frame: pd.DataFrame, levels: Mapping[str, Sequence[Hashable]]
) -> pd.DataFrame:
    """Give unknown categories a value, since formulas cannot do without."""
    filled = {
        name: _one_type(frame[name].where(frame[name].notna(), seen[0]), seen)
        for name, seen in levels.items()
    }
    return frame.assign(**filled)


def _one_type(column: pd.Series, seen: Sequence[Hashable]) -> pd.Series:
    """Give true and false one type: a column that was read with unknown ones holds objects."""
    return column.astype(bool) if all(isinstance(v, bool | np.bool_) for v in seen) else column


def _variables(
    llms: pd.DataFrame, columns: Sequence[str], dates: Iterable[str], derived: Sequence[str]
) -> pd.DataFrame:
    """Give columns, dates in years, and what is derived from them; what is unknown is NaN."""
    looked_at = dict.fromkeys([*columns, *of_experts(derived)])
    return with_derived(_in_years(llms.reindex(columns=list(looked_at)), dates), derived)


def _in_years(frame: pd.DataFrame, dates: Iterable[str]) -> pd.DataFrame:
    """Give dates as years since 1970; new LLMs may have them as text."""
    return frame.assign(**{name: _years(frame[name]) for name in dates})


def date_of_years(years: np.ndarray) -> np.ndarray:
    """Give years since 1970, as dates count, as the year and its fraction."""
    return 1970 + years


def _years(column: pd.Series) -> pd.Series:
    try:
        # A plain number would be read as nanoseconds.
        plain = column.astype("str") if is_numeric_dtype(column) else column
        read = pd.to_datetime(plain, format="ISO8601").dt.tz_localize(None)
        return (read - pd.Timestamp(0)) / pd.Timedelta(days=_DAYS_OF_A_YEAR)
    except (TypeError, ValueError) as error:
        raise FeatureError(
            f"The feature {column.name!r} is a date, and a value cannot be read as one: "
            f'{first(quoted(column.astype("str").unique()))}. Write dates such as "2024-06-07".'
        ) from error


def _levels(frame: pd.DataFrame, categories: Set[str]) -> dict[str, tuple[Hashable, ...]]:
    """Find the categories of columns that hold such, or that are to be read as such."""
    return {
        str(name): tuple(sorted(column.dropna().unique().tolist(), key=_place))
        for name, column in frame.items()
        if name in categories or not is_numeric_dtype(column) or is_bool_dtype(column)
    }


def _require_no_stray_text(levels: Mapping[str, Sequence[Hashable]]) -> None:
    """Check that no column of numbers is read as categories for some text among them."""
    for name, seen in levels.items():
        is_number = pd.to_numeric(pd.Series(list(map(str, seen))), errors="coerce").notna()
        text = [str(each) for each, number in zip(seen, is_number, strict=True) if not number]
        if text and is_number.mean() > 0.5 and not any(isinstance(each, bool) for each in seen):
            raise FeatureError(
                f"The feature {name!r} holds numbers, and among them {first(quoted(text))}. "
                "Correct it, or leave it empty where it is unknown. If all of them are categories, "
                f"write C({name}) in the formula."
            )


def _place(category: Hashable) -> tuple[float, str]:
    """Sort numbers by size and all else by name."""
    return (float(category) if isinstance(category, int | float) else 0.0, str(category))


def _require_columns(columns: Sequence[str], llms: pd.DataFrame, formula: str) -> None:
    absent = [name for name in columns if name not in llms]
    if absent:
        known = [str(column) for column in llms.columns]
        raise FeatureError(
            f"The formula {formula!r} uses columns that the LLMs' frame does not have: "
            f"{first(with_nearest(absent, known))}. Its columns are {first(quoted(known), 40)}. "
            "Add the column, or change features=."
        )


def _require_known(columns: Sequence[str], llms: pd.DataFrame) -> None:
    for column in columns:
        unknown = llms[column].isna()
        if is_numeric_dtype(llms[column]):
            unknown |= ~np.isfinite(llms[column].astype(float))
        if unknown.any():
            raise FeatureError(
                f"The feature {column!r} is unknown (NaN) or infinite for "
                f"{count(int(unknown.sum()), 'LLM')}: {first(_labels(llms, unknown))}. The formula "
                f"needs it. Fill it in, leave these LLMs out "
                f"(llms.dropna(subset=[{column!r}])), or use a formula without it."
            )


def _require_finite(columns: Sequence[str], llms: pd.DataFrame) -> None:
    for column in columns:
        if is_numeric_dtype(llms[column]):
            infinite = llms[column].astype(float).isin([np.inf, -np.inf])
            if infinite.any():
                raise FeatureError(
                    f"The feature {column!r} is infinite for {count(int(infinite.sum()), 'LLM')}: "
                    f"{first(_labels(llms, infinite))}. Correct it, or leave it empty where it is "
                    "unknown."
                )


def _require_some_known(columns: Sequence[str], llms: pd.DataFrame) -> None:
    empty = [column for column in columns if llms[column].isna().all()]
    if empty:
        raise FeatureError(
            f"No LLM in the model ({len(llms)}) has a known value of {first(quoted(empty))}, so "
            "nothing can be learnt about it. Fill it in where it is known, or use a formula "
            "without it."
        )


def _require_varying(raw: np.ndarray, names: Sequence[str], formula: str) -> None:
    spread = np.nanstd(raw, axis=0)
    constant = spread <= _CONSTANT * np.maximum(1.0, np.nanmax(np.abs(raw), axis=0))
    if constant.any() or len(raw) < 2:
        which = [name for name, same in zip(names, constant, strict=True) if same]
        raise FeatureError(
            f"The formula {formula!r} has a column that is the same for all {len(raw)} LLMs, so "
            f"its effect cannot be told from the benchmarks' difficulties: {first(quoted(which))}. "
            "Take it out of features=, or add LLMs that differ in it."
        )


def _require_independent(design: np.ndarray, names: Sequence[str]) -> None:
    """Check that no column follows from others; what is unknown counts as the mean."""
    filled = np.nan_to_num(design)
    singular = np.linalg.svd(filled, compute_uv=False)
    rank = int((singular > _COLLINEAR * singular[0]).sum())
    if rank < design.shape[1]:
        null = np.abs(np.linalg.svd(filled)[2][-1])
        involved = [name for name, weight in zip(names, null, strict=True) if weight > 0.01]
        raise FeatureError(
            f"The design columns {first(quoted(involved), 10)} are collinear: one is an exact "
            "combination of the others over these LLMs, so their effects cannot be told apart. "
            "Leave one of them out of features=."
        )


def _labels(llms: pd.DataFrame, mask: pd.Series) -> list[str]:
    names = llms["llm"] if "llm" in llms else llms.index.to_series()
    return quoted(str(name) for name in names[mask])
