"""SQuAD: questions about a passage, each with the words of the passage that answer it."""

from __future__ import annotations

from collections.abc import Mapping

from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all

_UNANSWERABLE = LeftOut("no_answer_in_passage")


def _open(sample: FormSample) -> FormReader | None:
    if not {"context", "question", "answers"} <= set(sample.columns):
        return None
    if not is_all(sample.values("answers"), lambda value: _texts(value) is not None):
        return None

    def convert(cells: Cells) -> Cells | LeftOut:
        texts = _texts(cells.get("answers")) or []
        if not texts and sample.request.labelled:
            return _UNANSWERABLE
        return {**cells, "answers": texts[0] if texts else ""}

    return FormReader(columns=sample.columns, convert=convert, inputs=("context", "question"), target="answers")


def _texts(value: object) -> list[str] | None:
    """Return the texts of the answers to a question; ``None`` for what is no list of answers."""
    if isinstance(value, Mapping):
        texts = value.get("text")
    elif isinstance(value, list):
        texts = [entry.get("text") if isinstance(entry, Mapping) else None for entry in value]
    else:
        return None
    texts = texts.tolist() if texts is not None and hasattr(texts, "tolist") else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None
    return texts


SQUAD = Form(
    name="SQuAD",
    recognised="`context`, `question`, and `answers` with their `text`, as rows or nested in articles and paragraphs",
    taken="passage and question are the input, the first answer is the target; a question that the passage does"
    " not answer is dropped",
    open=_open,
)
