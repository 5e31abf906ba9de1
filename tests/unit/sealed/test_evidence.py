"""The evidence of a run: what it holds, that damage and lies in it are found, and what the label is made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ockham.records import canonical, digest
from ockham.sealed import evidence, seccomp
from ockham.sealed.evidence import FILE, Evidence, Spoken, add_entry, check_evidence
from ockham.sealed.facts import Facts
from ockham.sealed.ledger import Row, follow
from ockham.sealed.network_disks import remote
from ockham.sealed.policy import Attack, Policy, Walls
from ockham.sealed.state import Protection, current, declare, weakest, with_requests

FACTS = Facts(
    seconds=0.1,
    own=("user", "net", "ipc"),
    no_new_privs=True,
    seccomp=2,
    filters=1,
    processes=2,
    unfiltered=0,
    interfaces=("lo",),
    bytes=0,
    routes=0,
    descriptors={"file": 3},
    reaching=0,
)
NAMES = ("tcp", "udp", "ipv6", "raw libc", "other families", "io_uring", "unix service", "unix datagram")
ATTACKS = tuple(Attack(name=name, stopped="EACCES") for name in (*NAMES, "subprocess", "dns"))


def entry(**changes: Any) -> Evidence:
    values: dict[str, Any] = {
        "verb": "fit",
        "label": "sealed",
        "began": "2026-11-28T12:00:00+00:00",
        "system": "Linux",
        "policy": Policy(verb="fit", write=("/run",)),
        "walls": Walls(namespaces=True, seccomp=True, landlock=7, limits={"core": 1}, forgotten=("HF_TOKEN",)),
        "filter": seccomp.digest("x86_64"),
        "attacks": ATTACKS,
        "facts": (FACTS, FACTS),
        "ended": 0,
    }
    return Evidence(**{**values, **changes})


def failed(folder: Path) -> list[str]:
    return [name.rpartition(": ")[2] for name, ok, _ in check_evidence(folder) if not ok]


def put(folder: Path, *entries: Evidence) -> None:
    data = None
    for one in entries:
        data = add_entry(data, one)
    (folder / FILE).write_bytes(data or b"")


def test_evidence_that_holds_is_confirmed(tmp_path: Path) -> None:
    put(tmp_path, entry(), entry(ended=-2))
    (tmp_path / "verdict.json").write_text(json.dumps({"sealed": "sealed"}))
    assert failed(tmp_path) == []
    names = [name for name, _, _ in check_evidence(tmp_path)]
    assert names[0] == "evidence digest"
    assert "invocation 2 of 2: kernel" in names
    assert names[-1] == "verdict's label"


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("own", ("user", "ipc")),
        ("no_new_privs", False),
        ("seccomp", 0),
        ("filters", 0),
        ("unfiltered", 1),
        ("interfaces", ("eth0", "lo")),
        ("bytes", 1),
        ("routes", 1),
        ("reaching", 1),
    ],
)
def test_a_fact_that_contradicts_the_walls_is_found(tmp_path: Path, fact: str, value: object) -> None:
    import dataclasses

    put(tmp_path, entry(facts=(FACTS, dataclasses.replace(FACTS, **{fact: value}))))  # type: ignore[arg-type]
    assert failed(tmp_path) == ["kernel"]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"label": "sealed", "walls": Walls(seccomp=True, landlock=7)}, ["label"]),
        ({"label": "sealed", "walls": Walls(namespaces=True, seccomp=True)}, ["label"]),
        ({"attacks": (*ATTACKS[:-1], Attack(name="dns", stopped=None))}, ["self-attack"]),
        ({"attacks": ATTACKS[:-1]}, ["self-attack"]),
        ({"facts": ()}, ["kernel"]),
        ({"filter": "0" * 64}, ["filter"]),
        ({"remote": ("/mnt/nfs/run",)}, ["disk"]),
    ],
)
def test_n08_an_entry_that_claims_too_much_is_found(tmp_path: Path, changes: dict[str, Any], wrong: list[str]) -> None:
    put(tmp_path, entry(**changes))
    assert failed(tmp_path) == wrong


def test_what_was_changed_afterwards_is_found(tmp_path: Path) -> None:
    put(tmp_path, entry())
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('"processes":2', '"processes":1'))
    assert failed(tmp_path) == ["evidence digest"]
    for data in ("", "{}", "[1]", '{"format":1,"entries":[1]}', "{" * 100_000):
        (tmp_path / FILE).write_text(data)
        assert failed(tmp_path) == ["evidence"]
    (tmp_path / FILE).unlink()
    assert failed(tmp_path) == ["evidence"]


def test_an_entry_that_is_not_whole_is_found_with_any_digest(tmp_path: Path) -> None:
    entries = [json.loads(canonical(entry(before=digest([]))))]
    for name in ("walls", "facts", "attacks", "filter"):
        part = [{key: value for key, value in entries[0].items() if key != name}]
        (tmp_path / FILE).write_bytes(canonical({"format": 1, "entries": part, "digest": digest(part)}))
        assert failed(tmp_path) == ["label"]


def test_entries_of_earlier_goes_cannot_be_rewritten_by_a_later_one(tmp_path: Path) -> None:
    first = add_entry(None, entry(label="sealed (seccomp alone)", walls=Walls(seccomp=True, landlock=7)))
    swapped = add_entry(None, entry())
    # The broker has read the file before the sealed process began, which then swaps it or takes it away.
    for now in (swapped, None):
        (tmp_path / FILE).write_bytes(add_entry(now, entry(), first))
        assert failed(tmp_path) == ["order"]
    (tmp_path / FILE).write_bytes(add_entry(first, entry(), first))
    assert failed(tmp_path) == []
    (tmp_path / FILE).write_bytes(add_entry(swapped, entry(), b""))
    assert failed(tmp_path) == ["order"], "an entry was added that no broker wrote"
    content = json.loads(add_entry(first, entry(), first))
    content["entries"] = content["entries"][1:]
    (tmp_path / FILE).write_bytes(canonical({**content, "digest": digest(content["entries"])}))
    assert failed(tmp_path) == ["order"]


def rows(count: int, **changes: Any) -> tuple[Row, ...]:
    made: list[Row] = []
    for number in range(count):
        values: dict[str, Any] = {
            "time": "t",
            "process": "endpoint",
            "event": "request",
            "host": "h.example",
            **changes,
        }
        made.append(Row(number=number, port=443, before=follow(made), bytes=2, sha256="00", **values))
    return tuple(made)


def test_e9_requests_must_be_those_that_the_ledger_was_closed_with(tmp_path: Path) -> None:
    sent = rows(3)
    policy = Policy(verb="fit", hosts=("h.example",))
    whole = Spoken(landlock=7, rows=3, last=follow(sent))
    label = "sealed; 3 requests went to h.example, listed in the ledger"
    good = {"sent": sent, "spoken": whole, "policy": policy, "label": label}
    put(tmp_path, entry(**good))
    assert failed(tmp_path) == []
    assert ("invocation 1 of 1: endpoints", True, "3 requests to h.example") in check_evidence(tmp_path)
    two = "sealed; 2 requests went to h.example, listed in the ledger"
    for changes, wrong in (
        ({"label": "sealed"}, ["label"]),
        ({"label": two}, ["label"]),
        ({"sent": sent[:2], "label": two}, ["endpoints"]),
        ({"sent": rows(3, time="u")}, ["endpoints"]),
        ({"spoken": None}, ["endpoints"]),
        ({"spoken": Spoken(landlock=7)}, ["endpoints"]),
        ({"sent": sent[1:], "label": two}, ["endpoints"]),
    ):
        put(tmp_path, entry(**{**good, **changes}))
        assert failed(tmp_path) == wrong, changes
    (tmp_path / "verdict.json").write_text(json.dumps({"sealed": two}))
    put(tmp_path, entry(**good))
    assert failed(tmp_path) == ["verdict's label"]


def test_attempts_that_were_refused_are_named_and_no_fault(tmp_path: Path) -> None:
    refused = rows(2, event="socket.connect", process="sealed", allowed=False, library="wandb < ockham")
    put(tmp_path, entry(refused=refused))
    assert failed(tmp_path) == []
    details = {name: detail for name, _, detail in check_evidence(tmp_path)}
    assert details["invocation 1 of 1: refused"].endswith(
        "2 attempts by Python code to open a socket, resolve a name or connect, all refused: by wandb < ockham"
    )
    assert "wandb < ockham (h.example)" in evidence.name_attempts(refused)
    put(tmp_path, entry(refused=refused[1:]))
    assert failed(tmp_path) == ["refused"]


def test_a_label_says_how_many_requests_went_where() -> None:
    assert with_requests("sealed", {}) == "sealed"
    assert with_requests("sealed", {}, ("a", "b")) == "sealed; no request went to a or b"
    assert with_requests("sealed", {"a": 1, "b": 2000}) == (
        "sealed; 1 request went to a and 2,000 requests went to b, listed in the ledger"
    )
    assert with_requests("sealed", {"a": 1}, missing=True).startswith("sealed; at least 1 request went")
    assert with_requests("not sealed: x", {"a": 1}) == "not sealed: x"
    assert weakest(["sealed; 1 request went to a, listed in the ledger", "sealed (seccomp alone)"]) == (
        "sealed (seccomp alone)"
    )


def test_a_verdict_may_not_claim_more_than_its_evidence(tmp_path: Path) -> None:
    unsealed = evidence.unwatched_evidence(Policy(verb="fit"), "not sealed: --unsealed")
    put(tmp_path, entry(), unsealed)
    (tmp_path / "verdict.json").write_text(json.dumps({"sealed": "sealed"}))
    assert failed(tmp_path) == ["verdict's label"]
    (tmp_path / "verdict.json").write_text(json.dumps({"sealed": "not sealed: --unsealed"}))
    assert failed(tmp_path) == []


def test_the_weakest_label_counts() -> None:
    assert weakest(["sealed", "sealed (seccomp alone)"]) == "sealed (seccomp alone)"
    assert weakest(["sealed (without Landlock)", "sealed"]) == "sealed (without Landlock)"
    assert weakest(["switches only", "not sealed: x", "sealed"]) == "not sealed: x"
    assert weakest(["sealed"]) == "sealed"


def test_work_from_python_is_not_called_sealed() -> None:
    assert current() == Protection(label="not sealed: called from Python")
    before = current()
    declare(Protection(label="sealed", attacks=10))
    try:
        assert current().label == "sealed"
    finally:
        declare(before)


def test_n05_folders_on_other_machines_are_named() -> None:
    mounts = (
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /mnt/team\\040disk rw - nfs4 server:/x rw\n"
        "31 22 0:41 / /home/me/remote rw - fuse.sshfs me@host: rw\n"
    )
    paths = ("/mnt/team disk/run", "/home/me/run", "/home/me/remote/a/b")
    assert remote(paths, mounts) == ["/mnt/team disk/run", "/home/me/remote/a/b"]
