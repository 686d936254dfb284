"""Reader: the one way from Sample and question to Read."""

from wetread.reading.reader import Reader, ReadEvent

__all__ = ["ReadEvent", "Reader"]
