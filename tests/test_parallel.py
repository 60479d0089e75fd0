"""Tasks on executors: everything is done, and nothing is begun once something went wrong."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from latentscale.parallel import run_each


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(3)])
def test_every_task_is_run_and_told_with_its_position(executor):
    found = {}
    run_each(lambda x: x * x, [3, 1, 2], lambda i, done: found.update({i: done.result()}), executor)
    assert found == {0: 9, 1: 1, 2: 4}


def test_a_task_that_fails_does_not_stop_the_others():
    found = {}
    run_each(lambda x: 1 / x, [0, 2], lambda i, done: found.update({i: done.exception()}))
    assert isinstance(found[0], ZeroDivisionError)
    assert found[1] is None


def test_what_has_not_begun_is_given_up_if_the_results_cannot_be_kept():
    begun, go = [], threading.Event()

    def task(x):
        begun.append(x)
        if x > 0:
            go.wait(5)

    def full(position, done):
        threading.Timer(0.2, go.set).start()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), ThreadPoolExecutor(1) as pool:
        run_each(task, range(5), full, pool)
    assert begun in ([0], [0, 1])
