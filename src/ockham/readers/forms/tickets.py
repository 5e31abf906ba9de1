"""Tickets of help desks: Zendesk's API and Intercom's conversations."""

from __future__ import annotations

import html
import re

from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all, object_at, objects_in

_MARKUP = re.compile(r"<[^<>]{0,1000}>")
_FIELDS = ("type", "priority", "group_id", "brand_id", "ticket_form_id", "tags", "status")
_EMPTY = {"None", "''", "[]"}
_ASKED = tuple(name for name in _FIELDS if name != "status")
"""What may be learned of a ticket; its state is where it stands in the work, and changes."""
_ZENDESK = {"requester_id", "submitter_id", "assignee_id", "group_id", "brand_id", "satisfaction_rating"}


def _open_zendesk(sample: FormSample) -> FormReader | None:
    columns = set(sample.columns)
    if not {"subject", "description"} <= columns or len(columns & _ZENDESK) < 2:
        return None
    taken = ("subject", "description", *(name for name in _FIELDS if name in columns))

    def convert(cells: Cells) -> Cells | LeftOut:
        if cells.get("status") == "deleted":
            return LeftOut("status_deleted")
        return {name: cells[name] for name in taken if name in cells}

    used = [row for row in sample.rows if row.get("status") != "deleted"]
    varied = [name for name in _ASKED if len({repr(row.get(name)) for row in used} - _EMPTY) > 1]
    target = varied[0] if len(varied) == 1 else None
    return FormReader(columns=taken, convert=convert, inputs=("subject", "description"), target=target)


def _open_intercom(sample: FormSample) -> FormReader | None:
    if not is_all(sample.values("source"), lambda value: "body" in object_at(value)):
        return None
    if not is_all(sample.values("tags"), lambda value: "tags" in object_at(value)):
        return None

    def convert(cells: Cells) -> Cells:
        source = object_at(cells, "source")
        parts = [_plain_text(source.get(name)) for name in ("subject", "body")]
        tags = [str(tag.get("name")) for tag in objects_in(object_at(cells, "tags").get("tags"))]
        return {"text": "\n".join(part for part in parts if part), "tags": tags}

    return FormReader(columns=("text", "tags"), convert=convert, inputs=("text",), target="tags")


def _plain_text(value: object) -> str:
    """Return the words of a piece of HTML."""
    text = _MARKUP.sub(" ", value) if isinstance(value, str) else ""
    return " ".join(html.unescape(text).split())


ZENDESK = Form(
    name="Zendesk tickets",
    recognised="`subject` and `description`, and at least two of `requester_id`, `submitter_id`, `assignee_id`,"
    " `group_id`, `brand_id` and `satisfaction_rating`",
    taken="subject and description are the input; the target is the one field among `type`, `priority`,"
    " `group_id`, `brand_id`, `ticket_form_id` and `tags` that differs between tickets. If several differ, name"
    " one with `--target`. Deleted tickets are dropped",
    open=_open_zendesk,
)
INTERCOM = Form(
    name="Intercom conversations",
    recognised="`source` with a `body`, next to `tags`",
    taken="the text of subject and body, without HTML, is the input; the names of the tags are the target",
    open=_open_intercom,
)
