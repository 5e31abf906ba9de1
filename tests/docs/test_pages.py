"""The documentation is true: its examples run, its links lead somewhere, and it names all there is.

That the generated pages are current is checked by scripts/check.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.few_mails import MAILS, write_few_mails

from ockham import records
from ockham.cli import commands
from ockham.verb_table import VERBS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "examples/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("python", "console", "sh")
FENCE = re.compile(r"(?:<!-- not run: (?P<why>[^\n]+?) -->\n+)?^```(?P<kind>[a-z]*)\n(?P<body>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#([^)\s]+))?\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    kind: str
    body: str
    line: int
    why_not: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("body"))
        yield Block(kind=found["kind"], body=found["body"], line=line, why_not=found["why"])


def shell_of(block: Block) -> str:
    """Give the commands of a block: all of it, or of a transcript the lines after its prompts."""
    if block.kind == "sh":
        return block.body
    lines: list[str] = []
    going_on = False
    for line in block.body.splitlines():
        if line.startswith("$ ") or going_on:
            lines.append(line.removeprefix("$ ").removeprefix("> ") if not going_on else line)
            going_on = line.endswith("\\")
    return "\n".join(lines)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# The examples' own page shows the whole climb, which scripts/demo runs.
PAGES_THAT_RUN = [page for page in PAGES if page.parent.name != "examples"]
RUNNING = [page for page in PAGES_THAT_RUN if any(b.kind in RUN and b.why_not is None for b in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=name_of)
def test_the_examples_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    write_few_mails(tmp_path / "examples" / MAILS.name)  # what is shown runs on all of them too: scripts/demo
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONWARNINGS": "default", "COLUMNS": "100"}
    for block in blocks(page):
        if block.kind not in RUN or block.why_not is not None:
            continue
        if block.kind == "python":
            command = [sys.executable, "-c", block.body]
        else:
            command = ["bash", "-euo", "pipefail", "-c", shell_of(block)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, text=True)
        assert done.returncode == 0, f"{name_of(page)}, line {block.line}:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    known = {*RUN, "text", "toml", "json"}
    assert [f"line {block.line}: {block.kind!r}" for block in blocks(page) if block.kind not in known] == []
    assert page.read_text(encoding="utf-8").count("\n```") % 2 == 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_in_the_pages_are_accepted(page: Path) -> None:
    from ockham.cli import settings
    from ockham.ladder.fit import FitSpec

    for block in blocks(page):
        if block.kind == "toml" and "[fit]" in block.body:
            values = dict(tomllib.loads(block.body)["fit"])
            values.pop("data", None)
            values.pop("out", None)
            settings.requirements(values)
            settings.spec(FitSpec, values)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        file = (page.parent / target).resolve()
        assert file.exists(), f"{name_of(page)} links to {target}"
        if anchor and file.suffix == ".md":
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_command_and_flag_is_in_the_reference() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    for name in VERBS:
        assert f"## `ockham {name}`" in text
        with commands.ockham.make_context("ockham", [], resilient_parsing=True) as top:
            command = commands.ockham.get_command(top, name)
        assert command is not None
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.opts[0] in text
                assert getattr(parameter, "help", None), f"{name} {parameter.opts} has no help"


@pytest.mark.parametrize("page", sorted((ROOT / "docs/schema").glob("*.json")), ids=lambda page: page.stem)
def test_every_property_of_a_schema_has_a_title_and_a_description(page: Path) -> None:
    schema = json.loads(page.read_text(encoding="utf-8"))
    properties = [
        (record["title"], name, value)
        for record in (schema, *schema.get("$defs", {}).values())
        for name, value in record.get("properties", {}).items()
    ]
    assert properties
    for record, name, value in properties:
        assert value["title"][0].isupper(), (record, name)
        assert "_" not in value["title"], (record, name)
        assert value.get("description", "").endswith("."), (record, name)


def test_every_error_code_is_explained() -> None:
    script = runpy.run_path(str(ROOT / "scripts/generate"), run_name="generate")
    raised = script["codes"]()
    assert set(raised) <= set(script["MEANINGS"])
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert [code for code in raised if f"| `{code}` |" not in text] == []


def test_every_extra_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs/contributing.md").read_text("utf-8")
    assert [
        extra for extra in project["optional-dependencies"] if f"[{extra}]" not in text and f",{extra}]" not in text
    ] == []


def test_the_glossary_has_the_words_of_the_records() -> None:
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").lower()
    words = ("Example", "Dataset", "Candidate", "Score", "Estimate", "Report", "Requirements", "Verdict")
    assert all(hasattr(records, word) for word in words)
    more = ("rung", "ladder", "bundle", "run", "task", "run result", "ingest report", "split", "cluster", "profile")
    assert [word for word in (*words, *more) if f"**{word.lower()}**" not in text] == []


def test_no_page_names_a_machine() -> None:
    private = re.compile(r"/(?:home|root|work|Users)/\w|localhost:\d{4}|\b(?:10|192\.168)\.\d+\.\d+\.\d+\b")
    assert [name_of(page) for page in PAGES if private.search(page.read_text(encoding="utf-8"))] == []


def test_designs_are_numbered_without_holes_and_say_what_would_change_them() -> None:
    designs = sorted((ROOT / "docs/design").glob("[0-9]*.md"))
    assert [page.name[:3] for page in designs] == [f"{number:03}" for number in range(1, len(designs) + 1)]
    texts = {page.name: page.read_text(encoding="utf-8") for page in designs}
    assert [name for name, text in texts.items() if not text.startswith(f"# {name[:3]} ")] == []
    assert [name for name, text in texts.items() if "\n## What would change it\n" not in text] == []
