"""What tools have in common in which people answer questions about a text: which question, and what they agree on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.chat import UnsoundError
from ockham.readers.columns import plain_name
from ockham.readers.forms import spans
from ockham.readers.forms.form import Cells, FormReader, FormSample, LeftOut, objects_in
from ockham.readers.forms.spans import TextSpan

UNLABELLED = LeftOut("not_labelled")
DISAGREE = LeftOut("annotators_disagree")
Answers: TypeAlias = "list[dict[str, object]] | LeftOut"
"""What each annotator says of a text, by question; spans stand under `ockham.readers.forms.spans.TARGET`."""


def choose_question(sample: FormSample, questions: Sequence[str], *, tool: str, what: str) -> str:
    """Return the question that is the target: the only one, or the one that the user named; "" where none is needed.

    The likelier ones come first. Raises `DataError`: ``E_LABEL_MISSING`` where nothing was answered, ``E_COLUMN`` where
    several could be meant.
    """
    request = sample.request
    named = [name for name in questions if request.target and plain_name(name) == plain_name(request.target)]
    if named or len(questions) == 1 or not request.labelled:
        return (named or list(questions) or [""])[0]
    if not questions:
        fix = "export annotated records, or name a column of the data with --target"
        raise DataError("E_LABEL_MISSING", f"{request.source}: no record of this {tool} export is annotated", fix=fix)
    listing = ", ".join(repr(printable(name)) for name in questions)
    message = f"{request.source}: several {tool} {what} could be the target: {listing}"
    raise DataError("E_COLUMN", message, fix=f"name one: --target {printable(questions[0])}")


def common_value(values: Sequence[object]) -> object:
    """Return what all annotators say; a list of labels has no order."""
    if not values:
        return UNLABELLED
    return DISAGREE if any(_key(value) != _key(values[0]) for value in values[1:]) else values[0]


def _key(value: object) -> str:
    return json.dumps(sorted(map(str, value)) if isinstance(value, list) else value, sort_keys=True, default=str)


def answered_reader(
    sample: FormSample, tool: str, text_of: Callable[[Cells], object], answers_of: Callable[[Cells], Answers]
) -> FormReader:
    """Return a reader of a text and of what annotators said of it, in columns of the names of the questions.

    Raises `DataError` as `choose_question` does.
    """
    answers = [answer for row in sample.rows for answer in _answers(answers_of(row))]
    questions = list(dict.fromkeys(name for answer in answers for name in answer))
    question = choose_question(sample, questions, tool=tool, what="questions")
    column = "text" if question != "text" else "content"

    def convert(cells: Cells) -> Cells | LeftOut:
        text = text_of(cells)
        if not isinstance(text, str):
            raise UnsoundError("the text is not a string")
        if not sample.request.labelled or not question:
            return {column: text}
        given = answers_of(cells)
        if isinstance(given, LeftOut):
            return given
        answer = common_value([answer[question] for answer in given if question in answer])
        if question == spans.TARGET and isinstance(answer, list):
            answer = spans.fields_of(text, (TextSpan(*span) for span in answer))
        return answer if isinstance(answer, LeftOut) else {column: text, question: answer}

    columns = (column, *([question] if question else []))
    is_spans = question == spans.TARGET
    return FormReader(columns=columns, convert=convert, inputs=(column,), target=question or None, spans=is_spans)


def _answers(answers: Answers) -> list[dict[str, object]]:
    return [] if isinstance(answers, LeftOut) else answers


def span_list(entries: object, start: str, end: str, name: str) -> list[TextSpan]:
    """Return the spans of a list of objects, by the names of their start, their end and their name.

    Raises `UnsoundError` where one has none of these.
    """
    given = [(entry.get(start), entry.get(end), entry.get(name)) for entry in objects_in(entries)]
    taken = [TextSpan(*each) for each in given if isinstance(each[0], int) and isinstance(each[1], int) and each[2]]  # type: ignore[arg-type]
    if len(taken) < len(given):
        raise UnsoundError("a span has no start, end and name")
    return [span._replace(name=str(span.name)) for span in taken]
