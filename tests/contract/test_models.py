"""One suite over every model plug: what `ockham.models.Model` promises holds for each of them.

A plug joins by one line in `PLUGS`: its kind, and how it is fitted on examples into a folder. The endpoint needs a
server to ask: it is fitted against a stub on the loopback.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests import tiny_classifier, tiny_encoder, tiny_gguf
from tests.stub_api import Response, Seen, says, serving

from ockham.convert import onnx_export
from ockham.evals import metrics
from ockham.llm import json_schema
from ockham.models import (
    backend,
    bio_tags,
    blend,
    causal_lm,
    constant,
    endpoint,
    fake,
    field_blend,
    linear,
    lookup,
    model_files,
    onnx_encoder,
    sentence_encoder,
    tagger,
    token_windows,
)
from ockham.models.extraction import pattern_learning, tagger_learning
from ockham.models.extraction.value_places import TextRow
from ockham.plugs.batch_contract import WILD_TEXTS
from ockham.records import Answer, Example
from ockham.rung_table import BACKENDS
from ockham.rungs import own_models
from ockham.tuning import linear_head, span_alignment

Fit = Callable[[Sequence[Example], Path], None]


def fit_linear(rows: Sequence[Example], folder: Path) -> None:
    """Choose C on the last quarter of the rows."""
    most = 3 * len(rows) // 4
    linear.fit(rows[:most], rows[most:], folder, metric=metrics.share_right, seed=0)


def fit_linear_tagger(rows: Sequence[Example], folder: Path) -> None:
    """Learn the last word of a text."""
    marked = [TextRow(text=row.input, target=json.dumps({"code": row.input.split()[-1]})) for row in rows]
    tagger_learning.learn(tagger_learning.place_rows(marked)).save(folder)


def fit_pattern(rows: Sequence[Example], folder: Path) -> None:
    """Learn rules for the last word of a text."""
    marked = [TextRow(text=row.input, target=json.dumps({"code": row.input.split()[-1]})) for row in rows]
    pattern_learning.learn(tagger_learning.place_rows(marked)).save(folder)


def random_encoder(folder: Path) -> sentence_encoder.SentenceEncoder:
    """Write an encoder beside a folder."""
    return sentence_encoder.find(str(tiny_encoder.write(folder.with_name(f"{folder.name}-encoder"), "bert")))


def fit_encoder(rows: Sequence[Example], folder: Path) -> None:
    """Write an encoder with random weights in 8 bits, and a head on its vectors."""
    found = random_encoder(folder)
    inputs = [row.input for row in rows]
    embedder = onnx_export.write(found, found.weights(), inputs, folder)
    linear_head.solve(embedder.embed(inputs), [row.target for row in rows], 10.0).save(folder)


def fit_gguf(rows: Sequence[Example], folder: Path) -> None:
    """Prompt a small language model with random weights; its labels are known to it from the rows."""
    weights = tiny_gguf.write(folder / causal_lm.WEIGHTS)
    causal_lm.fit(rows, folder, causal_lm.Base(weights=weights), causal_lm.GgufSpec(threads=1))


def fit_tagger(rows: Sequence[Example], folder: Path) -> None:
    """Mark the last word of a text, with the packaged encoder in 8 bits and a head on its frozen states."""
    found = sentence_encoder.find(None)  # the random one cuts no word into pieces, which have a tag of their own
    rows = [dataclasses.replace(row, target=json.dumps({"code": row.input.split()[-1]})) for row in rows]
    schema = json_schema.infer([row.target for row in rows])
    told = tagger.TaggerSettings(schema=json.dumps(schema), paths=(("code",),), temperature=1.5)
    readings = token_windows.reader(found).read([row.input for row in rows])
    aligned = span_alignment.align(rows, tagger.writer(told).fields)
    marked = [bio_tags.encode(one.spans, each.spans, each.free)[0] for one, each in zip(aligned, readings, strict=True)]
    body = onnx_export.write(found, found.weights(), [row.input for row in rows], folder, output=onnx_encoder.STATES)
    states = [state for each in readings for state in each.join(body.states([w.tokens for w in each.windows]))]
    head = linear_head.solve(np.array(states), [str(tag) for row in marked for tag in row], 10.0)
    assert head.settings.labels == ("0", "1", "2")
    tagger.save(told, head.weight, head.bias, folder)


def fit_classifier(rows: Sequence[Example], folder: Path) -> None:
    """Take in a classifier of transformers with random weights; of the rows it knows the labels alone."""
    labels = sorted({row.target for row in rows})
    made = own_models.read_model(
        str(tiny_classifier.write_transformers(folder.with_name(f"{folder.name}-mine"), labels=labels))
    )
    assert made is not None
    own_models.write_bundle(made, rows, labels, folder)


def fit_blend(rows: Sequence[Example], folder: Path) -> None:
    """Blend a linear model and an encoder, the one trusted more than the other."""
    members = (blend.BlendMember(kind="linear", weight=2.0), blend.BlendMember(kind="encoder", weight=0.5))
    for index, (member, fit) in enumerate(zip(members, (fit_linear, fit_encoder), strict=True)):
        part = blend.member_folder(folder, index, member.kind)
        part.mkdir(parents=True)
        fit(rows, part)
    labels = tuple(sorted({row.target for row in rows}))
    model_files.write(blend.BlendSettings(labels=labels, members=members), folder / blend.FILE)


def fit_field_blend(rows: Sequence[Example], folder: Path) -> None:
    """Take the one field from rules, and everything else from a linear tagger."""
    kinds = ("pattern", "linear-tagger")
    for index, (kind, fit) in enumerate(zip(kinds, (fit_pattern, fit_linear_tagger), strict=True)):
        part = blend.member_folder(folder, index, kind)
        part.mkdir(parents=True)
        fit(rows, part)
    chosen = field_blend.FieldBlendSettings(kinds=kinds, paths=(("code",),), members=(0,), rest=1)
    model_files.write(chosen, folder / field_blend.FILE)


PLUGS: dict[str, Fit] = {
    "blend": fit_blend,
    "classifier": fit_classifier,
    "constant": constant.fit,
    "encoder": fit_encoder,
    "fake": fake.fit,
    "field-blend": fit_field_blend,
    "gguf": fit_gguf,
    "linear": fit_linear,
    "linear-tagger": fit_linear_tagger,
    "lookup": lambda rows, folder: lookup.learn(rows).save(folder),
    "pattern": fit_pattern,
    "tagger": fit_tagger,
}

TOPICS = {
    "billing": ("invoice", "refund", "charged twice", "payment", "price"),
    "delivery": ("parcel", "late courier", "tracking", "address", "shipping"),
    "zgłoszenie": ("błąd", "awaria", "不具合", "crash", "خطأ"),
}

UNICODE = (*WILD_TEXTS, "lone \ud800 surrogate", '{\'json\': [1, 2], "q": "\\"}')


def examples(n: int = 36) -> tuple[Example, ...]:
    """Make n short rows over three topics, the same at every call."""
    pick = random.Random(7)
    rows = []
    for place in range(n):
        label = pick.choice(sorted(TOPICS))
        words = [pick.choice(TOPICS[label]) for _ in range(3)] + ["".join(pick.choices(string.ascii_lowercase, k=4))]
        rows.append(Example(id=str(place), input=" ".join(words), target=label))
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted model, the folder it stands in and the rows it was fitted on."""

    kind: str
    fit: Fit
    model: backend.Model
    folder: Path
    rows: tuple[Example, ...]


