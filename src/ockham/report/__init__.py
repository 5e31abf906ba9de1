"""A run in, one HTML file out."""

from ockham.report.page import render

__all__ = ["render"]
