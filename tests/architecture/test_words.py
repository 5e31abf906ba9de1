"""Names that say what they hold: no bare participles, no empty words, no name for two things."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ockham"
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}
Function = (ast.FunctionDef, ast.AsyncFunctionDef)

# Verbs and nouns that end like participles, and participles of irregular verbs that no ending shows.
NO_PARTICIPLES = {"embed", "exceed", "feed", "need", "proceed", "seed", "speed", "shed"}
IRREGULAR = {
    "begun", "bent", "bought", "broken", "brought", "built", "caught", "chosen", "dealt", "done", "drawn",
    "drunk", "eaten", "fallen", "felt", "fought", "found", "given", "gone", "grown", "held", "hidden",
    "hung", "kept", "known", "laid", "lent", "lost", "made", "meant", "met", "paid", "said", "seen", "sent",
    "shown", "sold", "sought", "spent", "spoken", "stolen", "stood", "struck", "swept", "taken", "taught",
    "thought", "thrown", "told", "torn", "understood", "woken", "won", "worn", "written",
}  # fmt: skip
EMPTY = {
    "asked", "each", "found", "given", "kept", "known", "made", "one", "place", "places", "said", "some", "told",
    "wanted",
}  # fmt: skip
MOST_EMPTY = 0.01
"""The share of names that may be empty words; 0.003 when this was set. It may only shrink."""

EMPTY_FIELDS_ALLOWED = {"PlacedRows.places", "Usage.kept"}
"""Fields that are still named so. This list may only shrink."""

# What a library asks for by name. This list may only shrink.
PARTICIPLES_ALLOWED: set[str] = set()


def is_bare_participle(name: str) -> bool:
    """Whether a name is a participle alone (``judged``), which says neither what is done nor what comes back."""
    word = name.strip("_")
    return "_" not in word and word not in NO_PARTICIPLES and (word.endswith("ed") or word in IRREGULAR)


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, tree in TREES.items():
        yield from ((name, node) for node in ast.walk(tree) if isinstance(node, Function))


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    given = function.args
    return [a for a in (*given.posonlyargs, *given.args, *given.kwonlyargs) if a.arg not in ("self", "cls")]


def bindings() -> Iterator[tuple[str, str]]:
    """Every name that is bound: parameters and assignments, loops and ``with`` included."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield from ((name, parameter.arg) for parameter in parameters(node))
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield name, node.id


@pytest.mark.parametrize("name", ["judged", "_told", "made", "compiled", "kept"])
def test_a_bare_participle_is_seen(name: str) -> None:
    assert is_bare_participle(name)


@pytest.mark.parametrize("name", ["judge", "embed", "read", "score_answers", "is_needed", "seed"])
def test_a_verb_is_none(name: str) -> None:
    assert not is_bare_participle(name)


def test_no_function_is_named_by_a_bare_participle() -> None:
    offences = {f"{file}:{node.name}" for file, node in functions() if is_bare_participle(node.name)}
    assert sorted(offences - PARTICIPLES_ALLOWED) == []
    assert sorted(PARTICIPLES_ALLOWED - offences) == [], "no longer needed"


def test_few_names_are_empty_words() -> None:
    every = list(bindings())
    empty = Counter(file for file, name in every if name in EMPTY)
    assert sum(empty.values()) <= MOST_EMPTY * len(every), empty.most_common(20)


def test_no_field_of_a_record_is_an_empty_word() -> None:
    fields = {
        f"{node.name}.{row.target.id}"
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for row in node.body
        if isinstance(row, ast.AnnAssign) and isinstance(row.target, ast.Name) and row.target.id in EMPTY
    }
    assert fields == EMPTY_FIELDS_ALLOWED


def test_no_parameter_is_a_tuple_of_different_things() -> None:
    mixed = []
    for file, node in functions():
        for parameter in parameters(node):
            kind = parameter.annotation
            if (
                isinstance(kind, ast.Subscript)
                and ast.unparse(kind.value) == "tuple"
                and isinstance(kind.slice, ast.Tuple)
            ):
                elements = {ast.unparse(element) for element in kind.slice.elts} - {"..."}
                if len(elements) > 1:
                    mixed.append(f"{file}:{node.name} {parameter.arg}: {ast.unparse(kind)}")
    assert mixed == []


def test_no_public_class_name_stands_twice() -> None:
    homes = defaultdict(list)
    for file, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(file)
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_no_module_stem_stands_twice() -> None:
    stems = Counter(Path(file).stem for file in TREES if not file.endswith("__init__.py"))
    assert [stem for stem, count in stems.items() if count > 1] == []


def test_packages_only_hand_on_names() -> None:
    """An ``__init__`` imports and lists; the doorway's lazy import is the exception."""
    defined = [
        f"{file}:{node.lineno}"
        for file, tree in TREES.items()
        if file.endswith("/__init__.py")
        for node in tree.body
        if not isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]
    assert defined == []


def test_docstrings_say_return_and_not_give() -> None:
    giving = [
        f"{file}:{node.name}" for file, node in functions() if (ast.get_docstring(node) or "").startswith("Give ")
    ]
    assert giving == []
