"""A labelled folder through the Reader: measures with intervals, and the report."""
