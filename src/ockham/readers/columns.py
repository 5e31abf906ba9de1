"""Which columns are the input, the target and the group: named by the user, or found by their usual names."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable

INPUTS = (
    "text", "input", "prompt", "question", "message", "body", "content", "sentence", "utterance", "query", "email",
    "description", "document", "passage", "review", "comment", "ticket", "instruction", "problem", "request", "inputs",
    "user", "source_text", "input_text", "user_input", "comment_text", "review_text", "review_body", "tweet",
    "beschreibung", "nachricht", "anfrage", "texte", "texto", "testo", "tekst",
)  # fmt: skip
TARGETS = (
    "label", "target", "answer", "category", "class", "intent", "output", "completion", "response", "tag", "labels",
    "expected", "expected_output", "expectedoutput", "ground_truth", "gold", "sentiment", "topic", "reply",
    "assistant", "target_text", "kategorie", "categorie", "catégorie", "categoría", "categoria", "klasse", "etikett",
    "kategorien", "categories",
)  # fmt: skip
_TOGETHER = (
    ("summary", ("description",)),
    ("subject", ("body", "text", "message", "content", "email", "description")),
    ("title", ("body", "text", "message", "content", "description")),
    ("instruction", ("input",)),
    ("context", ("question", "query")),
)
_PAIRS = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("text1", "text2"),
    ("sentence_a", "sentence_b"), ("text_a", "text_b"),
)  # fmt: skip
"""Two texts of which a label says something together."""
_NAMES_OF = ("_text", "_name", "_str", "_names")
"""What the column is called that names the classes whose numbers stand in the one without it."""
_LABEL_WORDS = frozenset({
    "label", "labels", "category", "categories", "class", "intent", "target", "topic", "tag", "type", "issuetype",
    "kind", "sentiment", "reason", "resolution", "priority", "urgency", "department", "queue", "team", "kategorie",
    "kategorien", "klasse", "etikett", "thema", "categorie", "catégorie", "categoría", "categoria", "sujet", "tema",
})  # fmt: skip
"""Words in the names of columns that hold labels more often than not."""
_ASIDE_WORDS = frozenset({
    "language", "lang", "locale", "country", "region", "channel", "source", "platform", "currency", "gender", "date",
    "day", "month", "year", "created", "updated", "closed", "opened", "version", "author", "assignee", "reporter",
    "status", "state", "sprache", "land", "datum", "langue", "pays", "idioma", "fecha",
})  # fmt: skip
"""Words in the names of columns whose values come again, but say something else of a row than its label."""
_USUAL_WORDS = frozenset({*_LABEL_WORDS, *(name for name in TARGETS if "_" not in name)})
_WORDS = re.compile(r"[^\W\d_]+")
_KEYS = ("id", "index", "unnamed:_0", "__index_level_0__", "level_0", "row_id", "uuid", "guid")
_UNNAMED_FIRST = "column_1"
"""A first column without a name, in which pandas writes the numbers of the rows."""
_MANY = 20
_YES_NO = frozenset({"true", "false", "yes", "no"})
_GROUPS = (
    "group", "contract", "customer", "customer_id", "user_id", "patient", "patient_id", "account", "account_id",
    "thread", "thread_id", "conversation_id", "document_id", "doc_id", "session_id", "author", "client_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that were chosen, as the file spells them (``target`` is "" where none is needed), and remarks."""

    inputs: tuple[str, ...]
    target: str
    group: str | None
    id: str | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRequest:
    """What the user asked for, and where the columns stand: ``source`` names the file in messages.

    ``fields``: the target is a field of an object, also where it is one column.
    ``aside`` are columns that say which rows to use, which are not chosen; ``rows`` the first ones, by which the
    likelier of several columns is told.
    """

    inputs: tuple[str, ...]
    target: str | None
    group: str | None
    labelled: bool
    source: str
    fields: bool = False
    headerless: bool = False
    delimiter: str = ","
    aside: tuple[str, ...] = ()
    rows: tuple[Mapping[str, object], ...] = ()


