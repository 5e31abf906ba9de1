"""One place for each fact: what a newcomer adds in a row of a table is spelt nowhere else."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

from ockham.evals.task_metrics import METRICS
from ockham.records.quantities import QUANTITIES
from ockham.rung_table import BACKENDS, RUNGS
from ockham.rungs.registry import KNOWN

SOURCE = Path(__file__).parents[2] / "src" / "ockham"
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}
# Where names of metrics stand: what each is called, how each is worked out, and the settings of the scorer by likeness.
METRIC_HOMES = {
    "records/quantities.py",
    "evals/task_metrics.py",
    "evals/text_similarity.py",
    "evals/similarity_scorer.py",
}
WORDS = {"accuracy", "score"}
"""Names of metrics that are words of other things too: no test can tell which is meant."""


def literals() -> list[tuple[str, int, str]]:
    """Every text in the source that is no docstring, with its file and line."""
    return [
        (name, node.lineno, node.value)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_every_metric_has_one_row_of_words_and_one_row_of_numbers() -> None:
    shares = {name for name, quantity in QUANTITIES.items() if quantity.unit == "share"}
    assert shares == set(METRICS)


def test_a_metric_is_spelt_in_the_tables_alone() -> None:
    names = {name for name, quantity in QUANTITIES.items() if quantity.unit == "share"} - WORDS
    spelt = {*names, *(f"min_{name}" for name in names), *(f"--min-{name.replace('_', '-')}" for name in names)}
    assert [
        f"{file}:{line} {text}" for file, line, text in literals() if text in spelt and file not in METRIC_HOMES
    ] == []


def test_a_rung_is_spelt_in_its_file_and_in_the_table_alone() -> None:
    """A newcomer writes the model, the rung, and a line for each in the table: three files."""
    names = {name for name in RUNGS if "-" in name or "+" in name}  # the others are words of other things too
    homes = {
        "rung_table.py",
        "bundles/model_card.py",  # what is exported of a kind of model
        "convert/answer_graphs.py",  # the name of a graph
        "models/field_blend.py",  # the kinds of model that it may hold
        *(f"{home.partition(':')[0].removeprefix('ockham.').replace('.', '/')}.py" for home in RUNGS.values()),
    }
    assert [f"{file}:{line} {text}" for file, line, text in literals() if text in names and file not in homes] == []


def test_every_rung_says_what_it_is_and_what_it_needs() -> None:
    assert [rung.name for rung in KNOWN] == list(RUNGS)
    assert all(rung.kind in BACKENDS and rung.summary and rung.ready_note for rung in KNOWN)
    assert len({rung.summary for rung in KNOWN}) == len(KNOWN)


def test_no_file_but_its_own_room_asks_which_kind_a_rung_is() -> None:
    """What is special about a rung is a field of `Rung`; what is special about a kind is asked of `backend`."""
    compared = [
        f"{file}:{node.lineno} {ast.unparse(node)}"
        for file, tree in TREES.items()
        if file.split("/")[0] in {"ladder", "serving", "bundles", "reporting", "diagnosis.py"}
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(
            (isinstance(side, ast.Constant) and side.value in BACKENDS)
            or (isinstance(side, ast.Attribute) and side.attr == "KIND")
            for side in (node.left, *node.comparators)
        )
    ]
    exporters = ("bundles/model_card.py:", "bundles/peft_folder.py:")
    assert [line for line in compared if not line.startswith(exporters)] == [], "only what exports a kind asks for it"


def test_a_percentage_is_written_in_one_place() -> None:
    """An f-string that ends a number with a percent sign is a second way to write one."""
    by_hand = [
        f"{file}:{part.lineno}"
        for file, tree in TREES.items()
        for text in ast.walk(tree)
        if isinstance(text, ast.JoinedStr)
        for part, after in pairwise(text.values)
        if isinstance(part, ast.FormattedValue)
        and part.format_spec is not None
        and isinstance(after, ast.Constant)
        and str(after.value).lstrip(" \u00a0").startswith("%")
    ]
    assert {place.partition(":")[0] for place in by_hand} == {"plain_numbers.py"}, by_hand
