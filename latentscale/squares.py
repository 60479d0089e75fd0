"""Design columns that also enter squared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Of two sizes, both are equally far from their mean: squares that spread less than this are one.
_CONSTANT = 1e-10


def square_of(column: str) -> str:
    """Name the square of a design column."""
    return f"{column}^2"


@dataclass(frozen=True, eq=False)
class Squares:
    """Design columns that also enter squared.

    Attributes
    ----------
    columns : tuple of str
        Their names.
    mean, sd : numpy.ndarray, dims (square,)
        Of the squares over the LLMs that the encoding was learnt from.
    """

    columns: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def learn(cls, columns: tuple[str, ...], values: np.ndarray) -> Squares:
        """Learn from the values of the columns, dims (llm, square); NaN where unknown."""
        squared = values**2
        sd = np.nanstd(squared, axis=0)
        return cls(columns, np.nanmean(squared, axis=0), np.where(sd > _CONSTANT, sd, 1.0))

    def of(self, values: np.ndarray) -> np.ndarray:
        """Give the standardised squares, dims (llm, square)."""
        found: np.ndarray = (values**2 - self.mean) / self.sd
        return found


NO_SQUARES = Squares((), np.empty(0), np.empty(0))
