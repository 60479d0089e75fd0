"""Machine code that is kept on disk: a machine compiles once, not every process.

numba keeps it beside the source, or in the user's cache folder where that cannot be written to
(``NUMBA_CACHE_DIR`` names another). It looks for changes in the file of the function alone, so the
name that it is kept under says what all the kernels were, and what they take constants from.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.registry import cpu_target
from numba.core.typing.templates import Signature

from latentscale.kernels.jit import SETTINGS

_KERNELS = Path(__file__).parent

# What numba raises where it finds no folder to write to, and what reading a damaged file does.
_NOT_KEPT = (RuntimeError, OSError, EOFError, pickle.UnpicklingError)


class Kept:
    """A C function whose machine code is kept.

    Parameters
    ----------
    signature : numba signature
    function : function
        Without variables of an outer function: numba would not know them again.
    constants : mapping of str to object
        What globals of the function are.
    name : str
        Tells apart what differs in the constants.
    """

    def __init__(
        self, signature: Signature, function: Any, constants: Mapping[str, Any], name: str
    ) -> None:
        self._signature = signature
        self._function = FunctionType(
            function.__code__, {**function.__globals__, **constants}, function.__name__
        )
        self._stem = f"{function.__name__}_{name}"
        self._function.__qualname__ = f"{self._stem}_{digest(_KERNELS)}"

    def compile(self) -> CFunc:
        """Compile it, or take its machine code from disk.

        Where nothing can be kept, it is compiled for this process alone.
        """
        # Reading from disk first, numba would learn of lists and dictionaries before arrays, and
        # ask whatever is indexed whether it is one of them: seconds of compiling.
        cpu_target.typing_context.refresh()
        compiling = partial(numba.cfunc, self._signature, **SETTINGS)
        try:
            found = compiling(cache=True)(self._function)
            if not found.cache_hits:
                self._remove_older()
            return found
        except _NOT_KEPT:
            return compiling()(self._function)

    def _remove_older(self) -> None:
        """Remove the machine code of other kernels, each of which takes megabytes."""
        folder = Path(FunctionCache(self._function).cache_path)
        for path in folder.glob(f"*.{self._stem}_*"):
            if digest(_KERNELS) not in path.name:
                with suppress(OSError):  # another process may have been faster
                    path.unlink()

    def is_missing(self) -> bool:
        """Tell whether another process could compile and keep it."""
        try:
            kept = FunctionCache(self._function)
            return kept.load_overload(self._signature, cpu_target.target_context) is None
        except _NOT_KEPT:
            return False


@cache
def digest(folder: Path) -> str:
    """Tell apart kernels that would be compiled to other machine code.

    What they import from beside their folder counts too: its constants are compiled in.
    """
    paths = sorted(folder.glob("*.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    named = set(re.findall(r"^from latentscale\.(\w+) import", text, re.MULTILINE))
    beside = sorted(named - {folder.name})
    found = hashlib.sha256()
    for path in (*paths, *(folder.parent / f"{name}.py" for name in beside)):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:16]
