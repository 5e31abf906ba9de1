"""Files that are no tables of text, told by their first bytes whatever their name: never opened as what they are."""

from __future__ import annotations

import re

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.local_file import RegularFile
from ockham.readers.spreadsheet import SUFFIXES as SHEETS

_MODEL, _IMAGE, _R = "the weights of a model", "an image", "data of R"
_ZLIB, _TAR = "compressed with zlib, such as spaCy's DocBin (.spacy)", "a tar archive"
_MARKS = {
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", b"SQLite format 3\0": "a SQLite database", b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle", b"\x80\x03": "a pickle", b"\x93NUMPY": "an array of NumPy", b"\x89HDF": "HDF5",
    b"Obj\x01": "Avro", b"ORC": "ORC", b"7z\xbc\xaf": "7-Zip", b"$FL2": "SPSS", b"$FL3": "SPSS",
    b"<stata_dta>": "Stata",
    b"%PDF": "PDF", b"\xd0\xcf\x11\xe0": "an old Office file", b"ARROW1": "Arrow IPC", b"FEA1": "Feather (version 1)",
    b"\0" * 12 + b"\xc2\xea\x81\x60": "SAS", b"RDX2\n": _R, b"RDX3\n": _R, b"X\n\0\0\0\x02": _R, b"X\n\0\0\0\x03": _R,
    b"x\x9c": _ZLIB, b"GGUF": _MODEL, b"\x89PNG": _IMAGE, b"\xff\xd8\xff": _IMAGE, b"GIF8": _IMAGE,
}  # fmt: skip
_OLD_STATA = re.compile(rb"[\x69-\x73][\x01\x02]\x01\x00")
"""Releases 105 to 115, in either order of bytes."""
_SAFETENSORS = re.compile(rb'.{3}\0{5}\{"', re.DOTALL)
_HELPS = {
    _R: 'in R: write.csv(DATA, "new.csv", row.names = FALSE, fileEncoding = "UTF-8")',
    "Stata": "in Stata: export delimited using new.csv",
    "SPSS": "in SPSS: SAVE TRANSLATE /OUTFILE='new.csv' /TYPE=CSV /ENCODING='UTF8' /FIELDNAMES",
    "SAS": 'in SAS: proc export data=DATA outfile="new.csv" dbms=csv; run;',
    _MODEL: "name the file of rows here, and the model with --models",
    _IMAGE: "name a file with texts and labels",
    _ZLIB: "in Python: write a line of JSON for each doc in DocBin().from_disk(FILE).get_docs(nlp.vocab)",
    _TAR: "unpack it (tar xf FILE) and name a file in it, or the folder if its files belong together",
}
_TAR_MARK, _TAR_PLACE = b"ustar", 257
_MARKUP = {"<?xml": "XML", "<!doctype html": "a web page", "<html": "a web page", "<table": "a web page"}
_BEGINNING = 200
_JSON_OF_PYTHON = (
    "python3 -c 'import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin]' < FILE"
    " > new.jsonl"
)
_KNOWN: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"\[?\s*\{\s*'"), "Python notation, not JSON (single quotes)", _JSON_OF_PYTHON),
    (
        re.compile(
            r"(?:#[^\n]*\n|\s)*\[{1,2}[A-Za-z_][\w.-]*\]{1,2}[ \t]*\r?\n(?:#[^\n]*\n|\s)*[A-Za-z_][\w.-]*[ \t]*="
        ),
        "a settings file (TOML or INI)",
        "name the file of rows here, and the settings with --config FILE",
    ),
    (re.compile(r"#FORMAT=WebAnno TSV"), "WebAnno TSV (INCEpTION)", "export it as CoNLL 2002 or 2003"),
    (
        re.compile(r"(?:#[^\n]*\n)+1\t(?:[^\t\n]*\t){8}"),
        "CoNLL-U (syntax)",
        "name a file of texts and labels",
    ),
    (
        re.compile(r"(?:%[^\n]*\n|\s)*@relation\s", re.IGNORECASE),
        "ARFF (Weka)",
        "save it as CSV in Weka, or with arff2csv",
    ),
    (
        re.compile(r"(?:--[^\n]*\n|\s)*(?:INSERT INTO|CREATE TABLE|DROP TABLE|SET )", re.IGNORECASE),
        "an SQL dump",
        "export the result of a SELECT as CSV",
    ),
    (
        re.compile(r"From \S+ [^\n]*\n(?:[A-Za-z-]+: [^\n]*\n|[ \t][^\n]*\n)+\r?\n"),
        "a mailbox (mbox)",
        "write a line of JSON for each email, with its text and its label",
    ),
    (
        re.compile(
            r"(?:(?:From|To|Cc|Date|Subject|Received|Return-Path|Delivered-To|Message-I[Dd]|MIME-Version"
            r"|Content-[A-Za-z-]+|Reply-To|X-[A-Za-z-]+|DKIM-Signature|Sender): [^\n]*\n(?:[ \t][^\n]*\n)*){3}"
        ),
        "an email",
        "write a line of JSON for each email, with its text and its label",
    ),
    (
        re.compile(
            r"\u200e?\[?\d{1,4}[./-]\d{1,2}[./-]\d{2,4},? \d{1,2}:\d{2}(?::\d{2})?[ \u202f]?(?:[AaPp]\.?[Mm]\.?)?"
            r"(?:\]| -) [^\n]{1,80}"
        ),
        "a WhatsApp chat",
        "write a line of JSON for each message, with its text and its label",
    ),
    (
        re.compile(r"(?:T\d+\t\S+ \d+ \d+(?:;\d+ \d+)*\t[^\n]*\n)"),
        "a brat annotation file (.ann)",
        "convert it to CoNLL, for example with brat's tools/anntoconll.py, or to doccano's JSONL",
    ),
    (
        re.compile(r"<([A-Za-z_][\w.-]*)(?: [^<>]*)?>\s*<[A-Za-z_]"),
        "XML",
        "export the rows as CSV (UTF-8) or JSONL, with a column for the text and one for the label",
    ),
    (re.compile(r"\{\\rtf"), "an RTF document", "save it as CSV (UTF-8), JSONL or Parquet"),
    (re.compile(r'\{\s*"%(?:TYPES|FEATURE_STRUCTURES|VIEWS)"'), "a UIMA CAS", "export it as CoNLL 2002 or 2003"),
)
"""What text is, by how it begins; its name, and what helps."""
_MARKDOWN_TABLE = re.compile(r"[^\n]{0,2000}\|[^\n]{0,2000}\n\|?(?: ?:?-{3,}:? ?\|)+(?: ?:?-{3,}:? ?)?\r?(?:\n|\Z)")
_RASA_MARKDOWN = ("## intent:", "## synonym:", "## lookup:", "## regex:")


