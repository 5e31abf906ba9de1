"""Names and descriptions of labels become training rows where models that have not seen a row do better with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from ockham.data.prepare import Prepared, prepare
from ockham.data.split import SplitSpec
from ockham.errors import DataError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import load_result
from ockham.readers.read import ReadSpec
from ockham.records import Example
from ockham.rungs.label_rows import choose_label_rows, list_label_rows, readable_name
from ockham.rungs.rung import BuildConfig, RunContext
from ockham.tuning.tune_spec import TuneSpec

TOPICS = {"invoice_question": "invoice", "lateDelivery": "delivery", "app crash": "crash"}


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("order_status", "order status"),
        ("lateDelivery", "late Delivery"),
        ("calendar/set-event", "calendar set event"),
        ("天气", "天气"),
        ("Ärger", "Ärger"),
        ("C3", ""),
        ("17", ""),
        ("0.5", ""),
        ("a_b", ""),
        ("", ""),
    ],
)
def test_a_label_is_read_as_words_where_it_has_some(label: str, name: str) -> None:
    assert readable_name(label) == name


def fitted(rows: Sequence[dict[str, str]]) -> Prepared:
    return prepare(rows, ReadSpec(), SplitSpec(), test=None, task_name="classify", on_progress=lambda _: None)


def run_context(rows: Sequence[dict[str, str]], descriptions: dict[str, str] | None = None) -> RunContext:
    plan = BuildConfig(
        task="classify",
        metric="accuracy",
        seed=0,
        encoder=None,
        tune=TuneSpec(),
        endpoint=None,
        descriptions=descriptions or {},
    )
    return RunContext(fitted(rows), plan, cast("Any", None), lambda _: None)


def topic_rows(count: int) -> list[dict[str, str]]:
    labels = sorted(TOPICS)
    random = np.random.default_rng(1)
    texts = ["".join(random.choice(list("abcdefghij "), 40)) for _ in range(count)]
    return [{"text": text, "label": labels[n % 3]} for n, text in enumerate(texts)]


def test_each_label_gives_its_name_and_its_description() -> None:
    said = {"lateDelivery": "the parcel is late"}
    rows = list_label_rows(run_context(topic_rows(60), said))
    assert [(row.input, row.target) for row in rows] == [
        ("app crash", "app crash"),
        ("invoice question", "invoice_question"),
        ("late Delivery", "lateDelivery"),
        ("the parcel is late", "lateDelivery"),
    ]


@pytest.mark.parametrize("helps", [True, False])
def test_they_are_used_where_unseen_rows_are_told_better(helps: bool) -> None:
    context = run_context(topic_rows(60))
    targets = [row.target for row in (*context.side("train"), *context.side("valid"))]
    right = np.array([[float(label == target) for label in context.labels()] for target in targets])
    noise = np.random.default_rng(0).normal(size=right.shape)

    def cross_validate(extra: Sequence[Example], folds: Sequence[int]) -> NDArray[np.float64]:
        assert len(folds) == len(targets)
        return noise + right * (2.0 if bool(extra) == helps else 0.5)

    chosen = choose_label_rows(context, cross_validate)
    assert len(chosen) == (3 if helps else 0)


def test_a_run_learns_from_names_and_says_so(tmp_path: Path) -> None:
    """Each row holds a word of its label's description that no other row has."""
    random = np.random.default_rng(2)
    words = {label: ["".join(random.choice(list("bcdfgaeiou"), 7)) for _ in range(24)] for label in ("a1", "b2")}
    file = tmp_path / "labels.csv"
    lines = "".join(f"{label},{' '.join(said)}\n" for label, said in words.items())
    file.write_text(f"label,description\n{lines}")
    rows = [
        {"text": f"{word} {word[::-1]}{n}", "label": label}
        for n in range(24)
        for label, said in words.items()
        for word in said[n : n + 1]
    ]
    spec = FitSpec(rungs=("constant", "linear"), labels=str(file))
    fit(rows, spec, out=tmp_path / "run")
    reports = {report.candidate.name: report for report in load_result(tmp_path / "run").reports}
    assert reports["linear"].candidate.settings["label_rows"] == 2
    file.write_text("label,description\na1,bills\nother,unknown\nb2,parcels\n")
    with pytest.raises(DataError) as caught:
        fit(rows, spec, out=tmp_path / "again")
    assert caught.value.code == "E_LABEL_SET"
    assert caught.value.message.endswith("do not occur in the data (number 2 of the file)")
