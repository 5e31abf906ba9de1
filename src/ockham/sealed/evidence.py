"""The evidence of a run: what protected each go at it, as the kernel told it, in a file to be checked.

``evidence.json`` holds one entry per go (a run that was stopped and went on has several). An entry names the walls, the
digest of the filter, the outcome of the self-attack and the kernel's facts at each sampling; the file ends with a
digest over all of it. The digest finds damage and edits by mistake; it is no signature, so whoever can write the file
can forge it. What cannot be forged is the jail on the reader's own machine: the same command there makes its own
evidence.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ockham.records import canonical, digest, plain
from ockham.sealed import ledger, seccomp, syscalls
from ockham.sealed.broker import Watch, faults
from ockham.sealed.facts import Facts
from ockham.sealed.ledger import FIRST, Row
from ockham.sealed.network_disks import remote
from ockham.sealed.policy import SWITCHES, UNSEALED, Attack, Policy, Walls
from ockham.sealed.state import base, requests_in, weakest, with_requests

FILE = "evidence.json"
FORMAT = 1
MOST_BYTES = 64_000_000

Check = tuple[str, bool, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the process that asked endpoints said of itself: its Landlock (0: none), its rows, the last one's digest.

    ``rows`` is ``None`` where it ended before it could say so.
    """

    landlock: int
    rows: int | None = None
    last: str = FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One go at a run, as it was protected.

    ``filter`` is the SHA-256 of the seccomp program; ``remote`` names the folders it may change that lie on another
    machine (a network file system); ``ledger`` are the requests of the process that fetched models before, which could
    not open the data; ``sent`` those of the process that asked endpoints, and ``spoken`` what that process itself said
    of its ledger in the end; ``refused`` are attempts of Python code inside; ``before`` is the digest of the entries
    that stood in the file when this go began; ``ended`` is the exit status, ``None`` where it is not known.

    ``go`` names a go that was watched. Its entry stands in the file from its beginning, without an end; where its
    watcher was killed it stays so, until another go takes its ledger up (``taken_up``: when).
    """

    verb: str
    label: str
    began: str
    system: str
    policy: Policy
    walls: Walls = field(default_factory=Walls)
    filter: str = ""
    attacks: tuple[Attack, ...] = ()
    facts: tuple[Facts, ...] = ()
    remote: tuple[str, ...] = ()
    ledger: tuple[Row, ...] = ()
    sent: tuple[Row, ...] = ()
    spoken: Spoken | None = None
    refused: tuple[Row, ...] = ()
    before: str = ""
    ended: int | None = None
    go: str = ""
    taken_up: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoke:
    """What left the machine while a child was at work: for models before it, and for endpoints beside it."""

    fetched: tuple[Row, ...] = ()
    sent: tuple[Row, ...] = ()
    spoken: Spoken | None = None


def unwatched_evidence(policy: Policy, label: str) -> Evidence:
    """Return the evidence of a go that nothing protected, or nothing outside it watched: its label, and no more."""
    return Evidence(verb=policy.verb, label=label, began=now(), system=_system(), policy=policy)


def watched_evidence(policy: Policy, watch: Watch, began: str, spoke: Spoke) -> Evidence:
    """Return the evidence of a child that the broker has followed to its end."""
    return Evidence(
        verb=policy.verb,
        label=with_requests(watch.walls.label, ledger.count_requests(spoke.sent), policy.hosts),
        began=began,
        system=_system(),
        policy=policy,
        walls=watch.walls,
        filter=seccomp.digest(),
        attacks=watch.attacks,
        facts=tuple(watch.facts),
        remote=tuple(remote(policy.write)),
        ledger=spoke.fetched,
        sent=spoke.sent,
        spoken=spoke.spoken,
        refused=tuple(watch.refused),
        ended=os.waitstatus_to_exitcode(watch.status),
        go=watch.go,
    )


def begun_evidence(policy: Policy, watch: Watch, began: str, spoke: Spoke, before: bytes | None) -> Evidence:
    """Return the evidence of a child that is at work: without an end, and without a count of what it sends.

    ``before`` is what the file of evidence held when the go began; ``None`` where it was not looked at.
    """
    whole = watched_evidence(policy, watch, began, spoke)
    stood = digest(_entries(_parse_json(before))) if before is not None else ""
    return dataclasses.replace(whole, label=watch.walls.label, ended=None, before=stood)


def add_entry(old: bytes | None, fresh: Evidence, before: bytes | None = None) -> bytes:
    """Return the content of ``evidence.json`` with one more entry; what cannot be read is not carried on.

    An earlier entry of the same go gives way to it. ``before`` is what the file held when the go began; where it was
    not looked at, what it holds now.
    """
    entries = _entries(_parse_json(old)) if old else []
    place = _index(entries, fresh.go)
    stood = entries[:place] if before is None else _entries(_parse_json(before))
    entry = json.loads(canonical(dataclasses.replace(fresh, before=digest(stood))))
    return _content([*entries[:place], entry, *entries[place + 1 :]])


def take_up(old: bytes | None, entry: Mapping[str, Any], rows: Sequence[Row]) -> bytes:
    """Return the content of ``evidence.json`` with the entry of a go that was killed, and the rows of its ledger."""
    entries = _entries(_parse_json(old)) if old else []
    index = _index(entries, str(entry.get("go")))
    if index < len(entries) and entries[index].get("ended") is not None:
        return _content(entries)  # it was whole, and only its record was not removed
    hosts = [str(host) for host in entry["policy"]["hosts"]]
    complete = {
        **entry,
        "before": entry["before"] or digest(entries[:index]),
        "label": with_requests(base(str(entry["label"])), ledger.count_requests(rows), hosts),
        "sent": plain(list(rows)),
        "taken_up": now(),
    }
    return _content([*entries[:index], json.loads(canonical(complete)), *entries[index + 1 :]])


def count_sent(data: bytes | None) -> dict[str, dict[str, int]]:
    """Return how many requests each go sent to whom, by its name; goes that have not ended are left out."""
    counts = {}
    for entry in _entries(_parse_json(data or b"")):
        if entry.get("go") and not _is_open(entry):
            with suppress(KeyError, TypeError, ValueError):
                counts[str(entry["go"])] = ledger.count_requests([ledger.row(row) for row in entry["sent"]])
    return counts


def widen_label(label: str, data: bytes) -> str:
    """Return a verdict's label, or a wider one where the evidence lists more requests, or a go with weaker walls."""
    entries = [entry for entry in _entries(_parse_json(data)) if not _is_open(entry)]
    labels = [str(entry.get("label")) for entry in entries]
    if weakest([label, *labels]) == base(label) and requests_in(label) >= sum(map(requests_in, labels)):
        return label
    total: Counter[str] = Counter()
    hosts: list[str] = []
    for entry in entries:
        with suppress(KeyError, TypeError, ValueError):
            total.update(ledger.count_requests([ledger.row(row) for row in entry["sent"]]))
            hosts += map(str, entry["policy"]["hosts"])
    return with_requests(weakest([label, *labels]), total, hosts, missing="at least" in label)


