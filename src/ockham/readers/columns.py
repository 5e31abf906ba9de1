"""Which columns are the input, the target and the group: named by the user, or found by their usual names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ockham.errors import DataError
from ockham.printable import printable

INPUTS = (
    "text", "input", "prompt", "question", "message", "body", "content", "sentence", "utterance", "query", "email",
    "description", "document", "passage", "review", "comment", "ticket", "instruction", "problem", "request", "inputs",
    "user", "source_text", "input_text",
)  # fmt: skip
TARGETS = (
    "label", "target", "answer", "category", "class", "intent", "output", "completion", "response", "tag", "labels",
    "expected", "expected_output", "ground_truth", "gold", "sentiment", "topic", "reply", "assistant", "target_text",
)  # fmt: skip
_TOGETHER = (
    ("subject", ("body", "text", "message", "content", "email", "description")),
    ("title", ("body", "text", "message", "content", "description")),
    ("instruction", ("input",)),
    ("context", ("question", "query")),
)
_GROUPS = (
    "group", "contract", "customer", "customer_id", "user_id", "patient", "patient_id", "account", "account_id",
    "thread", "thread_id", "conversation_id", "document_id", "doc_id", "session_id", "author", "client_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that were chosen, as the file spells them (``target`` is "" where none is needed), and remarks."""

    inputs: tuple[str, ...]
    target: str
    group: str | None
    id: str | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRequest:
    """What the user asked for, and where the columns stand: ``place`` names the file in messages."""

    inputs: tuple[str, ...]
    target: str | None
    group: str | None
    labelled: bool
    place: str
    headerless: bool = False


def known_names(names: Iterable[str]) -> list[str]:
    """Give the names that are usual for inputs or targets."""
    return [name for name in names if _plain(name) in INPUTS or _plain(name) in TARGETS]


def choose(names: Sequence[str], wanted: ColumnRequest) -> Columns:
    """Choose the columns among the names that exist.

    Raises `DataError`: ``E_COLUMN`` where an input or group is missing or several could be meant, ``E_LABEL_MISSING``
    where no target is there.
    """
    remarks: list[str] = []
    group = _named(names, wanted.group, wanted, "--group", "E_COLUMN") if wanted.group else None
    key = next((name for name in names if _plain(name) == "id"), None)
    target = _target(names, wanted)
    inputs = tuple(_named(names, name, wanted, "--input", "E_COLUMN") for name in wanted.inputs)
    if not inputs:
        inputs = _inputs([name for name in names if name not in (target, group)], wanted)
    free = [name for name in names if name not in (target, group, key, *inputs)]
    if not inputs and len(free) == 1 and (target or not wanted.labelled) and not wanted.headerless:
        inputs = (free[0],)
        remarks.append(f"{wanted.place}: took column {printable(free[0])!r} as the input: the only one left")
    elif not target and inputs and wanted.labelled and len(free) == 1 and not wanted.headerless:
        target = free[0]
        remarks.append(f"{wanted.place}: took column {printable(free[0])!r} as the target: the only one left")
    if wanted.labelled and not target:
        raise _missing(names, wanted, "target")
    if not inputs:
        raise _missing(names, wanted, "input")
    if target in inputs:
        raise DataError(
            "E_COLUMN",
            f"{wanted.place}: column {printable(target)!r} is named both as input and as target",
            fix="name two different columns with --input and --target",
        )
    if group is None:
        remarks += [
            f"{wanted.place}: column {printable(name)!r} may name rows that belong together;"
            f" if so: --group {printable(name)}"
            for name in names
            if _plain(name) in _GROUPS and name not in (target, *inputs)
        ]
    return Columns(inputs=inputs, target=target if wanted.labelled else "", group=group, id=key, remarks=tuple(remarks))


def _target(names: Sequence[str], wanted: ColumnRequest) -> str:
    if wanted.target:
        return _named(names, wanted.target, wanted, "--target", "E_LABEL_MISSING") if wanted.labelled else ""
    taken = {_plain(name) for name in (*wanted.inputs, wanted.group or "")}
    found = [name for name in names if _plain(name) in TARGETS and _plain(name) not in taken]
    if len(found) > 1 and wanted.labelled:
        raise _several(found, wanted, "target")
    return found[0] if len(found) == 1 else ""


def _inputs(names: Sequence[str], wanted: ColumnRequest) -> tuple[str, ...]:
    plain = {_plain(name): name for name in names}
    found = [name for name in names if _plain(name) in INPUTS]
    for first, seconds in _TOGETHER:
        second = [name for name in seconds if name in plain]
        if first in plain and len(second) == 1 and len([n for n in found if _plain(n) != first]) == 1:
            return plain[first], plain[second[0]]
    if len(found) > 1:
        raise _several(found, wanted, "input")
    return tuple(found)


def _named(names: Sequence[str], name: str, wanted: ColumnRequest, flag: str, code: str) -> str:
    if name in names:
        return name
    alike = [other for other in names if _plain(other) == _plain(name)]
    if len(alike) == 1:
        return alike[0]
    near = [] if wanted.headerless else difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {flag} {printable(near[0])}?" if near else f"name one that exists with {flag}"
    raise DataError(code, f"{wanted.place} has no column {printable(name)!r}{_listing(names, wanted)}", fix=guess)


def _several(found: Sequence[str], wanted: ColumnRequest, what: str) -> DataError:
    some = ", ".join(repr(printable(name)) for name in found)
    return DataError(
        "E_COLUMN",
        f"{wanted.place}: several columns could be the {what}: {some}",
        fix=f"name it: --{what} {printable(found[0])}"
        + (" (give --input several times to use several)" if what == "input" else ""),
    )


def _missing(names: Sequence[str], wanted: ColumnRequest, what: str) -> DataError:
    if wanted.headerless:
        return DataError(
            "E_COLUMN",
            f"{wanted.place}: the first row seems to hold data, not column names",
            fix="add a first row that names the columns, for example text,label",
        )
    code = "E_COLUMN" if what == "input" else "E_LABEL_MISSING"
    return DataError(
        code,
        f"{wanted.place} has no column that is clearly the {what}{_listing(names, wanted)}",
        fix=f"name it: --{what} COLUMN",
    )


def _listing(names: Sequence[str], wanted: ColumnRequest) -> str:
    if wanted.headerless:
        return "; its first row seems to hold data, not column names"
    some = ", ".join(repr(printable(name[:40])) for name in names[:30])
    return f"; its columns are {some}" + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")
