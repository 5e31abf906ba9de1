"""The keys of a server: from where they are taken, and which files of keys are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ockham.errors import ConfigError
from ockham.server.access import Access, key_digest
from ockham.server.api_error import ApiError
from ockham.server.serve_spec import ServeSpec
from ockham.server.server_keys import read_keys

ANN, BEN, ADMIN = "key-of-ann-0123456789", "key-of-ben-0123456789", "key-of-the-admin-0123"


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture(autouse=True)
def _no_keys_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OCKHAM_API_KEY", "OCKHAM_ADMIN_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_file_names_keys_and_that_of_the_admin(tmp_path: Path) -> None:
    keys = read_keys(ServeSpec(keys_file=key_file(tmp_path, f"# ours\nann {ANN}\nben  {BEN}\n\nadmin {ADMIN}\n")))
    assert keys.digests == {"ann": key_digest(ANN), "ben": key_digest(BEN)}
    assert keys.admin == key_digest(ADMIN)
    assert keys.shown is None
    assert ANN not in repr(keys)


def test_a_key_of_the_environment_stands_beside_those_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", BEN)
    monkeypatch.setenv("THEIRS", ADMIN)
    spec = ServeSpec(keys_file=key_file(tmp_path, f"ann {ANN}"), api_key_env="MINE", admin_key_env="THEIRS")
    keys = read_keys(spec)
    assert set(keys.digests) == {"main", "ann"}
    assert (keys.shown, keys.admin) == (BEN, key_digest(ADMIN))


def test_without_any_a_key_is_made_up_and_the_admin_routes_stay_closed() -> None:
    first, second = read_keys(ServeSpec()), read_keys(ServeSpec())
    assert first.shown is not None
    assert len(first.shown) == 32
    assert first.shown != second.shown
    assert first.admin is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no key"),
        (f"admin {ADMIN}", "has no key"),
        ("ann short", "line 1 is not a name and a key"),
        (f"ann {ANN}\nAnn {BEN}", "line 2 is not a name and a key"),
        (f"ann {ANN}\nann {BEN}", "the name on line 2 stands there twice"),
        (f"ann {ANN}\nben {ANN}", "two of the server's keys are the same"),
        (f"ann {ANN}\nadmin {ANN}", "two of the server's keys are the same"),
        (f"ann {ANN}ü", "is not ASCII"),
    ],
)
def test_a_file_of_another_form_is_refused_without_a_word_of_it(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        read_keys(ServeSpec(keys_file=key_file(tmp_path, text)))
    assert "0123456789" not in f"{caught.value} {caught.value.fix}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_s04_a_file_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="can be read or changed by other users"):
        read_keys(ServeSpec(keys_file=key_file(tmp_path, f"ann {ANN}", mode)))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", Path("/dev/zero")):
        with pytest.raises(ConfigError, match=r"cannot be read|not a regular file"):
            read_keys(ServeSpec(keys_file=path))


def test_h09_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="16 to 1,024"):
        read_keys(ServeSpec(api_key="secret"))


def test_the_admin_key_opens_the_admin_routes_and_nothing_else() -> None:
    access = Access(keys={"ann": key_digest(ANN)}, hosts=(), admin=key_digest(ADMIN))
    access.check_admin({"authorization": f"Bearer {ADMIN}"})
    assert access.key_name({"x-api-key": ANN}) == "ann"
    for key, status in ((ANN, 403), ("", 401), ("wrong", 401)):
        with pytest.raises(ApiError) as caught:
            access.check_admin({"authorization": f"Bearer {key}"})
        assert caught.value.status == status
    with pytest.raises(ApiError) as caught:
        access.key_name({"authorization": f"Bearer {ADMIN}"})
    assert caught.value.status == 401


def test_without_an_admin_key_nobody_is_admin() -> None:
    access = Access(keys={"ann": key_digest(ANN)}, hosts=())
    for key in (ANN, "", "wrong"):
        with pytest.raises(ApiError):
            access.check_admin({"authorization": f"Bearer {key}"})
