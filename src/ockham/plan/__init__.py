"""Before any download: will it fit, how fast will it be, what will it cost, and should it be a small model at all."""

from ockham.plan.advice import Advice, Questions, advise
from ockham.plan.planning import plan
from ockham.plan.this_machine import PlanTarget
from ockham.records.plan import Plan, PlanSpec

__all__ = ["Advice", "Plan", "PlanSpec", "PlanTarget", "Questions", "advise", "plan"]
