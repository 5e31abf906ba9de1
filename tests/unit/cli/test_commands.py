"""The command line: what each verb passes on, prints and leaves with; nothing foreign reaches a terminal alive."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ockham.api.client import EndpointSpec
from ockham.bundles.measured_rows import EvalSpec
from ockham.cli import commands, error_report, output, progress, terminal
from ockham.errors import DataError, Defect
from ockham.ladder.fit import FitSpec
from ockham.records import (
    Candidate,
    CandidateResult,
    DatasetSummary,
    Estimate,
    Finding,
    LabelScore,
    Profile,
    Progress,
    Report,
    Requirements,
    Verdict,
)
from ockham.verb_table import VERBS

CANARY = "Mrs Pell, card 4111"


def share(value: float, half: float = 0.02) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=140)


def a_verdict(**changes: Any) -> Verdict:
    linear = CandidateResult(
        name="linear",
        rung=2,
        status="measured",
        why="",
        metrics={"accuracy": share(0.913), "f1_macro": share(0.9)},
        latency_ms={"p50": share(0.4), "p95": share(0.81), "p99": share(1.2)},
        throughput_per_s=2100.0,
        memory_mb=212.4,
        artifact_mb=1.93,
        fit_seconds=1.4,
        cost_per_day=0.31,
        meets={"min_accuracy": "meets"},
    )
    constant = dataclasses.replace(
        linear, name="constant", rung=0, metrics={"accuracy": share(0.11)}, meets={"min_accuracy": "misses"}
    )
    skipped = CandidateResult(name="encoder", rung=3, status="skipped", why="onnxruntime is not installed")
    verdict = Verdict(
        ockham="0.1.0",
        task="classify",
        metric="accuracy",
        dataset=DatasetSummary(
            rows=700,
            train=420,
            valid=120,
            test=140,
            digest="ab" * 32,
            dropped={"exact_duplicate": 20},
            leaks_prevented=9,
        ),
        requirements={"min_accuracy": 0.9},
        candidates=(constant, linear, skipped),
        chosen="linear",
        headline="Use linear.",
        because="It is the smallest candidate that meets every requirement.",
        next="Answer new rows with `ockham predict runs/support NEW.csv -o answers.csv`.",
        test_evaluations=1,
        run="runs/support",
    )
    return dataclasses.replace(verdict, **changes)


def a_report() -> Report:
    return Report(
        candidate=Candidate(name="linear", rung=2, kind="linear"),
        dataset="ab" * 32,
        spec="cd" * 32,
        side="test",
        metrics={"accuracy": share(0.913)},
        per_label=(LabelScore(label="re\u202efund", precision=share(0.8), recall=None, f1=share(0.7), n=12),),
        scores=(),
        profile=Profile(
            p50_ms=share(0.4),
            p95_ms=share(0.8),
            p99_ms=share(1.2),
            throughput_per_s=share(2100.0),
            memory_mb=212.4,
            load_seconds=0.2,
        ),
        artifact_mb=1.9,
        fit_seconds=1.4,
    )


class Verbs:
    """Stands in for the rooms behind the verbs, and keeps what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.result: Any = a_verdict()
        self.raises: BaseException | None = None

    def verb(self, *given: Any, **named: Any) -> Any:
        self.asked.append((given, {name: value for name, value in named.items() if name != "on_progress"}))
        if "on_progress" in named:
            named["on_progress"](Progress(stage="read", message="mail\x1b[2J.csv", done=1, total=2))
        if self.raises is not None:
            raise self.raises
        return self.result


