"""`curate` as a whole: every row accounted for, order kept, the same bytes however the work was cut or stopped."""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the extra curate is not installed")

from ockham.cli.commands import run as command
from ockham.curation import components, map_stage, near_dedup, partitions, spill
from ockham.curation.curate import Curated, curate, preview, read_report
from ockham.curation.curate_spec import CurateSpec
from ockham.curation.executor import in_order
from ockham.curation.executors import open_executor
from ockham.curation.partitions import key_ranges
from ockham.curation.record_batch import RecordBatch
from ockham.curation.steps.examine import examine
from ockham.data.clean import clean
from ockham.errors import ConfigError, DataError, Defect, RunError
from ockham.readers import plain_text
from ockham.readers.read import ReadSpec, read
from ockham.records import Progress

NEAR = CurateSpec(steps=("near", "exact"))


def words(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choices("abcdefghij", k=rng.randint(2, 7))) for _ in range(count)]


def documents(seed: int = 3, count: int = 60) -> list[str]:
    """Make documents of which many are equal, nearly equal, or equal but for case and signs."""
    rng = random.Random(seed)
    found: list[str] = []
    for _ in range(count):
        kind = rng.random()
        if found and kind < 0.15:
            found.append(rng.choice(found))
        elif found and kind < 0.3:
            found.append(rng.choice(found).upper().replace(" ", ",  "))
        elif found and kind < 0.6:
            changed = rng.choice(found).split()
            for _ in range(rng.randint(1, 3)):
                changed[rng.randrange(len(changed))] = words(rng, 1)[0]
            found.append(" ".join(changed))
        else:
            found.append(" ".join(words(rng, rng.randint(3, 90))))
    return [*found, "***", "***", "!!!", "取消訂單", "取消訂單 "]


