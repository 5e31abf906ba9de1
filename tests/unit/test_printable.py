"""Nothing foreign reaches a terminal alive: not in a path, a column name, a setting or a message."""

from __future__ import annotations

import os
import pickle
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ockham import config, store
from ockham.bundles.predict import predict
from ockham.errors import ConfigError, OckhamError
from ockham.printable import printable
from ockham.readers.read import ReadSpec, read

HOSTILE = "a\x1b[2J\r\n\x07\x9b31m\u202e\u2066\u200b\u2028\u061cb"
CODES = ["\x1b", "\r", "\n", "\x9b", "\u202e", "\u2066", "\u2028", "\ud800", "\udcff", "\udcc3\udca9"]
TEXTS = st.lists(st.one_of(st.text(max_size=5), st.characters(categories=["Cs", "Cc", "Cf"]), st.sampled_from(CODES)))


def unsafe(text: str) -> list[str]:
    """The characters that a terminal acts on, or that show something else than what is there."""
    return [c for c in text if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")]


@given(parts=TEXTS)
@example(parts=[HOSTILE])
@settings(max_examples=300, deadline=None)
def test_nothing_that_a_terminal_acts_on_passes(parts: list[str]) -> None:
    text = "".join(parts)
    safe = printable(text)
    assert unsafe(safe) == []
    assert printable(safe) == safe
    safe.encode("utf-8")
    if not unsafe(text):
        assert safe == text


@given(raw=st.binary(min_size=1, max_size=30).filter(lambda raw: b"\0" not in raw))
@settings(max_examples=200, deadline=None)
def test_any_path_is_shown(raw: bytes) -> None:
    path = Path(os.fsdecode(raw))
    assert unsafe(printable(path)) == []
    assert printable(path) == printable(str(path))


def test_escapes_are_those_of_python() -> None:
    assert printable("a\x1b\r\n\u202e\x9b\U000e0001") == "a\\x1b\\r\\n\\u202e\\x9b\\U000e0001"
    assert printable(os.fsdecode(b"caf\xe9")) == "caf\\xe9", "a byte that is not UTF-8"
    assert printable("caf\u00e9 \u65e5\u672c") == "caf\u00e9 \u65e5\u672c"


def test_an_error_is_printable_whatever_it_names() -> None:
    error = ConfigError("E_CONFIG", f"{HOSTILE} is wrong", fix=f"rename {HOSTILE}")
    for text in (error.message, error.fix, *str(error).splitlines(), *map(str, error.args)):
        assert unsafe(text) == []
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.fix) == (error.message, error.fix)


def test_hostile_names_reach_no_message(tmp_path: Path) -> None:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    table = folder / "data.csv"
    table.write_text(f'"{HOSTILE}",b,c\n1,2,3\n')
    toml = folder / f"{HOSTILE}.toml"
    toml.write_text("= wrong")
    calls = (
        lambda: store.open_run(folder, {"verb": "fit"}),
        lambda: store.read_bundle(folder),
        lambda: predict(folder, table),
        lambda: read(table, ReadSpec(target="none")),
        lambda: read(folder / HOSTILE, ReadSpec()),
        lambda: config.load(toml, ("fit",)),
    )
    for call in calls:
        with pytest.raises(OckhamError) as caught:
            call()
        assert unsafe(caught.value.message + caught.value.fix) == [], call
