"""Data sets, phantoms and the training commands."""