def number_repeated(names: Sequence[str]) -> list[str]:
    """Return names of which each stands once: one that comes again has a number behind it, as in "Comment (2)"."""
    seen: dict[str, None] = {}
    for name in names:
        numbers = (f"{name} ({number})" for number in range(2, len(names) + 2))
        seen[name if name not in seen else next(other for other in numbers if other not in seen)] = None
    return list(seen)


def known_names(names: Iterable[str]) -> list[str]:
    """Return the names that are usual for inputs or targets."""
    return [name for name in names if plain_name(name) in INPUTS or plain_name(name) in TARGETS]


def choose(names: Sequence[str], request: ColumnRequest) -> Columns:
    """Choose the columns among the names that exist.

    Raises `DataError`: ``E_COLUMN`` where an input or group is missing or several could be meant, ``E_LABEL_MISSING``
    where no target is there.
    """
    remarks: list[str] = []
    if request.headerless and not (request.inputs and (request.target or not request.labelled)):
        raise _missing(names, names, request, "input")
    every, names = names, [name for name in names if name not in request.aside]
    group = _find_column(names, request.group, request, "--group", "E_COLUMN") if request.group else None
    key = next((name for name in names if plain_name(name) == "id"), None)
    target = _target(names, request)
    if target and not request.target:
        target = _with_names(names, target, request, remarks)
    inputs = tuple(_find_column(names, name, request, "--input", "E_COLUMN") for name in request.inputs)
    if not inputs:
        inputs = _inputs([name for name in names if name not in (target, group)], request)
    free = [name for name in names if name not in (target, group, key, *inputs) and not _is_key(name, request)]
    if not inputs and len(free) == 1 and (target or not request.labelled) and not request.headerless:
        inputs = (free[0],)
        remarks.append(f"{request.source}: using column {printable(free[0])!r} as the input, the only one left")
    elif not target and inputs and request.labelled and len(free) == 1 and not request.headerless:
        target = free[0]
        remarks.append(f"{request.source}: using column {printable(free[0])!r} as the target, the only one left")
    _check_alone((*inputs, target), every, request)
    if request.labelled and not target:
        raise _missing(every, free, request, *(["target"] if inputs else ["input", "target"]))
    if not inputs:
        raise _missing(every, free, request, "input")
    _check_different(inputs, target, request)
    if group is None:
        remarks += [
            f"{request.source}: rows with the same {printable(name)!r} may belong together;"
            f" if so, use --group {printable(name)}"
            for name in names
            if plain_name(name) in _GROUPS and name not in (target, *inputs)
        ]
    return Columns(
        inputs=inputs, target=target if request.labelled else "", group=group, id=key, remarks=tuple(remarks)
    )


def _target(names: Sequence[str], request: ColumnRequest) -> str:
    if request.target:
        return _find_column(names, request.target, request, "--target", "E_LABEL_MISSING") if request.labelled else ""
    taken = {plain_name(name) for name in (*request.inputs, request.group or "")}
    candidates = [name for name in names if plain_name(name) in TARGETS and plain_name(name) not in taken]
    if len(candidates) > 1 and request.labelled:
        raise _several(candidates, request, "target")
    if not candidates and "user_input" in map(plain_name, names):  # Ragas
        candidates = [name for name in names if plain_name(name) == "reference"]
    return candidates[0] if len(candidates) == 1 else ""


def _with_names(names: Sequence[str], target: str, request: ColumnRequest, remarks: list[str]) -> str:
    """Return the column that names the classes whose numbers the target holds, where there is one."""
    wanted = {f"{plain_name(target)}{end}" for end in _NAMES_OF}
    beside = [name for name in names if plain_name(name) in wanted and name not in request.inputs]
    cells = _cells(target, request)
    if len(beside) != 1 or not cells or not all(str(cell).strip().lstrip("-").isdigit() for cell in cells):
        return target
    remarks.append(
        f"{request.source}: using column {printable(beside[0])!r} as the target, which names the numbers in"
        f" {printable(target)!r}"
    )
    return beside[0]


def _check_different(inputs: Sequence[str], target: str, request: ColumnRequest) -> None:
    if target in inputs:
        raise DataError(
            "E_COLUMN",
            f"{request.source}: column {printable(target)!r} is named as both input and target",
            fix="name two different columns with --input and --target",
        )