def _index(entries: Sequence[Mapping[str, Any]], go: str) -> int:
    """Return where the entry of a go stands; behind the last one where there is none."""
    return next((at for at, entry in enumerate(entries) if go and entry.get("go") == go), len(entries))


def _is_open(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("go")) and entry.get("ended") is None and not entry.get("taken_up")


def _content(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return canonical({"format": FORMAT, "entries": entries, "digest": digest(entries)}) + b"\n"


def check_evidence(folder: Path, data: bytes | None = None) -> list[Check]:
    """Check the evidence in a run's folder: a list of what was looked at, whether it holds, and a word on it.

    ``data`` is looked at in place of the file. That a go was not sealed, or was killed, is no fault of the evidence,
    and said of it.
    """
    try:
        if data is None:
            with (folder / FILE).open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
    except OSError:
        return [("evidence", False, f"there is no {FILE}: the run was made from Python, or by an older version")]
    content = _parse_json(data)
    entries = _entries(content)
    if not entries:
        return [("evidence", False, f"{FILE} cannot be read")]
    whole = content.get("digest") == digest(entries)
    checks: list[Check] = [
        ("evidence digest", whole, "unchanged" if whole else "the file was changed after it was written")
    ]
    for number, entry in enumerate(entries, 1):
        follows = entry.get("before") == digest(entries[: number - 1])
        if not follows:
            checks.append(
                (f"invocation {number} of {len(entries)}: order", False, "earlier entries were changed or removed")
            )
        checks += _entry(entry, f"invocation {number} of {len(entries)}")
    return [*checks, *_verdict(folder, [str(entry.get("label")) for entry in entries])]


def _entry(entry: Mapping[str, Any], name: str) -> list[Check]:
    """Check that an entry's label follows from its walls, and these from what the kernel said."""
    label = str(entry.get("label"))
    if label == SWITCHES or label.startswith(UNSEALED):
        return [(f"{name}: label", True, label)]
    try:
        walls = Walls(**{**entry["walls"], "forgotten": tuple(entry["walls"]["forgotten"])})
        facts = [_facts(sample) for sample in entry["facts"]]
        attacks = [Attack(**row) for row in entry["attacks"]]
        filter_ = str(entry["filter"])
        rows, sent, refused = ([ledger.row(row) for row in entry[name]] for name in ("ledger", "sent", "refused"))
        spoken = None if entry["spoken"] is None else Spoken(**entry["spoken"])
        hosts = [str(host) for host in entry["policy"]["hosts"]]
        end = _End.OPEN if _is_open(entry) else _End.TAKEN_UP if entry.get("taken_up") else _End.WHOLE
    except (KeyError, TypeError, ValueError):
        return [(f"{name}: label", False, f"{label}, but the entry is incomplete")]
    wrong = sorted({fault for sample in facts for fault in faults(sample, walls)})
    got_out = [row.name for row in attacks if row.stopped is None]
    digests = {seccomp.digest(machine) for machine in ("x86_64", "aarch64")}
    samples = (
        f"{len(facts)} samples taken from outside, at most {max((row.processes for row in facts), default=0)} processes"
    )
    full = walls.label if end is _End.OPEN else with_requests(walls.label, ledger.count_requests(sent), hosts)
    return [
        (f"{name}: label", label == full, label),
        *_ending(name, end, str(entry.get("began"))),
        (f"{name}: kernel", bool(facts) and not wrong, "; ".join(wrong) or samples),
        (
            f"{name}: self-attack",
            len(attacks) >= LEAST_ATTACKS and not got_out,
            f"escaped: {', '.join(got_out)}" if got_out else f"{len(attacks)} escape attempts, all blocked",
        ),
        (
            f"{name}: filter",
            filter_ in digests,
            "matches this version" if filter_ in digests else "belongs to another version",
        ),
        (
            f"{name}: ledger",
            ledger.is_whole(rows),
            f"{len(rows)} requests by the download process" if rows else "nothing was downloaded",
        ),
        *_speech(name, sent, spoken, hosts, end),
        (f"{name}: refused", ledger.is_whole(refused), _attempts(refused)),
        (f"{name}: disk", not entry.get("remote"), ", ".join(entry.get("remote", [])) or "all folders are local"),
    ]


class _End(enum.Enum):
    """How a go came to its end: watched until then, killed and taken up by another go, or not known to have ended."""

    WHOLE = "whole"
    TAKEN_UP = "taken up"
    OPEN = "open"


def _ending(name: str, end: _End, began: str) -> list[Check]:
    """Say of a go whether it is known to have ended. One that was killed had its walls to the last."""
    words = {
        _End.TAKEN_UP: f"started {began} and was killed; how it ended is unknown",
        _End.OPEN: f"started {began} and has not ended: it is still running, or was killed",
    }
    return [(f"{name}: end", True, words[end])] if end in words else []


def _speech(name: str, sent: list[Row], spoken: Spoken | None, hosts: list[str], end: _End) -> list[Check]:
    """Check the ledger of requests to endpoints against what the process that made them said in the end."""
    if not hosts and not sent:
        return []
    if end is _End.OPEN:
        where = "they are listed on the machine where it started, and the next invocation there adds them"
        return [(f"{name}: endpoints", False, f"requests to {', '.join(hosts)} are not counted yet: {where}")]
    told = spoken is not None and spoken.rows is not None
    same = spoken is not None and spoken.rows == len(sent) and spoken.last == ledger.follow(sent)
    counts = ledger.count_requests(sent)
    detail = ", ".join(f"{counts.get(host, 0):,} requests to {host}" for host in {**dict.fromkeys(hosts), **counts})
    if end is _End.TAKEN_UP:
        detail += ", according to the ledger that the killed invocation left"
        return [(f"{name}: endpoints", ledger.is_whole(sent), detail)]
    if not told:
        detail += "; the process that made them ended before it closed its ledger"
    elif not same:
        detail = "the rows differ from those with which the requesting process closed its ledger"
    elif spoken is not None and not spoken.landlock:
        detail += "; this system could not prevent the process that made them from opening files"
    return [(f"{name}: endpoints", same and ledger.is_whole(sent), detail)]


def _attempts(refused: list[Row]) -> str:
    if not refused:
        return "no Python code tried to open a socket or resolve a name"
    libraries = sorted({one.library or "unknown code" for one in refused})
    what = "attempts by Python code to open a socket, resolve a name or connect"
    return f"{len(refused)} {what}, all refused: by {', '.join(libraries)}"


def name_attempts(refused: Sequence[Row]) -> str:
    """Say which libraries tried to reach somebody, for the user; nothing where none did."""
    whom = dict.fromkeys(f"{one.library or 'unknown code'} ({one.host})" for one in refused if one.host)
    return f"sealed: blocked connections by these libraries: {', '.join(whom)}" if whom else ""


LEAST_ATTACKS = 10
"""The self-attack has so many attempts; evidence with fewer has left some out."""


def _verdict(folder: Path, labels: list[str]) -> list[Check]:
    """Check that the verdict claims no more than the evidence shows."""
    try:
        label = str(json.loads((folder / "verdict.json").read_bytes())["sealed"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    holds = weakest([*labels, label]) == base(label)
    detail = f"the verdict says: {label}"
    listed = sum(map(requests_in, labels))
    if holds and not label.startswith((UNSEALED, SWITCHES)) and requests_in(label) < listed:
        # Of work that was not sealed nothing was counted.
        holds, detail = False, f"{detail}; the ledgers list {listed:,} requests (the same command again counts them)"
    return [("verdict's label", holds, detail)]


def _facts(sample: Mapping[str, Any]) -> Facts:
    names = {field.name for field in dataclasses.fields(Facts)}
    if set(sample) != names:
        raise ValueError("a sample is not whole")
    interfaces = sample["interfaces"]
    lists = {"own": tuple(sample["own"]), "interfaces": None if interfaces is None else tuple(interfaces)}
    return Facts(**{**sample, **lists})


def _parse_json(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _entries(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = content.get("entries")
    good = isinstance(entries, list) and content.get("format") == FORMAT
    return [entry for entry in entries if isinstance(entry, dict)] if good and isinstance(entries, list) else []


def now() -> str:
    """Return the time of day as ISO 8601, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _system() -> str:
    return f"{platform.system()} {platform.release()} {syscalls.ARCHITECTURE or platform.machine()}"
