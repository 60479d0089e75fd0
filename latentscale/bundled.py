"""Where the bundled data files lie: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import pandas as pd

from latentscale.errors import CatalogError


def bundled_file(*parts: str) -> Traversable:
    """Find one bundled file, such as ``bundled_file("leaderboard", "llms.csv")``.

    Parameters
    ----------
    *parts : str
        Folder and file name, relative to the data folder.

    Returns
    -------
    importlib.resources.abc.Traversable
        The file; open it with ``.open("rb")``.

    Raises
    ------
    CatalogError
        The file is in neither place.
    """
    roots = _roots()
    for root in roots:
        candidate = root.joinpath(*parts)
        if candidate.is_file():
            return candidate
    raise CatalogError(
        f"The bundled file {'/'.join(parts)} is missing: it is neither in "
        f"{' nor in '.join(str(root) for root in roots)}. Bundled data sets and known chance "
        "levels cannot be read without it, so this installation is incomplete. Reinstall the "
        "package:\n      python -m pip install --force-reinstall latentscale"
    )


def read_bundled(*parts: str) -> pd.DataFrame:
    """Read one bundled CSV file.

    Parameters
    ----------
    *parts : str
        Folder and file name, relative to the data folder.

    Returns
    -------
    pandas.DataFrame
        The file's rows; an empty field is NaN.

    Raises
    ------
    CatalogError
        The file is not part of this installation.

    Examples
    --------
    >>> read_bundled("leaderboard", "benchmarks.csv")["benchmark"].head(3).tolist()
    ['MMLU', 'ARC-C', 'HellaSwag']
    """
    with bundled_file(*parts).open("rb") as handle:
        return pd.read_csv(handle)


def _roots() -> list[Traversable]:
    """Say where data may lie: a wheel carries it in the package, a checkout beside it."""
    return [
        resources.files("latentscale").joinpath("data"),
        Path(__file__).resolve().parents[1] / "data",
    ]