@contextlib.contextmanager
def loaded(kind: str, folder: Path) -> Iterator[backend.Model]:
    """Load a model for the length of a block; one that holds connections or an engine is closed."""
    model = backend.load_backend(kind).load(folder)
    try:
        yield model
    finally:
        if isinstance(model, (endpoint.Endpoint, causal_lm.Decoder)):
            model.close()


def by_hash(_number: int, seen: Seen) -> Response:
    """Answer as a model at temperature 0 would: by the text alone."""
    drawn = hashlib.sha256(seen.text.encode("utf-8", "surrogatepass")).digest()[0]
    return says([*sorted(TOPICS), "no label"][drawn % 4])


@pytest.fixture(scope="module")
def fit_endpoint() -> Iterator[Fit]:
    with serving(by_hash) as api:
        spec = endpoint.EndpointSpec(url=api.url, model="stub", key_env=None)
        yield lambda rows, folder: endpoint.fit(rows, folder, spec)


@pytest.fixture(scope="module", params=[*sorted(PLUGS), "endpoint"])
def fitted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fit_endpoint: Fit
) -> Iterator[Fitted]:
    kind = str(request.param)
    folder = tmp_path_factory.mktemp(kind)
    rows = examples()
    fit = PLUGS.get(kind, fit_endpoint)
    fit(rows, folder)
    with loaded(kind, folder) as model:
        yield Fitted(kind=kind, fit=fit, model=model, folder=folder, rows=rows)


def possible(answer: Answer, kind: str) -> bool:
    """Tell whether an answer is one of the labels, or of a tagger an object of its schema."""
    if kind in ("tagger", "linear-tagger", "pattern", "field-blend"):
        value = json.loads(str(answer.value))
        return set(value) == {"code"} and isinstance(value["code"], str)
    return answer.value is None or answer.value in TOPICS


