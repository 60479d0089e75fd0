"""Code that another process runs meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numba

# No code of ours takes as long; waiting must have an end.
_PATIENCE = 300  # seconds


@contextmanager
def meanwhile(code: str) -> Iterator[None]:
    """Let another process run Python code, and wait for it in the end.

    It is for what saves time and can be done without: nothing tells whether it could be run, and
    where there is a single processor it is not.

    Parameters
    ----------
    code : str
        Finds the modules that this process finds, and numba's folder for machine code.
    """
    other = _start(code)
    try:
        yield
        if other is not None:
            with suppress(subprocess.TimeoutExpired):
                other.wait(_PATIENCE)
    finally:
        if other is not None:
            other.kill()
            other.wait()


def _start(code: str) -> subprocess.Popen[bytes] | None:
    if (os.cpu_count() or 1) < 2 or not sys.executable:
        return None
    modules = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    machine_code: str = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    folders = {"PYTHONPATH": modules, "NUMBA_CACHE_DIR": machine_code}
    try:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **folders},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # not allowed to, or no room for another
        return None
