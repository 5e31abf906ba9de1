"""The process that only serves: it answers as the model does, measures itself, and fails in words.

A plug of the tests' own, installed as a user's package would be, makes the trouble.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ockham import store
from ockham.errors import BundleError, Defect, EndpointError, OckhamError
from ockham.models import backend, linear
from ockham.records import Answer, Candidate, Estimate, Example, Manifest
from ockham.serving import worker
from ockham.serving.process import BenchmarkSpec, ServingProcess

PLUG = """
import os, signal, sys, time
from ockham.errors import EndpointError
from ockham.records import Answer

class Echo:
    def answer(self, inputs):
        if "die" in inputs:
            os.kill(os.getpid(), signal.SIGKILL)
        if "raise" in inputs:
            raise ValueError("a fault of the plug")
        if inputs[0].startswith("sleep "):
            open(inputs[0][6:], "w").write(str(os.getpid()))
            time.sleep(60)
        if "refuse" in inputs:
            raise EndpointError("E_ENDPOINT", "it refused", fix="ask again")
        print("noise", '{"answers": []}')
        sys.stdout.flush()
        os.write(1, b'{"error": ["Defect", "E_DEFECT", "noise", "none"]}\\n')
        os.system("echo noise of a child")
        return [Answer(value=text, confidence=len(text) / 1000, tokens_in=len(text)) for text in inputs]

def load(folder):
    print("noise while loading")
    return Echo()
"""

WILD = (
    "",
    " ",
    "\n\r\u2028\u0085",
    "nul \0 inside",
    "Zażółć gęślą jaźń",
    "日本語の請求書",
    "👩‍👩‍👧‍👦",
    "lone \ud800 surrogate \udfff",
    '{"do": "answer"}',
    "x" * 200_000,
)
ROWS = tuple(
    Example(id=str(place), input=f"{word} {place} {'é' * (place % 5)}", target=label)
    for place, (word, label) in enumerate([("parcel", "delivery"), ("invoice", "płatność"), ("pump", "defect")] * 10)
)
SHORT = BenchmarkSpec(seconds=60, most=25, rounds=3)


def bundle(folder: Path, kind: str, labels: Sequence[str] = ()) -> Path:
    """Seal what stands in a folder as a bundle of a kind."""
    manifest = Manifest(
        format=1,
        ockham="0.1.0",
        task="classify",
        kind=kind,
        candidate=Candidate(name=kind, rung=2, kind=kind),
        labels=tuple(labels),
        inputs=("text",),
        target="label",
        dataset="0" * 64,
        files={},
    )
    store.seal_bundle(folder, manifest)
    return folder


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of the noisy plug, which child processes find on their path."""
    site = tmp_path / "site"
    facts = site / "ockham_echo-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "ockham_echo.py").write_text(PLUG)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: ockham-echo\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[ockham.models]\necho = ockham_echo\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "echo.json").write_text("{}")
    return bundle(folder, "echo")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linear")
    linear.learn(ROWS, 1.0, seed=0, temperature=0.5).save(folder)
    return bundle(folder, "linear", sorted({row.target for row in ROWS}))


def test_it_answers_as_the_model_does_in_process(served: Path) -> None:
    inputs = [*(row.input for row in ROWS), *WILD]
    here = backend.load_backend("linear").load(served).answer(inputs)
    with ServingProcess(served) as serving:
        assert serving.answer(inputs) == here
        assert serving.answer([]) == []
        assert serving.answer(inputs[:3]) == here[:3], "it goes on serving"
    assert {answer.value for answer in here} == {"delivery", "płatność", "defect"}


def test_its_profile_holds_its_own_intervals(served: Path) -> None:
    with ServingProcess(served) as serving:
        profile = serving.profile([row.input for row in ROWS], SHORT)
        assert serving.load_seconds == profile.load_seconds > 0
    for estimate in (profile.p50_ms, profile.p95_ms, profile.p99_ms, profile.throughput_per_s):
        assert isinstance(estimate, Estimate)
        assert 0 < estimate.low <= estimate.value <= estimate.high
    assert profile.p50_ms.value <= profile.p95_ms.value <= profile.p99_ms.value
    assert profile.p50_ms.n == 25
    assert profile.throughput_per_s.n == 3
    assert 20 < profile.memory_mb < 2000, "a Python process with numpy, in megabytes"