def close(one: Sequence[Answer], other: Sequence[Answer]) -> bool:
    """Tell whether answers are the same; confidences may differ by rounding (another batch is another summation)."""
    return [a.value for a in one] == [b.value for b in other] and all(
        (a.confidence is None) == (b.confidence is None)
        and (a.confidence is None or a.confidence == pytest.approx(b.confidence, abs=1e-5))
        for a, b in zip(one, other, strict=True)
    )


def test_it_fits_the_socket(fitted: Fitted) -> None:
    assert isinstance(fitted.model, backend.Model)
    assert fitted.kind in BACKENDS


def test_it_answers_every_input_with_what_it_may_say_and_a_confidence_in_0_to_1(fitted: Fitted) -> None:
    answers = fitted.model.answer([row.input for row in fitted.rows])
    assert len(answers) == len(fitted.rows)
    for answer in answers:
        assert type(answer) is Answer
        assert possible(answer, fitted.kind)
        assert answer.confidence is None or (type(answer.confidence) is float and 0 <= answer.confidence <= 1)


def test_it_takes_an_empty_list(fitted: Fitted) -> None:
    assert fitted.model.answer([]) == []


def test_it_is_deterministic(fitted: Fitted) -> None:
    inputs = [row.input for row in fitted.rows]
    assert fitted.model.answer(inputs) == fitted.model.answer(inputs)


def test_it_keeps_the_order(fitted: Fitted) -> None:
    inputs = [row.input for row in fitted.rows]
    order = random.Random(3).sample(range(len(inputs)), len(inputs))
    straight = fitted.model.answer(inputs)
    shuffled = fitted.model.answer([inputs[place] for place in order])
    assert close(shuffled, [straight[place] for place in order])


def test_an_answer_does_not_depend_on_its_neighbours(fitted: Fitted) -> None:
    inputs = [row.input for row in fitted.rows[:6]] + ["x" * 5_000, "", "parcel"]
    alone = [fitted.model.answer([text])[0] for text in inputs]
    assert close(fitted.model.answer(inputs), alone)
    assert close(fitted.model.answer(["parcel"] * 3), [alone[-1]] * 3)


def test_it_takes_any_text(fitted: Fitted) -> None:
    answers = fitted.model.answer(UNICODE)
    assert len(answers) == len(UNICODE)
    assert all(possible(answer, fitted.kind) for answer in answers)
    assert close(answers, fitted.model.answer(UNICODE))


def test_it_never_changes_its_arguments(fitted: Fitted) -> None:
    inputs = [row.input for row in fitted.rows]
    before = copy.copy(inputs)
    fitted.model.answer(inputs)
    assert inputs == before
    answers = fitted.model.answer(tuple(inputs))
    assert len(answers) == len(inputs), "a tuple is a sequence too"


def test_it_survives_being_saved_and_loaded(fitted: Fitted) -> None:
    inputs = [*(row.input for row in fitted.rows), *UNICODE]
    with loaded(fitted.kind, fitted.folder) as again:
        assert again.answer(inputs) == fitted.model.answer(inputs)


def test_answering_and_loading_leave_the_folder_as_it_is(fitted: Fitted) -> None:
    before = {path: path.read_bytes() for path in fitted.folder.rglob("*") if path.is_file()}
    with loaded(fitted.kind, fitted.folder) as again:
        again.answer(["parcel"])
    assert before == {path: path.read_bytes() for path in fitted.folder.rglob("*") if path.is_file()}
    assert before, "a model is saved in files"


def test_fitting_twice_on_the_same_rows_gives_the_same_answers(fitted: Fitted, tmp_path: Path) -> None:
    rows = copy.copy(fitted.rows)
    fitted.fit(rows, tmp_path)
    inputs = [row.input for row in rows]
    with loaded(fitted.kind, tmp_path) as again:
        assert close(again.answer(inputs), fitted.model.answer(inputs))
    assert rows == fitted.rows


def test_its_files_hold_no_pickle(fitted: Fitted) -> None:
    for path in fitted.folder.rglob("*"):
        if path.is_file():
            assert path.suffix in {".json", ".safetensors", ".onnx", ".txt", ".gguf"}
            raw = path.read_bytes()
            # A safetensors file begins with the length of its JSON header, whose first byte may be any.
            assert raw[8:9] == b"{" if path.suffix == ".safetensors" else not raw.startswith(b"\x80")


def test_every_plug_is_tested_here() -> None:
    assert {*PLUGS, "endpoint"} == set(BACKENDS)
