"""What the command line and a file say, as records."""

from __future__ import annotations

import pytest

from ockham.cli import settings
from ockham.errors import ConfigError
from ockham.readers.read import ReadSpec


def test_a_field_is_required_as_name_and_share() -> None:
    needs = settings.requirements({"min_field": ("total=0.95", "a=b=0.5")})
    assert needs.min_field == {"total": 0.95, "a=b": 0.5}
    assert settings.requirements({"min_field": {"total": 1}}).min_field == {"total": 1.0}
    for wrong in ("total", "=0.5", "total=high", "total=1.5"):
        with pytest.raises(ConfigError):
            settings.requirements({"min_field": (wrong,)})


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("label", "label"),
        (("label",), "label"),
        (("company", "date"), "company,date"),
        (["total, EUR", 'the "date"'], '"total, EUR","the ""date"""'),
    ],
)
def test_several_target_columns_are_one_target(value: object, target: str) -> None:
    assert settings.spec(ReadSpec, {"target": value}).target == target


def test_a_target_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="target is a list"):
        settings.spec(ReadSpec, {"target": ["company", 1]})
