"""What the command line and a file say, as records."""

from __future__ import annotations

import pytest

from ockham.cli import settings
from ockham.errors import ConfigError


def test_a_field_is_required_as_name_and_share() -> None:
    needs = settings.requirements({"min_field": ("total=0.95", "a=b=0.5")})
    assert needs.min_field == {"total": 0.95, "a=b": 0.5}
    assert settings.requirements({"min_field": {"total": 1}}).min_field == {"total": 1.0}
    for wrong in ("total", "=0.5", "total=high", "total=1.5"):
        with pytest.raises(ConfigError):
            settings.requirements({"min_field": (wrong,)})
