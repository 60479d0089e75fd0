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
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core.registry import cpu_target

_KERNELS = Path(__file__).parent

# What numba raises where it finds no folder to write to, and what reading a damaged file does.
_NOT_KEPT = (RuntimeError, OSError, EOFError, pickle.UnpicklingError)


def compile_kept(signature: Any, function: Any, constants: Mapping[str, Any], name: str) -> Any:
    """Compile a C function, or take its machine code from disk.

    Parameters
    ----------
    signature : numba signature
    function : function
        Without variables of an outer function: numba would not know them again.
    constants : mapping of str to object
        What globals of the function are.
    name : str
        Tells apart what differs in the constants.

    Returns
    -------
    numba.core.ccallback.CFunc
        Compiled for this process alone where nothing can be kept.
    """
    found = FunctionType(function.__code__, {**function.__globals__, **constants})
    found.__qualname__ = f"{name}_{digest(_KERNELS)}"
    # Reading from disk first, numba would learn of lists and dictionaries before arrays, and ask
    # whatever is indexed whether it is one of them: seconds of compiling.
    cpu_target.typing_context.refresh()
    try:
        return numba.cfunc(signature, error_model="numpy", cache=True)(found)
    except _NOT_KEPT:
        return numba.cfunc(signature, error_model="numpy")(found)


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
