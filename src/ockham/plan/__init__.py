"""Before any download: will it fit, how fast will it be, what will it cost, and should it be a small model at all."""

from ockham.plan.decide import Advice, Questions, decide
from ockham.plan.here import Place
from ockham.plan.planning import plan
from ockham.plan.records import Plan, PlanSpec

__all__ = ["Advice", "Place", "Plan", "PlanSpec", "Questions", "decide", "plan"]
