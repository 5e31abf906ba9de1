"""Files that are one document: training data of Rasa and Snips, and lists of rows in a wrapper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ockham.readers.columns import plain_name
from ockham.readers.forms.form import Cells, is_object_list, items_in, object_at, objects_in
from ockham.readers.forms.json_table import frame_records, labels_by_text, squad_records, texts_by_label
from ockham.readers.row_status import SIDES

Record = dict[str, object]
_WRAPPERS = (
    "data", "rows", "examples", "records", "items", "instances", "results", "tickets", "cases", "issues", "messages",
    "conversations", "utterances", "documents", "samples", "entries",
)  # fmt: skip
"""What a list of rows is called in a wrapper; of several, the first one counts."""
_TURNS = ({"role", "content"}, {"from", "value"})
"""What each of a list of turns has, which is one row and no list of them."""
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
    if is_object_list(examples := object_at(document, "rasa_nlu_data").get("common_examples")):
        return [dict(example) for example in objects_in(examples)]
    groups = document.get("nlu")
    if not is_object_list(groups) or not any("examples" in group for group in objects_in(groups)):
        return None
    return [
        {"text": text, "intent": group["intent"]}
        for group in objects_in(groups)
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
        return [_snips_line(line, document.get("name")) for line in items_in(document["utterances"])]
    else:
        utterances = {name: value for name, value in document.items() if _is_utterances(value)}
        if len(utterances) < len(document):
            return None
    if not utterances or not all(map(_is_utterances, utterances.values())):
        return None
    return [_snips_row(entry, name) for name, entries in utterances.items() for entry in objects_in(entries)]


def _snips_row(entry: Cells, intent: object) -> Record:
    parts = objects_in(entry.get("data"))
    text = "".join(str(part.get("text", "")) for part in parts)
    slots = {str(part.get("slot_name", part.get("entity"))): part.get("text") for part in parts if "entity" in part}
    return {"text": text.strip(), "intent": intent, "slots": slots}


def _snips_line(line: object, intent: object) -> Record:
    text = str(line)
    return {"text": _SLOT.sub(r"\2", text), "intent": intent, "slots": dict(_SLOT.findall(text))}


def _is_utterances(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, Mapping) and "data" in e for e in value)


_INTENT_NAMES = ("intent", "displayName", "name", "category")
_PHRASES = ("examples", "trainingPhrases", "sampleUtterances", "utterances", "phrases")


def _intents(document: Cells) -> list[Record] | None:
    """Return the phrases of a list of intents: of Watson, Dialogflow CX, Lex, or of Azure's utterances."""
    inner = next((document[name] for name in ("resource", "assets") if isinstance(document.get(name), Mapping)), {})
    holder = inner if isinstance(inner, Mapping) and "intents" in inner else document
    intents, utterances = objects_in(holder.get("intents")), objects_in(holder.get("utterances"))
    if utterances and holder is not document and all("intent" in entry for entry in utterances):
        return [{"text": e.get("text"), "intent": e["intent"], "split": e.get("dataset")} for e in utterances]
    rows: list[Record] = []
    for intent in intents:
        name = next((intent[key] for key in _INTENT_NAMES if isinstance(intent.get(key), str)), None)
        phrases = next((intent[key] for key in _PHRASES if isinstance(intent.get(key), list)), [])
        rows += [{"text": _phrase(phrase), "intent": name} for phrase in items_in(phrases)]
    return rows if rows and all(row["text"] and row["intent"] for row in rows) else None


def _phrase(phrase: object) -> str:
    """Return a phrase: a text, an object with one, or one in parts."""
    if not isinstance(phrase, Mapping):
        return str(phrase)
    if "parts" in phrase:
        return "".join(str(part.get("text", "")) for part in objects_in(phrase["parts"]))
    return str(phrase.get("text", phrase.get("utterance", "")))


def _sides(document: Cells) -> list[Record] | None:
    """Return the rows of a document whose keys name the sides of a split, as objects or as pairs of text and label."""
    sides = {name: SIDES.get(plain_name(name)) for name in document}
    if len(sides) < 2 or None in sides.values() or "train" not in sides.values():
        return None
    rows: list[Record] = []
    for name, entries in document.items():
        for entry in items_in(entries):
            if isinstance(entry, list) and len(entry) == 2:
                rows.append({"text": entry[0], "label": entry[1], "split": name})
            elif isinstance(entry, Mapping):
                rows.append({**entry, "split": name})
            else:
                return None
    return rows or None


def _annotator(document: Cells) -> list[Record] | None:
    """Return the texts and spans that the NER Annotator writes, whose skipped texts are empty."""
    entries = document.get("annotations")
    if "classes" not in document or not isinstance(entries, list):
        return None
    pairs = [
        entry for entry in entries if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], Mapping)
    ]
    return [{"text": text, "entities": notes.get("entities")} for text, notes in pairs] or None