def _check_alone(chosen: Sequence[str], names: Sequence[str], request: ColumnRequest) -> None:
    """Raise `DataError` (``E_FORMAT``) where a column that nobody named has the name of another one."""
    for name in chosen:
        if f"{name} (2)" not in names or name in (*request.inputs, request.target):
            continue
        first, second = (names.index(each) + 1 for each in (name, f"{name} (2)"))
        raise DataError(
            "E_FORMAT",
            f"{request.source}: columns {first} and {second} have the same name in the first row",
            fix="name the columns with --input and --target, or give each column a name of its own",
        )


def _is_key(name: str, request: ColumnRequest) -> bool:
    """Tell a column that numbers the rows or names them, or that is empty as far as the first rows tell."""
    plain = plain_name(name)
    if plain in _KEYS or plain.endswith("_id"):
        return True
    if plain == _UNNAMED_FIRST and request.rows and all(str(row.get(name)).isdecimal() for row in request.rows):
        return True
    return any(name in row for row in request.rows) and not _cells(name, request)


def _inputs(names: Sequence[str], request: ColumnRequest) -> tuple[str, ...]:
    plain = {plain_name(name): name for name in names}
    candidates = [name for name in names if plain_name(name) in INPUTS]
    # A column that comes several times, as Jira's comments do, is no input by itself.
    candidates = [name for name in candidates if f"{name} (2)" not in names] or candidates
    pair = next(((plain[first], plain[second]) for first, second in _PAIRS if {first, second} <= plain.keys()), None)
    if pair is not None and not candidates:
        return pair
    for first, seconds in _TOGETHER:
        second = [name for name in seconds if name in plain]
        if first in plain and len(second) == 1 and len([n for n in candidates if plain_name(n) != first]) == 1:
            return plain[first], plain[second[0]]
    if len(candidates) > 1:
        raise _several(candidates, request, "input")
    return tuple(candidates)


def spelling_of(name: str, names: Sequence[str]) -> str:
    """Return the column of that name as the table spells it; "" where there is none, or no single one."""
    alike = [name] if name in names else [other for other in names if plain_name(other) == plain_name(name)]
    return alike[0] if len(alike) == 1 else ""


def _find_column(names: Sequence[str], name: str, request: ColumnRequest, flag: str, code: str) -> str:
    spelling = spelling_of(name, names)
    if spelling or name in names:
        return spelling
    near = [] if request.headerless else difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {flag} {printable(near[0])}?" if near else f"name one of its columns with {flag}"
    raise DataError(
        code, f"{request.source} has no column {printable(name)!r}{list_columns(names, request)}", fix=guess
    )


def _several(candidates: Sequence[str], request: ColumnRequest, what: str) -> DataError:
    listing = ", ".join(repr(printable(name)) for name in candidates)
    likely, why = _likelier(candidates, request, what)
    return DataError(
        "E_COLUMN",
        f"{request.source} has several columns that could be the {what}: {listing}",
        fix=f"name it: --{what} {shlex.quote(printable(likely or candidates[0]))}"
        + (" (repeat --input to use several)" if what == "input" else f" ({why})" if why else ""),
    )


class _Likely(NamedTuple):
    """A column that is likely what is asked for, or "", and why."""

    name: str
    why: str = ""


def _likelier(candidates: Sequence[str], request: ColumnRequest, what: str) -> _Likely:
    """Return the column that is more likely the input, by its words, or the target, by its name and its values.

    The name is "" where the first rows make none of them likely.
    """
    cells = {name: _cells(name, request) for name in candidates}
    if what == "input":
        rates = {name: _word_rate(cells[name]) for name in candidates}
        best = max(candidates, key=rates.__getitem__)
        return _Likely(best if rates[best] > 0 else "")
    fit = {name: _label_fitness(cells[name]) for name in candidates}
    best = max(candidates, key=lambda name: (fit[name] > 0, _name_rank(name), fit[name]))
    if fit[best] > 0:
        distinct = len({str(cell) for cell in cells[best]})
        name = "its name, and " if _name_rank(best) > 0 else ""
        return _Likely(best, f"{name}{distinct:,} different values in the first {len(request.rows):,} rows")
    named = [name for name in candidates if _words_of(name) & _USUAL_WORDS and _word_rate(cells[name]) > 0]
    return _Likely(named[0], "by its name") if len(named) == 1 else _Likely("")


