"""From spans with their shares to the answer: an object of the schema, each value in the form of its field."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ockham.errors import ModelError
from ockham.llm.prompt_builder import whole
from ockham.models import json_fields, model_files
from ockham.models.extraction import span_shares, value_forms
from ockham.models.extraction.span_shares import FieldValue, SpanShare
from ockham.models.json_fields import Field
from ockham.records import Answer

_CALIBRATED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """How the values of a field are written.

    ``form`` is that of `ockham.models.extraction.value_forms`; a value is given where its share is at least ``least``;
    its confidence is the logistic of ``slope`` times the share's log-odds plus ``offset`` (Platt 1999). ``empty`` is
    how often the field is right where no value is given, ``None`` where that is not known. ``presence`` is the share of
    training texts in which a value of the field stands, where values of a field with one value are to be expected by it
    (`ockham.models.extraction.span_shares.expect_value`).
    """

    form: str = value_forms.AS_IT_STANDS
    least: float = field(default=0.4, metadata={"min": 0, "max": 1})
    slope: float = 1.0
    offset: float = 0.0
    empty: float | None = None
    presence: float = field(default=0.5, metadata={"min": 0, "max": 1})

    def confidence(self, share: float) -> float:
        """Return how sure a value of such a share is, in [0, 1]."""
        inner = min(max(share, _CALIBRATED), 1 - _CALIBRATED)
        return 1 / (1 + math.exp(-(self.slope * math.log(inner / (1 - inner)) + self.offset)))


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSettings:
    """The schema of the answers as JSON, the fields that are looked for, their rules, and the closed joints."""

    schema: str
    paths: tuple[tuple[str, ...], ...]
    rules: tuple[FieldRule, ...]
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldWriter:
    """Writes answers: one object a text, of the schema."""

    settings: WriterSettings
    schema: Mapping[str, Any]
    fields: tuple[Field, ...]
    closed: frozenset[str]

    @classmethod
    def of(cls, settings: WriterSettings, file: str) -> FieldWriter:
        """Make the writer of settings. Raises `ModelError` (``E_MODEL_FORMAT``) where they do not fit each other."""
        try:
            schema = json.loads(settings.schema)
            by_path = {entry.path: entry for entry in json_fields.of_schema(schema)}
            fields = tuple(by_path[path] for path in settings.paths)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            fields = ()
        if len(fields) != len(settings.paths) or len(settings.rules) != len(settings.paths):
            message = f"{file}: its fields are not those of its schema"
            raise ModelError("E_MODEL_FORMAT", message, fix=model_files.FIX)
        return cls(settings, schema, fields, frozenset(settings.closed))

    def with_rules(self, rules: tuple[FieldRule, ...]) -> FieldWriter:
        """Return the same writer with other rules, one a field."""
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, rules=rules))

    def with_rules_of(self, other: FieldWriter) -> FieldWriter:
        """Return the same writer with the rules that another has for the same fields and forms."""
        known = {(path, rule.form): rule for path, rule in zip(other.settings.paths, other.settings.rules, strict=True)}
        own = zip(self.settings.paths, self.settings.rules, strict=True)
        return self.with_rules(tuple(known.get((path, rule.form), rule) for path, rule in own))

    def answer(self, text: str, spans: Sequence[SpanShare]) -> Answer:
        """Answer a text by its spans. The confidence is that of all fields together, as if they were independent."""
        texts: dict[json_fields.Path, list[str]] = {}
        sure = dict[str, float]()
        choices = self.choices(text, spans)
        for number, rule in enumerate(self.settings.rules):
            path, values = self.fields[number].path, choices.get(number, [])
            given = [value for value in values if value.share >= rule.least]
            if given:
                texts[path] = [value.text for value in given]
            sure[".".join(path)] = self._field_confidence(number, values, given)
        written = json.dumps(self.object_of(texts), ensure_ascii=False)
        return Answer(value=whole(written), confidence=math.prod(sure.values()), fields=sure)

    def _field_confidence(self, number: int, values: Sequence[FieldValue], given: Sequence[FieldValue]) -> float:
        """Return how sure a field is as it is answered: each value that is given right, or rightly none."""
        rule = self.settings.rules[number]
        if given:
            return math.prod(rule.confidence(value.share) for value in self._values_of_answer(number, given))
        if rule.empty is not None:
            return rule.empty
        return math.prod(1 - rule.confidence(value.share) for value in values)

    def _values_of_answer(self, number: int, given: Sequence[FieldValue]) -> Sequence[FieldValue]:
        """Return the values that stand in the answer: of a field that has one, the likeliest."""
        return given if self.fields[number].repeated else given[:1]

    def object_of(self, texts: Mapping[json_fields.Path, Sequence[str]]) -> dict[str, Any]:
        """Make an object of the schema of the texts of its fields."""
        return json_fields.object_of(self.schema, texts)

    def choices(self, text: str, spans: Sequence[SpanShare]) -> dict[int, list[FieldValue]]:
        """Return what may be said of each field: of one that has several values all, of another its likeliest."""
        written = [span for span in spans if self.write(text, span) is not None]
        out: dict[int, list[FieldValue]] = {}
        for value in span_shares.field_values(text, [s for s in written if not self.fields[s.field].repeated]):
            out.setdefault(value.field, []).append(self._write_value(text, value))
        out = {
            number: span_shares.expect_value(values, self.settings.rules[number].presence)
            for number, values in out.items()
        }
        several = [span for span in written if self.fields[span.field].repeated]
        for span in span_shares.without_overlaps(several, span_shares.LEAST):
            value = FieldValue(
                field=span.field, text=text[span.start : span.end], start=span.start, end=span.end, share=span.share
            )
            out.setdefault(span.field, []).append(self._write_value(text, value))
        return out

    def write(self, text: str, span: SpanShare) -> str | None:
        """Return what a span says in the form of its field; ``None`` where the field cannot hold it."""
        value = value_forms.write_as(self.settings.rules[span.field].form, text[span.start : span.end])
        return value if value and json_fields.fits(self.fields[span.field], value) else None

    def _write_value(self, text: str, value: FieldValue) -> FieldValue:
        span = SpanShare(field=value.field, start=value.start, end=value.end, share=value.share)
        return FieldValue(
            field=value.field, text=self.write(text, span) or "", start=value.start, end=value.end, share=value.share
        )
