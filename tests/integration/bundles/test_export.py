"""A language model taken out of a bundle: what is written for whom, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests import tiny_gguf

from ockham import store
from ockham.bundles.export import export, modelfile
from ockham.errors import BundleError, ConfigError, StoreError
from ockham.models import causal_lm
from ockham.models.causal_lm import Base, DecoderFiles, GgufSpec
from ockham.records import Candidate, Example, Manifest, Progress

ROWS = [Example(id=str(place), input="late again", target=("billing", "delivery")[place % 2]) for place in range(8)]


def sealed(folder: Path, kind: str) -> Path:
    """Seal a folder as a bundle of a kind."""
    manifest = Manifest(
        format=1,
        ockham="0",
        task="classify",
        kind=kind,
        candidate=Candidate(name="decoder:tiny", rung=5, kind=kind),
        labels=("billing", "delivery"),
        inputs=("text",),
        target="label",
        dataset="d",
        files={},
    )
    store.seal_bundle(folder, manifest)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    causal_lm.fit(ROWS, folder, Base(weights=weights), GgufSpec(context=1024, threads=1))
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
    return sealed(folder, "gguf")


def test_gguf_is_the_weights_and_the_system_prompt(bundle: Path, tmp_path: Path) -> None:
    written = export(bundle, "gguf", tmp_path / "out")
    assert [path.name for path in written] == ["README.md", "model.gguf", "schema.json", "system_prompt.txt"]
    assert written[1].read_bytes() == (bundle / "model.gguf").read_bytes()
    assert '["billing", "delivery"]' in written[3].read_text(encoding="utf-8")
    card = written[0].read_text(encoding="utf-8")
    assert "test.json" not in card, "this form has none"


def test_what_is_exported_can_be_read_by_others_as_the_users_new_files_can(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    written = export(bundle, "ollama", tmp_path / "out")
    assert {path.stat().st_mode for path in written} == {(tmp_path / "mine").stat().st_mode}


def test_a_folder_that_cannot_be_made_is_no_defect_and_the_work_is_told(bundle: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="writing the folder failed"):
        export(bundle, "gguf", tmp_path / "file" / "out", on_progress=told.append)
    assert [progress.message for progress in told] == ["writing decoder:tiny as gguf"]


def test_ollama_asks_with_the_same_template_and_orders(bundle: Path, tmp_path: Path) -> None:
    export(bundle, "ollama", tmp_path / "new" / "out")
    text = (tmp_path / "new" / "out" / "Modelfile").read_text(encoding="utf-8")
    found = causal_lm.parts(bundle)
    assert "FROM ./model.gguf\n" in text
    assert "PARAMETER num_ctx 1024\n" in text
    model = causal_lm.load(bundle)
    try:
        asked = model.question("hello").tokens
        template = text.partition('TEMPLATE """')[2].partition('"""')[0]
        shown = template.replace("{{ .System }}", found.orders).replace("{{ .Prompt }}", '{"text": "hello"}')
        assert model.engine.tokens(shown.replace("{{ .Response }}", ""), special=True, begin=True) == list(asked)
    finally:
        model.close()


def test_ollama_gets_the_schema_of_valid_answers_and_a_request_that_sends_it(bundle: Path, tmp_path: Path) -> None:
    export(bundle, "ollama", tmp_path / "out")
    schema = json.loads((tmp_path / "out" / "schema.json").read_text(encoding="utf-8"))
    assert schema == {"type": "string", "enum": ["billing", "delivery"]}
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "curl -s http://localhost:11434/api/generate" in card
    assert "--slurpfile schema schema.json" in card


def test_peft_is_the_adapter(bundle: Path, tmp_path: Path) -> None:
    assert [path.name for path in export(bundle, "peft", tmp_path / "out")] == ["README.md", "adapter_config.json"]


def test_what_has_no_such_form_is_refused_and_nothing_is_written(bundle: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "model.json").write_text("{}", encoding="utf-8")
    sealed(plain, "linear")
    with pytest.raises(ConfigError, match="cannot be exported to gguf"):
        export(plain, "gguf", tmp_path / "out")
    prompted = tmp_path / "prompted"
    prompted.mkdir()
    causal_lm.fit(ROWS, prompted, Base(weights=tmp_path / "tiny.gguf"), GgufSpec(context=1024, threads=1))
    with pytest.raises(ConfigError, match="decoder:tiny has no adapter: it was not tuned"):
        export(sealed(prompted, "gguf"), "peft", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out-*")), "no half-written folder is left"


def test_a_folder_that_is_there_is_never_written_over(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="already exists"):
        export(bundle, "gguf", tmp_path / "out")


@pytest.mark.parametrize("piece", ['"""', "{{ .Evil }}"])
def test_a_template_that_would_break_a_modelfile_is_refused(piece: str, tmp_path: Path) -> None:
    parts = DecoderFiles(
        weights=tmp_path,
        orders="Answer.",
        pieces=("<|u|>", piece, "<|a|>"),
        folded=False,
        spec=GgufSpec(),
        task="generate",
    )
    with pytest.raises(BundleError, match="Modelfile"):
        modelfile(parts)


def test_a_template_without_a_system_turn_begins_the_first_one_with_the_orders(tmp_path: Path) -> None:
    parts = DecoderFiles(
        weights=tmp_path, orders="Answer.", pieces=("<|u|>", "<|a|>"), folded=True, spec=GgufSpec(), task="generate"
    )
    wanted = 'TEMPLATE """<|u|>{{ .System }}\n\n{{ .Prompt }}<|a|>{{ .Response }}"""'
    assert wanted in modelfile(parts)