def _name_rank(name: str) -> int:
    """Say how often a column of this name holds labels: 1 more often than others, -1 less often."""
    words = _words_of(name)
    return 1 if words & _LABEL_WORDS else -1 if words & _ASIDE_WORDS else 0


def _words_of(name: str) -> set[str]:
    return {word.casefold() for word in _WORDS.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))}


def _cells(name: str, request: ColumnRequest) -> list[object]:
    """Return the cells of a column in the first rows that hold something; an empty list or object holds nothing."""
    cells = (row.get(name) for row in request.rows)
    return [cell for cell in cells if cell is not None and not (isinstance(cell, (str, list, dict)) and not cell)]


def _word_rate(cells: Sequence[object]) -> float:
    texts = [cell for cell in cells if isinstance(cell, str)]
    return sum(len(text.split()) for text in texts) / max(len(texts), 1)


def _label_fitness(cells: Sequence[object]) -> float:
    """Say how much values look like labels: several that come again, and rather words than numbers or yes and no."""
    distinct = {str(cell) for cell in cells}
    if len(distinct) < 2 or 2 * len(distinct) > len(cells) or any(isinstance(cell, (dict, list)) for cell in cells):
        return 0.0
    worded = sum(any(char.isalpha() for char in value) and value.casefold() not in _YES_NO for value in distinct)
    return 1 - len(distinct) / len(cells) + worded / len(distinct)


def _missing(names: Sequence[str], free: Sequence[str], request: ColumnRequest, *lacking: str) -> DataError:
    if request.headerless:
        return DataError(
            "E_COLUMN",
            f"{request.source} seems to have no header: its first row looks like data",
            fix=f"add a first row that names the columns: (printf '{_header(names, request)}\\n';"
            f" cat {shlex.quote(request.source)}) > new.csv",
        )
    what = lacking[-1]
    code = "E_COLUMN" if what == "input" else "E_LABEL_MISSING"
    aside = ""
    if request.aside and what == "target":
        listing = ", ".join(repr(printable(name)) for name in request.aside)
        aside = f" ({listing} seems to say which rows to use)"
    options, left, reason = list[str](), list(free), ""
    for each in lacking:
        column, why = _likelier(left, request, each) if left and request.rows else _Likely("")
        left = [name for name in left if name != column]
        options.append(f"--{each} {shlex.quote(printable(column)) if column else 'COLUMN'}")
        reason = f" ({why})" if why else ""
    return DataError(
        code,
        f"{request.source} has no column that is clearly the {what}{list_columns(names, request)}{aside}",
        fix=f"name {'it' if len(options) == 1 else 'both'}: {' '.join(options)}{reason}"
        + ("; to extract fields, name their columns: --target A,B" if what == "target" and len(left) > 1 else ""),
    )


def _header(names: Sequence[str], request: ColumnRequest) -> str:
    """Return a first row for a file without one: text for the column of the most words, label for the likeliest."""
    text = _likelier(names, request, "input").name or names[0]
    others = [name for name in names if name != text]
    label = (_likelier(others, request, "target").name or others[0]) if others else ""
    known = {text: "text", label: "label"}
    sign = request.delimiter.replace("\t", "\\t")
    return sign.join(known.get(name, f"column{number}") for number, name in enumerate(names, 1))


def list_columns(names: Sequence[str], request: ColumnRequest) -> str:
    """Return the columns as a message goes on with them; of rows that seem to be data, that they are."""
    if request.headerless:
        return "; its first row seems to be data, not column names"
    if len(request.rows) == 1 and len(names) > _MANY:
        return f"; it is one record of {len(names):,} fields"  # whose names may be the texts themselves
    listing = ", ".join(repr(printable(name[:40])) for name in names[:30])
    return f"; its columns are {listing}" + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def plain_name(name: str) -> str:
    """Return the form in which names of columns are compared."""
    return name.strip().casefold().replace(" ", "_").replace("-", "_")
