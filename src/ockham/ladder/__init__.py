"""The climb: read, split, build and measure the rungs, decide, publish."""
