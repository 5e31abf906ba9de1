"""A bundle in a process of its own: measured today as it is served tomorrow."""
