"""Every form that is known, in the order in which it is tried: what reads a record of it, and what is written of it."""

from __future__ import annotations

import dataclasses

from ockham.readers.columns import ColumnRequest, plain_name
from ockham.readers.forms.argilla import ARGILLA
from ockham.readers.forms.categories import MULTI_HOT, SPACY_CATS
from ockham.readers.forms.cloud_labels import GROUND_TRUTH, VERTEX
from ockham.readers.forms.dataturks import DATATURKS
from ockham.readers.forms.dialogflow import DIALOGFLOW
from ockham.readers.forms.doccano import DOCCANO, DOCCANO_BOTH, DOCCANO_OLD, DOCCANO_RELATIONS, DOCCANO_SPANS
from ockham.readers.forms.exchanges import BATCH_ANSWERS, EXCHANGES
from ockham.readers.forms.field_columns import FIELD_COLUMNS
from ockham.readers.forms.form import Form, FormReader, FormSample
from ockham.readers.forms.instructions import ALPACA, PROMPT_COMPLETION
from ockham.readers.forms.kili import KILI
from ockham.readers.forms.label_studio import LABEL_STUDIO, LABEL_STUDIO_MIN
from ockham.readers.forms.labelbox import LABELBOX
from ockham.readers.forms.nested import NESTED
from ockham.readers.forms.openai import CHAT, CHAT_LOG, OPENAI_EVALS
from ockham.readers.forms.preferences import PREFERENCES
from ockham.readers.forms.prodigy import PRODIGY
from ockham.readers.forms.promptfoo import PROMPTFOO, PROMPTFOO_TABLE
from ockham.readers.forms.sharegpt import SHAREGPT
from ockham.readers.forms.squad import SQUAD
from ockham.readers.forms.surveys import QUALTRICS, SURVEYMONKEY
from ockham.readers.forms.tickets import INTERCOM, ZENDESK
from ockham.readers.forms.tokens import TOKEN_ROWS, TOKENS
from ockham.readers.forms.trackers import GITHUB, JIRA

FORMS: tuple[Form, ...] = (
    FIELD_COLUMNS,
    LABEL_STUDIO,
    LABEL_STUDIO_MIN,
    PRODIGY,
    ARGILLA,
    DIALOGFLOW,
    ZENDESK,
    INTERCOM,
    GITHUB,
    JIRA,
    QUALTRICS,
    SURVEYMONKEY,
    LABELBOX,
    KILI,
    GROUND_TRUTH,
    VERTEX,
    DATATURKS,
    TOKENS,
    TOKEN_ROWS,
    DOCCANO_RELATIONS,
    DOCCANO_BOTH,
    DOCCANO_SPANS,
    DOCCANO_OLD,
    DOCCANO,
    PREFERENCES,
    CHAT,
    CHAT_LOG,
    OPENAI_EVALS,
    SHAREGPT,
    BATCH_ANSWERS,
    EXCHANGES,
    SQUAD,
    SPACY_CATS,
    PROMPTFOO,
    PROMPTFOO_TABLE,
    PROMPT_COMPLETION,
    ALPACA,
    MULTI_HOT,
    NESTED,
)
SAMPLE = 200
"""Records that a form is told by."""


def open_form(sample: FormSample) -> tuple[Form, FormReader] | None:
    """Find the form of a table and how its records are read; ``None`` for a plain table.

    Columns that the user named and that stand in the records as they are, but not in the rows that the form makes of
    them, keep it out. Raises `DataError` for a form that is known and cannot be used, with what to do instead.
    """
    if not sample.rows:
        return None
    for form in FORMS:
        reader = form.open(sample)
        if reader is not None:
            return None if _named_elsewhere(sample, reader) else (form, reader)
    return None


def complete_request(request: ColumnRequest, reader: FormReader) -> ColumnRequest:
    """Return the request with the columns that the form itself names, where the user names none."""
    return dataclasses.replace(
        request,
        inputs=request.inputs or reader.inputs,
        target=request.target or (reader.target if request.labelled else None),
    )


def _named_elsewhere(sample: FormSample, reader: FormReader) -> bool:
    named = {plain_name(name) for name in (*sample.request.inputs, sample.request.target) if name}
    made, raw = ({plain_name(name) for name in names} for names in (reader.columns, sample.columns))
    return bool(named - made) and named <= raw
