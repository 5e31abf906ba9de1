"""Labels of the clouds' own tools: the manifests of SageMaker Ground Truth, and Vertex AI's lines."""

from __future__ import annotations

from collections.abc import Mapping

from ockham.readers.chat import UnsoundError
from ockham.readers.forms import spans
from ockham.readers.forms.annotators import UNLABELLED, span_list
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all, object_at, objects_in

_METADATA = "-metadata"
_TEXT = "textContent"
_CLASS, _CLASSES, _SEGMENTS = "classificationAnnotation", "classificationAnnotations", "textSegmentAnnotations"
_USE = "aiplatform.googleapis.com/ml_use"


def _open_manifest(sample: FormSample) -> FormReader | None:
    jobs = [name.removesuffix(_METADATA) for name in sample.columns if name.endswith(_METADATA)]
    jobs = [job for job in jobs if job in sample.columns]
    if len(jobs) != 1 or not is_all(sample.values("source"), lambda value: isinstance(value, str)):
        return None
    job = jobs[0]
    is_spans = any(object_at(value, "annotations") for value in sample.values(job))

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {"source": cells.get("source")}
        if not sample.request.labelled:
            return row
        if is_spans:
            entities = object_at(cells, job, "annotations").get("entities")
            fields = spans.fields_of(str(row["source"]), span_list(entities, "startOffset", "endOffset", "label"))
            return fields if isinstance(fields, LeftOut) else {**row, job: fields}
        metadata = object_at(cells, f"{job}{_METADATA}")
        names = metadata.get("class-name", list(object_at(metadata, "class-map").values()))
        return {**row, job: names} if names else UNLABELLED

    return FormReader(columns=("source", job), convert=convert, inputs=("source",), target=job, spans=is_spans)


def _open_vertex(sample: FormSample) -> FormReader | None:
    kinds = [name for name in (_CLASS, _CLASSES, _SEGMENTS) if name in sample.columns]
    if _TEXT not in sample.columns or not kinds:
        return None
    kind = kinds[0]
    target = spans.TARGET if kind == _SEGMENTS else "label"

    def convert(cells: Cells) -> Cells | LeftOut:
        text = cells.get(_TEXT)
        if not isinstance(text, str):
            raise UnsoundError("the text is not a string")
        row = {_TEXT: text, "ml_use": object_at(cells, "dataItemResourceLabels").get(_USE)}
        if not sample.request.labelled:
            return row
        if kind == _SEGMENTS:
            fields = spans.fields_of(text, span_list(cells.get(kind), "startOffset", "endOffset", "displayName"))
            return fields if isinstance(fields, LeftOut) else {**row, target: fields}
        given = cells.get(kind)
        names = [
            str(entry.get("displayName")) for entry in ([given] if isinstance(given, Mapping) else objects_in(given))
        ]
        return {**row, target: names} if names else UNLABELLED

    columns = (_TEXT, "ml_use", target)
    return FormReader(columns=columns, convert=convert, inputs=(_TEXT,), target=target, spans=kind == _SEGMENTS)


GROUND_TRUTH = Form(
    name="SageMaker Ground Truth",
    recognised="`source`, a column of the job, and a column of the same name with `-metadata`",
    taken="`source` is the input, the job's `class-name` (not its number) the target; entities become fields",
    open=_open_manifest,
)
VERTEX = Form(
    name="Vertex AI",
    recognised="`textContent` with `classificationAnnotation`, `classificationAnnotations` or `textSegmentAnnotations`",
    taken="the text is the input, `displayName` the target; segments become fields; `ml_use` says which side of"
    " your own split a row is on",
    open=_open_vertex,
)
