"""One script per table; run them with ``scripts/bench NAME``."""
