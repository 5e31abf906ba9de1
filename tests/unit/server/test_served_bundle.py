"""The names under which bundles are served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.served import fake_bundle

from ockham.errors import ConfigError
from ockham.server.served_bundle import NAME, read_served_bundle, read_served_bundles

ODD = ("../../etc/x", "", "a/b", "a" * 65, "a" * 10_240, "m\u0430il", "mail\u200b", ".mail", "-mail", "mail\n", "m ail")
"""U+0430 is a Cyrillic letter that looks like a Latin one."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_bundle(tmp_path_factory.mktemp("bundles") / "mail", {"a": "b"})


@pytest.mark.parametrize("name", ODD)
def test_a04_a_name_is_plain_and_short(name: str, bundle: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a model") as caught:
        read_served_bundle(name, bundle)
    assert len(caught.value.message) < 400


def test_a04_no_two_adapters_have_one_name(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="two bundles are called base"):
        read_served_bundles([f"base={bundle}", f"base={bundle}"])


def test_names_that_folders_have_are_made_plain(tmp_path: Path) -> None:
    named = read_served_bundle(None, fake_bundle(tmp_path / ".my mails (2026)!", {"a": "b"}))
    assert NAME.fullmatch(named.name)
    assert named.name == "my-mails-2026"
