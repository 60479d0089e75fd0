"""Saving and loading: what comes back is what went in, and a bad file says what it is."""

from __future__ import annotations

import datetime
import json
import os
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_fit import fake_fit
from hypothesis import given
from hypothesis import strategies as st

import latentscale as ls
from latentscale.errors import PredictionWarning, SaveError
from latentscale.fit import ScalingFit
from latentscale.frames import frame_text, read_frame
from latentscale.io import load_fit, save_fit


@pytest.fixture(scope="module")
def fit() -> ScalingFit:
    return fake_fit(chains=2, draws=50)


@pytest.fixture(scope="module")
def saved(fit: ScalingFit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_fit(fit, tmp_path_factory.mktemp("saved") / "fit.nc")


@pytest.fixture(scope="module")
def small_saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_fit(small_fit(), tmp_path_factory.mktemp("small") / "fit.nc")


def small_table(**features: Any) -> ls.ScoreTable:
    llms = pd.DataFrame(
        {
            "llm": ["a-1", "a-2", "b-1", "b-2"],
            "family": ["a", "a", "b", "b"],
            "params_b": [1.0, 2.0, 4.0, 8.0],
            **features,
        }
    )
    scores = pd.DataFrame(
        [(llm, name, 0.3 + 0.1 * i) for i, llm in enumerate(llms["llm"]) for name in ("ARC", "é")],
        columns=["llm", "benchmark", "score"],
    )
    return ls.ScoreTable.from_long(scores, llms)


def small_fit(table: ls.ScoreTable | None = None, **spec: Any) -> ScalingFit:
    table = small_table() if table is None else table
    return fake_fit(skills=1, draws=5, table=table, **{"features": "log(params_b)"} | spec)


def there_and_back(fit: ScalingFit, folder: Path) -> ScalingFit:
    return load_fit(save_fit(fit, folder / "fit.nc"))


def with_group(fit: ScalingFit, name: str, group: xr.Dataset) -> ScalingFit:
    groups = {node.path: node.to_dataset() for node in fit.idata.subtree}
    return replace(fit, idata=xr.DataTree.from_dict(groups | {f"/{name}": group}))


class TestRoundTrip:
    def test_everything_comes_back(self, fit: ScalingFit, saved: Path) -> None:
        loaded = ls.load_fit(saved)
        xr.testing.assert_identical(loaded.idata, fit.idata)
        assert loaded.table.equals(fit.table)
        assert loaded.spec == fit.spec
        assert loaded.model.priors == fit.model.priors

    def test_what_is_unknown_comes_back(self, fit: ScalingFit, saved: Path) -> None:
        loaded = load_fit(saved)
        assert loaded.model.design.unknown_families == fit.model.design.unknown_families
        drawn = loaded.posterior["configuration"]
        xr.testing.assert_equal(drawn, fit.posterior["configuration"])
        pd.testing.assert_frame_equal(loaded.imputed().summary, fit.imputed().summary)

    def test_order_of_rows_and_columns_comes_back(self, fit: ScalingFit, saved: Path) -> None:
        table = load_fit(saved).table
        pd.testing.assert_frame_equal(table.scores, fit.table.scores)
        pd.testing.assert_frame_equal(table.llms, fit.table.llms)
        pd.testing.assert_frame_equal(table.benchmarks, fit.table.benchmarks)

    def test_a_loaded_fit_predicts_the_same_numbers(self, fit: ScalingFit, saved: Path) -> None:
        llms = pd.DataFrame(
            {
                "llm": ["new-1b", "new-7b", "Qwen/Qwen2-9B", "Qwen/Qwen2-7B"],
                "family": ["new", "new", "qwen2", "qwen2"],
                "recipe": ["new", "new", "qwen2", "qwen2"],
                "tuned": 0,
                "params_b": [1.0, 7.0, 9.0, 7.615617],
                "tokens_t": [2.0, 2.0, 7.0, 7.0],
            }
        )
        known = pd.DataFrame({"llm": "new-1b", "benchmark": ["MMLU", "BBH"], "score": [0.42, 0.33]})
        loaded = load_fit(saved)
        for scores in (None, known):
            before = _quiet_prediction(fit, llms, scores)
            after = _quiet_prediction(loaded, llms, scores)
            pd.testing.assert_frame_equal(after.summary, before.summary, check_exact=True)
            xr.testing.assert_identical(after.draws, before.draws)

    def test_a_second_saving_gives_the_same(self, fit: ScalingFit, saved: Path, tmp_path: Path):
        again = there_and_back(load_fit(saved), tmp_path)
        xr.testing.assert_identical(again.idata, fit.idata)

    @pytest.mark.parametrize(
        "spec",
        [
            {"likelihood": "beta", "ceiling": False, "deviations": False},
            {"likelihood": "student_t", "benchmark_slopes": False},
            {"family_slopes": ("log(params_b)",), "anchors": ("é",)},
            {"priors": {"precision": ls.Prior("LogNormal", mu=6, sigma=1 / 3)}},
        ],
    )
    def test_every_setting_comes_back(self, spec: dict[str, Any], tmp_path: Path) -> None:
        fit = small_fit(**spec)
        loaded = there_and_back(fit, tmp_path)
        assert loaded.spec == fit.spec
        assert loaded.model.priors == fit.model.priors
        xr.testing.assert_identical(loaded.idata, fit.idata)

    def test_counts_come_back(self, tmp_path: Path) -> None:
        table = small_table()
        scores = table.scores.assign(successes=[1, 2, 3, 4, 5, 6, 7, 8], trials=10)
        counted = ls.ScoreTable.from_long(scores.drop(columns="score"), table.llms)
        loaded = there_and_back(small_fit(counted, likelihood="binomial"), tmp_path)
        assert loaded.table.equals(counted)

    def test_a_part_of_a_table_comes_back(self, tmp_path: Path) -> None:
        # One score on a benchmark would not pass validation again.
        table = small_table()
        few = table.where([True, True, True, False, True, False, True, False])
        assert there_and_back(small_fit(few), tmp_path).table.equals(few)

    def test_groups_on_demand_come_back(self, tmp_path: Path) -> None:
        fit = small_fit().extend("posterior_predictive")
        loaded = there_and_back(fit, tmp_path)
        xr.testing.assert_identical(loaded.idata, fit.idata)

    def test_categories_are_encoded_the_same(self, tmp_path: Path) -> None:
        norm = pd.Categorical(["rms", "layer", "rms", "layer"], categories=["rms", "layer"])
        fit = small_fit(small_table(norm=norm), features="log(params_b) + norm")
        loaded = there_and_back(fit, tmp_path)
        np.testing.assert_array_equal(loaded.model.design.x, fit.model.design.x)

    def test_path_may_be_text_and_is_returned(self, tmp_path: Path) -> None:
        path = str(tmp_path / "my fit, é.netcdf")
        assert small_fit().save(path) == Path(path)
        assert os.listdir(tmp_path) == ["my fit, é.netcdf"]

    def test_nothing_is_pickled(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def forbidden(*_args: Any, **_kwargs: Any) -> None:
            raise AssertionError("pickled")

        fit = small_fit()
        for name in ("dump", "dumps", "load", "loads"):
            monkeypatch.setattr(pickle, name, forbidden)
        there_and_back(fit, tmp_path)

    def test_other_programs_can_read_it(self, fit: ScalingFit, saved: Path) -> None:
        with xr.open_datatree(saved, engine="h5netcdf") as tree:
            posterior = tree["posterior"].to_dataset().load()
            versions = json.loads(tree.attrs["latentscale_versions"])
        xr.testing.assert_identical(posterior, fit.posterior)
        assert versions["latentscale"] == ls.__version__
        assert {"pymc", "nutpie", "arviz", "numpy"} <= versions.keys()


def _quiet_prediction(
    fit: ScalingFit, llms: pd.DataFrame, scores: pd.DataFrame | None
) -> ls.Prediction:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PredictionWarning)  # 100 draws are few
        return fit.predict(llms, scores=scores, random_seed=3)


class TestOddTrees:
    """What users add to idata must not keep a fit from being saved."""

    def test_odd_attributes(self, tmp_path: Path) -> None:
        odd = {"yes": True, "none": None, "deep": {"a": [1, None]}, "empty": "", "large": 2**80}
        group = xr.Dataset({"y": ("x", [1.0], dict(odd))}, attrs=odd | {"n": 3, "text": "é"})
        loaded = there_and_back(with_group(small_fit(), "mine", group), tmp_path)
        xr.testing.assert_identical(loaded.idata["mine"].to_dataset(), group)

    def test_multi_level_index(self, tmp_path: Path) -> None:
        index = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", "number"])
        coords = xr.Coordinates.from_pandas_multiindex(index, "cell")
        group = xr.Dataset({"y": ("cell", np.arange(4.0))}, coords=coords)
        loaded = there_and_back(with_group(small_fit(), "mine", group), tmp_path)
        xr.testing.assert_identical(loaded.idata["mine"].to_dataset(), group)

    def test_labels_of_mixed_types_and_dates(self, tmp_path: Path) -> None:
        messages = np.array([None, "energy is not finite", None], dtype=object)  # as nutpie gives
        group = xr.Dataset(
            {"divergence_message": ("x", messages)},
            coords={
                "x": np.array(["a", 1, None], dtype=object),
                "text": ("x", np.array(["p", "quer", "ü"], dtype=object)),
                "day": ("x", pd.to_datetime(["2024-01-01", None, "2025-06-07"]).as_unit("ns")),
                "flag": ("x", [True, False, True]),
            },
        )
        loaded = there_and_back(with_group(small_fit(), "mine", group), tmp_path)
        xr.testing.assert_equal(loaded.idata["mine"].to_dataset(), group)

    def test_nested_and_empty_groups(self, tmp_path: Path) -> None:
        fit = with_group(small_fit(), "mine/deep", xr.Dataset({"y": ("x", np.empty(0))}))
        loaded = there_and_back(fit, tmp_path)
        xr.testing.assert_identical(loaded.idata, fit.idata)


COLUMNS = {
    "float": pd.Series([0.1, np.nan, np.inf, -0.0]),
    "float32": pd.Series([0.1, np.nan, 1e30, 3.0], dtype="float32"),
    "int": pd.Series([1, -(2**62), 3, 4]),
    "bool": pd.Series([True, False, True, False]),
    "text": pd.Series(["a", "", "ü\n\x00", None]),
    "object": pd.Series([True, None, np.nan, "text"], dtype=object),
    "unknown": pd.Series([None] * 4, dtype=object),
    "numpy scalars": pd.Series([np.float64(0.1), np.int64(3), np.bool_(True), None], dtype=object),
    "days": pd.to_datetime(pd.Series(["2024-02-29", None, "1900-01-01", "2262-01-01"])),
    "seconds": pd.Series(pd.to_datetime(["2024-02-29", None])).astype("datetime64[s]"),
    "time zone": pd.Series(pd.date_range("2024-03-30", periods=4, tz="Europe/Berlin")),
    "duration": pd.to_timedelta(pd.Series(["1 day", None, "-3 ns", "2 s"])),
    "category": pd.Series(pd.Categorical(["b", None, "a"], ["b", "a", "c"], ordered=True)),
    "numeric category": pd.Series(pd.Categorical([2, 1, 2])),
}


class TestFrames:
    @pytest.mark.parametrize("name", list(COLUMNS))
    def test_every_kind_of_column_comes_back(self, name: str) -> None:
        frame = COLUMNS[name].to_frame("column")
        read = read_frame(frame_text(frame, "llms"))
        pd.testing.assert_frame_equal(read, frame, check_exact=True)
        assert read.dtypes["column"] == frame.dtypes["column"]

    def test_none_and_nan_stay_apart(self) -> None:
        frame = pd.DataFrame({"x": pd.Series([None, float("nan")], dtype=object)})
        read = read_frame(frame_text(frame, "llms"))["x"]
        assert read[0] is None
        assert isinstance(read[1], float)

    @given(st.lists(st.floats() | st.text() | st.booleans() | st.none(), max_size=8))
    def test_any_object_column_comes_back(self, values: list[Any]) -> None:
        frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
        pd.testing.assert_frame_equal(read_frame(frame_text(frame, "llms")), frame)

    @pytest.mark.parametrize(
        ("values", "kinds", "dtype"),
        [
            ([datetime.date(2024, 6, 7)] * 4, "date", "object"),
            ([[1, 2]] * 3 + [(1, 2)], "list, tuple", "object"),
            (pd.period_range("2024", periods=4, freq="M"), "Period", "period[M]"),
        ],
    )
    def test_what_has_no_exact_form_is_refused(
        self, values: Any, kinds: str, dtype: str, tmp_path: Path
    ) -> None:
        fit = small_fit(small_table(odd=pd.Series(values)))
        with pytest.raises(SaveError) as caught:
            fit.save(tmp_path / "fit.nc")
        assert str(caught.value) == (
            "The column 'odd' of the table's llms cannot be saved without loss: it holds values of "
            f"type {kinds} in a column of dtype {dtype!r}. A file keeps numbers, text, truth "
            "values, dates and categories. Before the table is made, write\n"
            "      llms['odd'] = llms['odd'].astype(str)"
        )
        assert os.listdir(tmp_path) == []


class TestAtomicWriting:
    def test_a_file_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "fit.nc"
        path.write_text("old")
        small_fit().save(path)
        assert load_fit(path).spec.skills == 1
        assert os.listdir(tmp_path) == ["fit.nc"]

    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_an_old_file_survives_a_failure(
        self, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_args: Any) -> None:
            raise OSError(28, "No space left on device")

        path = tmp_path / "fit.nc"
        path.write_text("old")
        monkeypatch.setattr(os, step, full)
        with pytest.raises(SaveError) as caught:
            small_fit().save(path)
        assert str(caught.value) == (
            f"The fit could not be written to {str(path)!r}: No space left on device. A file that "
            "was there before is unharmed. Free some space or choose another path."
        )
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["fit.nc"]

    def test_ctrl_c_leaves_nothing_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_args: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            small_fit().save(tmp_path / "fit.nc")
        assert os.listdir(tmp_path) == []

    def test_folder_in_place_of_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(SaveError) as caught:
            small_fit().save(tmp_path)
        assert str(caught.value) == (
            f"{str(tmp_path)!r} is a folder, and a fit is saved as one file. Name the file:\n"
            f"      fit.save({str(tmp_path / 'fit.nc')!r})"
        )

    def test_missing_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "not there"
        with pytest.raises(SaveError) as caught:
            small_fit().save(folder / "fit.nc")
        assert str(caught.value) == (
            f"The folder {str(folder)!r} does not exist, so no fit can be saved in it. Make it "
            f"first:\n      Path({str(folder)!r}).mkdir(parents=True)"
        )


def load_message(path: Path) -> str:
    with pytest.raises(SaveError) as caught:
        load_fit(path)
    return str(caught.value)


def changed(source: Path, path: Path, **attrs: Any) -> Path:
    """Copy a saved fit with other attributes; None removes one."""
    with xr.open_datatree(source, engine="h5netcdf") as tree:
        tree.load()
    kept = {name: value for name, value in (tree.attrs | attrs).items() if value is not None}
    tree.attrs = kept
    tree.to_netcdf(path, engine="h5netcdf")
    return path


class TestBadFiles:
    def test_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "fit.nc"
        assert load_message(path) == (
            f"There is no file {str(path)!r}. Give the path that fit.save(path) returned."
        )

    def test_folder(self, tmp_path: Path) -> None:
        assert load_message(tmp_path) == (
            f"{str(tmp_path)!r} is a folder, and a fit is saved as one file. Name the file:\n"
            f"      ls.load_fit({str(tmp_path / 'fit.nc')!r})"
        )

    @pytest.mark.parametrize("content", [b"", b"llm,benchmark,score\n", b"CDF\x01 an old netCDF"])
    def test_no_netcdf(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "fit.nc"
        path.write_bytes(content)
        assert load_message(path) == (
            f"{str(path)!r} is not a saved fit: it is no netCDF-4 file at all. ls.load_fit reads "
            "only what fit.save(path) wrote."
        )

    @pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
    def test_truncated(self, share: float, small_saved: Path, tmp_path: Path) -> None:
        path, content = tmp_path / "fit.nc", small_saved.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        assert load_message(path) == damaged(path)

    def test_changed_posterior(self, saved: Path, tmp_path: Path) -> None:
        import h5py

        path = tmp_path / "fit.nc"
        content = bytearray(saved.read_bytes())
        with h5py.File(saved) as file:
            chunk = file["posterior/llm_effect"].id.get_chunk_info(0)
        content[chunk.byte_offset + chunk.size // 2] ^= 0xFF
        path.write_bytes(bytes(content))
        assert load_message(path) == damaged(path)

    def test_foreign(self, tmp_path: Path) -> None:
        path = tmp_path / "other.nc"
        xr.Dataset({"x": 1}).to_netcdf(path, engine="h5netcdf")
        assert load_message(path) == (
            f"{str(path)!r} is a netCDF file but not a saved fit: it holds no model that its draws "
            "belong to. ls.load_fit reads only what fit.save(path) wrote; look at another file "
            f"with\n      xarray.open_datatree({str(path)!r})"
        )

    def test_newer_format(self, small_saved: Path, tmp_path: Path) -> None:
        versions = json.dumps({"latentscale": "9.0"})
        path = changed(
            small_saved, tmp_path / "fit.nc", latentscale_format=2, latentscale_versions=versions
        )
        assert load_message(path) == (
            f"{str(path)!r} has file format 2, and this latentscale reads formats up to 1. It was "
            f"saved by latentscale 9.0; this is latentscale {ls.__version__}. Upgrade:\n"
            "      python -m pip install --upgrade latentscale"
        )

    def test_unknown_prior(self, small_saved: Path, tmp_path: Path) -> None:
        priors = json.dumps({"precision": ["Gamma", {"alpha": 1.0, "lam": 1.0}]})
        path = changed(small_saved, tmp_path / "fit.nc", latentscale_priors=priors)
        assert load_message(path) == (
            f"The model in {str(path)!r} cannot be made again: Prior('Gamma') takes the parameters "
            "'alpha', 'beta', not 'alpha', 'lam'. It was saved by latentscale "
            f"{ls.__version__}; this is latentscale {ls.__version__}. Load it with the latentscale "
            "that saved it, or fit again."
        )

    @pytest.mark.parametrize("name", ["latentscale_spec", "latentscale_priors"])
    def test_record_gone(self, name: str, small_saved: Path, tmp_path: Path) -> None:
        path = changed(small_saved, tmp_path / "fit.nc", **{name: None}, latentscale_versions=None)
        assert load_message(path) == (
            f"The model in {str(path)!r} cannot be made again: {name!r}. It was saved by "
            f"latentscale of an unknown version; this is latentscale {ls.__version__}. Load it "
            "with the latentscale that saved it, or fit again."
        )

    def test_features_encoded_differently(self, tmp_path: Path) -> None:
        fit = small_fit()
        constant = fit.idata["constant_data"].to_dataset()
        shifted = with_group(fit, "constant_data", constant.assign(x=constant["x"] + 0.01))
        path = save_fit(shifted, tmp_path / "fit.nc")
        assert load_message(path) == (
            f"The features of {str(path)!r} are encoded differently now ('log(params_b)', "
            "'log(params_b)^2') than when the fit was made, so its slopes "
            "would mean something else. Load it with the versions that are recorded in it, or fit "
            "again:\n"
            f"      xarray.open_datatree({str(path)!r}).attrs"
        )


def damaged(path: Path) -> str:
    return (
        f"{str(path)!r} is damaged: it is a netCDF file that is cut short or was changed, as after "
        "an interrupted copy, so the posterior cannot be read whole. Copy it again from where it "
        "was saved, or fit again."
    )
