"""Issues of trackers: GitHub's API and command, and Jira's search."""

from __future__ import annotations

from ockham.readers.forms.form import (
    Cells,
    Form,
    FormReader,
    FormSample,
    LeftOut,
    is_all,
    is_object_list,
    object_at,
    objects_in,
)

_TEXTS = ("title", "body")
_FIELDS = ("issuetype", "priority", "status", "resolution", "labels", "components", "project")
_JIRA_TEXTS = ("summary", "description")


def _open_github(sample: FormSample) -> FormReader | None:
    if not set(_TEXTS) <= set(sample.columns) or not is_all(sample.values("labels"), is_object_list):
        return None
    labels = [label for value in sample.values("labels") for label in objects_in(value)]
    if not is_all(labels, lambda label: isinstance(label, dict) and "name" in label):
        return None

    def convert(cells: Cells) -> Cells | LeftOut:
        return {**cells, "labels": [str(label.get("name")) for label in objects_in(cells.get("labels"))]}

    return FormReader(columns=sample.columns, convert=convert, inputs=_TEXTS, target="labels")


def _open_jira(sample: FormSample) -> FormReader | None:
    if "key" not in sample.columns or not is_all(sample.values("fields"), _is_issue):
        return None

    def convert(cells: Cells) -> Cells:
        fields = object_at(cells, "fields")
        return {name: _plain(fields.get(name)) for name in (*_JIRA_TEXTS, *_FIELDS) if name in fields}

    named = {name for value in sample.values("fields") if isinstance(value, dict) for name in value}
    columns = tuple(name for name in (*_JIRA_TEXTS, *_FIELDS) if name in named)
    inputs = tuple(name for name in _JIRA_TEXTS if name in named)
    return FormReader(columns=columns, convert=convert, inputs=inputs)


def _is_issue(value: object) -> bool:
    return isinstance(value, dict) and "summary" in value


def _plain(value: object) -> object:
    """Return the name of what Jira describes by an object, and the names of several."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value.get("name") or value.get("value") or value.get("key") if isinstance(value, dict) else value


GITHUB = Form(
    name="GitHub issues",
    recognised="`title` and `body`, and objects with a `name` in `labels`",
    taken="title and body are the input, the names of the labels the target; an issue can have several labels",
    open=_open_github,
)
JIRA = Form(
    name="Jira issues",
    recognised="`key`, and `fields` with a `summary`",
    taken="summary and description are the input; name the target with `--target` as Jira does: `issuetype`,"
    " `priority`, `labels`, `components`, …",
    open=_open_jira,
)
