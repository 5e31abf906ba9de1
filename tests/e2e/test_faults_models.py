"""Files of models that are hostile, or change while they serve: M07, M08, M12, M13, A11, K04, K08."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests import tiny_encoder, tiny_gguf
from tests.integration.models.test_causal_lm import ROWS, SPEC
from tests.integration.serving.test_process import bundle
from tests.sample_account import hostile_account
from tests.unit.reporting.test_page import HOSTILE, assert_inert

from ockham.convert import onnx_export
from ockham.errors import Defect, ModelError, OckhamError
from ockham.llm import gguf_file, template_process
from ockham.models import causal_lm, sentence_encoder
from ockham.reporting import render
from ockham.serving.process import ServingProcess
from ockham.store import open_run


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder.write(tmp_path_factory.mktemp("encoder") / "tiny", "bert")


SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
PIECES = [{"SpecialToken": {"id": "<gone>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
TOKENIZERS: dict[str, dict[str, Any]] = {
    "a rule without end": {"pre_tokenizer": {**SPLIT, "pattern": {"Regex": "(a+)+$"}}},
    "another one": {"pre_tokenizer": {**SPLIT, "pattern": {"Regex": "x|(?:\\w*\\d*)*!"}}},
    "a broken rule": {"pre_tokenizer": {**SPLIT, "pattern": {"Regex": "(a"}}},
    "an id outside": {
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "late": 4_000_000_000}, "unk_token": "<unk>"}
    },
    "an id below 0": {"model": {"type": "WordLevel", "vocab": {"<unk>": -1}, "unk_token": "<unk>"}},
    "no unknown word": {"model": {"type": "WordLevel", "vocab": {"late": 1}, "unk_token": "<gone>"}},
    "no such mark": {
        "post_processor": {"type": "TemplateProcessing", "single": PIECES, "pair": [], "special_tokens": {}}
    },
    "marks outside": {"post_processor": {"type": "BertProcessing", "sep": ["</s>", 99_999], "cls": ["<s>", 0]}},
    "merges of nothing": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "zz"]]}},
}


def write_graph(folder: Path, out: Path) -> None:
    found = sentence_encoder.find(str(folder))
    onnx_export.write(found, found.weights(), ["late parcel", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"], out)


def test_m07_the_whole_one_is_taken(encoder: Path, tmp_path: Path) -> None:
    write_graph(encoder, tmp_path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", TOKENIZERS)
def test_m07_a_tokenizer_that_cannot_be_trusted_is_refused_before_a_text_is_read(
    name: str, encoder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "tiny"))
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | TOKENIZERS[name]))
    began = time.monotonic()
    with pytest.raises(ModelError) as caught:
        write_graph(folder, tmp_path)
    assert time.monotonic() - began < 20
    assert caught.value.code == "E_MODEL_FORMAT"


def test_m07_a_tokenizer_of_a_size_that_none_has_is_not_read(encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "tiny"))
    with (folder / "tokenizer.json").open("r+b") as stream:
        stream.truncate(200_000_000)
    with pytest.raises(ModelError, match="larger than 128 MB"):
        sentence_encoder.find(str(folder))


@pytest.mark.parametrize(
    "rule",
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}]*[\p{Ll}\p{Lm}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}",
        r" {2,}",
    ],
)
def test_m07_rules_that_real_tokenizers_have_pass(rule: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"pre_tokenizer": {"pattern": {"Regex": rule}}}))
    sentence_encoder._check_rules(tmp_path / "tokenizer.json")


TEMPLATES = {
    "objects": "{{ ''.__class__.__mro__[1].__subclasses__() }}{% for m in messages %}{{ m.content }}{% endfor %}",
    "refusal": "{{ raise_exception('no') }}",
    "file": "{% include '/etc/passwd' %}{% for m in messages %}{{ m.content }}{% endfor %}",
    "syntax": "{% for m in messages %}{{ m.content ",
    "dropping": "{% for m in messages %}{% if 'OCKHAM' not in m.content %}{{ m.content }}{% endif %}{% endfor %}",
    "repeating": "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
    "system alone": "{{ messages[0].content }}",
}


ENDLESS_TEMPLATES = {
    "does not end": "{% for i in range(9999) %}" * 4 + "{% endfor %}" * 4,
    "takes too much memory": "{{ range(100000000) | list }}",
    "or ends the engine": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "writes more than 1,000 characters": "{% for m in messages %}{{ m.content }}{% endfor %}" + "x" * 1_001,
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_m08_a_chat_template_that_reaches_out_or_hides_a_turn_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    monkeypatch.setattr(tiny_gguf, "CHATML", TEMPLATES[name])
    path = tiny_gguf.write(tmp_path / "a.gguf")
    with pytest.raises(ModelError) as caught:
        template_process.compile_templates(path, 1)
    assert caught.value.code == "E_MODEL_FORMAT"
    assert "root:" not in str(caught.value)


BOUNDED = """
import sys
from ockham.llm import template_process
template_process.CPU_SECONDS, template_process.MEMORY_BYTES, template_process.MOST_CHARACTERS = 3, 200_000_000, 1000
template_process.main(*sys.argv[1:])
"""


@pytest.mark.parametrize("reason", ENDLESS_TEMPLATES)
def test_m08_a_chat_template_without_end_is_stopped_and_named(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    monkeypatch.setattr(tiny_gguf, "CHATML", ENDLESS_TEMPLATES[reason])
    path = tiny_gguf.write(tmp_path / "a.gguf")
    monkeypatch.setattr(template_process, "_COMMAND", (sys.executable, "-c", BOUNDED))
    with pytest.raises(ModelError, match=f"chat template .*{reason}") as caught:
        causal_lm.fit(ROWS, tmp_path, causal_lm.Base(weights=path), SPEC)
    assert caught.value.code == "E_MODEL_FORMAT"


@pytest.fixture
def decoder_bundle(tmp_path: Path) -> Path:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    folder = tmp_path / "bundle"
    folder.mkdir()
    causal_lm.fit(ROWS, folder, causal_lm.Base(weights=tiny_gguf.write(tmp_path / "tiny.gguf")), SPEC)
    return bundle(folder, "gguf", sorted({row.target for row in ROWS}))


def test_m12_weights_that_are_replaced_or_cut_while_they_serve(decoder_bundle: Path, tmp_path: Path) -> None:
    texts = [row.input for row in ROWS[:3]]
    weights = decoder_bundle / causal_lm.WEIGHTS
    whole = weights.read_bytes()
    with ServingProcess(decoder_bundle) as serving:
        before = serving.answer(texts)
        other = tmp_path / "other"
        other.write_bytes(bytes(len(whole)))
        other.replace(weights)
        assert serving.answer(texts) == before, "what was opened stays what it was"
    weights.write_bytes(whole)
    with ServingProcess(decoder_bundle) as serving:
        assert serving.answer(texts) == before
        with weights.open("r+b") as stream:
            stream.truncate(4096)
        # It may have read all that it needs: then it goes on; else the system ends it, and that is said.
        with suppress(Defect):
            assert len(serving.answer(texts)) == len(texts)
    with pytest.raises(OckhamError) as caught:
        ServingProcess(decoder_bundle)
    assert caught.value.code == "E_BUNDLE"


def test_m13_names_and_licences_of_models_are_text_in_the_report() -> None:
    import dataclasses

    account = hostile_account(HOSTILE)
    reports = tuple(
        dataclasses.replace(
            report,
            candidate=dataclasses.replace(
                report.candidate, settings={"model": HOSTILE[number % len(HOSTILE)], "licence": HOSTILE[0]}
            ),
        )
        for number, report in enumerate(account.reports)
    )
    assert_inert(render(dataclasses.replace(account, reports=reports)))


def test_m13_metadata_of_a_file_is_never_shown_as_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x>\x1b[31m"
    folder.mkdir()
    path = tiny_gguf.write(folder / "a\x1b]0;title\x07.gguf")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError) as caught:
        gguf_file.inspect(path)
    assert str(caught.value).replace("\n", "").isprintable()


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from types import SimpleNamespace
from ockham.convert import gguf_quantize
from ockham.records import Progress
from ockham.rungs import decoder_4bit, decoder_weights
from ockham.store import open_run
run_folder, model, whole, stage = map(Path, sys.argv[1:])
blocks, left = gguf_quantize._blocks, iter(range(4))
def convert(place, out, precision):
    out.write_bytes(whole.read_bytes()[: 1000 if stage.name == "convert" else None])
    if stage.name == "convert":
        os.kill(os.getpid(), signal.SIGKILL)
    return SimpleNamespace(path=out, sha256="", source="")
def dying(*words, **options):
    if stage.name == "quantize" and next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from blocks(*words, **options)
decoder_weights.convert, gguf_quantize._blocks = convert, dying
with open_run(run_folder, {}) as run:
    material = SimpleNamespace(run=run, on_progress=lambda progress: None)
    print(decoder_4bit.of_folder(str(model), material).weights.read_bytes()[:4].decode())
"""


def test_k04_k08_weights_killed_while_they_are_converted_or_quantized_are_made_again(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    whole = tiny_gguf.lay(tmp_path / "whole.gguf", tiny_gguf.matrices(2), tiny_gguf.metadata(), whole=True)

    def climb(folder: str, how: str) -> int:
        command = [sys.executable, "-c", KILLED, *map(str, (tmp_path / folder, tmp_path / "model", whole, how))]
        return subprocess.run(command, check=False, capture_output=True, timeout=120).returncode

    assert climb("whole", "none") == 0
    for stage in ("convert", "quantize"):
        assert climb("run", stage) == -signal.SIGKILL
        assert not (tmp_path / "run" / "artifacts" / "weights").exists()
        assert list((tmp_path / "run" / "staging").iterdir()), "it was killed in the middle"
    assert climb("run", "none") == 0
    with open_run(tmp_path / "run", {}):
        assert list((tmp_path / "run" / "staging").iterdir()) == []
    made = [next((tmp_path / name / "artifacts" / "weights").rglob("*.gguf")).read_bytes() for name in ("whole", "run")]
    assert made[0] == made[1]
