"""`ockham predict` on texts: those of the command line, and standard input line by line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from ockham.cli import output
from ockham.errors import DataError
from ockham.printable import printable

if TYPE_CHECKING:
    from ockham.bundles.answered_rows import AnswerCounts, AnsweredRow
    from ockham.bundles.loaded_model import LoadedModel

STDIN = "-"


class LineOptions(NamedTuple):
    """How answers are shown: as JSON, and with what confidence at least."""

    as_json: bool
    least: float | None


def answer_texts(model: LoadedModel, texts: Iterable[str | bytes], encoding: str, options: LineOptions) -> AnswerCounts:
    """Print the answer to each text as soon as it is known, one line a text, and return the account of them."""
    from ockham.bundles.answered_rows import RowAccount
    from ockham.readers.input_rows import InputRow
    from ockham.records import Answer, Quarantined

    account = RowAccount()
    for number, text in enumerate(texts, 1):
        try:
            line = text.decode(encoding) if isinstance(text, bytes) else text
            row, is_blank = _row(line, model)
            answer = Answer(value=None) if is_blank else model.predict(row)[0]
        except (DataError, UnicodeDecodeError) as error:
            fault = error if isinstance(error, DataError) else _encoding_fault(encoding)
            account.pass_over(
                Quarantined(file="stdin", record=number, offset=None, code=fault.code, reason=fault.message)
            )
            _print_fault(number, fault, options)
            continue
        asked = InputRow(str(number), number, None, {}, "" if is_blank else line)
        _print_answer(account.settle(asked, answer, options.least), options)
    return account.counts()


def lines_of_stdin() -> Iterator[bytes]:
    """Yield the lines of standard input as they come, without their ends."""
    for line in iter(sys.stdin.buffer.readline, b""):
        yield line.rstrip(b"\r\n")


def _encoding_fault(encoding: str) -> DataError:
    return DataError("E_ENCODING", f"the line is not valid {encoding}", fix="name its encoding: --encoding NAME")


def _row(line: str, model: LoadedModel) -> tuple[str | dict[str, object], bool]:
    """Return what a model is asked for a line, and whether it holds nothing.

    A model of one column takes the line as it stands, one of several a JSON object with these columns. Raises
    `DataError` (``E_FORMAT``) for a line that is none, and for a text that cannot be used.
    """
    from ockham.readers.table import unusable

    fault = unusable(line)
    if fault:
        raise DataError("E_FORMAT", fault.replace("record", "line"), fix="leave the line out")
    if len(model.inputs) == 1:
        return line, not line.strip()
    if not line.strip():
        return line, True
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        columns = ", ".join(model.inputs)
        example = json.dumps(dict.fromkeys(model.inputs, "…"), ensure_ascii=False)
        message = f"the model reads several columns ({columns}), but the text is not a JSON object"
        raise DataError("E_FORMAT", message, fix=f"write each text as {example}")
    return value, not any(str(value.get(name) or "").strip() for name in model.inputs)


def confidence_text(confidence: float) -> str:
    """Write a confidence with three digits; only certainty is 1.000."""
    return f"{confidence if confidence == 1 else min(confidence, 0.999):.3f}"


def _print_answer(answered: AnsweredRow, options: LineOptions) -> None:
    answer = answered.answer
    if options.as_json:
        by_field = {} if answer.fields is None else {"field_confidence": dict(answer.fields)}
        output.record({"id": answered.row.id, "answer": answer.value, "confidence": answer.confidence, **by_field})
    else:
        confidence = "" if answer.confidence is None else f"\t{confidence_text(answer.confidence)}"
        click.echo(f"{printable(answer.value or '')}{confidence}")
    sys.stdout.flush()


def _print_fault(number: int, fault: DataError, options: LineOptions) -> None:
    """Keep a line for a text that cannot be answered, so that answers stand beside their texts, and say why."""
    words = f"{fault.code}: {fault.message}"
    if options.as_json:
        output.record({"id": str(number), "answer": None, "confidence": None, "error": words})
    else:
        click.echo("")
    sys.stdout.flush()
    click.echo(f"warning: text {number}: {printable(words)}; {printable(fault.fix)}", err=True)
