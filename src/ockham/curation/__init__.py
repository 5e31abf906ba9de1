"""Curate documents of any size: examine in chunks, decide together, write in order."""
