"""The fields of a blend by fields."""

from __future__ import annotations

from ockham.rungs.field_blend_rung import field_paths


def test_a_dot_in_a_key_parts_no_path() -> None:
    targets = ['{"ship.to": "Linz", "day": {"of week": "Friday"}}', "{}", '{"stops": ["a", "b"]}', "[1]", "no JSON"]
    assert field_paths(targets) == {
        "ship.to": ("ship.to",),
        "day.of week": ("day", "of week"),
        "stops": ("stops",),
    }
