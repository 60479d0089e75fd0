"""How long one of many equal steps takes on a noisy machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_STEPS, _ROUNDS = 300, 7


def microseconds(repeat: Callable[[int], Any]) -> float:
    """Give the microseconds of a step, in the best of some rounds, of what takes many of them."""
    repeat(1)  # may compile
    rounds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        repeat(_STEPS)
        rounds.append((time.perf_counter() - start) / _STEPS)
    return 1e6 * min(rounds)
