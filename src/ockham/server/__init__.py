"""Serve bundles to the clients of decision, chat and embedding APIs: one process for HTTP, one for each model."""
