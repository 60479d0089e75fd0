"""Saving a fit to one netCDF file, and loading it again: no pickle, nothing lost.

The file is plain netCDF-4: ``xarray.open_datatree`` reads its posterior without latentscale. Beside
the groups of ``fit.idata`` it holds the group ``score_table`` (the three frames as JSON text, since
netCDF knows neither missing text nor categories) and, as attributes in JSON, the specification, the
priors and the versions. The model is made anew from these when the file is loaded.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from latentscale.errors import LatentScaleError, SaveError
from latentscale.frames import frame_text, read_frame
from latentscale.netcdf import from_netcdf_types, temporary_beside, to_netcdf_types
from latentscale.priors import Prior
from latentscale.spec import ModelSpec
from latentscale.table import ScoreTable
from latentscale.wording import first, quoted

if TYPE_CHECKING:
    from latentscale.fit import ScalingFit
    from latentscale.model import ScalingModel

# To be raised whenever an older latentscale could not read the file.
FORMAT = 1

_FORMAT, _SPEC, _PRIORS, _VERSIONS = (
    f"latentscale_{name}" for name in ("format", "spec", "priors", "versions")
)
_TABLE = "score_table"
_FRAMES = ("scores", "llms", "benchmarks")
_RECORDED = (
    "latentscale", "pymc", "nutpie", "arviz", "xarray", "numpy", "scipy", "pandas", "formulaic",
)  # fmt: skip

# Draws are nearly incompressible: level 1 saves 8 %, and level 4 would save 1 % more. The checksum
# finds a damaged posterior that would otherwise load as wrong numbers.
_PACKED = {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}
_WORTH_PACKING = 10_000

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_UNREADABLE = (OSError, RuntimeError, LookupError, TypeError, ValueError)


def save_fit(fit: ScalingFit, path: str | Path) -> Path:
    """Write a fit to one netCDF file.

    Parameters
    ----------
    fit : ScalingFit
    path : str or pathlib.Path
        A file of that name is replaced only once all is written.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    SaveError
        The file cannot be written there, or a column of the table has no exact form as text.

    Notes
    -----
    Draws stay float64, so that a loaded fit predicts the same numbers. 4,000 draws of the model of
    the bundled leaderboard take about 100 MB and 3 seconds.
    """
    path = Path(path)
    _require_writable(path)
    tree = _file_tree(fit)
    with temporary_beside(path) as temporary:
        try:
            tree.to_netcdf(temporary, engine="h5netcdf", encoding=_encoding(tree))
            _flush(temporary)
            os.replace(temporary, path)
        except _UNREADABLE as error:
            raise SaveError(
                f"The fit could not be written to {str(path)!r}: {_reason(error)}. A file that was "
                "there before is unharmed. Free some space or choose another path."
            ) from error
    return path


def load_fit(path: str | Path) -> ScalingFit:
    """Load a fit that :meth:`latentscale.ScalingFit.save` wrote.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    ScalingFit
        With the same table, settings, priors and draws; it predicts the same numbers.

    Raises
    ------
    SaveError
        There is no such file, it is damaged, something else, or from a newer latentscale.
    """
    from latentscale.fit import ScalingFit

    path = Path(path)
    _require_netcdf(path)
    tree = _read_tree(path)
    _require_ours(tree, path)
    model = _read_model(tree, path)
    fit = ScalingFit(model, _without_record(tree))
    _require_same_design(fit, path)
    return fit


def _file_tree(fit: ScalingFit) -> xr.DataTree:
    groups = {
        node.path: to_netcdf_types(node.to_dataset(inherit=False)) for node in fit.idata.subtree
    }
    groups[f"/{_TABLE}"] = _table_group(fit.table)
    groups["/"] = groups["/"].assign_attrs(_record(fit))
    return xr.DataTree.from_dict(groups)


def _record(fit: ScalingFit) -> dict[str, Any]:
    stored = fit.model.priors.items()
    priors = {name: [prior.family, dict(prior.parameters)] for name, prior in stored}
    return {
        _FORMAT: FORMAT,
        _SPEC: fit.spec.to_json(),
        _PRIORS: json.dumps(priors),
        _VERSIONS: json.dumps(_versions()),
    }


def _versions() -> dict[str, str]:
    from latentscale import __version__

    found = {}
    for package in _RECORDED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    # A source tree on the path has no installed metadata, or that of another installation.
    return found | {"latentscale": __version__}


def _encoding(tree: xr.DataTree) -> dict[str, dict[str, Any]]:
    """Compress the large numeric variables; netCDF cannot compress text."""
    return {
        node.path: {
            str(name): dict(_PACKED)
            for name, variable in node.to_dataset(inherit=False).variables.items()
            if variable.dtype.kind in "fiub" and variable.size >= _WORTH_PACKING
        }
        for node in tree.subtree
    }


def _read_model(tree: xr.DataTree, path: Path) -> ScalingModel:
    from latentscale.model import ScalingModel

    try:
        table = _read_table(tree[_TABLE].to_dataset())
        spec = ModelSpec.from_json(tree.attrs[_SPEC])
        stored = json.loads(tree.attrs[_PRIORS])
        priors = {name: Prior(family, **given) for name, (family, given) in stored.items()}
        return ScalingModel(table, **asdict(spec), priors=priors)
    except (LatentScaleError, *_UNREADABLE) as error:
        raise SaveError(
            f"The model in {str(path)!r} cannot be made again: {_reason(error)}. {_told(tree)} "
            "Load it with the latentscale that saved it, or fit again."
        ) from error


def _without_record(tree: xr.DataTree) -> xr.DataTree:
    kept = {
        node.path: node.to_dataset(inherit=False)
        for node in tree.subtree
        if node.path != f"/{_TABLE}"
    }
    ours = (_FORMAT, _SPEC, _PRIORS, _VERSIONS)
    kept["/"].attrs = {name: value for name, value in kept["/"].attrs.items() if name not in ours}
    return xr.DataTree.from_dict({name: from_netcdf_types(group) for name, group in kept.items()})


def _table_group(table: ScoreTable) -> xr.Dataset:
    """Write the three frames as JSON, one text each."""
    texts = {name: frame_text(getattr(table, name), name) for name in _FRAMES}
    return xr.Dataset({name: ((), text) for name, text in texts.items()})


def _read_table(group: xr.Dataset) -> ScoreTable:
    frames = [read_frame(str(group[name].item())) for name in _FRAMES]
    # Checked when the table was made; a part of a table need not pass all checks again.
    return ScoreTable._of(*frames)


def _flush(path: Path) -> None:
    """Wait until the file is on disk, or a power cut could leave an empty one under its name."""
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def _read_tree(path: Path) -> xr.DataTree:
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except _UNREADABLE as error:
        raise SaveError(
            f"{str(path)!r} is damaged: it is a netCDF file that is cut short or was changed, as "
            "after an interrupted copy, so the posterior cannot be read whole. Copy it again from "
            "where it was saved, or fit again."
        ) from error


def _require_writable(path: Path) -> None:
    if path.is_dir():
        raise SaveError(
            f"{str(path)!r} is a folder, and a fit is saved as one file. Name the file:\n"
            f"      fit.save({str(path / 'fit.nc')!r})"
        )
    if not path.parent.is_dir():
        raise SaveError(
            f"The folder {str(path.parent)!r} does not exist, so no fit can be saved in it. Make "
            f"it first:\n      Path({str(path.parent)!r}).mkdir(parents=True)"
        )


def _require_netcdf(path: Path) -> None:
    if path.is_dir():
        raise SaveError(
            f"{str(path)!r} is a folder, and a fit is saved as one file. Name the file:\n"
            f"      ls.load_fit({str(path / 'fit.nc')!r})"
        )
    try:
        with path.open("rb") as handle:
            signature = handle.read(len(_HDF5_SIGNATURE))
    except FileNotFoundError as error:
        raise SaveError(
            f"There is no file {str(path)!r}. Give the path that fit.save(path) returned."
        ) from error
    except OSError as error:
        raise SaveError(f"{str(path)!r} cannot be read: {_reason(error)}.") from error
    if signature != _HDF5_SIGNATURE:
        raise SaveError(
            f"{str(path)!r} is not a saved fit: it is no netCDF-4 file at all. ls.load_fit reads "
            "only what fit.save(path) wrote."
        )


def _require_ours(tree: xr.DataTree, path: Path) -> None:
    written = tree.attrs.get(_FORMAT)
    if written is None:
        raise SaveError(
            f"{str(path)!r} is a netCDF file but not a saved fit: it holds no model that its "
            "draws belong to. ls.load_fit reads only what fit.save(path) wrote; look at another "
            "file with\n"
            f"      xarray.open_datatree({str(path)!r})"
        )
    if written > FORMAT:
        raise SaveError(
            f"{str(path)!r} has file format {written}, and this latentscale reads formats up to "
            f"{FORMAT}. {_told(tree)} Upgrade:\n"
            "      python -m pip install --upgrade latentscale"
        )


def _require_same_design(fit: ScalingFit, path: Path) -> None:
    """Features are encoded anew at loading: another library version must not shift them."""
    if "constant_data" not in fit.idata.children:
        return
    stored, design = fit.idata["constant_data"].to_dataset(), fit.model.design
    same = (
        stored["llm"].to_numpy().tolist() == design.llms["llm"].tolist()
        and stored["feature"].to_numpy().tolist() == list(design.encoding.names)
        and np.allclose(stored["x"].to_numpy(), design.x, rtol=0, atol=1e-9)
    )
    if not same:
        names = first(quoted(design.encoding.names))
        raise SaveError(
            f"The features of {str(path)!r} are encoded differently now ({names}) than when the "
            "fit was made, so its slopes would mean something else. Load it with the versions that "
            f"are recorded in it, or fit again:\n      xarray.open_datatree({str(path)!r}).attrs"
        )


def _told(tree: xr.DataTree) -> str:
    """Say which latentscale wrote a file, and which one reads it."""
    from latentscale import __version__

    try:
        writer = json.loads(tree.attrs[_VERSIONS])["latentscale"]
    except (KeyError, TypeError, ValueError):
        writer = "of an unknown version"
    return f"It was saved by latentscale {writer}; this is latentscale {__version__}."


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
