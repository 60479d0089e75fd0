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
        return figures_with(folder, script, arguments)


def figures_with(compiled: str, script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Do the same with a folder of what is compiled already, and for what is compiled anew."""
    output, path = Path(compiled) / "figures.json", Path(__file__).with_name(script)
    folders = {"PYTENSOR_FLAGS": f"base_compiledir={compiled}", "NUMBA_CACHE_DIR": compiled}
    subprocess.run(
        [sys.executable, str(path), *arguments, "-o", str(output)],
        check=True,
        env={**os.environ, **folders},
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
