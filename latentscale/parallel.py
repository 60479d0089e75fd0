"""Many independent tasks on any executor of the kind of :mod:`concurrent.futures`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext


def run_each[Task, Result](
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    when_done: Callable[[int, Future[Result]], None],
    executor: Executor | None = None,
) -> None:
    """Run a function of every task.

    Parameters
    ----------
    function : callable
    tasks : sequence
    when_done : callable
        Called here with the position of each task and its future, which holds a result or an error,
        as soon as it is done. If it raises, or on an interrupt, what has not begun is given up.
    executor : concurrent.futures.Executor, optional
        A ProcessPoolExecutor, or the ``get_executor()`` of a Dask client for a cluster. Default:
        threads, as many as there are cores, which share what is compiled.
    """
    runner = ThreadPoolExecutor(os.cpu_count()) if executor is None else nullcontext(executor)
    with runner as pool:
        futures = {pool.submit(function, task): position for position, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                when_done(futures[future], future)
        except BaseException:
            for future in futures:
                future.cancel()
            raise