@pytest.fixture
def verbs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Verbs:
    stand_in = Verbs()
    fit, run_folder, model_eval = map(
        import_module, ("ockham.ladder.fit", "ockham.ladder.run_folder", "ockham.bundles.model_eval")
    )
    for room, name in ((fit, "fit"), (run_folder, "write_report"), (model_eval, "evaluate_any")):
        monkeypatch.setattr(room, name, stand_in.verb)
    (tmp_path / "runs" / "a").mkdir(parents=True)
    for name in ("mail.csv", "test.csv", "new.csv", "data.csv"):
        (tmp_path / name).write_text("text,label\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("OCKHAM_DEBUG", raising=False)
    return stand_in


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            commands.main(args)
        out, err = capsys.readouterr()
        assert isinstance(leaving.value.code, int)
        return leaving.value.code, out, err

    return command


def test_every_flag_of_fit_reaches_its_field(verbs: Verbs, run: Run, tmp_path: Path) -> None:
    status, _, _ = run(
        *("fit", "mail.csv", "--input", "subject", "--input", "body", "--target", "label", "--group", "customer"),
        *("--encoding", "cp1252", "--task", "classify", "--test", "held.csv", "--encoder", "minilm", "--all"),
        *("--rung", "linear", "--rung", "encoder", "--seed", "7", "--epochs", "3", "--learning-rate", "2e-4"),
        *("--batch", "4", "--rank", "2", "--prices", "p.toml", "--out", "here", "--endpoint", "http://127.0.0.1:9/v1"),
        *("--endpoint-model", "big", "--endpoint-key-env", "KEY", "--endpoint-price", "0.15,0.6"),
        *("--judge", "http://127.0.0.1:9/v2", "--judge-model", "wise", "--judge-key-env", "", "--judge-price", "1,2"),
        *("--endpoint-max-cost", "2", "--min-accuracy", "0.9", "--min-f1-macro", "0.8", "--min-f1-weighted", "0.85"),
        *("--max-p50-ms", "50", "--max-p95-ms", "200", "--max-p99-ms", "400", "--max-memory-mb", "2000"),
        *("--max-artifact-mb", "100", "--max-cost-per-day", "3", "--requests-per-day", "10000", "--tolerance", "0.5"),
    )
    assert status == 0
    ((source, spec, needs), named) = verbs.asked[0]
    assert source == "mail.csv"
    assert named == {"out": Path("here")}
    assert spec == FitSpec(
        inputs=("subject", "body"),
        target="label",
        group="customer",
        encoding="cp1252",
        task="classify",
        test="held.csv",
        encoder=("minilm",),
        rungs=("linear", "encoder"),
        all=True,
        seed=7,
        epochs=3,
        learning_rate=2e-4,
        batch=4,
        rank=2,
        prices="p.toml",
        endpoint=EndpointSpec(
            url="http://127.0.0.1:9/v1", model="big", key_env="KEY", price_in=0.15, price_out=0.6, max_cost=2.0
        ),
        judge=EndpointSpec(url="http://127.0.0.1:9/v2", model="wise", key_env="", price_in=1.0, price_out=2.0),
    )
    assert needs == Requirements(
        min_accuracy=0.9,
        min_f1_macro=0.8,
        min_f1_weighted=0.85,
        max_p50_ms=50,
        max_p95_ms=200,
        max_p99_ms=400,
        max_memory_mb=2000,
        max_artifact_mb=100,
        max_cost_per_day=3,
        requests_per_day=10000,
        tolerance=0.5,
    )


def test_without_flags_the_defaults_of_the_records_hold(verbs: Verbs, run: Run) -> None:
    assert run("fit", "mail.csv")[0] == 0
    assert verbs.asked == [(("mail.csv", FitSpec(), Requirements()), {"out": None})]


def test_the_settings_file_counts_and_flags_win(verbs: Verbs, run: Run, tmp_path: Path) -> None:
    (tmp_path / "ockham.toml").write_text(
        '[fit]\ndata = "mail.csv"\ninput = ["subject", "body"]\nrung = "linear"\nseed = 3\nmin_accuracy = 0.8\n'
        '[fit.endpoint]\nurl = "http://127.0.0.1:9/v1"\nmodel = "big"\nshots = 2\n'
    )
    assert run("fit", "--seed", "5", "--endpoint-model", "bigger", "--yes")[0] == 0
    ((source, spec, needs), _) = verbs.asked[0]
    assert (source, spec.inputs, spec.rungs, spec.seed) == ("mail.csv", ("subject", "body"), ("linear",), 5)
    assert (spec.endpoint.model, spec.endpoint.shots) == ("bigger", 2)
    assert needs.min_accuracy == 0.8


@pytest.mark.parametrize(
    ("toml", "flags", "says"),
    [
        ("[fit]\nmin_acuracy = 0.9\n", (), "there is no setting 'min_acuracy'"),
        ('[fit]\nseed = "3"\n', (), "seed is text"),
        ("[fti]\nseed = 3\n", (), "did you mean fit?"),
        ("seed = 3\n", (), "stands outside any table"),
        ("", ("--min-accuracy", "90"), "min_accuracy is out of range"),
        ("", ("--epochs", "0"), "epochs is out of range"),
        ("", ("--endpoint", "http://127.0.0.1:9/v1"), "the endpoint has no model"),
        ("", ("--endpoint-model", "big"), "the endpoint has no address"),
        ("", ("--judge", "http://127.0.0.1:9/v1"), "the judge has no model"),
        ("", ("--judge-model", "big"), "the judge has no address"),
        ("[fit]\njudge_secret = 'x'\n", (), "a judge has no such setting"),
        ("", ("--endpoint", "u", "--endpoint-model", "m", "--endpoint-price", "cheap"), "not two numbers"),
        ("[fit]\nendpoint_secret = 'x'\n", (), "an endpoint has no such setting"),
    ],
)
def test_c07_a_wrong_setting_stops_before_any_work(
    verbs: Verbs, run: Run, tmp_path: Path, toml: str, flags: Sequence[str], says: str
) -> None:
    (tmp_path / "ockham.toml").write_text(toml)
    status, out, err = run("fit", "mail.csv", *flags)
    assert (status, out, verbs.asked) == (2, "", [])
    assert err.startswith("E_CONFIG: ")
    assert says in err
    assert "\n  next: " in err


def test_a_settings_file_that_is_named_must_be_there(verbs: Verbs, run: Run) -> None:
    status, _, err = run("fit", "mail.csv", "--config", "other.toml")
    assert status == 2
    assert "other.toml: there is no such file" in err


def test_no_data_is_a_usage_error(verbs: Verbs, run: Run) -> None:
    status, _, err = run("fit")
    assert status == 2
    assert "ockham fit FILE" in err


@pytest.mark.parametrize(
    ("chosen", "meets", "status"), [("linear", "meets", 0), (None, "misses", 3), (None, "cannot tell", 4)]
)
def test_json_is_the_verdict_and_nothing_else(
    verbs: Verbs, run: Run, chosen: str | None, meets: Finding, status: int
) -> None:
    found = a_verdict(chosen=chosen)
    only = dataclasses.replace(found.candidates[1], meets={"min_accuracy": meets})
    verbs.result = dataclasses.replace(found, candidates=(only,), because="caf\u00e9 \u202e wins")
    code, out, _ = run("fit", "mail.csv", "--json")
    assert code == status
    assert out.endswith("}\n")
    assert out.count("\n") == 1
    assert "caf\u00e9 \\u202e wins" in out, "letters as they are; what turns a line around escaped"
    read = json.loads(out)
    assert list(read) == [f.name for f in dataclasses.fields(Verdict)]
    assert read["because"] == "caf\u00e9 \u202e wins"
    assert read["candidates"][0]["metrics"]["accuracy"] == {"value": 0.913, "low": 0.893, "high": 0.933, "n": 140}


def test_the_verdict_for_a_person(verbs: Verbs, run: Run) -> None:
    status, out, err = run("fit", "mail.csv")
    assert status == 0
    assert out.splitlines() == [
        "Use linear. It is the smallest candidate that meets every requirement.",
        "",
        "700 rows: 420 for training, 120 for validation, 140 for testing; 20 dropped (exact duplicate 20).",
        "",
        "            requirements  accuracy  95 % interval  p95 ms  memory MB  size MB  cost/day",
        "  constant  misses          11.0 %    9.0 to 13.0    0.81        212     1.93      0.31",
        "> linear    meets           91.3 %   89.3 to 93.3    0.81        212     1.93      0.31",
        "",
        "  encoder skipped: onnxruntime is not installed",
        "",
        "Next: Answer new rows with `ockham predict runs/support NEW.csv -o answers.csv`.",
        "Report: runs/support/report.html",
        "Bundle: runs/support/bundle",
    ]
    assert err == "read: mail\\x1b[2J.csv (1 of 2)\n"


def test_a_narrow_terminal_keeps_the_first_columns(verbs: Verbs, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    _, out, _ = run("fit", "mail.csv")
    assert "            requirements  accuracy  95 % interval\n" in out
    # A command stays in one line, whatever the width.
    command = "`ockham predict runs/support NEW.csv -o answers.csv`."
    assert command in out.splitlines()
    assert max(len(line) for line in out.splitlines() if line != command) <= 50


def test_a_column_that_says_nothing_is_left_away(verbs: Verbs, run: Run) -> None:
    candidates = [dataclasses.replace(c, cost_per_day=None) for c in verbs.result.candidates]
    verbs.result = dataclasses.replace(verbs.result, candidates=tuple(candidates))
    out = run("fit", "mail.csv")[1]
    assert "size MB\n" in out
    assert "cost/day" not in out
    assert "  -\n" not in out


def test_quiet_tells_no_progress(verbs: Verbs, run: Run) -> None:
    assert run("fit", "mail.csv", "--quiet")[2] == ""


def test_eval_prints_the_report(verbs: Verbs, run: Run) -> None:
    verbs.result = a_report()
    status, out, _ = run("eval", "runs/a", "test.csv", "--target", "label", "--seed", "2")
    assert status == 0
    assert verbs.asked == [((Path("runs/a"), "test.csv", EvalSpec(target="label", seed=2)), {"endpoint": None})]
    assert out.splitlines() == [
        "linear on 140 labelled rows",
        "",
        "metric     value  95 % interval    n",
        "accuracy  91.3 %   89.3 to 93.3  140",
        "",
        "Whether the model was trained on some of these rows is not known: it has no record of its rows.",
        "",
        "label                      F1        precision   n",
        "re\\u202efund  70 % (68 to 72)  80 % (78 to 82)  12",
        "",
        "Latency 0.4 ms (median), 0.8 ms (p95), 1.2 ms (p99); 2,100 answers per second; memory 212 MB; loaded",
        "in 0.2 s.",
    ]
    _, out, _ = run("eval", "runs/a", "test.csv", "--json")
    assert json.loads(out)["per_label"][0]["label"] == "re\u202efund"


def test_report_opens_a_browser_only_when_asked(
    verbs: Verbs, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    verbs.result = Path("runs/a/report.html")
    assert run("report", "runs/a") == (0, "runs/a/report.html\n", "")
    assert opened == []
    run("report", "runs/a", "--open")
    assert opened == [(tmp_path / "runs/a/report.html").as_uri()]


def test_an_error_is_two_lines_and_its_exit_status(verbs: Verbs, run: Run) -> None:
    verbs.raises = DataError("E_FORMAT", "a\x1b]0;b\x07.csv, record 3: a quote is not closed", fix="close it")
    assert run("fit", "mail.csv", "-q") == (
        2,
        "",
        "E_FORMAT: a\\x1b]0;b\\x07.csv, record 3: a quote is not closed\n  next: close it\n",
    )
    verbs.raises = Defect("E_DEFECT", "a promise was broken", fix="report it")
    assert run("fit", "mail.csv", "-q")[0] == 1


def test_g02_a_fault_of_ours_names_its_place_and_never_its_words(
    verbs: Verbs, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs.raises = ValueError(CANARY)
    status, out, err = run("fit", "mail.csv", "-q")
    assert (status, out) == (1, "")
    assert err.startswith("E_DEFECT: an unexpected ValueError at ockham/cli/fit_command.py:")
    assert CANARY not in err
    monkeypatch.setenv("OCKHAM_DEBUG", "1")
    _, _, err = run("fit", "mail.csv", "-q")
    assert "The traceback may hold your data" in err
    assert CANARY in err


def test_ctrl_c_is_one_line(verbs: Verbs, run: Run) -> None:
    verbs.raises = KeyboardInterrupt()
    before = signal.getsignal(signal.SIGINT)
    assert run("fit", "mail.csv", "-q") == (130, "", "stopped; run the same command again to resume\n")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_command_that_keeps_nothing_is_not_said_to_resume(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ockham.cli.run_names.check", stop)
    words = ("export", "runs/mail", "--to", "onnx", "-o", "new")
    assert run(*words) == (130, "", "stopped; run the same command again to start over\n")


@pytest.mark.parametrize(
    ("words", "work"),
    [
        (("curate", "mail.csv", "--dry-run", "-q"), "ockham.curation.curate.preview"),
        (("fit", "mail.csv", "--dry-run", "-q"), "ockham.data.dry_run.dry_run"),
    ],
)
def test_a_dry_run_is_not_said_to_resume(
    words: tuple[str, ...], work: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mail.csv").write_text("text,label\n")

    def stop(*_values: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, stop)
    assert run(*words) == (130, "", "stopped; run the same command again to start over\n")


def test_a_dry_run_refuses_an_encoder_that_is_not_here(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra encoder is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mail.csv").write_text("text,label\n")
    status, out, err = run("fit", "mail.csv", "--dry-run", "--encoder", "nowhere", "--unsealed")
    assert (status, out) == (2, "")
    assert err.startswith("E_MODEL_MISSING: 'nowhere' is not on this machine")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let Ctrl-C interrupt, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_k19_a_signal_is_one_line_and_its_number(name: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    number = signal.Signals[name]
    before = [signal.getsignal(one) for one in error_report._SIGNALS]

    def work() -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            raise Defect("E_DEFECT", "a child got the signal too", fix="nothing")

    assert error_report.guard(work) == status
    by = "" if name == "SIGINT" else f" by {name}"
    assert capsys.readouterr().err == f"stopped{by}; run the same command again to resume\n"
    assert [signal.getsignal(one) for one in error_report._SIGNALS] == before


def hung_up() -> int:
    os.kill(os.getpid(), signal.SIGHUP)
    return 7


def test_k19_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert error_report.guard(hung_up) == 7
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_k19_a_terminal_that_hung_up_changes_no_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("click.echo", refuse)
    assert error_report.guard(hung_up) == 129


def test_a_second_ctrl_c_ends_the_process_at_once() -> None:
    code = (
        "import time\n"
        "from ockham.cli import error_report\n"
        "def work():\n"
        "    try:\n"
        "        print('working', flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('saving', flush=True); time.sleep(60)\n"
        "    return 0\n"
        "raise SystemExit(error_report.guard(work))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "saving\n"
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == -signal.SIGINT
        assert time.monotonic() - began < 20


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    child = subprocess.run(
        [sys.executable, "-m", "ockham", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False, text=True
    )
    os.close(writer)
    assert (child.returncode, child.stderr) == (error_report.UNREAD, "")


FULL = Path("/dev/full")
full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")


@full_device
@pytest.mark.parametrize("args", [("--help",), ("doctor", "--json"), ("plan", "--help"), ("doctor",)])
def test_s01_output_to_a_full_device_is_no_fault_of_ours(args: Sequence[str]) -> None:
    with FULL.open("w") as full:
        child = subprocess.run(
            [sys.executable, "-m", "ockham", *args], stdout=full, stderr=subprocess.PIPE, check=False, text=True
        )
    assert child.returncode == 2, child.stderr
    assert child.stderr == (
        "E_DISK: writing the output failed: ENOSPC (No space left on device)\n"
        "  next: free some space on that disk and run the same command again\n"
    )


@full_device
def test_s01_messages_to_a_full_device_stop_nothing(tmp_path: Path) -> None:
    """Progress and warnings are lost, the work is done; of an error the exit status is left."""
    code = (
        "import logging, sys\n"
        "from ockham.cli import error_report, progress\n"
        "from ockham.errors import DataError\n"
        "from ockham.records import Progress\n"
        "def work():\n"
        "    with progress.progress_display() as tell:\n"
        "        for done in range(9000):\n"
        "            tell(Progress(stage='read', message=f'file {done}'))\n"
        "        logging.getLogger('ockham').warning('mind this')\n"
        "    print('done', flush=True)\n"
        "    if sys.argv[1:]: raise DataError('E_FORMAT', 'bad', fix='mend it')\n"
        "    return 0\n"
        "raise SystemExit(error_report.guard(work))\n"
    )
    for args, status in (([], 0), (["fail"], 2)):
        with FULL.open("w") as full:
            child = subprocess.run(
                [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=full, check=False, text=True
            )
        assert (child.returncode, child.stdout) == (status, "done\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.EACCES, errno.EIO])
def test_s01_what_the_system_refuses_is_no_fault_of_ours(
    capsys: pytest.CaptureFixture[str], number: int, tmp_path: Path
) -> None:
    place = os.fsdecode(os.fsencode(tmp_path) + b"/x\xff\n")
    assert error_report.report_error(OSError(number, "words of a library", place)) == 2
    err = capsys.readouterr().err
    assert err.startswith("E_DISK: ")
    assert errno.errorcode[number] in err
    assert "\\xff" in err
    assert "words of a library" not in err
    assert err.count("\n") == 2
    assert error_report.report_error(OSError(errno.EBADF, "ours")) == 1


@pytest.mark.parametrize("name", ["folder.csv", "file/out.csv", "x" * 300 + ".jsonl"])
def test_s01_an_output_of_predict_that_cannot_be_written_is_refused_before_the_work(
    verbs: Verbs, run: Run, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "run").mkdir()
    (tmp_path / "in.csv").write_text("text\na\n")
    status, out, err = run("predict", "run", "in.csv", "-q", "-o", name)
    assert (status, out) == (2, "")
    assert err.startswith("E_DISK: ")
    assert verbs.asked == []


def test_an_unknown_command_gets_the_nearest(run: Run) -> None:
    status, _, err = run("fti")
    assert status == 2
    assert "did you mean fit?" in err


@pytest.mark.parametrize(
    "args", [("fit", "--\x1b[2J"), ("predict", "\x1b]0;a\x07", "b", "\u202ec"), ("fit", "--task", "\x1b")]
)
def test_a_wrong_command_line_is_told_in_plain_signs(run: Run, args: Sequence[str]) -> None:
    status, _, err = run(*args)
    assert status == 2
    assert "\\x1b" in err or "\\u202e" in err
    assert all(char.isprintable() for char in err.replace("\n", ""))


def test_the_list_of_verbs_says_what_their_help_says(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    group = commands.ockham
    for name, line in VERBS.items():
        with group.make_context("ockham", [name], resilient_parsing=True) as context:
            command = group.get_command(context, name)
        assert command is not None
        assert (command.help or "").startswith(line)
        assert f"{name} " in out


def test_a_plain_stream_gets_plain_signs() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert terminal.dull("a \u2026 \u2192\u00a0b", stream) == "a ... -> b"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "ascii"])
def test_json_is_readable_where_its_readers_expect_utf_8(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    value = {"answer": "R\u00fcckgabe \u2192 \U0001f600 \u009b31m \ud800"}
    text = terminal.json_text(value, stream)
    stream.write(text)
    assert json.loads(text) == value
    assert ("R\u00fcckgabe" in text) == (encoding == "utf-8")
    assert "\u009b" not in text


def test_wide_letters_count_twice() -> None:
    lines = terminal.table(("label", "n"), [["\u6ce8\u6587", "1"], ["e\u0301", "20"]], 40)
    assert lines == ["label   n", "\u6ce8\u6587    1", "e\u0301      20"]


def test_our_warnings_are_shown_and_other_libraries_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    import logging
    import warnings

    with progress.progress_display(quiet=True):
        logging.getLogger("ockham.data").warning("rows %s were left out", "1\x1b[0m")
        logging.getLogger("elsewhere").warning(CANARY)
        warnings.warn(CANARY, stacklevel=1)
    assert capsys.readouterr().err == "warning: rows 1\\x1b[0m were left out\n"


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress_display() as on_progress:
        on_progress(Progress(stage="read", message="a [bold]\x1b[2J file"))
        on_progress(Progress(stage="climb", message="linear", done=1, total=4))
    text = screen.getvalue()
    assert "a [bold]\\x1b[2J file" in text
    assert "linear" in text
    assert "\x1b[2J" not in text


def test_a_verdict_without_a_choice_names_no_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    output.verdict(a_verdict(chosen=None, candidates=()))
    assert "Bundle" not in capsys.readouterr().out
