"""A run, or a plan, in; one HTML file out."""

from ockham.reporting.page import render
from ockham.reporting.plan_page import render_plan

__all__ = ["render", "render_plan"]
