"""What another process does meanwhile: it finds what this one finds, and can be done without."""

from __future__ import annotations

import os
import sys

import numba
import pytest

from latentscale.kernels.meanwhile import meanwhile


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def writes(path, what):
    """Give code that writes something that is known in its process alone to a file."""
    return f"from pathlib import Path; Path({str(path)!r}).write_text({what})"


def test_it_is_another_process_and_done_in_the_end(tmp_path):
    with meanwhile("import os; " + writes(tmp_path / "id", "str(os.getpid())")):
        pass
    assert int((tmp_path / "id").read_text()) != os.getpid()


def test_it_finds_the_modules_and_machine_code_of_this_one(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("X = 'found'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "kept here")
    with meanwhile(
        "import only_here, numba; "
        + writes(tmp_path / "found", "only_here.X + ', ' + numba.config.CACHE_DIR")
    ):
        pass
    assert (tmp_path / "found").read_text() == "found, kept here"


def test_code_that_fails_is_done_without(capfd):
    with meanwhile("raise ValueError"):
        done = True
    assert done
    assert capfd.readouterr() == ("", "")


def test_nothing_waits_for_it_after_an_error(tmp_path):
    late = "import time; time.sleep(600); " + writes(tmp_path / "late", "'late'")
    with pytest.raises(KeyboardInterrupt), meanwhile(late):
        raise KeyboardInterrupt
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize("executable", ["", None, "/nowhere/python"])
def test_no_python_to_start_is_done_without(tmp_path, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    with meanwhile(writes(tmp_path / "found", "''")):
        pass
    assert not (tmp_path / "found").exists()


def test_a_single_processor_has_no_time_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with meanwhile(writes(tmp_path / "found", "''")):
        pass
    assert not (tmp_path / "found").exists()
