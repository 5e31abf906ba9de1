"""The rungs of the ladder: what each needs, and how it becomes a folder that serves."""
