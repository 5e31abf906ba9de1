"""What a language model is asked for objects: every field in its order, and an answer in the targets' form."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ockham.llm.prompt_builder import infer_prompt_task
from ockham.llm.prompts import Shot


def test_an_object_is_asked_for_with_every_field_and_read_without_what_is_null() -> None:
    targets = ['{"to": "Linz", "day": "Friday"}', '{"to": "Wels"}']
    bare = infer_prompt_task("extract", targets, "")
    task = dataclasses.replace(bare, every_field=True)
    chat = task.chat([Shot(text="to Wels", label=targets[1])], "to Graz")
    assert "null where the text has no value" in chat[0]["content"]
    assert chat[2]["content"] == '{"to": "Wels", "day": null}'
    assert bare.chat([Shot(text="to Wels", label=targets[1])], "to Graz")[2]["content"] == targets[1]
    schema = json.loads(task.decoding_schema() or "")
    assert schema["required"] == ["to", "day"]
    assert json.loads(bare.decoding_schema() or "")["required"] == ["to"]
    assert task.read('{"to": "Graz", "day": null}', "to Graz") == '{"to": "Graz"}'
    assert task.read("{", "to Graz") is None


@pytest.mark.parametrize("every_field", [True, False])
def test_an_object_that_is_read_can_be_written(every_field: bool) -> None:
    task = dataclasses.replace(infer_prompt_task("extract", ['{"to": "Linz"}'], ""), every_field=every_field)
    assert task.read('{"to": "Graz \\ud83d!"}', "to Graz") == '{"to": "Graz \ufffd!"}'
    assert task.read('{"to": "\\ud83d\\ude00"}', "to Graz") == '{"to": "\U0001f600"}'
    assert task.read('{"to": NaN}', "to Graz") is None