def write_rows(path: Path, texts: list[str], **more: list[str]) -> Path:
    rows = [{"text": text, **{name: cells[i] for name, cells in more.items()}} for i, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def clean_rows(done: Curated) -> list[dict[str, Any]]:
    shards = [shard.path for shard in done.report.shards if shard.path.startswith("clean/")]
    return [json.loads(line) for shard in shards for line in (done.path / shard).read_text("utf-8").splitlines()]


def content(folder: Path) -> dict[str, bytes]:
    kept = [*folder.glob("clean/*"), *folder.glob("quarantine/*"), *folder.glob("report.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(kept)}


def adds_up(done: Curated, rows: int) -> None:
    report = done.report
    assert report.rows == rows == report.unchanged + report.changed + report.quarantined
    assert sum(report.left_out.values()) == report.quarantined == len(list(done.dropped_rows()))
    assert Counter(entry["reason"] for entry in done.dropped_rows()) == report.left_out
    assert len(clean_rows(done)) == report.unchanged + report.changed
    assert sum(report.lengths["after"]) == report.unchanged + report.changed
    assert sum(file.records for file in report.files) == rows


def grams(text: str) -> set[tuple[str, ...]]:
    found = [char if ord(char) > 0x4E00 else "" for char in text] if "取" in text else []
    tokens = [one for one in found if one] or "".join(c.lower() if c.isalnum() else " " for c in text).split()
    size = min(5, len(tokens))
    return {tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1)} if tokens else set()


def naive(texts: list[str], threshold: float) -> list[tuple[str, int | None]]:
    """Decide by comparing each document with each that stays before it."""
    decided: list[tuple[str, int | None]] = []
    sets = [grams(text) for text in texts]
    plain = ["".join(c.lower() if c.isalnum() else " " for c in text).split() or [text] for text in texts]
    for i, text in enumerate(texts):
        same = next((j for j in range(i) if texts[j] == text and decided[j][0] in ("", "near")), None)
        alike = next((j for j in range(i) if plain[j] == plain[i] and decided[j][0] in ("", "near")), None)
        decided.append(("same", alike) if same is not None or alike is not None else ("", None))
    for i in range(len(texts)):
        if decided[i][0]:
            continue
        for j in range(i):
            either = sets[i] | sets[j]
            if not decided[j][0] and sets[i] and sets[j] and len(sets[i] & sets[j]) / len(either) >= threshold:
                decided[i] = ("near", j)
                break
    return decided


def chunked(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let chunks be of so many bytes, which the argument in megabytes cannot say."""
    before = map_stage._batches
    monkeypatch.setattr(map_stage, "_batches", lambda number, file, plan, most: before(number, file, plan, size))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_duplicates_are_those_of_all_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Also where keys and pairs are looked at in small parts, as they are of many documents."""
    if seed > 1:
        monkeypatch.setattr(near_dedup, "_BLOCK", 7)
        monkeypatch.setattr(near_dedup, "_TOGETHER", 5)
        monkeypatch.setattr(near_dedup, "_AT_ONCE", 0 if seed == 2 else 10**6)
        monkeypatch.setattr(components, "SET", 300)
        monkeypatch.setattr(partitions, "KEYS", 20)
        monkeypatch.setattr(partitions, "PART", 8)
        monkeypatch.setattr(spill, "HELD", 10**6 if seed == 3 else 50)
        chunked(monkeypatch, 700)
    texts = documents(seed, 120)
    done = curate(write_rows(tmp_path / "a.jsonl", texts), NEAR, out=tmp_path / "out")
    adds_up(done, len(texts))
    wanted = naive(texts, 0.8)
    assert [row["text"] for row in clean_rows(done)] == [
        t for t, (why, _) in zip(texts, wanted, strict=True) if not why
    ]
    for entry in done.dropped_rows():
        why, stays = wanted[entry["record"] - 1]
        assert (
            entry["reason"] == "near_duplicate"
            if why == "near"
            else entry["reason"].endswith("d_duplicate") or (entry["reason"] == "exact_duplicate")
        )
        assert stays is not None
        assert entry["instead"] == f"a.jsonl:{stays + 1}"
        assert entry["row"] == {"text": texts[entry["record"] - 1]}
        if why == "near":
            one, other = grams(texts[entry["record"] - 1]), grams(texts[stays])
            assert entry["score"] == pytest.approx(len(one & other) / len(one | other), abs=1e-6)
        elif entry["reason"] == "exact_duplicate":
            assert texts[stays] == texts[entry["record"] - 1]
    assert done.report.raw_duplicates == len(texts) - len(set(texts))


def test_documents_without_words_never_cluster(tmp_path: Path) -> None:
    texts = ["***", "!!!", "🙂🙂", "--- ---", "***"]
    done = curate(write_rows(tmp_path / "a.jsonl", texts), NEAR, out=tmp_path / "out")
    assert [row["text"] for row in clean_rows(done)] == ["***", "!!!", "🙂🙂", "--- ---"]
    assert done.report.left_out == {"exact_duplicate": 1}


def test_a_chain_of_small_changes_does_not_carry_away(tmp_path: Path) -> None:
    rng = random.Random(0)
    chain = [words(rng, 200)]
    for step in range(12):
        chain.append([*chain[-1]])
        for at in range(2):
            chain[-1][(step * 16 + at * 8) % 200] = words(rng, 1)[0]
    texts = [" ".join(one) for one in chain]
    done = curate(write_rows(tmp_path / "a.jsonl", texts), NEAR, out=tmp_path / "out")
    kept = [row["text"] for row in clean_rows(done)]
    assert 2 <= len(kept) < len(texts)
    for entry in done.dropped_rows():
        stays = texts[int(entry["instead"].split(":")[1]) - 1]
        assert stays in kept
        one, other = grams(entry["row"]["text"]), grams(stays)
        assert len(one & other) / len(one | other) >= 0.8


def test_the_longest_may_stay(tmp_path: Path) -> None:
    base = words(random.Random(4), 100)
    texts = [" ".join(base[:-6]), " ".join(base[:-3]), " ".join(base)]
    done = curate(
        write_rows(tmp_path / "a.jsonl", texts), CurateSpec(steps=("near",), survivor="longest"), out=tmp_path / "o"
    )
    assert [row["text"] for row in clean_rows(done)] == [texts[2]]
    assert done.clusters() == {"a.jsonl:3": ["a.jsonl:1", "a.jsonl:2"]}
    assert curate(tmp_path / "a.jsonl", NEAR, out=tmp_path / "p").clusters() == {
        "a.jsonl:1": ["a.jsonl:2", "a.jsonl:3"]
    }


@pytest.mark.parametrize("size", [1, 700, 5_000, 10**9])
def test_the_same_bytes_for_any_chunk_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    texts = [*documents(5, 50), "schÃ¶n und gut", "<p>a</p><b>c</b> d", "mail a@b.org to me"]
    write_rows(folder / "b.jsonl", texts[:30])
    write_rows(folder / "a.jsonl", texts[30:])
    spec = CurateSpec(steps=("encoding", "html", "personal", "exact", "near"), personal="redact")
    curate(folder, spec, out=tmp_path / "whole")
    chunked(monkeypatch, size)
    done = curate(folder, spec, out=tmp_path / "cut")
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    adds_up(done, len(texts))
    assert done.report.changed >= 2
    assert [file.file for file in done.report.files] == ["a.jsonl", "b.jsonl"]


@pytest.mark.slow
def test_the_same_bytes_for_any_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = documents(8, 80)
    write_rows(tmp_path / "a.jsonl", texts)
    monkeypatch.setattr(map_stage, "_WORTH", 0)
    chunked(monkeypatch, 2_000)
    curate(tmp_path / "a.jsonl", NEAR, out=tmp_path / "one")
    curate(tmp_path / "a.jsonl", NEAR, out=tmp_path / "three", workers=3)
    assert content(tmp_path / "three") == content(tmp_path / "one")


@pytest.mark.slow
def test_a_process_that_dies_is_told_of() -> None:
    with open_executor(2) as crew, pytest.raises(Defect, match="examines documents died"):
        list(in_order(crew, os._exit, [(3,)]))
    with open_executor(2) as crew:
        assert list(in_order(crew, pow, [(n, 2) for n in range(9)])) == [n * n for n in range(9)]


def stopping(after: int) -> Callable[[Progress], None]:
    """Stop the work when it has told so many times of a chunk that was examined or written."""
    allowed = iter(range(after))

    def stop(progress: Progress) -> None:
        if progress.stage in ("examine", "write") and next(allowed, None) is None:
            raise KeyboardInterrupt

    return stop


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop it at every chunk and while writing; what was examined is not examined again."""
    texts = documents(9, 60)
    source = write_rows(tmp_path / "a.jsonl", texts)
    chunked(monkeypatch, 1_500)
    whole = curate(source, NEAR, out=tmp_path / "whole")
    seen: list[int] = []

    def counted(portion: RecordBatch, plan: Any) -> Any:
        seen.append(len(portion))
        return examine(portion, plan)

    monkeypatch.setattr(map_stage, "examine", counted)
    stops = 0
    while True:
        try:
            curate(source, NEAR, out=tmp_path / "out", on_progress=stopping(2))
            break
        except KeyboardInterrupt:
            stops += 1
            assert stops < 100
            if stops > 12:
                curate(source, NEAR, out=tmp_path / "out")
                break
    assert stops > 2
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert sum(seen) == len(texts) == whole.report.rows
    assert not (tmp_path / "out/artifacts/chunk").exists()
    assert list((tmp_path / "out/staging").iterdir()) == []


def test_a_finished_run_answers_at_once_and_mends_what_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_rows(tmp_path / "a.jsonl", documents(2, 20))
    first = curate(source, NEAR, out=tmp_path / "out")
    before = content(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[curate.__module__], "examine_chunks", lambda *_: pytest.fail("examined again"))
        assert curate(source, NEAR, out=tmp_path / "out").report == first.report
    (tmp_path / "out/clean/00000.jsonl").write_bytes(b"{}\n")
    curate(source, NEAR, out=tmp_path / "out")
    assert content(tmp_path / "out") == before
    assert read_report(tmp_path / "out").report == first.report
    with pytest.raises(RunError) as caught:
        curate(source, CurateSpec(steps=("exact",)), out=tmp_path / "out")
    assert caught.value.code == "E_RUN_CHANGED"
    with pytest.raises(RunError):
        read_report(tmp_path)


def test_labelled_rows(tmp_path: Path) -> None:
    """Contradictions go together, equal rows but one, near-duplicates only with the same label."""
    long = " ".join(words(random.Random(1), 60))
    texts = [
        "cancel my order",
        "Cancel my order!",
        "refund",
        "refund",
        "hello",
        "hello",
        "",
        "no label",
        long,
        f"{long} x",
        f"{long} y",
    ]
    labels = ["cancel", "cancel", "money", "money", "greet", "cancel", "cancel", "", "a", "a", "b"]
    source = write_rows(tmp_path / "a.jsonl", texts, label=labels)
    done = curate(source, out=tmp_path / "out")
    assert done.report.labelled
    assert set(done.report.steps).isdisjoint({"length", "quality", "repetition", "leak"})
    assert done.report.left_out == {
        "conflicting_label": 2, "empty": 1, "exact_duplicate": 1, "missing_target": 1, "near_duplicate": 1,
        "normalised_duplicate": 1,
    }  # fmt: skip
    assert [row["text"] for row in clean_rows(done)] == ["cancel my order", "refund", long, f"{long} y"]
    adds_up(done, len(texts))


def test_rows_of_test_files_are_left_out_and_named(tmp_path: Path) -> None:
    rng = random.Random(6)
    texts = [" ".join(words(rng, 80)) for _ in range(20)]
    tests = tmp_path / "tests"
    tests.mkdir()
    write_rows(tests / "one.jsonl", [" ".join(texts[4].split()[10:40]), "nothing of this stands anywhere in there"])
    write_rows(tests / "two.jsonl", [f"{' '.join(texts[9].split()[:20])} and then words of its own, only a few"])
    spec = CurateSpec(test=(str(tests),), steps=("leak", "exact"))
    done = curate(write_rows(tmp_path / "a.jsonl", texts), spec, out=tmp_path / "out")
    assert [(one["record"], one["leak_of"]) for one in done.dropped_rows("leak")] == [
        (5, "one.jsonl:1"),
        (10, "two.jsonl:1"),
    ]
    assert [one["score"] for one in done.dropped_rows("leak")] == [1.0, pytest.approx(16 / 25)]
    adds_up(done, len(texts))
    write_rows(tests / "two.jsonl", ["other rows"])
    with pytest.raises(RunError):
        curate(tmp_path / "a.jsonl", spec, out=tmp_path / "out")


def test_answers_in_free_text_contradict_nothing(tmp_path: Path) -> None:
    texts = [f"question {n // 2}" for n in range(60)]
    answers = [f"answer {n}" for n in range(60)]
    done = curate(write_rows(tmp_path / "a.jsonl", texts, answer=answers), out=tmp_path / "out")
    assert done.report.left_out == {}


@pytest.mark.parametrize(
    ("target", "one_answer"),
    [("label {third}", True), ("label {half}", True), ('{{"n": {n}}}', True), ("answer {n}", False)],
)
def test_rows_contradict_each_other_as_in_fitting(tmp_path: Path, target: str, one_answer: bool) -> None:
    """Few labels, labels of two rows each, objects, and answers in free text; one target cannot be seen."""
    texts = [f"question {n % 55}" for n in range(60)]
    targets = [target.format(n=n, half=n // 2, third=n % 3) for n in range(60)]
    source = write_rows(tmp_path / "a.jsonl", [*texts, "question 99"], answer=[*targets, "\u200b"])
    done = curate(source, CurateSpec(steps=("labels", "exact"), doubts="off"), out=tmp_path / "out")
    kept, intake = clean(read(source, ReadSpec()))
    assert done.report.left_out == {"missing_target": 1} | ({"conflicting_label": 10} if one_answer else {})
    assert intake.dropped_counts() == done.report.left_out
    assert [row["text"] for row in clean_rows(done)] == [example.input for example in kept]


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet"])
def test_forms_in_and_out(tmp_path: Path, form: str) -> None:
    """What is written is read again, and is the same; other columns come through."""
    texts = ['first, with "quotes"\nand a line', "zweite größe", "=1+1", "取消訂單"]
    ids = ["a", "b", "c", "d"]
    source = write_rows(tmp_path / "a.jsonl", texts, id=ids)
    spec = CurateSpec(steps=("exact",), format=form)  # type: ignore[arg-type]  # a literal of the loop
    done = curate(source, spec, out=tmp_path / "one")
    shard = tmp_path / "one/clean" / f"00000.{form}"
    assert [one.path for one in done.report.shards] == [f"clean/00000.{form}"]
    again = curate(shard, CurateSpec(steps=("exact",)), out=tmp_path / "two")
    expected = ["'=1+1" if form == "csv" and text.startswith("=") else text for text in texts]
    assert clean_rows(again) == [{"text": text, "id": name} for text, name in zip(expected, ids, strict=True)]
    curate(source, spec, out=tmp_path / "three")
    assert shard.read_bytes() == (tmp_path / "three/clean" / f"00000.{form}").read_bytes()


def test_parquet_and_packed_files_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one", "two"], "n": [1, None], "tags": [["a"], []]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"text,n\nthree,3\n") + gzip.compress(b"four,4\n"))
    done = curate(str(tmp_path / "*.*"), CurateSpec(steps=("exact",)), out=tmp_path / "out")
    assert [row["text"] for row in clean_rows(done)] == ["one", "two", "three", "four"]
    assert clean_rows(done)[0] == {"text": "one", "n": 1, "tags": ["a"]}
    assert [(file.file, file.format) for file in done.report.files] == [("a.parquet", "parquet"), ("b.csv.gz", "csv")]


def test_shards_are_bounded_and_keep_the_order(tmp_path: Path) -> None:
    rng = random.Random(7)
    texts = [" ".join(words(rng, 9_000)) for _ in range(60)]
    spec = CurateSpec(steps=("exact",), shard_mb=1)
    done = curate(write_rows(tmp_path / "a.jsonl", texts), spec, out=tmp_path / "out")
    assert len(done.report.shards) == 3
    assert all(shard.bytes < 1_100_000 for shard in done.report.shards)
    assert [row["text"] for row in clean_rows(done)] == texts


def test_rows_that_are_left_out_keep_score_and_limit(tmp_path: Path) -> None:
    texts = ["only a few words", " ".join(words(random.Random(3), 80))]
    done = curate(write_rows(tmp_path / "a.jsonl", texts), CurateSpec(steps=("length",)), out=tmp_path / "out")
    (entry,) = done.dropped_rows("too_short")
    assert (entry["score"], entry["limit"], entry["record"], entry["offset"]) == (4.0, 50.0, 1, 0)
    assert list(done.dropped_rows("near_duplicate")) == []
    assert list(done.borderline()) == []
    assert [one["record"] for one in done.borderline(1.0)] == [1]
    (rule,) = [rule for rule in done.report.rules if rule.reason == "too_short"]
    assert (rule.left_out, rule.broken, rule.looser, rule.stricter) == (1, 1, 1, 1)
    assert (rule.looser_limit, rule.stricter_limit) == (40.0, 60.0)


def test_a_dry_run_writes_nothing_and_foresees(tmp_path: Path) -> None:
    texts = documents(5, 200)
    source = write_rows(tmp_path / "a.jsonl", texts)
    report = preview(source, NEAR)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    done = curate(source, NEAR, out=tmp_path / "out").report
    assert report.sample_of_rows == len(texts)
    assert report.left_out == done.left_out
    clean = sum(shard.bytes for shard in done.shards if shard.path.startswith("clean/"))
    assert report.estimate["clean_mb"] == pytest.approx(clean / 1e6, abs=0.1)


def test_settings_are_checked(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "a.jsonl", ["a b c"])
    with pytest.raises(ConfigError):
        curate(source, out=tmp_path / "out", workers=0)
    with pytest.raises(DataError) as caught:
        curate(source, CurateSpec(inputs=("body",)), out=tmp_path / "out")
    assert caught.value.code == "E_COLUMN"
    with pytest.raises(DataError) as caught:
        curate(tmp_path / "*.nothing", out=tmp_path / "out")
    assert caught.value.code == "E_EMPTY"
    assert not (tmp_path / "out").exists()


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_spans_cover_every_range_once(counts: list[int]) -> None:
    spans = key_ranges([float(count) for count in counts])
    assert [place for low, high in spans for place in range(low, high)] == list(range(len(counts)))
    assert all(sum(counts[low:high]) <= 4_000_000 or high - low == 1 for low, high in spans)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_rows(tmp_path / "a.jsonl", [*documents(1, 30), "write to anna@example.org"])
    out = tmp_path / "out"
    flags = ["--step", "exact", "--step", "personal", "--personal", "redact", "--workers", "1", "--quiet"]
    assert command(["curate", str(source), "-o", str(out), "--json", *flags]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rows"] == record["unchanged"] + record["changed"] + record["quarantined"]
    assert record["changes"] == {"personal": 1}
    assert record == json.loads((out / "report.json").read_text("utf-8"))
    assert command(["curate", str(source), "-o", str(out), *flags]) == 0
    said = capsys.readouterr().out
    assert "exact duplicate" in said
    assert "anna" not in said
    drawn = (out / "report.html").read_text("utf-8")
    assert "default-src &#x27;none&#x27;" in drawn
    assert "<svg" in drawn
    assert "anna@example.org" not in drawn
    assert "[EMAIL]" in (out / "clean/00000.jsonl").read_text("utf-8")
    with pytest.raises(ConfigError):
        command(["curate", str(source), "--quiet"])


def test_settings_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_rows(tmp_path / "a.jsonl", ["one two three four", "one two", "five"])
    (tmp_path / "o.toml").write_text('[curate]\nsteps = ["length"]\n[curate.limits]\nmin_words = 2\nmax_words = 3\n')
    given_ = ["curate", str(source), "--config", str(tmp_path / "o.toml"), "-q", "--json", "--workers", "1"]
    assert command([*given_, "-o", str(tmp_path / "one")]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == {"too_long": 1, "too_short": 1}
    assert command([*given_, "-o", str(tmp_path / "two"), "--min-words", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == {"too_long": 1}
    (tmp_path / "o.toml").write_text("[curate.limits]\nmin_word = 2\n")
    with pytest.raises(ConfigError, match="min_word"):
        command([*given_, "-o", str(tmp_path / "three")])


def test_text_files_of_a_folder_are_documents(tmp_path: Path) -> None:
    """One that cannot be read takes no other with it; beside data, a text file is a note."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in (("a.txt", b"one\n\ntwo"), ("b.txt", b"\xff\xfe\xfa"), ("c.txt", b"ONE two"), ("d.txt", b"")):
        (folder / name).write_bytes(data)
    done = curate(folder, NEAR, out=tmp_path / "out")
    assert clean_rows(done) == [{"file": "a.txt", "text": "one\n\ntwo"}]
    assert {entry["record"]: entry["reason"] for entry in done.dropped_rows()} == {
        2: "unreadable", 3: "normalised_duplicate", 4: "empty",
    }  # fmt: skip
    assert [(file.file, file.format, file.records) for file in done.report.files] == [("in/*.txt", "text", 4)]
    write_rows(folder / "e.jsonl", ["row"])
    assert [row["text"] for row in clean_rows(curate(folder, NEAR, out=tmp_path / "two"))] == ["row"]


def test_a_text_file_that_changes_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    source = plain_text.describe_texts((tmp_path / "a.txt",))
    (tmp_path / "a.txt").write_text("other", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(plain_text.texts_of(0, source, None))
    assert caught.value.code == "E_CHANGED"


def turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def test_chats_are_judged_by_their_turns_and_stay_chats(tmp_path: Path) -> None:
    said = turn("assistant", "Yes.")
    rows = [
        {"messages": [turn("system", "Be kind."), turn("user", "Mail me@example.org?"), said], "n": 1},
        {"messages": [turn("user", [{"type": "text", "text": "schÃ¶n"}]), turn("assistant", "Fine.")]},
        {"messages": [turn("system", "Be kind."), turn("user", "mail me@example.org?"), said]},
        {"messages": [turn("user", "no answer")]},
        {"messages": []},
        {"request": {"messages": [turn("user", "a call")]}, "response": {"choices": [{"message": said}]}},
    ]  # fmt: skip
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    spec = CurateSpec(steps=("encoding", "personal", "labels", "exact", "near"), personal="redact", doubts="off")
    done = curate(source, spec, out=tmp_path / "out")
    assert done.report.labelled
    assert clean_rows(done) == [
        {"messages": [turn("system", "Be kind."), turn("user", "Mail [EMAIL]?"), turn("assistant", "Yes.")], "n": 1},
        {"messages": [turn("user", "schön"), turn("assistant", "Fine.")]},
        rows[5],
    ]
    assert {entry["record"]: entry["reason"] for entry in done.dropped_rows()} == {
        3: "normalised_duplicate", 4: "unreadable", 5: "unreadable",
    }  # fmt: skip
    (report,) = done.report.files
    assert (report.format, report.inputs, report.target) == (
        "jsonl, chat",
        ("messages", "request"),
        "last assistant turn",
    )


def test_chats_without_answers_are_raw_text(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    rows = [{"messages": [turn("user", f"question {n}")]} for n in range(3)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = curate(source, NEAR, out=tmp_path / "out")
    assert not done.report.labelled
    assert clean_rows(done) == rows


def test_labels_in_doubt_are_listed_and_left_out_if_asked(tmp_path: Path) -> None:
    rng = random.Random(2)
    kinds = {"fruit": ["apple", "pear", "plum", "cherry"], "tool": ["hammer", "saw", "drill", "wrench"]}
    texts, labels = [], []
    for n in range(120):
        label = ("fruit", "tool")[n % 2]
        texts.append(f"{rng.choice(kinds[label])} {rng.choice(kinds[label])} number{n} {rng.choice(words(rng, 9))}")
        labels.append(label)
    wrong = [10, 55, 90]
    for place in wrong:
        labels[place] = {"fruit": "tool", "tool": "fruit"}[labels[place]]
    source = write_rows(tmp_path / "a.jsonl", texts, label=labels)
    listed = curate(source, out=tmp_path / "listed").report
    assert listed.left_out == {}
    assert {f"a.jsonl:{place + 1}" for place in wrong} <= {doubt.location for doubt in listed.label_issues}
    assert listed.doubted == len(listed.label_issues) <= 6
    assert all(doubt.given_label != doubt.suggested_label and 0.5 < doubt.doubt <= 1 for doubt in listed.label_issues)
    done = curate(source, CurateSpec(doubts="drop"), out=tmp_path / "dropped")
    assert done.report.left_out == {"doubted_label": listed.doubted}
    assert {entry["record"] - 1 for entry in done.dropped_rows()} >= set(wrong)
    assert preview(source, CurateSpec(doubts="drop")).left_out == done.report.left_out
    assert "Doubtful labels" in (done.path / "report.html").read_text("utf-8")
    assert curate(source, CurateSpec(doubts="off"), out=tmp_path / "off").report.label_issues == ()
