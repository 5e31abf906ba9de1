"""The example data sets are what their page claims, and nobody wrote them from a template."""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ockham.data.near_duplicates import near_duplicates
from ockham.data.prepare import Prepared, prepare
from ockham.data.split import SplitSpec
from ockham.readers.read import ReadSpec

EXAMPLES = Path(__file__).parents[3] / "examples"
CARD = re.compile(r"(?<![A-Z]{2}\d\d )\b(?:\d{4}[ -]?){3}\d{4}\b(?! \d)")
MAIL = re.compile(r"[\w.]+@[\w.]+\.\w+")
ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: [A-Z0-9]{1,4}){3,8}\b")

# The language of the reminders, as the page of the examples has it.
WEEKDAY = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
DAY = f" --day (?:today|tomorrow|{WEEKDAY})"
DAYS = f"(?:{DAY}| --repeat (?:daily|weekdays|weekends|{WEEKDAY}))"
TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
AT = f" --at {TIME}"
LENGTH = r"(?:\d+h(?:\d+m)?(?:\d+s)?|\d+m(?:\d+s)?|\d+s)"
TEXT = ' "(?P<text>[^"]+)"'
COMMANDS = {
    "add": f"{TEXT}(?:{DAYS}(?:{AT})?|{AT}| --in {LENGTH})?",
    "alarm": f" {TIME}(?:{DAYS})?",
    "timer": f" {LENGTH}",
    "snooze": f" {LENGTH}",
    "list": f"(?:{DAY})?",
    "move": f"{TEXT}(?:{DAY}(?:{AT})?|{AT})",
    "cancel": TEXT,
    "done": TEXT,
}

