"""Labelled rows: cleaned, clustered, split, checked."""
