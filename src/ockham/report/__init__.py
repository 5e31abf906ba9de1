"""A run, or a plan, in; one HTML file out."""

from ockham.report.page import render
from ockham.report.plan_page import render_plan

__all__ = ["render", "render_plan"]
