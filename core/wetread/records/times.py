"""Time as the tables keep it: UTC, ISO 8601 with microseconds, so that text sorts as time does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime | None = None) -> str:
    """A moment as text; now when None."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """The moment of a stamp."""
    return datetime.fromisoformat(text)


def later(seconds: float) -> str:
    """The stamp of so many seconds from now."""
    return stamp(datetime.now(UTC) + timedelta(seconds=seconds))
