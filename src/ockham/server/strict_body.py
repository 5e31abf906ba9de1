"""What the bodies of all APIs have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A body that holds what it may hold and nothing else; types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