def refuse_foreign(file: RegularFile) -> None:
    """Raise `DataError` (``E_FORMAT``) for a packed file, an office document and their like."""
    kind = next((name for mark, name in _MARKS.items() if file.head.startswith(mark)), None)
    if kind is None and _OLD_STATA.match(file.head):
        kind = "Stata"
    elif kind is None and _SAFETENSORS.match(file.head):
        kind = _MODEL
    elif kind is None and file.head.startswith(_TAR_MARK, _TAR_PLACE):
        kind = _TAR
    if kind == "zip" and file.path.suffix.lower() in SHEETS:
        kind = "a spreadsheet"
    if kind:
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)} is {kind}, not a table of text",
            fix=_HELPS.get(kind, "unpack it, or save it as CSV (UTF-8), JSONL or Parquet"),
        )


def refuse_foreign_text(file: RegularFile, head: str) -> None:
    """Raise `DataError` (``E_FORMAT``) for text that is a known form of another tool which nobody reads any more."""
    if head.lstrip().startswith(_RASA_MARKDOWN):
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)} is Rasa training data in Markdown, which Rasa itself no longer reads",
            fix="convert it with Rasa 2: rasa data convert nlu -f yaml --data FILE --out nlu.yml",
        )
    for begins, kind, helps in _KNOWN:
        if begins.match(head.lstrip("\ufeff\r\n")):
            raise DataError("E_FORMAT", f"{printable(file.path)} is {kind}, which Ockham does not read", fix=helps)
    if _MARKDOWN_TABLE.match(head.lstrip("\ufeff\r\n")):
        fix = "save the table as CSV (UTF-8) with one header row"
        raise DataError("E_FORMAT", f"{printable(file.path)} is a Markdown table, which Ockham does not read", fix=fix)
    start = head.lstrip("\ufeff \t\r\n")[:_BEGINNING].casefold()
    markup = next((name for mark, name in _MARKUP.items() if start.startswith(mark)), None)
    if markup is not None:
        fix = "export the rows as CSV (UTF-8) or JSONL, with a column for the text and one for the label"
        raise DataError("E_FORMAT", f"{printable(file.path)} is {markup}, which Ockham does not read", fix=fix)
