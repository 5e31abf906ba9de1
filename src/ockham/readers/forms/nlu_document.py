"""Files that are one document: training data of Rasa and Snips, and lists of rows in a wrapper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ockham.readers.forms.form import Cells, is_object_list

Record = dict[str, object]
_WRAPPERS = ("data", "rows", "examples", "records", "items", "instances")
_ENTITY = re.compile(r"\[([^\[\]]+)\](?:\([^()]*\)|\{[^{}]*\})")
_SLOT = re.compile(r"\[([^\[\]:]+)(?::[^\[\]]+)?\]\(([^()]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentForm:
    """A form whose file is one document; `records` returns the rows in it, ``None`` where it is another."""

    name: str
    recognised: str
    taken: str
    records: Callable[[Cells], list[Record] | None]


def _rasa(document: Cells) -> list[Record] | None:
    data = document.get("rasa_nlu_data")
    if isinstance(data, Mapping) and is_object_list(examples := data.get("common_examples")):
        return [dict(example) for example in _objects(examples)]
    groups = document.get("nlu")
    if not is_object_list(groups) or not any("examples" in group for group in _objects(groups)):
        return None
    return [
        {"text": text, "intent": group["intent"]}
        for group in _objects(groups)
        if "intent" in group
        for text in _rasa_examples(group.get("examples"))
    ]


def _rasa_examples(examples: object) -> Iterator[str]:
    """Yield the texts of a block of "- text" lines, or of a list of them, without the marks of entities."""
    lines = examples.splitlines() if isinstance(examples, str) else examples if isinstance(examples, list) else []
    for line in lines:
        text = line.get("text") if isinstance(line, Mapping) else line
        words = str(text or "").strip().removeprefix("- ").strip()
        if words and words != "-":
            yield _ENTITY.sub(r"\1", words)


def _snips(document: Cells) -> list[Record] | None:
    intents = document.get("intents")
    if isinstance(intents, Mapping):
        utterances = {name: value.get("utterances") for name, value in intents.items() if isinstance(value, Mapping)}
    elif document.get("type") == "intent" and isinstance(document.get("utterances"), list):
        return [_snips_line(line, document.get("name")) for line in _list(document["utterances"])]
    else:
        utterances = {name: value for name, value in document.items() if _is_utterances(value)}
        if len(utterances) < len(document):
            return None
    if not utterances or not all(map(_is_utterances, utterances.values())):
        return None
    return [_snips_row(entry, name) for name, entries in utterances.items() for entry in _objects(entries)]


def _snips_row(entry: Cells, intent: object) -> Record:
    parts = _objects(entry.get("data"))
    text = "".join(str(part.get("text", "")) for part in parts)
    slots = {str(part.get("slot_name", part.get("entity"))): part.get("text") for part in parts if "entity" in part}
    return {"text": text.strip(), "intent": intent, "slots": slots}


def _snips_line(line: object, intent: object) -> Record:
    text = str(line)
    return {"text": _SLOT.sub(r"\2", text), "intent": intent, "slots": dict(_SLOT.findall(text))}


def _is_utterances(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, Mapping) and "data" in e for e in value)


def _promptfoo(document: Cells) -> list[Record] | None:
    tests = document.get("tests")
    if not is_object_list(tests) or not any("vars" in test for test in _objects(tests)):
        return None
    return [dict(test) for test in _objects(tests)]


def _wrapped_rows(document: Cells) -> list[Record] | None:
    names = [name for name in _WRAPPERS if is_object_list(document.get(name)) and document.get(name)]
    if len(names) != 1:
        return None
    entries = _objects(document[names[0]])
    inner = [entry.get("row") for entry in entries]
    return (
        [dict(row) for row in inner if isinstance(row, Mapping)]
        if all(isinstance(row, Mapping) for row in inner)
        else [dict(entry) for entry in entries]
    )


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


DOCUMENTS: tuple[DocumentForm, ...] = (
    DocumentForm(
        name="Rasa",
        recognised="YAML with `nlu` (intents with `examples`), or JSON with `rasa_nlu_data`",
        taken="each example is a row, its intent the target; marks of entities are taken off the text, and synonyms,"
        " lookups and regular expressions are no rows",
        records=_rasa,
    ),
    DocumentForm(
        name="Snips",
        recognised="`intents` with their `utterances`, one list of utterances per intent, or YAML of `type: intent`",
        taken="each utterance is a row, its intent the target; `--target slots` extracts the slots",
        records=_snips,
    ),
    DocumentForm(
        name="promptfoo configuration",
        recognised="`tests` with `vars`, in JSON or YAML",
        taken="each test is a row, as in promptfoo tests",
        records=_promptfoo,
    ),
    DocumentForm(
        name="wrapped rows",
        recognised="an object with one list of objects, in " + ", ".join(f"`{name}`" for name in _WRAPPERS),
        taken="each object of the list is a row, or what it holds in `row`",
        records=_wrapped_rows,
    ),
)
"""The forms of whole documents, in the order in which they are tried."""
