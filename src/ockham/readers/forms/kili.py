"""Kili: assets with their labels, each of which answers by job."""

from __future__ import annotations

from collections.abc import Mapping

from ockham.readers.forms import spans
from ockham.readers.forms.annotators import Answers, answered_reader
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, is_all, is_object_list, object_at, objects_in
from ockham.readers.forms.spans import TextSpan

_GIVEN, _REVIEW = ("DEFAULT", "REVIEW"), "REVIEW"


def _open(sample: FormSample) -> FormReader | None:
    if "content" not in sample.columns or not is_all(sample.values("labels"), _is_labels):
        return None
    return answered_reader(sample, "Kili", lambda cells: cells.get("content"), _answers_of)


def _is_labels(value: object) -> bool:
    return is_object_list(value) and all("jsonResponse" in label for label in objects_in(value))


def _answers_of(cells: Cells) -> Answers:
    labels = [label for label in objects_in(cells.get("labels")) if label.get("labelType", "DEFAULT") in _GIVEN]
    reviewed = [label for label in labels if label.get("labelType") == _REVIEW]
    return [_answer(object_at(label, "jsonResponse")) for label in reviewed or labels]


def _answer(jobs: Mapping[str, object]) -> dict[str, object]:
    answer: dict[str, object] = {}
    for name, job in jobs.items():
        given = object_at(job)
        categories = [str(category.get("name")) for category in objects_in(given.get("categories"))]
        if categories:
            answer[name] = categories[0] if len(categories) == 1 else categories
        elif isinstance(given.get("text"), str):
            answer[name] = given["text"]
        elif given.get("annotations"):
            answer[spans.TARGET] = [_span(entry) for entry in objects_in(given["annotations"])]
    return answer


def _span(entry: Mapping[str, object]) -> TextSpan:
    start, words = entry.get("beginOffset"), entry.get("content")
    begin, length = (start if isinstance(start, int) else -1), (len(words) if isinstance(words, str) else 0)
    names = [str(category.get("name")) for category in objects_in(entry.get("categories"))]
    return TextSpan(begin, begin + length, names[0] if names else "", words)


KILI = Form(
    name="Kili",
    recognised="`content`, and `labels` with a `jsonResponse` each",
    taken="the content is the input, the category or text of the job the target; entities become fields. Reviews"
    " take precedence over labels, and predictions are not used. With several jobs, name one with `--target`",
    open=_open,
)
