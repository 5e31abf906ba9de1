"""Induce rules from training rows: shapes of values with their contexts, ranked by cross-validated precision.

A rule counts in a fold of rows only where the other folds would have induced it, by two rows that it gets right. Rules
are taken from the most precise down, each where it gets rows right that no rule before it answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import get_args

from ockham.models.extraction import pattern_rules, text_words
from ockham.models.extraction.field_writer import FieldRule, FieldWriter, WriterSettings
from ockham.models.extraction.pattern_rules import Context, Kind, PatternRule, PatternText, Pick
from ockham.models.extraction.tagger_learning import PlacedRows
from ockham.models.extraction.value_places import ValuePlaces
from ockham.models.pattern import Pattern

FOLDS = 5
_SUPPORT = 2
"""Rows outside of a fold that a rule must get right."""
_LEAST = 0.3
"""The least precision of a rule, on all rows and on those that no rule before it answers."""
_MOST_RULES = 60
_MOST_KEYS = 60
"""Shapes of a field that are looked up: the most frequent."""
_MOST_TRIED = 4000
_MOST_CANDIDATES = 200
"""Runs of one shape in one text that are looked at."""

Name = tuple[Kind, str, Context, str, Pick]
Key = tuple[Kind, str]


@dataclass(slots=True)
class _Trial:
    """What a rule did on the training rows: how many values it gave in each row, and how many were right."""

    rows: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """The training texts as rules read them, and the extents of each field's values, a set for each text."""

    pages: list[PatternText]
    values: list[dict[int, frozenset[str]]]


def learn(rows: PlacedRows, on_progress: Callable[[int, int], None] = lambda _done, _total: None) -> Pattern:
    """Induce the rules of every field; ``on_progress`` hears how many fields of how many are done."""
    closed = text_words.closed_joints(
        rows.texts, [[value.extents for value in row if value.extents] for row in rows.places]
    )
    settings = WriterSettings(
        schema=rows.schema,
        paths=tuple(entry.path for entry in rows.fields),
        rules=tuple(FieldRule(form=form, least=_LEAST) for form in rows.forms),
        closed=closed,
    )
    writer = FieldWriter.of(settings, "the schema")
    pages = [pattern_rules.read_text(text, text_words.split_words(text, writer.closed)) for text in rows.texts]
    values = [_texts_of(text, row) for text, row in zip(rows.texts, rows.places, strict=True)]
    material = _Material(pages=pages, values=values)
    rules: list[PatternRule] = []
    for number, entry in enumerate(rows.fields):
        keys = _keys_of(number, rows, material)
        trials = _try_rules(number, keys, material, several=entry.repeated)
        rules += _choose(number, trials, len(pages))
        on_progress(number + 1, len(rows.fields))
    return Pattern.of(writer, rules)


def _texts_of(text: str, places: Sequence[ValuePlaces]) -> dict[int, frozenset[str]]:
    """Return, for each field, what stands where its values do."""
    out: dict[int, set[str]] = {}
    for value in places:
        out.setdefault(value.field, set()).update(_fold(text[start:end]) for start, end in value.extents)
    return {number: frozenset(texts) for number, texts in out.items()}


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _keys_of(number: int, rows: PlacedRows, material: _Material) -> list[Key]:
    """Return the shapes, words and numbers of whole lines that values of a field have in two rows at least."""
    counts = Counter[Key]()
    for page, places in zip(material.pages, rows.places, strict=True):
        starts = {start: index for index, (start, _) in enumerate(page.words)}
        ends = {end: index for index, (_, end) in enumerate(page.words)}
        seen = set[Key]()
        for value in places:
            for start, end in value.extents if value.field == number else ():
                if start not in starts or end not in ends:
                    continue
                run = range(starts[start], ends[end] + 1)
                first, last = page.line_of[run.start], page.line_of[run.stop - 1]
                if len(run) <= pattern_rules.LONGEST and first == last:
                    seen.update(pattern_rules.run_keys(page, run))
                if len(page.lines) > 1 and run.start == page.lines[first].start and run.stop == page.lines[last].stop:
                    seen.add(("lines", str(last - first + 1)))
        counts.update(seen)
    frequent = [key for key, count in counts.items() if count >= _SUPPORT]
    # By name where they are as frequent: the order of a set changes from one process to the next.
    return sorted(frequent, key=lambda key: (-counts[key], key))[:_MOST_KEYS]


