"""Lines of tokens with tags: which lines are tokens, and what their text is."""

from __future__ import annotations

from pathlib import Path

from ockham.readers.read import ReadSpec, read


def sentences(folder: Path, text: str) -> list[tuple[str, str]]:
    (folder / "a.conll").write_text(text, encoding="utf-8")
    reading = read(folder / "a.conll", ReadSpec())
    assert not reading.quarantined
    return [(row.input, row.target) for row in reading.examples]


def test_a_hash_that_has_a_tag_is_a_token_and_not_a_comment(tmp_path: Path) -> None:
    text = "#leak\tO\nin\tO\nBoston\tB-PLACE\n\nAnna\tB-NAME\nhas\tO\n#\tO\n3\tO\n\n"
    assert sentences(tmp_path, text) == [
        ("#leak in Boston", '{"PLACE":"Boston"}'),
        ("Anna has # 3", '{"NAME":"Anna"}'),
    ]


def test_comments_are_no_tokens(tmp_path: Path) -> None:
    text = "# id 5239d808 domain=en\n# text = Anna has blood type O\n#\nAnna _ _ B-NAME\nhas _ _ O\n\n# newdoc\n"
    assert sentences(tmp_path, text) == [("Anna has", '{"NAME":"Anna"}')]


def test_a_token_is_all_that_stands_before_its_tab(tmp_path: Path) -> None:
    text = "10\u00a0km\tB-WAY\nto\tO\nNew York\tB-PLACE\r\n\n5\u00a0km B-WAY\non O\n\n"
    assert sentences(tmp_path, text) == [
        ("10\u00a0km to New York", '{"PLACE":"New York","WAY":"10\u00a0km"}'),
        ("5\u00a0km on", '{"WAY":"5\u00a0km"}'),
    ]