def test_tokens_are_counted_over_the_answers_that_were_timed(echo: Path, served: Path) -> None:
    with ServingProcess(echo) as serving:
        profile = serving.profile(["a", "abc", "abcde"], BenchmarkSpec(seconds=60, most=24, rounds=0))
    assert (profile.tokens_in, profile.tokens_kept, profile.tokens_out) == (3.0, None, None)
    with ServingProcess(served) as serving:
        plain = serving.profile(["a"], BenchmarkSpec(seconds=60, most=20, rounds=0))
    assert plain.tokens_in is None, "a model without tokens has no number of them"


@pytest.mark.parametrize(("each", "timed", "asked"), [(0.001, 400, 420), (1.0, 20, 26), (10.0, 6, 11), (100.0, 5, 10)])
def test_a_slow_model_is_timed_for_a_minute_and_no_less_than_five_answers(
    each: float, timed: int, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    class Slow:
        asked = 0

        def answer(self, inputs: Sequence[str]) -> list[Answer]:
            self.asked += 1
            now[0] += each
            return [Answer(value=one) for one in inputs]

    model = Slow()
    monkeypatch.setattr("ockham.serving.worker.time.perf_counter", lambda: now[0])
    times, answers = worker._latencies(model, ["a", "b"], 4.0, 400)
    assert (len(times), len(answers), model.asked) == (timed, timed, asked)
    assert times == pytest.approx([1000 * each] * timed)


def test_a_paid_probe_asks_no_more_than_it_may(served: Path) -> None:
    with ServingProcess(served) as serving:
        profile = serving.profile([row.input for row in ROWS], BenchmarkSpec(seconds=60, most=5, rounds=0))
    assert profile.p50_ms.n == 5
    assert profile.throughput_per_s.value > 0


def test_noise_on_standard_output_does_not_touch_the_answers(echo: Path) -> None:
    with ServingProcess(echo) as serving:
        for _ in range(2):
            expected = [Answer(value=text, confidence=len(text) / 1000, tokens_in=len(text)) for text in WILD]
            assert serving.answer(WILD) == expected


def test_an_error_of_the_model_arrives_as_itself(echo: Path) -> None:
    with ServingProcess(echo) as serving, pytest.raises(EndpointError) as caught:
        serving.answer(["refuse"])
    assert (caught.value.code, caught.value.message, caught.value.fix) == ("E_ENDPOINT", "it refused", "ask again")


@pytest.mark.parametrize(("text", "message"), [("die", "was ended by signal 9"), ("raise", "ended with status 1")])
def test_a_process_that_dies_is_a_defect(text: str, message: str, echo: Path) -> None:
    with ServingProcess(echo) as serving:
        for _ in range(2):
            with pytest.raises(Defect) as caught:
                serving.answer([text])
            assert caught.value.code == "E_DEFECT"
            assert message in caught.value.message


def test_a_bundle_that_is_not_whole_is_refused_in_words(served: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        ServingProcess(tmp_path)
    assert caught.value.code == "E_BUNDLE"
    empty = tmp_path / "unknown"
    empty.mkdir()
    (empty / "weights.json").write_text(json.dumps({}))
    with pytest.raises(OckhamError) as unknown:
        ServingProcess(bundle(empty, "no-such-kind"))
    assert unknown.value.code == "E_MODEL_MISSING"


def test_a_process_ends_with_the_one_that_asks_though_an_answer_is_in_hand(echo: Path, tmp_path: Path) -> None:
    place = tmp_path / "pid"
    code = (
        "import sys; from ockham.serving.process import ServingProcess\n"
        "ServingProcess(sys.argv[1]).answer(['sleep ' + sys.argv[2]])"
    )
    with subprocess.Popen([sys.executable, "-c", code, echo, place]) as asking:
        while not place.is_file() or not place.read_text():
            assert asking.poll() is None
            time.sleep(0.02)
        asking.kill()
    worker_id, patience = int(place.read_text()), time.monotonic() + 20
    while _runs(worker_id):
        assert time.monotonic() < patience
        time.sleep(0.02)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")  # one that ended and that nobody has asked about yet still has a number
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_leaving_ends_the_process(served: Path) -> None:
    with ServingProcess(served) as serving:
        process = serving._process
        assert process.poll() is None
    assert process.poll() is not None
    with pytest.raises((Defect, ValueError)):
        serving.answer(["late"])
