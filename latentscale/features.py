"""From a Wilkinson formula to the design matrix, with an encoding that is learnt once and reused.

The formula is read by formulaic. Every numeric factor is standardised *before* products are taken,
so that ``log(params_b) * log(tokens_t)`` has an interaction that is nearly uncorrelated with its
parts; then every column is standardised. What was learnt (means, standard deviations, category
levels) is stored and applied to new LLMs as it is. A date counts in years.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula
from formulaic.errors import FormulaicError
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from latentscale.derived import inputs_of, names_in, with_derived
from latentscale.errors import FeatureError
from latentscale.squares import NO_SQUARES, Squares, square_of
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
    derived: tuple[str, ...]
    _model_spec: Any
    squares: Squares = NO_SQUARES
    tuning_slopes: tuple[str, ...] = ()

    @property
    def is_product(self) -> np.ndarray:
        """Which design columns are interactions or squares, dims (feature,)."""
        squares = {square_of(name) for name in self.squares.columns}
        return np.array([":" in name or name in squares for name in self.names])

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
        """Give the columns that the formula needs, dates in years; what is unknown is NaN."""
        frame = _in_years(llms.reindex(columns=list(self.columns)), self.dates)
        return _as_categories(frame, self.levels)

    def encode_plain(self, plain: pd.DataFrame, tuned: pd.Series | None) -> pd.DataFrame:
        """Encode what :meth:`plain` gave, all of it known.

        Parameters
        ----------
        plain : pandas.DataFrame
            May have columns for derived features, which then need no deriving.
        tuned : pandas.Series or None
            May be None without tuning slopes.

        Returns
        -------
        pandas.DataFrame, dims (llm, feature)
        """
        derived = [name for name in self.derived if name not in plain]
        raw = _materialise(self._model_spec, with_derived(plain, derived), self.formula)
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
        own = self.encode(llms).to_numpy()
        learnt = Squares.learn(tuple(squares), own[:, self._positions(squares)])
        more = (*map(square_of, squares), *(f"tuned:{column}" for column in tuning_slopes))
        encoding = replace(
            self, names=(*self.names, *more), squares=learnt, tuning_slopes=tuple(tuning_slopes)
        )
        design = encoding.encode(llms).to_numpy()
        return replace(encoding, lowest=design.min(axis=0), highest=design.max(axis=0))

    def _positions(self, columns: Sequence[str]) -> list[int]:
        return [self.names.index(name) for name in columns]

    def require_categories(self, llms: pd.DataFrame) -> None:
        """Check that the categories of LLMs are known, and were seen in training.

        Raises
        ------
        FeatureError
        """
        _require_columns(tuple(self.levels), llms, self.formula)
        _require_known(tuple(self.levels), llms)
        for column, seen in self.levels.items():
            unseen = ~llms[column].isin(seen)
            if unseen.any():
                raise FeatureError(
                    f"The feature {column!r} has a category that no fitted LLM has: "
                    f"{first(quoted(llms.loc[unseen, column].unique()))} (LLM "
                    f"{first(_labels(llms, unseen))}). Nothing was learnt about it, so no "
                    f"prediction can use it. The categories seen are {first(quoted(seen), 8)}: "
                    "use one of them, or refit with LLMs of the new category."
                )


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
        One LLM a row; no unknown value in the columns that the formula needs.

    Returns
    -------
    FeatureEncoding

    Raises
    ------
    FeatureError
        The formula cannot be read or names an unknown column, a value is unknown or infinite, a
        column is constant, or columns are collinear.

    Examples
    --------
    >>> llms = pd.DataFrame({"params_b": [1.0, 2.0, 4.0, 8.0], "tokens_t": [1.0, 3.0, 1.0, 3.0]})
    >>> encoding = learn_encoding("log(params_b) + log(tokens_t)", llms)
    >>> encoding.names
    ('log(params_b)', 'log(tokens_t)')
    >>> encoding.encode(llms)["log(params_b)"].round(2).tolist()
    [-1.34, -0.45, 0.45, 1.34]
    """
    parsed = _parse(formula)
    columns = required_columns(formula, llms.columns)
    derived = names_in(_variables(parsed), llms.columns)
    _require_columns(columns, llms, formula)
    _require_known(columns, llms)
    dates = frozenset(name for name in columns if is_datetime64_any_dtype(llms[name]))
    frame = _in_years(llms[list(columns)], dates)
    levels = _levels(frame)
    frame = with_derived(_as_categories(frame, levels), derived)
    standardised = _with_standardised_factors(parsed, frame)
    try:
        with np.errstate(all="ignore"):
            model_spec = standardised.get_model_matrix(frame, na_action="ignore").model_spec
    except FormulaicError as error:
        raise _unreadable(formula, error) from error
    raw = _materialise(model_spec, frame, formula)
    _require_varying(raw, formula, len(llms))
    mean, sd = raw.mean(axis=0), raw.std(axis=0)
    design = (raw - mean) / sd
    names = tuple(_plain_name(name) for name in model_spec.column_names if name != "Intercept")
    _require_independent(design, names)
    return FeatureEncoding(
        formula=formula,
        columns=columns,
        names=names,
        mean=mean,
        sd=sd,
        lowest=design.min(axis=0),
        highest=design.max(axis=0),
        levels=levels,
        dates=dates,
        derived=derived,
        _model_spec=model_spec,
    )


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
    variables = _variables(_parse(formula))
    derived = names_in(variables, set(known))
    return tuple(sorted({*variables, *inputs_of(derived)} - set(derived)))


