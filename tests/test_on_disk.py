"""Machine code on disk: taken from there by other processes, done without where it cannot be."""

from __future__ import annotations

import numba
import pytest
from numba import types
from numba.core import caching

from latentscale.kernels import on_disk
from latentscale.kernels.on_disk import Kept, digest

_SIGNATURE = types.float64(types.float64)
_TIMES = None


def _scaled(x):
    return _TIMES * x


def scaled_by(times):
    """Give what multiplies by a number."""
    return Kept(_SIGNATURE, _scaled, {"_TIMES": times}, f"{times:g}")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def test_what_is_on_disk_is_not_compiled_again(folder):
    assert scaled_by(2.0).compile().cache_hits == 0
    again = scaled_by(2.0).compile()
    assert again.cache_hits == 1
    assert again.ctypes(3.0) == 6


def test_other_constants_are_other_code(folder):
    scaled_by(2.0).compile()
    other = scaled_by(5.0).compile()
    assert other.cache_hits == 0
    assert other.ctypes(3.0) == 15


def test_what_is_missing_could_be_kept_by_another_process(folder, monkeypatch):
    assert scaled_by(2.0).is_missing()
    scaled_by(2.0).compile()
    assert not scaled_by(2.0).is_missing()
    assert scaled_by(5.0).is_missing()
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert not scaled_by(5.0).is_missing()


def test_machine_code_of_other_kernels_is_removed(folder, monkeypatch):
    scaled_by(2.0).compile()
    scaled_by(5.0).compile()
    [old] = folder.rglob("*_scaled_2_*.nbc")
    monkeypatch.setattr(on_disk, "digest", lambda _: "newer")
    scaled_by(2.0).compile()
    assert not old.exists()
    assert [path.name.split("-")[0] for path in folder.rglob("*.nbc") if "_2_" in path.name] == [
        "test_on_disk._scaled_2_newer"
    ]
    assert list(folder.rglob("*_scaled_5_*.nbc"))


def test_damaged_machine_code_is_done_without(folder):
    scaled_by(2.0).compile()
    for path in folder.rglob("*.nbc"):
        path.write_bytes(b"")
    assert scaled_by(2.0).compile().ctypes(3.0) == 6


def test_nowhere_to_write_is_done_without(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert scaled_by(2.0).compile().ctypes(3.0) == 6


def test_the_digest_is_that_of_all_sources(tmp_path):
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    beside = tmp_path / "beside.py"
    beside.write_text("X = 1")
    (kernels / "a.py").write_text("from latentscale.beside import X\n")
    (kernels / "b.py").write_text("from latentscale.kernels import a\n")
    first = digest(kernels)
    digest.cache_clear()
    assert digest(kernels) == first
    (kernels / "b.py").write_text("three")
    digest.cache_clear()
    assert (second := digest(kernels)) != first
    beside.write_text("X = 2")
    digest.cache_clear()
    assert digest(kernels) not in (first, second)
