"""Keeping the last few of what takes long to make."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable


class Recent[T]:
    """The last few things that were asked for, by key.

    Threads that ask for the same thing at once make it once: the others wait for it.

    Parameters
    ----------
    size : int
        How many are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Give what is kept under a key, or make and keep it."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
            return self._kept[key]