def _variables(parsed: Any) -> list[str]:
    """Name the variables of a formula, sorted."""
    return sorted(str(name) for name in parsed.required_variables)


def _parse(formula: str) -> Any:
    if not isinstance(formula, str) or not formula.strip():
        raise FeatureError(
            f"features={formula!r} is not a formula. Write the right-hand side of a Wilkinson "
            "formula over the columns of the LLMs, such as "
            'features="log(params_b) + log(tokens_t)".'
        )
    try:
        parsed = Formula(formula)
        two_sided = hasattr(parsed, "lhs")
        if not two_sided and parsed.required_variables:
            return parsed
    except FormulaicError as error:
        raise _unreadable(formula, error) from error
    if two_sided:
        raise FeatureError(
            f"The formula {formula!r} has a left-hand side. The scores are always what is "
            "explained: write only the features, right of the tilde."
        )
    raise FeatureError(
        f"The formula {formula!r} names no column of the LLMs, so the model would know nothing of "
        'an unseen LLM. Name at least one, such as features="log(params_b)".'
    )


def _with_standardised_factors(parsed: Any, frame: pd.DataFrame) -> Any:
    """Wrap each numeric factor in formulaic's stateful ``scale``, then take products."""
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
            matrix = Formula(f"0 + {factor}").get_model_matrix(frame, na_action="ignore")
    except (FormulaicError, NameError, TypeError, ValueError) as error:
        raise _unreadable(factor, error) from error
    if any("[" in str(name) for name in matrix.columns):
        return factor
    values = matrix.to_numpy(dtype=float)
    # Scaling would turn one infinite value into a column of NaN, and a constant into 0 / 0.
    return f"scale({factor})" if np.isfinite(values).all() and np.ptp(values) > 0 else factor


def _plain_name(name: str) -> str:
    """Undo the wrapping: ``scale(log(params_b))`` is called ``log(params_b)``."""
    parts = re.split(r":(?=scale\()|(?<=\)):", name)
    return ":".join(re.sub(r"^scale\((.*)\)$", r"\1", part) for part in parts)


def _materialise(model_spec: Any, frame: pd.DataFrame, formula: str) -> np.ndarray:
    # Logarithms of what should not be there are reported below, by column.
    with np.errstate(all="ignore"):
        matrix = pd.DataFrame(model_spec.get_model_matrix(frame, na_action="ignore"))
    values = matrix.drop(columns="Intercept").to_numpy(dtype=float)
    broken = ~np.isfinite(values)
    if broken.any():
        rows, columns = np.nonzero(broken)
        where = np.unique(matrix.columns.drop("Intercept")[columns])
        raise FeatureError(
            f"The formula {formula!r} gives a value that is not a number for "
            f"{count(len(np.unique(rows)), 'LLM')} in {first(quoted(map(_plain_name, where)))} "
            "(a logarithm of zero or of a negative number, or a division by zero?). Correct these "
            "values or use another transform."
        )
    return values


def _in_years(frame: pd.DataFrame, dates: Iterable[str]) -> pd.DataFrame:
    """Give dates as years since 1970; new LLMs may have them as text."""
    return frame.assign(**{name: _years(frame[name]) for name in dates})


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


def _as_categories(frame: pd.DataFrame, levels: Iterable[str]) -> pd.DataFrame:
    """Give true and false one type: a column that was read with unknown ones holds objects."""
    truths = [
        name
        for name in levels
        if all(isinstance(value, bool | np.bool_) for value in frame[name].unique())
    ]
    return frame.astype(dict.fromkeys(truths, bool))


def _levels(frame: pd.DataFrame) -> dict[str, tuple[Hashable, ...]]:
    return {
        str(name): tuple(sorted(column.unique(), key=str))
        for name, column in frame.items()
        if not is_numeric_dtype(column) or is_bool_dtype(column)
    }


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


def _require_varying(raw: np.ndarray, formula: str, n_llms: int) -> None:
    spread = raw.std(axis=0)
    if (spread <= _CONSTANT * np.maximum(1.0, np.abs(raw).max(axis=0))).any() or n_llms < 2:
        raise FeatureError(
            f"The formula {formula!r} has a column that is the same for all {n_llms} LLMs, so its "
            "effect cannot be told from the benchmarks' difficulties. Take it out of features=, or "
            "add LLMs that differ in it."
        )


def _require_independent(design: np.ndarray, names: Sequence[str]) -> None:
    singular = np.linalg.svd(design, compute_uv=False)
    rank = int((singular > _COLLINEAR * singular[0]).sum())
    if rank < design.shape[1]:
        null = np.abs(np.linalg.svd(design)[2][-1])
        involved = [name for name, weight in zip(names, null, strict=True) if weight > 0.01]
        raise FeatureError(
            f"The design columns {first(quoted(involved), 10)} are collinear: one is an exact "
            "combination of the others over these LLMs, so their effects cannot be told apart. "
            "Leave one of them out of features=."
        )


def _unreadable(formula: str, error: Exception) -> FeatureError:
    return FeatureError(
        f"The formula {formula!r} cannot be read: {error}. Write it over the columns of the LLMs, "
        'such as features="log(params_b) * log(tokens_t)".'
    )


def _labels(llms: pd.DataFrame, mask: pd.Series) -> list[str]:
    names = llms["llm"] if "llm" in llms else llms.index.to_series()
    return quoted(str(name) for name in names[mask])
