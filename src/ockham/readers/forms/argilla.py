"""Argilla: records as its older versions export them, as the newer ones do, and data sets that it put on the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ockham.readers.forms.annotators import choose_question, common_value
from ockham.readers.forms.form import (
    Cells,
    Form,
    FormReader,
    FormSample,
    LeftOut,
    is_all,
    is_object_list,
    object_at,
    parse_cell,
)
from ockham.readers.forms.spans import TextSpan, fields_of

_NOT_GIVEN = ("draft", "discarded", "pending")
"""States of a response that is no answer."""
_OLD = ("annotation", "annotation_agent", "prediction", "prediction_agent", "event_timestamp")
_OLD_META = (
    *_OLD, "inputs", "id", "status", "multi_label", "metadata", "metrics", "explanation", "vectors", "search_keywords",
)  # fmt: skip
_NEW_META = ("id", "external_id", "status", "metadata", "suggestions", "responses", "vectors", "_server_id")


def _open(sample: FormSample) -> FormReader | None:
    if {"fields", "responses"} <= set(sample.columns) and is_all(sample.values("fields"), _is_object):
        return _open_records(sample)
    if "annotation" in sample.columns and sum(name in sample.columns for name in _OLD) > 2:
        return _open_old(sample)
    return _open_flat(sample) or _open_hub(sample)


def _open_flat(sample: FormSample) -> FormReader | None:
    """Read columns of responses, of users and of states, as `records.to_datasets` writes them."""
    ends = (
        ".responses",
        ".responses.users",
        ".responses.status",
        ".suggestion",
        ".suggestion.score",
        ".suggestion.agent",
    )
    questions = [name.removesuffix(ends[0]) for name in sample.columns if f"{name}.users" in sample.columns]
    others = sample.others(*_NEW_META, *(f"{question}{end}" for question in questions for end in ends))
    if not questions or not others:
        return None
    question = choose_question(sample, questions, tool="Argilla", what="questions")

    def answer_of(cells: Cells) -> object:
        values, states = (parse_cell(cells.get(f"{question}{end}")) for end in (".responses", ".responses.status"))
        values, states = (list(value) if isinstance(value, (list, tuple)) else [] for value in (values, states))
        return [{"value": v, "status": s} for v, s in zip(values, states or ["submitted"] * len(values), strict=False)]

    return _column_reader(sample, (*others, question), question, others if len(others) == 1 else (), answer_of)


def _open_records(sample: FormSample) -> FormReader:
    """Read records with their `fields` and `responses`, as `records.to_json` writes them."""
    fields = list(dict.fromkeys(name for value in sample.values("fields") for name in object_at(value)))
    questions = [name for value in sample.values("responses") for name in object_at(value)]
    question = choose_question(sample, tuple(dict.fromkeys(questions)), tool="Argilla", what="questions")

    def convert(cells: Cells) -> Cells | LeftOut:
        row = dict(object_at(cells.get("fields")))
        if not question or not sample.request.labelled:
            return row
        answer = _common_answer(object_at(cells.get("responses")).get(question), row)
        return answer if isinstance(answer, LeftOut) else {**row, question: answer}

    columns = tuple(dict.fromkeys((*fields, *([question] if question else []))))
    inputs = tuple(fields) if len(fields) == 1 else ()
    return FormReader(columns=columns, convert=convert, inputs=inputs, target=question or None)


def _open_hub(sample: FormSample) -> FormReader | None:
    """Read a column for each question, whose cells are lists of responses."""
    answered = (name for name in sample.columns if any(sample.values(name)))
    questions = tuple(name for name in answered if is_all(sample.values(name), _is_responses))
    others = sample.others(*questions, *_NEW_META)
    others = tuple(name for name in others if "-suggestion" not in name)
    if not questions or not others:
        return None
    question = choose_question(sample, questions, tool="Argilla", what="questions")
    inputs = others if len(others) == 1 else ()
    return _column_reader(sample, (*others, question), question, inputs, lambda cells: cells.get(question))


def _open_old(sample: FormSample) -> FormReader:
    """Read records of text classification, with their `annotation`."""
    others = sample.others(*_OLD_META)
    inputs = ("text",) if "text" in others else others if len(others) == 1 else ()
    return _column_reader(sample, (*others, "annotation"), "annotation", inputs, lambda cells: cells.get("annotation"))


def _column_reader(
    sample: FormSample,
    columns: tuple[str, ...],
    target: str,
    inputs: tuple[str, ...],
    answer_of: Callable[[Cells], object],
) -> FormReader:
    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: cells[name] for name in columns if name in cells and name != target}
        if not sample.request.labelled:
            return row
        answer = _common_answer(answer_of(cells), row)
        return answer if isinstance(answer, LeftOut) else {**row, target: answer}

    return FormReader(columns=columns, convert=convert, inputs=inputs, target=target)


def _common_answer(responses: object, fields: Cells) -> object:
    """Return what all who answered agree on; spans become the fields of an object."""
    responses = _as_list(responses)
    entries = [responses] if not is_object_list(responses) else _given_responses(responses)
    values = [parse_cell(entry.get("value") if isinstance(entry, Mapping) else entry) for entry in entries]
    values = [value for value in values if value is not None and value not in ("", [])]
    answer = common_value(values)
    return _spans_of(answer, fields) if is_object_list(answer) else answer


def _as_list(responses: object) -> object:
    """Return responses that stand as an object of lists (values, users, states) as a list of objects."""
    if not isinstance(responses, Mapping) or not {"value", "user_id"} <= set(responses):
        return responses
    lists = {name: list(value) for name, value in responses.items() if isinstance(value, (list, tuple))}
    return [dict(zip(lists, values, strict=False)) for values in zip(*lists.values(), strict=False)]


def _given_responses(responses: object) -> list[Mapping[str, object]]:
    entries = [entry for entry in responses if isinstance(entry, Mapping)] if isinstance(responses, list) else []
    return [entry for entry in entries if entry.get("status") not in _NOT_GIVEN]


def _spans_of(value: object, fields: Cells) -> object:
    spans = [
        TextSpan(entry["start"], entry["end"], str(entry.get("label")))
        for entry in (value if isinstance(value, list) else [])
        if isinstance(entry.get("start"), int) and isinstance(entry.get("end"), int)
    ]
    texts = [text for text in fields.values() if isinstance(text, str)]
    return fields_of(max(texts, key=len, default=""), spans)


def _is_responses(value: object) -> bool:
    value = _as_list(value)
    return is_object_list(value) and isinstance(value, list) and all({"value", "user_id"} <= set(e) for e in value)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


ARGILLA = Form(
    name="Argilla",
    recognised="`fields` with `responses`; a column of lists of `value` and `user_id`; `NAME.responses` next to"
    " `NAME.responses.users`; or `annotation` next to `prediction` and an agent",
    taken="the field is the input, the response to the question the target. Drafts, discarded responses,"
    " suggestions and predictions are not used, and a record whose annotators disagree is dropped. With several"
    " questions, name one with `--target`",
    open=_open,
)
