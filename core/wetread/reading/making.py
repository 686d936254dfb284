"""Which engine a Reader gets: said in words, checked before any weight is loaded, made at the first read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.reading.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wetread.model.checkpoint import ModelInfo
    from wetread.reading.interface import ReadEngine

LOCAL, REMOTE = "local", "vllm"


def checked_engine(engine: str, urls: Sequence[str]) -> tuple[str, ...]:
    """The addresses of the servers; none for the engine in this process.

    Raises:
        RefusedInput: an unknown engine, addresses without servers in use, or no usable address.
    """
    if engine not in (LOCAL, REMOTE):
        raise RefusedInput(f"no engine is called {engine!r}", "--engine", f"use {LOCAL} or {REMOTE}")
    if engine == LOCAL and urls:
        raise RefusedInput("addresses of servers for the engine in this process", "--url", f"add --engine {REMOTE}")
    if engine == REMOTE:
        Servers(urls)
    return tuple(urls)


def make_engine(info: ModelInfo, urls: Sequence[str]) -> ReadEngine:
    """The engine; torch is imported here where it is needed."""
    if urls:
        from wetread.reading.remote import RemoteEngine

        return RemoteEngine(info, urls)
    from wetread.reading.engine import InProcessEngine

    return InProcessEngine(info)