HOURS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
COUNTED = {word: i + 1 for i, word in enumerate(HOURS)} | {"fifteen": 15, "twenty": 20, "fifty": 50, "noon": 12}
COUNTED |= {"midday": 12, "midnight": 12, "lunchtime": 12, "morning": 8, "afternoon": 3, "evening": 6, "bedtime": 10}
COUNTED |= {"tonight": 8}
NUMBER = rf"(\d{{1,2}}|{'|'.join(COUNTED)})"


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, str]]:
    with (EXAMPLES / "support_mail.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EXAMPLES / "support_mail.truth.json").read_text(encoding="utf-8"))
    return loaded


def squeezed(row: dict[str, str]) -> str:
    return " ".join(f"{row['subject']}\n{row['body']}".split())


def luhn(number: str) -> bool:
    digits = [int(c) for c in number if c.isdigit()][::-1]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0


def mod97(account: str) -> bool:
    """Check an account number as ISO 13616 says: first four characters to the end, letters to numbers, rest 1."""
    text = account.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def test_size_and_columns(rows: dict[str, dict[str, str]]) -> None:
    assert len(rows) >= 600
    assert list(rows) == [str(i + 1) for i in range(len(rows))], "an id is the record's number in the file"
    assert {tuple(row) for row in rows.values()} == {("id", "received", "subject", "body", "label")}
    assert all(row["body"].strip() for row in rows.values())
    assert {datetime.strptime(row["received"], "%Y-%m-%d %H:%M").year for row in rows.values()} == {2026}


def test_labels_are_as_documented(rows: dict[str, dict[str, str]]) -> None:
    counts = Counter(row["label"] for row in rows.values())
    documented = re.findall(
        r"^\| `(\w+)` \| (?!pairs|the exact|emails with|rows)", (EXAMPLES / "README.md").read_text(), re.M
    )
    assert set(counts) == set(documented)
    assert 10 <= len(counts) <= 12
    assert min(counts.values()) >= 25


def test_truth_covers_four_to_eight_percent(rows: dict[str, dict[str, str]], truth: dict[str, Any]) -> None:
    planted = {later for key in ("exact_duplicates", "near_duplicates") for _, later in truth[key]}
    planted |= {*truth["html"], *truth["wrong_labels"], *truth["personal"]}
    assert planted <= set(rows)
    assert 0.04 <= len(planted) / len(rows) <= 0.08


def test_exact_duplicates_are_equal_and_sent_within_minutes(
    rows: dict[str, dict[str, str]], truth: dict[str, Any]
) -> None:
    listed = {frozenset(pair) for pair in truth["exact_duplicates"]}
    groups = defaultdict(list)
    for row in rows.values():
        groups[squeezed(row)].append(row["id"])
    assert {frozenset(ids) for ids in groups.values() if len(ids) > 1} == listed
    assert any(rows[a]["body"] != rows[b]["body"] for a, b in truth["exact_duplicates"]), "some differ in white space"
    for a, b in truth["exact_duplicates"]:
        apart = datetime.fromisoformat(rows[a]["received"]) - datetime.fromisoformat(rows[b]["received"])
        assert abs(apart.total_seconds()) <= 300


def test_conflicting_duplicates_have_two_labels(rows: dict[str, dict[str, str]], truth: dict[str, Any]) -> None:
    found = [pair for pair in truth["exact_duplicates"] if rows[pair[0]]["label"] != rows[pair[1]]["label"]]
    assert found == truth["conflicting"]
    for pair in found:
        assert len({*pair} & {*truth["wrong_labels"]}) == 1


def test_near_duplicates_are_similar_and_not_equal(rows: dict[str, dict[str, str]], truth: dict[str, Any]) -> None:
    for a, b in truth["near_duplicates"]:
        first, second = rows[a]["body"].split(), rows[b]["body"].split()
        assert first != second
        assert difflib.SequenceMatcher(None, first, second, autojunk=False).ratio() > 0.85
        assert rows[a]["label"] == rows[b]["label"]


def test_html_mails_hold_tags_and_no_others_do(rows: dict[str, dict[str, str]], truth: dict[str, Any]) -> None:
    tagged = [i for i, row in rows.items() if re.search(r"</\w+>", row["body"])]
    assert tagged == truth["html"]


def test_wrong_labels_are_given_in_the_file(rows: dict[str, dict[str, str]], truth: dict[str, Any]) -> None:
    known = {row["label"] for row in rows.values()}
    for row, label in truth["wrong_labels"].items():
        assert rows[row]["label"] == label["given"] != label["true"]
        assert label["true"] in known


def test_personal_data_is_listed_and_checks_out(rows: dict[str, dict[str, str]], truth: dict[str, Any]) -> None:
    kinds = {"name", "address", "email", "phone", "card", "iban", "password"}
    assert {kind for found in truth["personal"].values() for kind in found} == kinds
    for kind, pattern in (("card", CARD), ("email", MAIL), ("iban", ACCOUNT)):
        listed = {i for i, found in truth["personal"].items() if kind in found}
        assert {i for i, row in rows.items() if pattern.search(row["body"])} == listed, kind
    every = "\n".join(row["body"] for row in rows.values())
    assert all(luhn(number) for number in CARD.findall(every))
    assert all(mod97(number) for number in ACCOUNT.findall(every))
    assert all(re.search(r"@example\.(com|org|net)$", address) for address in MAIL.findall(every))


def test_no_two_mails_come_from_one_template(rows: dict[str, dict[str, str]], truth: dict[str, Any]) -> None:
    same = {frozenset(pair) for key in ("exact_duplicates", "near_duplicates") for pair in truth[key]}
    runs = defaultdict(set)
    for row in rows.values():
        words = re.findall(r"\w+", row["body"].lower())
        for start in range(len(words) - 5):
            runs[tuple(words[start : start + 6])].add(row["id"])
    shared = [ids for ids in runs.values() if len(ids) > 1 and frozenset(ids) not in same]
    assert len(shared) <= 20, "runs of six words that two different mails share"
    assert max(map(len, shared), default=0) <= 3


def prepared(name: str) -> Prepared:
    """Read a file as a run does, with no column and no task named."""
    return prepare(EXAMPLES / name, ReadSpec(), SplitSpec(), test=None, task_name=None, on_progress=lambda _: None)


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def deliveries() -> list[dict[str, Any]]:
    return lines("deliveries.jsonl")


@pytest.mark.parametrize(("name", "task"), [("deliveries.jsonl", "extract"), ("reminders.jsonl", "generate")])
def test_a_run_keeps_every_row_and_tells_the_task(name: str, task: str) -> None:
    found = prepared(name)
    assert found.dataset.task == task
    assert found.intake.kept_rows == found.intake.rows == len(lines(name)) >= 400
    assert found.intake.personal == {}, "nobody's address or number"
    assert len(found.split.test) >= 60
    assert found.split.warnings == ()
    documented = re.search(
        rf"^\| \[`{name}`\]\(#[\w-]+\) \| {task} \| (\d+) \|$", (EXAMPLES / "README.md").read_text(), re.M
    )
    assert documented is not None
    assert int(documented[1]) == found.intake.rows


@pytest.mark.parametrize("name", ["deliveries.jsonl", "reminders.jsonl"])
def test_no_two_messages_share_half_their_letters(name: str) -> None:
    inputs = [row["input"] for row in lines(name)]
    alike = len(inputs) - len(set(near_duplicates(inputs, threshold=0.5).tolist()))
    assert alike == 0, "a run calls them near-duplicates from 0.8 on"


def test_delivery_values_are_cut_out_of_the_message(deliveries: list[dict[str, Any]]) -> None:
    fields = ("item", "from", "to", "day", "time")
    for row in deliveries:
        assert set(row) == {"input", "target"}
        assert row["target"], row["input"]
        assert [*row["target"]] == [name for name in fields if name in row["target"]], "one order of fields"
        for value in row["target"].values():
            assert value
            assert value == value.strip(" ,;:!?")
            assert re.search(rf"(?<!\w){re.escape(value)}(?!\w)", row["input"]), f"{value!r} in {row['input']!r}"
        assert 8 <= len(row["input"].split()) <= 40


def test_delivery_fields_are_missing_as_often_as_in_life(deliveries: list[dict[str, Any]]) -> None:
    shares = {
        name: sum(name in row["target"] for row in deliveries) / len(deliveries)
        for name in ("item", "from", "to", "day", "time")
    }
    assert 0.9 < shares.pop("item") < 1
    assert all(0.45 < share < 0.85 for share in shares.values()), shares
    assert set(Counter(len(row["target"]) for row in deliveries)) >= {2, 3, 4, 5}


def counted(word: str) -> int:
    return int(word) if word.isdigit() else COUNTED[word]


def times_said(message: str) -> set[tuple[int, int]]:
    """Find every time that a message could mean, on a dial of twelve hours."""
    said = message.lower().replace("quarter", "15").replace("half past", "30 past").replace("half ", "30 past ")
    past = {(counted(hour), counted(minute)) for minute, hour in re.findall(rf"\b{NUMBER} past {NUMBER}\b", said)}
    before = {
        (counted(hour) - 1, 60 - counted(minute)) for minute, hour in re.findall(rf"\b{NUMBER} to {NUMBER}\b", said)
    }
    digits = {(int(hour), int(minute)) for hour, minute in re.findall(r"\b(\d{1,2})[:.](\d\d)\b", said)}
    spoken = {(counted(a), counted(b)) for a, b in re.findall(rf"\b{NUMBER} {NUMBER}\b", said)}
    full = {(counted(hour), 0) for hour in re.findall(rf"\b{NUMBER}\b", said)}
    return {(hour % 12, minute) for hour, minute in past | before | digits | spoken | full}


@pytest.fixture(scope="module")
def reminders() -> list[dict[str, Any]]:
    return lines("reminders.jsonl")


def test_every_reminder_is_a_command(reminders: list[dict[str, Any]]) -> None:
    counts: Counter[str] = Counter()
    for row in reminders:
        assert set(row) == {"input", "target"}
        verb = row["target"].split()[0]
        found = re.fullmatch(verb + COMMANDS[verb], row["target"])
        assert found, row["target"]
        counts[verb] += 1
        if text := found.groupdict().get("text"):
            assert re.search(rf"(?<!\w){re.escape(text)}(?!\w)", row["input"]), row
            assert not re.match(r"(?i)(the|an?|my|to|that|about) ", text), text
    assert set(counts) == set(COMMANDS)
    assert min(counts.values()) >= 20
    assert all(
        sum(f"--{option} " in row["target"] for row in reminders) >= 20 for option in ("day", "at", "in", "repeat")
    )


def test_days_and_times_of_a_reminder_are_said(reminders: list[dict[str, Any]]) -> None:
    said = {"today": "today|tonight|this (morning|afternoon|evening)", "daily": "daily|every|each"}
    said |= {"weekdays": "weekday|every|school days|monday to friday", "weekends": "weekend|saturdays and sundays"}
    for row in reminders:
        options = re.sub(TEXT, "", row["target"])
        for day in re.findall(r"--(?:day|repeat) (\w+)", options):
            assert re.search(said.get(day, day), row["input"].lower()), row
        for hour, minute in re.findall(r"(\d\d):(\d\d)", options):
            assert (int(hour) % 12, int(minute)) in times_said(row["input"]), row


def test_an_hour_alone_is_one_of_the_working_day(reminders: list[dict[str, Any]]) -> None:
    half = re.compile(r"morning|evening|afternoon|tonight|bedtime|night|\b[ap]m\b|\d\d:\d\d")
    for row in reminders:
        options = re.sub(TEXT, "", row["target"])
        if (found := re.search(TIME, options)) and not half.search(row["input"].lower()):
            earliest, latest = ("00:00", "11:59") if options.startswith("alarm") else ("07:00", "18:59")
            assert earliest <= found[0] <= latest, row
