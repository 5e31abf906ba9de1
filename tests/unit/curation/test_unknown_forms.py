"""Files in a form that curating does not know are refused by name, and nothing goes to the quarantine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ockham.errors import DataError
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import describe


@pytest.mark.parametrize("value", [[{"role": "user", "content": "My parcel is late."}], {"body": "My parcel is late."}])
def test_a_column_of_lists_or_objects_is_no_text(value: object, tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps({"input": value, "ideal": "late"}) + "\n" for _ in range(3)))
    request = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")
    with pytest.raises(DataError, match="'input' holds lists or objects") as caught:
        describe(path, request, None)
    assert caught.value.code == "E_FORMAT"
    assert "--input input" in str(caught.value.fix)
    named = ColumnRequest(inputs=("input",), target=None, group=None, labelled=False, source="")
    assert describe(path, named, None).inputs == ("input",)
