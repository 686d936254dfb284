"""Waiting for what another thread, process or machine will do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(what: Callable[[], Any], seconds: float = 60, pause: float = 0.2) -> Any:
    """The first true answer of `what`; fails where none comes in time."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(pause)
    return found