def _promptfoo(document: Cells) -> list[Record] | None:
    tests = document.get("tests")
    results = document.get("results")
    if isinstance(results, Mapping) and "evalId" in document:  # what an evaluation gave, with the tests in it
        tests = [entry["testCase"] for entry in objects_in(results.get("results")) if "testCase" in entry]
    if not is_object_list(tests) or not any("vars" in test for test in objects_in(tests)):
        return None
    return [dict(test) for test in objects_in(tests)]


def _wrapped_rows(document: Cells) -> list[Record] | None:
    name = next((name for name in _WRAPPERS if is_object_list(document.get(name)) and document.get(name)), None)
    entries = objects_in(document.get(name or "")) or _search_hits(document)
    if not entries or any(keys <= set(entries[0]) for keys in _TURNS):
        return None
    inner = [row for entry in entries if isinstance(row := entry.get("row"), Mapping)]
    names = _class_names(document.get("features"))
    rows = inner if len(inner) == len(entries) else entries
    return [{key: _class_name(value, names.get(key)) for key, value in row.items()} for row in rows]


def _search_hits(document: Cells) -> Sequence[Mapping[str, object]]:
    """Return the documents that Elasticsearch or OpenSearch found."""
    hits = document.get("hits")
    sources = [hit.get("_source") for hit in objects_in(hits.get("hits"))] if isinstance(hits, Mapping) else []
    return [source for source in sources if isinstance(source, Mapping)]


def _class_names(features: object) -> dict[str, list[object]]:
    """Return the names of classes by column, of features as Hugging Face's viewer lists them beside its rows."""
    kinds = {str(feature.get("name")): feature.get("type") for feature in objects_in(features)}
    return {
        name: kind["names"]
        for name, kind in kinds.items()
        if isinstance(kind, Mapping) and isinstance(kind.get("names"), list)
    }


def _class_name(value: object, names: list[object] | None) -> object:
    if names is None or not isinstance(value, int) or isinstance(value, bool):
        return value
    return names[value] if 0 <= value < len(names) else None


DOCUMENTS: tuple[DocumentForm, ...] = (
    DocumentForm(
        name="Rasa",
        recognised="YAML with `nlu` (intents with `examples`), or JSON with `rasa_nlu_data`",
        taken="each example is a row, its intent the target; entity marks are removed from the text; synonyms,"
        " lookup tables and regular expressions are ignored; in a folder, only files with `nlu` are read, not rules and"
        " stories",
        records=_rasa,
    ),
    DocumentForm(
        name="Snips",
        recognised="`intents` with a list of `utterances` each, or YAML of `type: intent`",
        taken="each utterance is a row, its intent the target; `--target slots` extracts the slots",
        records=_snips,
    ),
    DocumentForm(
        name="intents",
        recognised="`intents` with `examples` (Watson), `trainingPhrases` (Dialogflow CX) or `sampleUtterances`"
        " (Lex, in `resource`), or `utterances` next to `intents` in `assets` (Azure)",
        taken="each phrase is a row, its intent the target; Azure's `dataset` says which side of your own split a"
        " row is on",
        records=_intents,
    ),
    DocumentForm(
        name="NER Annotator",
        recognised="`classes`, and `annotations` of texts with their `entities`",
        taken="each text is a row, as in doccano spans",
        records=_annotator,
    ),
    DocumentForm(
        name="sides of a split",
        recognised="an object whose keys are all sides of a split (`train`, `val`, `test`) and contain rows or pairs",
        taken="each entry is a row on that side; in a pair, the text comes first and the label second",
        records=_sides,
    ),
    DocumentForm(
        name="SQuAD articles",
        recognised="`data` with articles that contain `paragraphs` and `qas`",
        taken="each question is a row, as in SQuAD",
        records=squad_records,
    ),
    DocumentForm(
        name="promptfoo configuration",
        recognised="`tests` with `vars`, in JSON or YAML, or the results of an evaluation",
        taken="each test is a row, as in promptfoo tests",
        records=_promptfoo,
    ),
    DocumentForm(
        name="wrapped rows",
        recognised="an object with a list of objects, in " + ", ".join(f"`{name}`" for name in _WRAPPERS),
        taken="each object in the list is a row, or what it contains under `row` (in search results, `_source`"
        " under `hits`); class numbers are replaced by the names in `features`",
        records=_wrapped_rows,
    ),
    DocumentForm(
        name="a frame",
        recognised="JSON as written by pandas: columns with their cells by row, rows by number, lists of equal"
        " length, or `columns` with `data`",
        taken="its rows",
        records=frame_records,
    ),
    DocumentForm(
        name="texts by label",
        recognised="an object whose values are lists of texts of different lengths",
        taken="each text is a row, and its key is the label",
        records=texts_by_label,
    ),
    DocumentForm(
        name="labels by text",
        recognised="an object with at least 20 text values, at least half of which occur more than once",
        taken="each key is a text, its value the label",
        records=labels_by_text,
    ),
)
"""The forms of whole documents, in the order in which they are tried."""
