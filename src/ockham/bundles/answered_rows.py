"""Answer rows batch by batch while the next ones are read, and account for every one of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ockham.errors import ConfigError
from ockham.evals.cut_texts import cut_texts_of
from ockham.models.sure_fields import keep_sure_fields
from ockham.readers.forms.form import LeftOut
from ockham.readers.input_rows import InputRow, InputTable
from ockham.records import Answer, CutTexts, Progress, Quarantined

State = Literal["answered", "empty", "doubtful", "no_answer"]

FIRST_BATCH, LARGEST_BATCH = 8, 4096
BATCH_SECONDS = 1.0
"""A batch takes about so long, so that progress can be told and a Ctrl-C is heard."""
_EMPTY = Answer(value=None)

Ask = Callable[[Sequence[str]], list[Answer]]


class AnsweredRow(NamedTuple):
    """A row with its answer, whose ``value`` is ``None`` where it has none, and why that is so."""

    row: InputRow
    answer: Answer
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCounts:
    """What became of every row: ``rows`` is the sum of all the others.

    ``empty`` rows have no input and were not asked, ``doubtful`` ones were answered with less confidence than wanted,
    to ``no_answer`` the model gave none that is valid. ``left_out`` say themselves that they are not to be used, and
    ``quarantined`` cannot be read. ``cut`` says how many of the rows that were asked were too long to be read whole.
    ``fields_left_empty`` are fields of answered rows that have less confidence than wanted.
    """

    rows: int
    answered: int
    empty: int
    doubtful: int
    no_answer: int
    left_out: int
    quarantined: int
    cut: CutTexts | None = None
    fields_left_empty: int = 0


class RowAccount:
    """What has become of the rows so far."""

    __slots__ = ("_fields_left_empty", "_left_out", "_states", "_unread", "quarantined")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._states: Counter[State] = Counter()
        self._left_out = 0
        self._fields_left_empty = 0
        self._unread: list[float] = []
        self.quarantined: list[Quarantined] = []

    def pass_over(self, record: Quarantined | LeftOut) -> None:
        """Count a record that is not answered."""
        if isinstance(record, Quarantined):
            self.quarantined.append(record)
        else:
            self._left_out += 1

    def settle(self, row: InputRow, answer: Answer, least: float | None) -> AnsweredRow:
        """Count a row by its answer; one with less confidence than ``least`` is no answer.

        Where the model says how sure it is of each field, the fields with less are left empty, and the others stay.
        Raises `ConfigError` (``E_CONFIG``) where the model gives no confidence that could be held against ``least``.
        """
        state: State = "answered"
        if answer.unread:
            self._unread.append(answer.unread)
        if not row.text.strip():
            state = "empty"
        elif answer.value is None:
            state = "no_answer"
        elif least is not None and answer.fields is not None:
            answer, emptied = keep_sure_fields(answer, least)
            state = "answered" if answer.value is not None else "doubtful"
            self._fields_left_empty += emptied if answer.value is not None else 0
        elif least is not None:
            if answer.confidence is None:
                message = "the model gives no confidence, so a minimum confidence cannot be applied"
                raise ConfigError("E_CONFIG", message, fix="leave --min-confidence out")
            if answer.confidence < least:
                state, answer = "doubtful", Answer(value=None, confidence=answer.confidence)
        self._states[state] += 1
        return AnsweredRow(row, answer, state)

    @property
    def row_count(self) -> int:
        """Return the number of rows that were answered or not, for a reason."""
        return self._states.total()

    def counts(self) -> AnswerCounts:
        """Return the account as it stands."""
        counts = {name: self._states[name] for name in ("answered", "empty", "doubtful", "no_answer")}
        return AnswerCounts(
            rows=self.row_count + self._left_out + len(self.quarantined),
            left_out=self._left_out,
            quarantined=len(self.quarantined),
            cut=cut_texts_of(self.row_count - counts["empty"], self._unread),
            fields_left_empty=self._fields_left_empty,
            **counts,
        )


class _Batch(NamedTuple):
    """Rows that are being answered, and the answers to those that are not empty with the seconds that they took."""

    rows: list[InputRow]
    answers: Future[tuple[list[Answer], float]]


def answer_rows(
    ask: Ask,
    table: InputTable,
    account: RowAccount,
    *,
    least: float | None = None,
    on_progress: Callable[[Progress], None],
) -> Iterator[AnsweredRow]:
    """Yield every row that can be read with its answer, in order; ``ask`` answers in a thread while rows are read.

    Raises as `RowAccount.settle` does, and what reading and asking raise.
    """
    worker = ThreadPoolExecutor(1)
    try:
        rows = _sound_rows(table, account)
        size, earlier = FIRST_BATCH, None
        while True:
            batch = _take(rows, size)
            current = _Batch(batch, worker.submit(_time_answers, ask, [row.text for row in batch if row.text.strip()]))
            if earlier is not None:
                yield from _settle(earlier, account, least)
                on_progress(_progress(earlier, table, account, is_last=not batch))
                size = _next_size(earlier, size)
            if not batch:
                return
            earlier = current
    finally:
        # Whoever stops does not wait for the batch in hand: closing the model ends it.
        worker.shutdown(wait=False, cancel_futures=True)


def _sound_rows(table: InputTable, account: RowAccount) -> Iterator[InputRow]:
    for row in table.rows:
        if isinstance(row, InputRow):
            yield row
        else:
            account.pass_over(row)


def _take(rows: Iterator[InputRow], most: int) -> list[InputRow]:
    return [row for _, row in zip(range(most), rows, strict=False)]


def _time_answers(ask: Ask, texts: Sequence[str]) -> tuple[list[Answer], float]:
    begin = time.perf_counter()
    answers = ask(texts) if texts else []
    return answers, time.perf_counter() - begin


def _next_size(batch: _Batch, size: int) -> int:
    """Return how many rows will take `BATCH_SECONDS`, by those that were answered last."""
    _, seconds = batch.answers.result()
    fitting = len(batch.rows) * BATCH_SECONDS / max(seconds, 1e-6)
    return int(max(1, min(LARGEST_BATCH, 8 * size, fitting)))


def _settle(batch: _Batch, account: RowAccount, least: float | None) -> Iterator[AnsweredRow]:
    answers = iter(batch.answers.result()[0])
    for row in batch.rows:
        yield account.settle(row, next(answers) if row.text.strip() else _EMPTY, least)


def _progress(batch: _Batch, table: InputTable, account: RowAccount, *, is_last: bool) -> Progress:
    """Say how many rows are done, of about how many: by the bytes of the file that they take."""
    done, offset = account.row_count, batch.rows[-1].offset
    if is_last:
        return Progress(stage="measure", message="answering", done=done, total=done)
    total = max(done + 1, round(done * table.size / offset)) if table.size and offset else None
    return Progress(stage="measure", message="answering; the number of rows is estimated", done=done, total=total)
