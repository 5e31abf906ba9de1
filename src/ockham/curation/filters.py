"""The socket for filters: what a filter is, the ones that come with ockham, and how they are found and asked.

A plug is a module with ``Spec`` (its settings), ``REASONS`` (all it may leave a record out for) and ``load(spec) ->
Filter``. A package of the user's own adds one under the entry point group ``ockham.filters``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from ockham import plugs
from ockham.errors import ConfigError, PlugError
from ockham.plugs import Plug, Socket
from ockham.records import PlugRequest, PlugUse, canonical

FILTERS = Socket(word="filter", group="ockham.filters", own={"pattern": "ockham.curation.steps.pattern_filter"})
MOST_REASONS = 200
"""Reasons of all filters of a run together: a reason is one byte of a table."""


@dataclass(frozen=True, slots=True)
class FilterRecord:
    """One document or labelled row, as a filter sees it.

    ``text`` is the input after every change (mended, redacted), several input columns joined by line ends; ``target``
    is the label or answer, ``None`` where there is none. ``cells`` are all columns as they came, read when they are
    asked for.
    """

    text: str
    target: str | None = None
    cells: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Filter(Protocol):
    """A callable over a batch of records.

    For each record, in order, it returns ``None`` to keep it, or one of its plug's ``REASONS`` to leave it out. What
    it says of a record depends on that record alone; it takes an empty batch and changes none.
    """

    def __call__(self, records: Sequence[FilterRecord], /) -> Sequence[str | None]:
        """Judge every record, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredFilter:
    """A filter of a run, as it travels between processes: which plug, with which settings, and its reasons."""

    use: PlugUse
    reasons: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Return its reasons as reports and the quarantine have them: ``FILTER.REASON``."""
        return tuple(f"{self.use.name}.{reason}" for reason in self.reasons)


class LazyCells(Mapping[str, Any]):
    """The columns of a record, taken apart when the first one is asked for."""

    __slots__ = ("_cells", "_read")

    def __init__(self, read: Callable[[], Mapping[str, Any]]) -> None:
        """Remember how to read them."""
        self._read = read
        self._cells: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a cell of the user's table
        """Return a cell."""
        return self._whole()[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names of the columns."""
        return iter(self._whole())

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._whole())

    def _whole(self) -> Mapping[str, Any]:
        if self._cells is None:
            self._cells = self._read()
        return self._cells


def configure_filters(requests: Sequence[PlugRequest]) -> tuple[ConfiguredFilter, ...]:
    """Find the filters of a run, in their order, and check their settings.

    Raises `ConfigError` (``E_CONFIG``) for one that nobody provides, that is named twice, or whose settings do not fit,
    `PlugError` (``E_PLUG``) for one that is none.
    """
    filters = tuple(_configure(plugs.find_plug(FILTERS, request)) for request in requests)
    for configured in filters:
        _load(configured)  # here, so that what is wrong with one is told before any work
    names = [configured.use.name for configured in filters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError("E_CONFIG", f"the filter {twice} is named twice", fix="name it once with all its settings")
    if sum(len(configured.reasons) for configured in filters) > MOST_REASONS:
        message = f"the filters have more than {MOST_REASONS} reasons together"
        raise ConfigError("E_CONFIG", message, fix="use fewer filters")
    return filters


def ask_filter(configured: ConfiguredFilter, records: Sequence[FilterRecord]) -> list[int]:
    """Ask a filter about records: for each the place of its reason among the filter's, -1 where it stays.

    The filter is loaded once a process. Raises `PlugError` (``E_PLUG``) where it fails or answers anything else.
    """
    use = configured.use
    judge = _load(configured)
    with plugs.guard(FILTERS.word, use, "on a batch of records"):
        answers = list(judge(records))
    return _verdicts(configured, answers, len(records))


def check_filter(request: PlugRequest, records: Sequence[FilterRecord] = ()) -> None:
    """Hold a filter to the contract that every filter is held to: what `Filter` and `check_batches` say.

    It is asked about ``records`` and about texts that break what was not written for them, each also with the target
    and cells of one of ``records``. Raises `PlugError` (``E_PLUG``) with the clause that does not hold, and as
    `configure_filters` does; what the filter itself raises comes through with its traceback.
    """
    configured = configure_filters([request])[0]
    plug = plugs.find_plug(FILTERS, request)
    judge, again = plug.load(), plug.load()
    samples = list(records) or [FilterRecord(text=""), FilterRecord(text="", target="yes")]
    wild = [replace(sample, text=text) for text in plugs.WILD_TEXTS for sample in samples[:3]]
    batch = [*records, *wild]
    plugs.check_batches(judge, batch)
    verdicts = _verdicts(configured, judge(batch), len(batch))
    if verdicts != _verdicts(configured, again(batch), len(batch)) or verdicts != ask_filter(configured, batch):
        raise plugs.unusable(FILTERS.word, configured.use.name, "loaded again, it answers otherwise")


_FILTERS: dict[bytes, Filter] = {}
"""The filters of this process, by what configures them."""


def _load(configured: ConfiguredFilter) -> Filter:
    key = canonical(configured)
    if key not in _FILTERS:
        _FILTERS[key] = plugs.load_again(FILTERS, configured.use).load()
    return _FILTERS[key]


def _verdicts(configured: ConfiguredFilter, answers: Sequence[object], asked_about: int) -> list[int]:
    name = configured.use.name
    if len(answers) != asked_about:
        why = f"it was asked about {asked_about} records and gave {len(answers)} answers"
        raise plugs.unusable(FILTERS.word, name, why)
    places = {reason: place for place, reason in enumerate(configured.reasons)}
    verdicts = []
    for answer in answers:
        if answer is not None and not (isinstance(answer, str) and answer in places):
            raise plugs.unusable(FILTERS.word, name, "an answer is neither None nor one of its REASONS")
        verdicts.append(-1 if answer is None else places[answer])
    return verdicts


def _configure(plug: Plug) -> ConfiguredFilter:
    reasons = getattr(plug.module, "REASONS", None)
    if not isinstance(reasons, (tuple, list)) or not reasons or len(set(map(str, reasons))) != len(reasons):
        raise _no_reasons(plug, "it has no REASONS, a tuple of different words")
    if any(not isinstance(reason, str) or plugs.NAME.fullmatch(reason) is None for reason in reasons):
        raise _no_reasons(plug, "REASONS are words of lower-case letters, digits, _ and -")
    return ConfiguredFilter(use=plug.use, reasons=tuple(reasons))


def _no_reasons(plug: Plug, why: str) -> PlugError:
    return plugs.unusable(FILTERS.word, plug.use.name, why)
