"""What the tests of what leaves the machine share."""

from __future__ import annotations

import functools

import pytest
from tests.egress import sinkhole

_why_not = functools.cache(sinkhole.unavailable)


@pytest.fixture(scope="session")
def sealed_world() -> None:
    """Skip a test, with the reason, where this machine lets nobody make a network namespace."""
    if (reason := _why_not()) is not None:
        pytest.skip(f"no sinkhole: {reason}")
