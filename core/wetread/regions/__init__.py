"""Colour-region description: from a mask to words that are true of it."""

from wetread.regions.describing import Description, describe

__all__ = ["Description", "describe"]
