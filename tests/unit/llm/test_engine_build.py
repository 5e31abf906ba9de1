"""A bundle remembers the engine's build, and another one is told of."""

from __future__ import annotations

import re

import pytest

from ockham.llm import engine_build


def test_the_build_names_version_and_instructions() -> None:
    pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
    build = engine_build.engine_build()
    assert build is not None
    assert re.fullmatch(r"xllamacpp [\d.]+( \([a-z0-9_, ]+\))?", build)
    assert engine_build.describe_change(build) is None


def test_another_build_is_told_of_and_what_is_not_known_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_build, "engine_build", lambda: "xllamacpp 2 (avx2)")
    assert "measured with xllamacpp 2 (avx512)" in (engine_build.describe_change("xllamacpp 2 (avx512)") or "")
    for other in (None, 7, "transformers", "xllamacpp 2 (avx2)"):
        assert engine_build.describe_change(other) is None
    monkeypatch.setattr(engine_build, "engine_build", lambda: None)
    assert engine_build.describe_change("xllamacpp 2 (avx2)") is None


def test_a_machine_without_the_engine_has_no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert engine_build.engine_build.__wrapped__() is None
