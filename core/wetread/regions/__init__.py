"""Colour-region description: from a mask to words that are true of it."""
