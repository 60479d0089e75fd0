"""What takes long is made once, and the last few are kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from latentscale.recent import Recent


def test_the_least_recently_used_goes_first():
    recent, made = Recent[str](2), []

    def get(key: str) -> str:
        return recent.get(key, lambda: made.append(key) or key.upper())

    assert [get(key) for key in "abaca"] == ["A", "B", "A", "C", "A"]
    assert made == ["a", "b", "c"]
    get("b")
    assert made == ["a", "b", "c", "b"]


def test_threads_that_ask_at_once_make_it_once():
    recent, made = Recent[int](1), []
    together = threading.Barrier(4)

    def make() -> int:
        threading.Event().wait(0.05)
        made.append(1)
        return 7

    def ask(_: int) -> int:
        together.wait()
        return recent.get("key", make)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [7] * 4
    assert made == [1]
