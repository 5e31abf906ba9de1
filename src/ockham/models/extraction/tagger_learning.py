"""Learn a linear tagger from texts and their targets; a value that stands several times is learnt from all its places.

At first every place of such a value is marked. Then the model's own shares choose the place of each value, the others
may be marked or not, and it is fitted anew. A value that stands nowhere leaves it open where its field stands.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockham.llm import json_schema
from ockham.models import json_fields
from ockham.models.extraction import crf_training, layout_features, text_words, value_places
from ockham.models.extraction.crf_training import CrfWeights, TaggedText
from ockham.models.extraction.field_writer import FieldRule, FieldWriter, WriterSettings
from ockham.models.extraction.text_words import Extent
from ockham.models.extraction.value_places import TextRow, ValuePlaces
from ockham.models.linear_tagger import LinearTagger, feature_matrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PENALTY = 0.1
_STEPS, _LATER_STEPS = 40, 30
_LEAST_SEEN = 2
"""Words that a feature must stand at."""
_MOST_WORDS = 20_000
"""Words of a training text that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRows:
    """Training texts with the fields that their values have, the forms of these, and every place of each value."""

    schema: str
    fields: tuple[json_fields.Field, ...]
    forms: tuple[str, ...]
    texts: tuple[str, ...]
    places: tuple[tuple[ValuePlaces, ...], ...]
    missing: tuple[tuple[str, int, int], ...] = ()
    """Of each field that has values which stand nowhere: its name, how many they are, and its values in all."""

    @property
    def values(self) -> int:
        """The values of all targets, those that stand nowhere too."""
        return sum(len(row) for row in self.places) + sum(total for _, lost, total in self.missing if lost == total)

    def rules(self) -> tuple[FieldRule, ...]:
        """Return the rule that a tagger begins with for each field: its form, and the share of texts that have it."""
        present = Counter(field for row in self.places for field in {value.field for value in row if value.extents})
        return tuple(
            FieldRule(form=form, presence=round((present[number] + 1) / (len(self.texts) + 2), 6))
            for number, form in enumerate(self.forms)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _MarkedText:
    """The words of a text, and the values that are looked for in them: for each its field and runs of words."""

    words: list[Extent]
    values: list[tuple[int, list[range]]]
    open_fields: set[int]
    """Fields with a value that stands nowhere."""


def place_rows(rows: Sequence[TextRow]) -> PlacedRows:
    """Find the schema of the targets, and where their values stand; fields whose values stand nowhere are left out."""
    schema = json_schema.infer([row.target for row in rows])
    fields = json_fields.of_schema(schema)
    forms = value_places.learn_forms(rows, fields)
    places = [value_places.places_of(row, fields, forms) for row in rows]
    counts = value_places.count_reached(places)
    hits = {number for number, (hit, _) in counts.items() if hit}
    renumbered = {number: index for index, number in enumerate(sorted(hits))}
    return PlacedRows(
        schema=json.dumps(schema, ensure_ascii=False),
        fields=tuple(fields[number] for number in renumbered),
        forms=tuple(forms[number] for number in renumbered),
        texts=tuple(row.text for row in rows),
        places=tuple(
            tuple(dataclasses.replace(value, field=renumbered[value.field]) for value in row if value.field in hits)
            for row in places
        ),
        missing=tuple(
            (".".join(fields[number].path), total - hit, total)
            for number, (hit, total) in sorted(counts.items())
            if hit < total
        ),
    )


def learn(rows: PlacedRows, on_progress: Callable[[int, int], None] = lambda _done, _total: None) -> LinearTagger:
    """Learn a tagger; ``on_progress`` hears the steps done, and how many there are at most."""
    closed = text_words.closed_joints(
        rows.texts, [[value.extents for value in row if value.extents] for row in rows.places]
    )
    settings = WriterSettings(
        schema=rows.schema,
        paths=tuple(entry.path for entry in rows.fields),
        rules=rows.rules(),
        closed=closed,
    )
    writer = FieldWriter.of(settings, "the schema")
    texts = [_mark(text, places, writer.closed) for text, places in zip(rows.texts, rows.places, strict=True)]
    described = [
        layout_features.describe_words(text, marked.words) for text, marked in zip(rows.texts, texts, strict=True)
    ]
    counts = Counter(name for words in described for names in words for name in set(names))
    names = sorted(name for name, count in counts.items() if count >= _LEAST_SEEN)
    column = {name: index for index, name in enumerate(names)}
    matrix = feature_matrix(described, column)
    del described
    tags = 1 + 2 * len(rows.fields)
    choose = any(len(runs) > 1 for marked in texts for _, runs in marked.values)
    total = _STEPS + (_LATER_STEPS if choose else 0)
    tagged = _tag_texts(texts, tags, [[None] * len(marked.values) for marked in texts])
    weights = crf_training.fit(matrix, tagged, PENALTY, _STEPS, None, lambda step: on_progress(step, total))
    model = _model(writer, column, weights)
    if choose:
        choices = [_choose(model, text, marked) for text, marked in zip(rows.texts, texts, strict=True)]
        tagged = _tag_texts(texts, tags, choices)
        weights = crf_training.fit(
            matrix, tagged, PENALTY, _LATER_STEPS, weights, lambda step: on_progress(_STEPS + step, total)
        )
        model = _model(writer, column, weights)
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPlace:
    """Where a value stands by a model, in the numbers of the placed fields, and where it stands besides."""

    field: int
    extent: Extent
    others: tuple[Extent, ...]


def choose_places(model: LinearTagger, rows: PlacedRows) -> list[list[ChosenPlace]]:
    """Return where the values of each row stand by a model: of several places the likeliest.

    Fields that the model does not have, or writes otherwise, are left out.
    """
    known = {
        (entry.path, rule.form): number
        for number, (entry, rule) in enumerate(zip(model.writer.fields, model.writer.settings.rules, strict=True))
    }
    own = [known.get((entry.path, form)) for entry, form in zip(rows.fields, rows.forms, strict=True)]
    back = {number: placed for placed, number in enumerate(own) if number is not None}
    out = []
    for text, places in zip(rows.texts, rows.places, strict=True):
        named = [
            dataclasses.replace(value, field=number) for value in places if (number := own[value.field]) is not None
        ]
        marked = _mark(text, named, model.writer.closed)
        chosen = []
        for (number, runs), choice in zip(marked.values, _choose(model, text, marked), strict=True):
            extents = [(marked.words[run.start][0], marked.words[run.stop - 1][1]) for run in runs]
            first = extents.pop(choice or 0)
            chosen.append(ChosenPlace(field=back[number], extent=first, others=tuple(extents)))
        out.append(chosen)
    return out


def _model(writer: FieldWriter, column: dict[str, int], weights: CrfWeights) -> LinearTagger:
    return LinearTagger(writer, column, weights.features.astype("float32"), weights.moves.astype("float32"))


def _mark(text: str, places: Sequence[ValuePlaces], closed: frozenset[str]) -> _MarkedText:
    """Find the runs of words that values take; those that stand at one place alone choose first, then the longest."""
    words = text_words.split_words(text, closed)[:_MOST_WORDS]
    starts, ends = (
        {start: index for index, (start, _) in enumerate(words)},
        {end: index for index, (_, end) in enumerate(words)},
    )
    values, taken = list[tuple[int, list[range]]](), set[int]()
    open_fields = set[int]()

    def length(value: ValuePlaces) -> int:
        return sum(end - start for start, end in value.extents)

    for value in sorted(_share_out(places), key=lambda value: (len(value.extents) > 1, -length(value))):
        runs = [range(starts[start], ends[end] + 1) for start, end in value.extents if start in starts and end in ends]
        runs = [run for run in runs if len(run) and not taken.intersection(run)]
        if not runs:
            open_fields.add(value.field)
            continue
        taken.update(index for run in runs for index in run)
        values.append((value.field, runs))
    return _MarkedText(words=words, values=values, open_fields=open_fields)


def _share_out(places: Sequence[ValuePlaces]) -> list[ValuePlaces]:
    """Divide the places that values of several fields have in common among these: any of them has the same text."""
    fields: dict[tuple[Extent, ...], list[int]] = {}
    for value in places:
        known = fields.setdefault(value.extents, [])
        if value.field not in known:
            known.append(value.field)
    out = []
    for value in places:
        sharing = fields[value.extents]
        first, step = sharing.index(value.field), len(sharing)
        out.append(dataclasses.replace(value, extents=value.extents[first::step]))
    return out


def _tag_texts(texts: Sequence[_MarkedText], tags: int, choices: Sequence[Sequence[int | None]]) -> list[TaggedText]:
    """Say which tags each word may have. A value without a choice is marked at all of its places."""
    out, first = [], 0
    for marked, chosen in zip(texts, choices, strict=True):
        out.append(TaggedText(first=first, allowed=_allowed_tags(marked, tags, chosen)))
        first += len(marked.words)
    return out


def _allowed_tags(marked: _MarkedText, tags: int, chosen: Sequence[int | None]) -> NDArray[np.bool_]:
    import numpy as np

    allowed = np.zeros((len(marked.words), tags), bool)
    allowed[:, 0] = True
    for number in marked.open_fields:
        allowed[:, [1 + 2 * number, 2 + 2 * number]] = True
    for (number, runs), choice in zip(marked.values, chosen, strict=True):
        for index, run in enumerate(runs):
            forced = choice is None or choice == index
            if forced:
                allowed[run.start : run.stop] = False
            allowed[run.start, 1 + 2 * number] = True
            allowed[run.start + 1 : run.stop, 2 + 2 * number] = True
            if forced and run.stop < len(allowed) and number in marked.open_fields:
                allowed[run.stop, 2 + 2 * number] = False
    return allowed


def _choose(model: LinearTagger, text: str, marked: _MarkedText) -> list[int | None]:
    """Return for each value the place that the model finds likeliest; ``None`` where there is only one."""
    if all(len(runs) == 1 for _, runs in marked.values):
        return [None] * len(marked.values)
    shares = {(span.field, span.start, span.end): span.share for span in model.shares(text)}
    out: list[int | None] = []
    for number, runs in marked.values:
        extents = [(number, marked.words[run.start][0], marked.words[run.stop - 1][1]) for run in runs]
        likely = [shares.get(extent, 0.0) for extent in extents]
        out.append(None if len(runs) == 1 else max(range(len(runs)), key=lambda index: likely[index]))
    return out
