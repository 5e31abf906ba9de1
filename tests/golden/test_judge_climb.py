"""A climb with a large model as judge: asked once, about written texts alone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.stub_api import Response, Seen, refuses, says, serving
from tests.unit.api.test_judge import shown, spec_of

from ockham.ladder import run_folder
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Progress

SPEC = FitSpec(rungs=("constant", "lookup"), task="generate", all=True)


def texts() -> list[dict[str, str]]:
    draw = random.Random(4)
    words = ["".join(draw.choices("abcdefghiklmnoprstu", k=7)) for _ in range(900)]
    return [
        {"input": f"say {n} {' '.join(words[6 * n : 6 * n + 6])}", "target": f"well {words[n]} and {n}"}
        for n in range(120)
    ]


def counting(verdict: Callable[[dict[str, str]], str], stop: int) -> Callable[[int, Seen], Response]:
    return lambda number, seen: refuses(402) if number >= stop else says(json.dumps({"verdict": verdict(shown(seen))}))


def test_a_climb_asks_the_judge_once_and_without_one_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []

    def verdict(case: dict[str, str]) -> str:
        return "right" if case["answer"].split()[0] == case["target"].split()[0] else "wrong"

    with serving(counting(verdict, 40)) as api:
        judge = spec_of(api.url, price_in=1.0, price_out=2.0)
        spec = FitSpec(rungs=SPEC.rungs, task="generate", all=True, judge=judge)
        first = fit(texts(), spec, out=tmp_path / "run", on_progress=told.append)
        broken = run_folder.load_result(tmp_path / "run")
        assert any("the judge stopped (E_ENDPOINT" in said for said in broken.warnings)
        assert first.chosen is not None, "a judge that fails takes nothing from the run"
        before = len(api.seen)
        api.script = counting(verdict, 10_000)
        assert fit(texts(), spec, out=tmp_path / "run") == first
        rows = first.dataset.test
        assert rows <= 32, "the answers of a candidate are kept together"
        assert len(api.seen) - before == rows, "those of the first candidate were whole, those of the second were not"
        after = len(api.seen)
        fit(texts(), spec, out=tmp_path / "run")
        assert len(api.seen) == after, "a judge is asked once"
    (announced,) = [one.message for one in told if one.stage == "judge"]
    assert announced.startswith(f"at most {rows} rows go to 127.0.0.1:")
    assert f": {2 * rows} test answers with question and target; about 0." in announced
    for seen in api.seen:
        assert set(shown(seen)) == {"input", "target", "answer"}
        assert not any(name in json.dumps(seen.body) for name in ("lookup", "constant", "candidate"))
    found = run_folder.load_result(tmp_path / "run")
    assert set(found.judge_summaries) == {"constant", "lookup"}
    one = found.judge_summaries["lookup"]
    assert one.accuracy is not None
    assert (one.accuracy.value, one.accuracy.n, one.unusable) == (1.0, rows, 0), "every text begins with the same word"
    assert (one.both_right, one.judge_alone, one.exact_alone, one.both_wrong) == (0, rows, 0, 0)
    assert one.cost == pytest.approx(rows * (100 * 1.0 + 2 * 2.0) / 1e6)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "What a large model says about the answers" in page
    assert "The verdict does not depend on it" in page

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(httpx.Client, "stream", refuse)
    plain = fit(texts(), SPEC, out=tmp_path / "without")
    assert run_folder.load_result(tmp_path / "without").judge_summaries == {}
    assert "What a large model says" not in (tmp_path / "without" / "report.html").read_text(encoding="utf-8")
    assert plain.chosen == first.chosen
    assert [one.metrics for one in plain.candidates] == [one.metrics for one in first.candidates]


def test_a_judge_is_for_written_texts(tmp_path: Path) -> None:
    rows = [{**row, "target": "ab"[n % 2]} for n, row in enumerate(texts())]
    with serving(lambda _number, _seen: says("right")) as api:
        fit(rows, FitSpec(rungs=("constant",), judge=spec_of(api.url)), out=tmp_path / "run")
    assert not api.seen
    assert any("the task is classify" in said for said in run_folder.load_result(tmp_path / "run").warnings)
