"""Use a bundle: answer a file of inputs, or measure it on labelled rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from ockham import store
from ockham.api import consent
from ockham.api.consent import Destination
from ockham.bundles.answered_rows import AnsweredRow, RowAccount, answer_rows
from ockham.bundles.eval_rows import count_seen, seen_share
from ockham.bundles.measured_rows import EvalSpec, input_columns, read_measured_rows, warn_of
from ockham.errors import DataError
from ockham.ladder.measure import probe, probe_rows, size_mb
from ockham.ladder.run_folder import bundle_of
from ockham.llm import engine_build
from ockham.models.backend import is_networked, package_of
from ockham.models.endpoint import permit
from ockham.printable import printable
from ockham.readers.input_rows import InputRow, InputTable
from ockham.readers.read import ReadSpec, open_inputs
from ockham.readers.table import is_missing, text_of
from ockham.records import Manifest, Progress, Report, ignore
from ockham.serving.process import ServingProcess

_log = logging.getLogger(__name__)
_NAMED = 10
"""Records that are named one by one; of more, their number is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One answer: the row it belongs to, the label, and how sure the model is."""

    id: str
    """The number of its record in the file, or the cell of the column that was named."""
    answer: str | None
    """The answer; null where the input is empty, or no answer is valid or sure enough."""
    confidence: float | None
    """The model's probability of its answer, from 0 to 1; null where it gives none."""
    field_confidence: Mapping[str, float] | None = None
    """That of each field of an extracted object, by its path with dots; null where the model gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictSpec:
    """How rows are read and answered.

    ``inputs`` names the input columns, in the order of the bundle's own, where they are called otherwise. An answer
    with less confidence than ``min_confidence`` is none; of an object whose fields have confidences, such fields are
    left empty.
    """

    inputs: tuple[str, ...] = ()
    encoding: str | None = None
    min_confidence: float | None = field(default=None, metadata={"min": 0, "max": 1})


@dataclass(frozen=True, slots=True)
class Answering:
    """Rows that are being answered: the columns that they have, their answers in order, and the account of them all."""

    manifest: Manifest
    table: InputTable
    rows: Iterator[AnsweredRow]
    account: RowAccount


def predict(
    bundle: str | Path,
    source: object,
    spec: PredictSpec | None = None,
    *,
    endpoint: Destination | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> tuple[Prediction, ...]:
    """Answer every readable row of a file or table, or each of some texts, in order.

    ``bundle`` may be a run, whose chosen bundle is used.

    A row with a blank input gets no answer. Records that cannot be read are left out, and a warning is logged that
    counts and names them. An endpoint's bundle is asked only where ``endpoint`` names the address and the variable of
    the key that the bundle does. Raises `ConsentError` where it does not, `BundleError` for a folder that is not a
    whole bundle, `DataError` for data that cannot be used.
    """
    with open_answers(bundle, source, spec, endpoint=endpoint, on_progress=on_progress) as answering:
        return tuple(prediction_of(answered) for answered in answering.rows)


def prediction_of(answered: AnsweredRow, id_column: str | None = None) -> Prediction:
    """Return a row's answer by its id: the number of its record, or the cell of a column.

    Raises `DataError` (``E_COLUMN``) where the row has no such column.
    """
    row, answer, _ = answered
    name = row.id
    if id_column is not None:
        if id_column not in row.cells:
            message = f"there is no column {printable(id_column)!r} to identify the rows"
            names = ", ".join(printable(column) for column in list(row.cells)[:30])
            raise DataError("E_COLUMN", message, fix=f"name one of {names}")
        name = text_of(row.cells[id_column])
    return Prediction(id=name, answer=answer.value, confidence=answer.confidence, field_confidence=answer.fields)


@contextmanager
def open_answers(
    bundle: str | Path,
    source: object,
    spec: PredictSpec | None = None,
    *,
    endpoint: Destination | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> Iterator[Answering]:
    """Answer as `predict` does, each row when it is asked for; the model is loaded until the block ends."""
    spec = spec or PredictSpec()
    folder, manifest = open_bundle(bundle, endpoint, on_progress)
    own = input_columns(manifest)
    if spec.inputs and len(spec.inputs) != len(own):
        columns = ", ".join(own) or "conversations"
        message = f"the model reads {len(own)} columns ({columns}), but --input names {len(spec.inputs)}"
        raise DataError("E_COLUMN", message, fix=f"repeat --input for each of the {len(own)} columns, in that order")
    reading = ReadSpec(inputs=spec.inputs or own, encoding=spec.encoding, labelled=False)
    source = _name_texts(source, reading.inputs)
    if is_networked(manifest.kind) and endpoint is not None:
        with open_inputs(source, reading, own) as table:
            _announce(manifest, endpoint, sum(isinstance(row, InputRow) for row in table.rows), on_progress)
    account = RowAccount()
    with open_inputs(source, reading, own) as table, ServingProcess(folder, endpoint) as serving:
        rows = answer_rows(serving.answer, table, account, least=spec.min_confidence, on_progress=on_progress)
        yield Answering(manifest, table, _warn_after(rows, account), account)


def _name_texts(source: object, columns: Sequence[str]) -> object:
    """Return bare texts as rows of the one column that a model reads; anything else as it is.

    Raises `DataError` (``E_COLUMN``) where the model reads several.
    """
    is_column = (hasattr(source, "to_list") or hasattr(source, "tolist")) and not hasattr(source, "columns")
    if not is_column and not isinstance(source, (list, tuple)):
        return source
    texts = list(cast("Iterable[object]", source))
    if not any(isinstance(text, str) for text in texts) or not all(isinstance(t, str) or is_missing(t) for t in texts):
        return source
    if len(columns) != 1:
        message = f"the model reads {len(columns)} columns ({', '.join(columns)}), but the inputs are plain texts"
        raise DataError("E_COLUMN", message, fix="give a dict with these columns for each row, or a frame")
    return [{columns[0]: text} for text in texts]


def _warn_after(rows: Iterator[AnsweredRow], account: RowAccount) -> Iterator[AnsweredRow]:
    yield from rows
    warn_of(account.quarantined, account.counts().rows)


def evaluate(
    bundle: str | Path,
    source: object,
    spec: EvalSpec | None = None,
    *,
    endpoint: Destination | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> Report:
    """Measure a bundle on labelled rows, as it is served: metrics with intervals, latency, throughput and memory.

    Exact duplicates and rows with contradicting labels are left out, as in a fit; near-duplicates and groups count as
    clusters in the intervals; options are asked in a random order. Labels that are spelt otherwise than in the bundle
    are taken for its own, and the rows that it was made from are counted, with the metrics without them. An endpoint's
    bundle is asked only where ``endpoint`` names the address and the variable of the key that the bundle does. Raises
    `ConsentError` where it does not, `BundleError` for a folder that is not a whole bundle, `DataError` for data that
    cannot be used: also where its labels are not the bundle's (``E_LABEL_SET``).
    """
    spec = spec or EvalSpec()
    folder, manifest = open_bundle(bundle, endpoint, on_progress)
    measured = read_measured_rows(manifest, source, spec, on_progress)
    inputs = measured.inputs
    sides = count_seen(folder, manifest, measured.unshuffled)
    _announce(manifest, endpoint, len(inputs), on_progress, timed=probe_rows(len(inputs)))
    with ServingProcess(folder, endpoint) as serving:
        answers = serving.answer(inputs)
        profile = serving.profile(inputs, probe(manifest.kind))
    report = measured.report(answers, spec)
    return replace(
        report, profile=profile, artifact_mb=size_mb(folder), seen=seen_share(manifest, report.scores, sides)
    )


def open_bundle(
    bundle: str | Path, permitted: Destination | None, on_progress: Callable[[Progress], None]
) -> tuple[Path, Manifest]:
    """Find a bundle and check it, its kind and where it would send rows, before anything is loaded, read or sent."""
    folder = bundle_of(Path(bundle))
    manifest = store.read_bundle(folder)
    package = package_of(manifest.kind)
    if package is not None:
        on_progress(
            Progress(stage="read", message=f"the bundle is answered by a model from another package: {package}")
        )
    if is_networked(manifest.kind):
        permit(folder, permitted)
    change = engine_build.describe_change(manifest.candidate.settings.get(engine_build.SETTING))
    if change is not None:
        _log.warning("%s", change)
    return folder, manifest


def _announce(
    manifest: Manifest,
    permitted: Destination | None,
    rows: int,
    on_progress: Callable[[Progress], None],
    *,
    timed: int = 0,
) -> None:
    """Say what goes to an endpoint before anything does."""
    if permitted is None or not is_networked(manifest.kind):
        return
    why = f"; {timed:,} of them again, to time it" if timed else ""
    on_progress(Progress(stage="endpoint", message=consent.announcement(permitted, rows, why)))
