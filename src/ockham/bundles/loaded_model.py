"""A bundle in a program: loaded once, asked as often as wanted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from ockham.api.consent import Destination
from ockham.bundles.measured_rows import input_columns
from ockham.bundles.predict import open_bundle
from ockham.errors import BundleError, ConfigError, DataError
from ockham.readers.read import ReadSpec, read
from ockham.readers.table import is_missing
from ockham.records import Answer, Manifest, TaskName, ignore
from ockham.serving.process import ServingProcess

if TYPE_CHECKING:
    from typing_extensions import Self

_BATCH = 4096
"""Texts that are sent to the process at a time."""


def load(bundle: str | Path, *, endpoint: Destination | None = None) -> LoadedModel:
    """Load a bundle, or the chosen bundle of a run, into a process of its own, where it answers as it was measured.

    An endpoint's bundle is loaded only where ``endpoint`` names the address and the variable of the key that the bundle
    does. Raises `ConsentError` where it does not, `BundleError` for a folder that is not a whole bundle, and
    `ModelError` for a model that cannot be loaded.
    """
    folder, manifest = open_bundle(bundle, endpoint, ignore)
    return LoadedModel(manifest, ServingProcess(folder, endpoint))


class LoadedModel:
    """A loaded bundle. Threads may share it; close it, or use it in a ``with`` block, to end its process."""

    def __init__(self, manifest: Manifest, serving: ServingProcess) -> None:
        """Take over a process that serves the bundle of a manifest; `load` makes one."""
        self._manifest = manifest
        self._serving = serving
        self._turn = threading.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        """The candidate's name, such as ``linear``."""
        return self._manifest.candidate.name

    @property
    def task(self) -> TaskName:
        """What the model was made for: ``classify``, ``extract``, ``choose`` or ``generate``."""
        return self._manifest.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it answers with, sorted; empty for tasks without labels."""
        return self._manifest.labels

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that it reads from dicts and frames."""
        return self._manifest.inputs

    def __repr__(self) -> str:
        """Name the candidate, what it was made for, and what it reads."""
        answers = f", {len(self.labels)} labels" if self.labels else ""
        return f"<{type(self).__name__} {self.name}: {self.task}{answers}, reads {', '.join(self.inputs)}>"

    def predict(self, inputs: object) -> list[Answer]:
        """Answer each input, in order: texts, dicts, a pandas or polars frame or series, or an Arrow table.

        A single text or dict gives a list of one. A blank or missing text gets no answer (``value`` is ``None``).
        Raises `DataError` for rows that cannot be read, and for bare texts where the model reads several columns, and
        `BundleError` where the model was closed.
        """
        texts = self._texts(inputs)
        with self._turn:
            self._check_open()
            filled = [text for text in texts if text.strip()]
            parts = [filled[start : start + _BATCH] for start in range(0, len(filled), _BATCH)]
            answers = iter([answer for part in parts for answer in self._serving.answer(part)])
        return [next(answers) if text.strip() else Answer(value=None) for text in texts]

    def probabilities(self, inputs: object) -> list[list[float]]:
        """Return the probability of each of ``labels`` for each input, in order; a row's greatest is its confidence.

        Raises `ConfigError` (``E_CONFIG``) where the model knows no probabilities, which linear models and encoders do
        and other kinds do not, `DataError` for a blank text, and otherwise as `predict`.
        """
        texts = self._texts(inputs)
        blank = [str(number) for number, text in enumerate(texts, 1) if not text.strip()]
        if blank:
            message = f"{len(blank)} of {len(texts)} texts are blank: {', '.join(blank[:10])}"
            raise DataError("E_FORMAT", message, fix="leave these rows out")
        with self._turn:
            self._check_open()
            outcome = self._serving.probabilities(texts)
        if outcome is None:
            message = f"{self.name} gives a confidence for its answer, but no probability for each label"
            raise ConfigError("E_CONFIG", message, fix="use predict, or load a linear or encoder candidate of the run")
        column = {label: index for index, label in enumerate(outcome[0])}
        return [[row[column[label]] if label in column else 0.0 for label in self.labels] for row in outcome[1]]

    async def predict_async(self, inputs: object) -> list[Answer]:
        """Answer as `predict` does, without holding up the event loop."""
        return await asyncio.to_thread(self.predict, inputs)

    def close(self) -> None:
        """End the process; the model answers no more."""
        with self._turn:
            self._closed = True
            self._serving.__exit__(None, None, None)

    def __enter__(self) -> Self:
        """Return the model itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise BundleError("E_BUNDLE", "the model was closed", fix="load it again: ockham.load(…)")

    def _texts(self, inputs: object) -> Sequence[str]:
        if isinstance(inputs, (str, Mapping)):
            inputs = [inputs]
        rows: object = inputs if hasattr(inputs, "columns") or hasattr(inputs, "column_names") else _rows(inputs)
        if isinstance(rows, list) and _are_texts(rows, input_columns(self._manifest)):
            if rows and len(self.inputs) > 1:
                names = ", ".join(self.inputs)
                message = f"the model reads {len(self.inputs)} columns ({names}), but the inputs are plain texts"
                raise DataError("E_COLUMN", message, fix="give a dict with these columns for each row, or a frame")
            return ["" if is_missing(row) else cast("str", row) for row in rows]
        reading = read(rows, ReadSpec(inputs=input_columns(self._manifest), labelled=False))
        if len(reading.examples) < reading.rows:
            records = ", ".join(str(bad.record) for bad in reading.quarantined[:10])
            message = f"{reading.rows - len(reading.examples)} of {reading.rows} rows cannot be read"
            raise DataError("E_FORMAT", f"{message}: {records}" if records else message, fix="leave these rows out")
        return [example.input for example in reading.examples]


def _are_texts(rows: Sequence[object], columns: Sequence[str]) -> bool:
    """Tell whether all inputs are texts, where the others are dicts with the columns that the model reads.

    Raises `DataError`: ``E_FORMAT`` for another type, and for texts and dicts in one list; ``E_COLUMN`` for dicts of
    which none has a column.
    """
    for number, row in enumerate(rows, 1):
        if not isinstance(row, (str, Mapping)) and not is_missing(row):
            message = f"input {number} is of type {type(row).__name__}, neither a text nor a dict"
            raise DataError("E_FORMAT", message, fix="give a list of texts, a list of dicts, or a frame")
    texts = [number for number, row in enumerate(rows, 1) if isinstance(row, str)]
    dicts = [row for row in rows if isinstance(row, Mapping)]
    if texts and dicts:
        message = f"{len(texts)} of {len(rows)} inputs are texts, the others dicts; the first text is input {texts[0]}"
        raise DataError("E_FORMAT", message, fix="give either texts or dicts")
    absent = next((name for name in columns if dicts and not any(name in row for row in dicts)), None)
    if absent is not None:
        message = f"no input has {absent!a}, which the model reads"
        raise DataError("E_COLUMN", message, fix=f"give dicts with {', '.join(columns)}")
    return not dicts


def _rows(inputs: object) -> list[object]:
    if not isinstance(inputs, Iterable):
        message = f"inputs cannot be read from a {type(inputs).__name__}"
        raise DataError("E_FORMAT", message, fix="give a list of texts or dicts, or a frame")
    return list(inputs)
