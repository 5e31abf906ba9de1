"""Dialogflow ES: what users say, in one file of each intent, which the file is named after."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ockham.readers.chat import UnsoundError
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, is_all, is_object_list, objects_in

USERSAYS = re.compile(r"_usersays_[\w-]+\.json$")
_COLUMNS = ("text", "intent")


def _open(sample: FormSample) -> FormReader | None:
    named = USERSAYS.search(sample.request.source)
    if named is None or not is_all(sample.values("data"), is_object_list):
        return None
    intent = sample.request.source[: named.start()]

    def convert(cells: Cells) -> Cells:
        return {"text": _join([part.get("text") for part in objects_in(cells.get("data"))]), "intent": intent}

    return FormReader(columns=_COLUMNS, convert=convert, inputs=("text",), target="intent")


def _join(texts: Sequence[object]) -> str:
    if not all(isinstance(text, str) for text in texts):
        raise UnsoundError("a phrase has a part that is not text")
    return "".join(map(str, texts)).strip()


DIALOGFLOW = Form(
    name="Dialogflow ES",
    recognised="a file named `INTENT_usersays_LANGUAGE.json`; in a folder with `intents`, only these files are read",
    taken="the parts of a phrase are the input, the intent in the file's name is the target",
    open=_open,
)
