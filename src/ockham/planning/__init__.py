"""Before any download: will it fit, how fast will it be, what will it cost, and should it be a small model at all."""

from ockham.planning.advice import Advice, Questions, advise
from ockham.planning.model_plan import plan
from ockham.planning.this_machine import PlanTarget
from ockham.records.plan import Plan, PlanSpec

__all__ = ["Advice", "Plan", "PlanSpec", "PlanTarget", "Questions", "advise", "plan"]
