"""Files of other kinds are called what they are, with what to do instead."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest

from ockham.errors import DataError
from ockham.readers.read import ReadSpec, read


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        rows = b"text,label\nthe pump,noise\n"
        member = tarfile.TarInfo("a.csv")
        member.size = len(rows)
        archive.addfile(member, io.BytesIO(rows))
    return out.getvalue()


def parquet() -> bytes:
    return b"PAR1" + bytes(60) + b"PAR1"


FOREIGN: dict[str, tuple[bytes, str, str]] = {
    "docs.spacy": (zlib.compress(b"\x86\xa7version\xa30.1" * 9), "spaCy's DocBin", "get_docs"),
    "rows.tar": (tar(), "a tar archive", "tar xf"),
    "rows.tar.gz": (gzip.compress(tar()), "a tar archive", "tar xf"),
    "rows.parquet.gz": (gzip.compress(parquet()), "Parquet or Arrow file that was compressed once more", "decompress"),
    "letter.rtf": (rb"{\rtf1\ansi\deff0 the pump is loud}", "an RTF document", "save it as CSV"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    content, kind, fix = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=kind) as caught:
        read(tmp_path / name, ReadSpec())
    assert caught.value.code == "E_FORMAT"
    assert fix in caught.value.fix
