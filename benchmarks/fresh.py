"""Run a script in a process of its own, with nothing compiled yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def figures_of(script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a script beside this one with ``-o`` and a file, and read the JSON that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "figures.json"
        path = Path(__file__).with_name(script)
        empty = {"PYTENSOR_FLAGS": f"base_compiledir={folder}", "NUMBA_CACHE_DIR": folder}
        subprocess.run(
            [sys.executable, str(path), *arguments, "-o", str(output)],
            check=True,
            env={**os.environ, **empty},
        )
        figures: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return figures


def options(**settings: Any) -> list[str]:
    """Spell settings as options of a command line."""
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def keep(path: Path, figures: dict[str, Any]) -> None:
    """Write figures down, with what machine they are of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"cores": os.cpu_count(), **figures}
    path.write_text(json.dumps(record, indent=1), encoding="utf-8")