def _try_rules(number: int, keys: Sequence[Key], material: _Material, *, several: bool) -> dict[Name, _Trial]:
    """Try every rule that the keys and their contexts make on every row."""
    dummy = [
        PatternRule(field=number, kind=kind, key=key, context="anywhere", word="", pick="first", right=0, rows=0)
        for kind, key in keys
    ]
    lookup, most_lines = pattern_rules.index_rules(dummy)
    trials: dict[Name, _Trial] = defaultdict(_Trial)
    for row, page in enumerate(material.pages):
        values = material.values[row].get(number, frozenset())
        for key, runs in pattern_rules.find_candidates(page, lookup, most_lines).items():
            if key not in keys:
                continue
            for (context, word), hits in _by_context(page, runs[:_MOST_CANDIDATES]).items():
                right = [_fold(page.text[slice(*pattern_rules.extent_of(page, run))]) in values for run in hits]
                if several:
                    trials[(*key, context, word, "all")].rows[row] = (len(hits), sum(right))
                    continue
                trials[(*key, context, word, "first")].rows[row] = (1, int(right[0]))
                if len(hits) > 1:
                    trials[(*key, context, word, "last")].rows[row] = (1, int(right[-1]))
    for name, trial in trials.items():
        if name[4] == "last":  # where there is one only, it is the last as well
            trial.rows = {**trials[(*name[:4], "first")].rows, **trial.rows}
    return trials


def _by_context(page: PatternText, runs: Sequence[range]) -> dict[tuple[Context, str], list[range]]:
    out: dict[tuple[Context, str], list[range]] = defaultdict(list)
    for run in runs:
        for context in pattern_rules.contexts(page, run):
            out[context].append(run)
    return out


def _choose(number: int, trials: dict[Name, _Trial], rows: int) -> list[PatternRule]:
    """Rank rules by cross-validated precision, and take those that answer rows which no better one does."""
    ranked = []
    for name, trial in trials.items():
        counts = _cross_validate(trial)
        if counts[1] and counts[0] / (counts[1] + 1) >= _LEAST:
            ranked.append((counts[0] / (counts[1] + 1), counts[1], name, counts))
    # Of rules that are as precise, that which says more, then the simpler one; the name settles the rest.
    order = get_args(Context)
    ranked.sort(key=lambda entry: (-round(entry[0], 4), -entry[1], order.index(entry[2][2]), entry[2]))
    answered, chosen = set[int](), list[PatternRule]()
    for _, _, (kind, key, context, word, pick), (right, total) in ranked[:_MOST_TRIED]:
        trial = trials[(kind, key, context, word, pick)]
        new = [counts for row, counts in trial.rows.items() if row not in answered]
        hits, count = sum(hit for _, hit in new), sum(given for given, _ in new)
        if hits < _SUPPORT or hits / (count + 1) < _LEAST:
            continue
        chosen.append(
            PatternRule(
                field=number, kind=kind, key=key, context=context, word=word, pick=pick, right=right, rows=total
            )
        )
        answered.update(trial.rows)
        if len(chosen) >= _MOST_RULES or len(answered) == rows:
            break
    return chosen


def _cross_validate(trial: _Trial) -> tuple[int, int]:
    """Return how many of the values that a rule gives are right, in the folds whose other rows would induce it."""
    right_in, given_in, rows_right = [0] * FOLDS, [0] * FOLDS, [0] * FOLDS
    for row, (count, hits) in trial.rows.items():
        fold = row % FOLDS
        given_in[fold] += count
        right_in[fold] += hits
        rows_right[fold] += hits > 0
    every = sum(rows_right)
    folds = [fold for fold in range(FOLDS) if every - rows_right[fold] >= _SUPPORT]
    return sum(right_in[fold] for fold in folds), sum(given_in[fold] for fold in folds)
