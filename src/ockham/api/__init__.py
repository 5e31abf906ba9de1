"""Paid calls to an OpenAI-compatible API."""
