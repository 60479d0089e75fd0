"""A progress bar that counts what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counted(name: str, done: int, total: int) -> Iterator[Callable[[], None]]:
    """Show how many of ``total`` are done, and for how much longer it will take.

    Gives a function to call whenever one more is done.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task(name, completed=done, total=total)
        yield lambda: progress.advance(task)
