"""The report: what it says, what it leaves out, and that nothing in it acts or leads outside."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sample_account import bare_account, hostile_account, sample_account

from ockham.records import (
    Candidate,
    Dropped,
    Estimate,
    FieldFacts,
    IngestReport,
    Quarantined,
    RunResult,
    SelectiveAnswers,
)
from ockham.reporting import confusion_matrix, field_help, field_marks, ladder_chart, render
from ockham.reporting import formatting as words
from ockham.reporting.candidate_view import candidate_views, confusions, focus
from ockham.reporting.html import embed_json, tag, text
from ockham.reporting.row_numbers import row_note, row_number
from ockham.reporting.scales import Scale, tick_choices
from ockham.reporting.svg import Picture

VOID = {"br", "col", "hr", "input", "meta"}
SVG_ELEMENTS = {"svg", "title", "desc", "g", "path", "line", "rect", "circle", "text"}


class Page(HTMLParser):
    """Reads a page: its elements, the text outside scripts and styles, and whether every element is closed."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.mistakes: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name: str) -> None:
        if not self.open or self.open.pop() != name:
            self.mistakes.append(name)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def said(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words).replace("\u00a0", " "))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]


@pytest.fixture(scope="module")
def sample() -> str:
    return render(sample_account())


def rows_of(source: str) -> dict[str, list[Any]]:
    found = re.search(r'<script type="application/json" id="rows">(.*?)</script>', source, re.S)
    if found is None:
        raise AssertionError("the page holds no rows")
    data: dict[str, list[Any]] = json.loads(found.group(1))
    return data


def test_first_screen_says_verdict_figures_and_next_step(sample: str) -> None:
    page = Page(sample)
    account = sample_account()
    chosen = focus(account)
    if chosen is None:
        raise AssertionError
    assert account.verdict.chosen == "encoder" == chosen.name
    first = page.said[: page.said.index("Candidates, smallest first")]
    assert "Use encoder ." in first
    assert f"Use encoder . {account.verdict.because}" in first
    assert first.count("Use encoder") == 1
    assert account.verdict.next in first
    assert "accuracy at least 85 %, p95 latency at most 200 ms, memory at most 2 GB, 10,000 requests per day" in first
    assert "94.4 %" in first
    assert "89.4 to 97.2, n = 144" in first
    assert "15 ms" in first
    assert "212 MB" in first
    assert (
        "linear , which is smaller, might do too (accuracy at least 85 %): about 310 more test rows would tell" in first
    )
    assert "endpoint , because no endpoint is named" in first


def test_rows_that_are_still_needed_are_one_number_wherever_they_are_told() -> None:
    account = sample_account()
    results = tuple(
        dataclasses.replace(result, rows_needed=1246 if result.rows_needed else None)
        for result in account.verdict.candidates
    )
    account = dataclasses.replace(account, verdict=dataclasses.replace(account.verdict, candidates=results))
    said = Page(render(account)).said
    assert said.count("about 1,300 more test rows would tell") >= 2
    assert "1,246" not in said


def test_page_is_well_formed_with_landmarks_and_unique_ids(sample: str) -> None:
    page = Page(sample)
    assert page.mistakes == []
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.all(landmark)) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    targets = {(a["href"] or "")[1:] for a in page.all("a")}
    assert targets <= set(ids)
    labelled = {a["for"] for a in page.all("label") if "for" in a}
    assert labelled == {"axis-latency", "axis-memory", "axis-cost"}
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_charts_are_pictures_with_words(sample: str) -> None:
    page = Page(sample)
    pictures = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(pictures) == 2 * 7  # three ladders, learning, training, cascade, cost: wide and narrow
    drawn = ET.fromstring(f"<page>{''.join(re.findall('<svg.*?</svg>', sample, re.S))}</page>")
    assert {one.tag for one in drawn.iter()} == SVG_ELEMENTS | {"page"}
    by_id = {one.attrib["id"]: one.text or "" for one in drawn.iter() if "id" in one.attrib}
    for attributes in pictures:
        assert attributes["viewbox"] == f"0 0 {attributes['width']} {attributes['height']}"
        assert len(by_id[attributes["aria-labelledby"] or ""]) > 15
        assert len(by_id[attributes["aria-describedby"] or ""]) > 40
    assert all(a.get("role") == "img" or a.get("aria-hidden") == "true" for a in page.all("svg"))


def test_n04_no_address_leads_outside(sample: str) -> None:
    assert not re.search(r"(?:https?:)?//[a-z]", sample.split("<body>")[1].replace("// ", ""), re.I)
    page = Page(sample)
    for name, attributes in page.elements:
        assert name not in {"link", "iframe", "object", "embed", "img", "base", "audio", "video"}
        assert not {"src", "srcset", "action", "style"} & set(attributes)
        assert not any(key.startswith("on") for key in attributes)
        assert (attributes.get("href") or attributes.get("xlink:href") or "#").startswith("#")
    assert "@import" not in sample
    assert "url(" not in sample.split("</style>", maxsplit=1)[0]


def test_n04_policy_allows_exactly_the_style_and_the_script(sample: str) -> None:
    policy = Page(sample).all("meta")[1]["content"] or ""
    script = sample[sample.rindex("<script>") + 8 : sample.rindex("</script>")]
    style = sample[sample.index("<style>") + 7 : sample.index("</style>")]
    for directive, source in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_skipped_failed_and_measured_are_told_apart(sample: str) -> None:
    said = Page(sample).said
    assert "skipped, because no endpoint is named (--endpoint URL)" in said
    for finding in ("✓ meets accuracy", "✕ misses accuracy", "? cannot tell accuracy"):
        assert finding in said
    assert "failed, because E_DEFECT: the solver did not converge" in Page(render(bare_account())).said


def test_rows_add_up_kept_dropped_quarantined(sample: str) -> None:
    intake = sample_account().ingest
    said = Page(sample).said
    assert intake.rows == intake.kept_rows + sum(intake.dropped_counts().values())
    assert "The data has 787 rows; 720 were kept (432 to train, 144 to validate, 144 to test); 65 were dropped" in said
    for shown in ("exact duplicate 41 5.2 %", "quarantined 2 0.3 %", "all rows 787 100.0 %"):
        assert shown in said
    assert "9, 22 refund / return item" in said  # the header of a CSV file is row 1
    assert "refund 61 rows Refund 2 rows refund" in said
    assert "e-mail address 12" in said


def test_rows_that_do_not_add_up_are_not_hidden(sample: str) -> None:
    account = sample_account()
    short = dataclasses.replace(account, ingest=dataclasses.replace(account.ingest, rows=790))
    assert "The counts do not add up : 3 rows are not accounted for." in Page(render(short)).said
    assert "do not add up" not in sample


def test_comparisons_state_the_correction_and_read_it(sample: str) -> None:
    said = Page(sample).said
    assert "4 comparisons were made; p-values are corrected for that (Holm, 1979)" in said
    minus = "\N{MINUS SIGN}"
    same = (
        f"encoder {minus} encoder-tuned Accuracy {minus}0.7 {minus}6.0 to +4.6, n = 144 0.580 0.580 no difference shown"
    )
    assert same in said[: said.index("All other comparisons (3)")], "those with the chosen one come first"
    assert (
        "encoder-tuned \N{MINUS SIGN} linear Accuracy +9.7 +2.5 to +16.9, n = 144 0.007 0.013 encoder-tuned is better"
        in said
    )


def test_every_row_is_embedded_with_every_answer(sample: str) -> None:
    account = sample_account()
    data = rows_of(sample)
    assert data["names"] == ["constant", "lookup", "linear", "encoder", "encoder-tuned"]
    assert len(data["rows"]) == 144
    strings = data["strings"]
    by_id = {r.candidate.name: {s.example: s for s in r.scores} for r in account.reports}
    for row in data["rows"]:
        number, said, target, answers, marks, _ = row
        key = str(int(number) - 1)  # a spreadsheet counts the header
        assert said == account.examples[key].input
        assert strings[target] == account.examples[key].target
        for name, answer, mark in zip(data["names"], answers, marks, strict=True):
            score = by_id[str(name)][key]
            assert (None if answer < 0 else strings[answer]) == score.answer
            assert mark == score.value
    wrong = sum(s.value == 0 for s in by_id["encoder"].values())
    assert f"encoder answers {wrong} of 144 rows wrong." in Page(sample).said


def test_without_scripts_the_first_hundred_wrong_answers_stand_in_the_page() -> None:
    account = sample_account(n=1200)
    page = render(dataclasses.replace(account, verdict=dataclasses.replace(account.verdict, chosen="constant")))
    listed = page[page.index('id="list"') : page.index('id="pages"')]
    assert listed.count("<tr>") == 101  # the head and a hundred rows
    assert "The first 100 of 1,100" in listed


def test_confusions_are_counted_as_by_hand() -> None:
    scores = sample_account().reports[3].scores
    naive: dict[tuple[str, str | None], int] = {}
    for s in scores:
        if s.answer != s.target:
            naive[s.target, s.answer] = naive.get((s.target, s.answer), 0) + 1
    assert {(t, a): n for t, a, n in confusions(scores)} == naive
    assert [n for _, _, n in confusions(scores)] == sorted(naive.values(), reverse=True)


@pytest.mark.parametrize("text_", ["None", "nan", "NaN", "inf", "undefined"])
def test_nothing_missing_is_shown_as_a_number(text_: str) -> None:
    account = sample_account()
    bad = Estimate(value=math.nan, low=math.nan, high=math.nan, n=0)
    report = dataclasses.replace(account.reports[2], metrics={"accuracy": bad}, artifact_mb=None)
    results = tuple(
        dataclasses.replace(c, metrics={"accuracy": bad}, memory_mb=None, latency_ms=None, artifact_mb=math.inf)
        if c.name == "linear"
        else c
        for c in account.verdict.candidates
    )
    broken = dataclasses.replace(
        account,
        reports=(*account.reports[:2], report, *account.reports[3:]),
        verdict=dataclasses.replace(account.verdict, candidates=results),
    )
    for page in (Page(render(broken)), Page(render(bare_account()))):
        assert not re.search(rf"(?<!\w){text_}(?!\w)", page.said)
    assert "not measured" in Page(render(broken)).said


def test_columns_that_hold_nothing_are_left_out(sample: str) -> None:
    heads = ("p95 latency", "Memory", "Answers per second", "Cost per day")
    for page, shown in ((Page(sample), True), (Page(render(bare_account())), False)):
        table = page.said[page.said.index("Candidates, smallest first") : page.said.index("Rows kept and dropped")]
        assert [head in table for head in heads] == [shown] * 4
        assert "not measured" not in table


def test_tables_hold_the_numbers_of_the_pictures(sample: str) -> None:
    page = Page(sample)
    assert [a["class"] for a in page.all("figure")] == ["chart"] * 7
    for label in ("Learning curve", "Cascade", "Tuning of encoder-tuned", "Costs of APIs"):
        assert label in page.said


def test_the_learning_curve_says_where_it_reaches_a_model_behind_an_api() -> None:
    account = dataclasses.replace(sample_account(), training={}, coverage={}, apis=())
    assert "reaches" not in Page(render(account)).said
    for share, sentence in (
        (0.84, "linear reaches big-model (84.0 %) with about"),
        (0.99, "points from big-model with all"),
    ):
        value = dataclasses.replace(account.curve[-1].metric, value=share, low=share - 0.05, high=1.0)
        hosted = dataclasses.replace(
            account.reports[0],
            candidate=Candidate(name="big-model", rung=7, kind="endpoint"),
            metrics={account.verdict.metric: value},
        )
        page = Page(render(dataclasses.replace(account, hosted=("big-model",), reports=(*account.reports, hosted))))
        assert "big-model, which does not learn from them: on the test rows." in page.said
        assert sentence in page.said.replace("\xa0", " ")
        assert page.mistakes == []


def test_rows_have_the_numbers_that_the_program_of_the_file_shows() -> None:
    intake = sample_account().ingest
    (source,) = intake.sources
    lines = dataclasses.replace(intake, sources=(dataclasses.replace(source, format="jsonl"),))
    sheet = dataclasses.replace(source, file="more.xlsx", format="spreadsheet, sheet 1 of 2")
    both = dataclasses.replace(lines, sources=(*lines.sources, sheet))
    assert [row_number(each, "17") for each in (intake, lines)] == ["18", "17"]
    assert [row_number(both, name) for name in ("mails.csv:17", "more.xlsx:17")] == ["mails.csv:17", "more.xlsx:18"]
    assert row_number(intake, "no number") == "no number"
    assert "the header counts too" in row_note(intake)
    assert "header" not in row_note(lines)


def test_a_matrix_of_many_labels_shows_the_ones_that_are_confused_most() -> None:
    few = sample_account().reports[3].scores
    assert confusion_matrix.matrix([s for s in few if s.value == 1]) is None
    page = Page(confusion_matrix.matrix(few) or "")
    assert len(page.all("tr")) == 13
    assert "complaint" in page.said
    many = [
        dataclasses.replace(s, target=f"{s.target} {i % 5}", answer=f"{s.answer} {i % 5}") for i, s in enumerate(few)
    ]
    page = Page(confusion_matrix.matrix(many) or "")
    assert len(page.all("tr")) <= 1 + confusion_matrix.LARGEST
    assert "labels of 60 that are confused most" in page.said


def extracting_account() -> RunResult:
    """Give the sample as a task that extracts: a right row, another value, a missed and a made up one."""
    account = sample_account(n=24)
    answers = (
        '{"day":"friday","size":"2"}',
        '{"day":"monday","size":"2"}',
        '{"size":"2"}',
        '{"day":"friday","who":"Ada"}',
    )
    target = '{"day":"Friday","size":"2"}'
    report = account.reports[3]
    scores = tuple(
        dataclasses.replace(s, target=target, answer=answers[i % 4], value=float(i % 4 == 0))
        for i, s in enumerate(report.scores)
    )
    labels = tuple(dataclasses.replace(report.per_label[0], label=name) for name in ("day", "size", "who"))
    report = dataclasses.replace(report, scores=scores, per_label=labels)
    examples = {
        k: dataclasses.replace(e, input="2 <b>crates</b> on FRIDAY, or Monday") for k, e in account.examples.items()
    }
    verdict = dataclasses.replace(account.verdict, task="extract")
    return dataclasses.replace(account, verdict=verdict, reports=(report,), examples=examples)


def test_fields_are_counted_right_empty_cut_short_misplaced_and_made_up() -> None:
    page = render(extracting_account())
    said = Page(page).said
    assert "Field Rows Right Empty Cut short Wrong place Made up Precision Recall F1" in said
    assert re.search(r"day 24 12 6 0 6 0 ", said)
    assert re.search(r"size 24 18 6 0 0 0 ", said)
    assert re.search(r"who 0 0 0 0 0 6 ", said)
    wanted = Counter({"12 mill lane": 1, "ipoh": 1})
    assert field_marks.fault(wanted, wanted) == "right"
    assert field_marks.fault(Counter({"ipoh": 1}), wanted) == "empty", "one of two is missing"
    assert field_marks.fault(Counter({"mill lane": 1}), wanted) == "cut"
    assert field_marks.fault(Counter({"12 mill lane, ipoh": 1}), wanted) == "cut", "more than the value"
    assert field_marks.fault(Counter({"north road": 1}), wanted) == "other"


def test_each_field_has_its_mean_confidence_and_what_would_help_it() -> None:
    account = extracting_account()
    (report,) = account.reports
    sure = {"day": 0.4, "size": 0.6}
    weak = Estimate(value=0.5, low=0.4, high=0.6, n=24)
    report = dataclasses.replace(
        report,
        scores=tuple(dataclasses.replace(s, fields=sure) for s in report.scores),
        per_label=tuple(dataclasses.replace(label, f1=weak) for label in report.per_label),
    )
    facts = (
        FieldFacts(field="day", rows=40, values=40, nowhere=10, several=30),
        FieldFacts(field="size", rows=400, values=400, shared=("day",)),
        FieldFacts(field="who", kind="empty"),
        FieldFacts(field="goods", kind="objects", rows=40),
    )
    said = Page(render(dataclasses.replace(account, reports=(report,), fields=facts))).said
    assert re.search(r"day 24 12 6 0 6 0 40.0 % ", said)
    assert re.search(r"who 0 0 0 0 0 6 unknown ", said)
    assert "Values copied from the text: 10 of 40 training values are not in it." in said
    assert "More rows that have it: 40 training values are few." in said
    assert "30 of 40 occur several times in their texts." in said
    assert "Texts in which it differs from day: most have the same value." in said
    assert "Rows that have it: every training row leaves it empty." in said
    assert "lists of objects are not taken apart" in said
    assert list(field_help.what_helps(facts[0], 0.97)) == []
    assert "What would help" not in Page(render(account)).said


def test_extracted_values_are_marked_where_they_stand_in_the_text() -> None:
    page = render(extracting_account())
    assert "<mark>2</mark> &lt;b&gt;crates&lt;/b&gt; on <mark>FRIDAY</mark>, or Monday" in page
    data = rows_of(page)
    assert data["fields"] == ["day", "size", "who"]
    _, text, _, _, marks, _, right, differing, own = data["rows"][1]
    assert [text[start:end] for start, end in right] == ["2", "FRIDAY"]
    assert (marks, differing, [text[start:end] for start, end in own[0]]) == ([0], [[0]], ["2", "Monday"])
    assert [row[7] for row in data["rows"][:4]] == [[[]], [[0]], [[0]], [[1, 2]]]


def test_the_first_screen_says_how_much_is_answered_alone() -> None:
    account = sample_account()
    share, error, whole = (
        Estimate(value=v, low=v / 2, high=v + 0.1, n=n) for v, n in ((0.75, 144), (0.032, 108), (0.056, 144))
    )
    selective = SelectiveAnswers(threshold=0.8345, aim=0.028, share=share, error=error, whole=whole)
    said = Page(render(dataclasses.replace(account, selective={"encoder": selective}))).said
    first = said[: said.index("Candidates, smallest first")]
    assert "encoder answers 75 % of the rows by itself at 3.2 % errors (1.6 to 13.2, n = 108)" in first
    assert "confidence below 83 % are passed on ( --min-confidence 0.83 ); without that, 5.6 % are wrong" in first
    poor = dataclasses.replace(
        selective, error=dataclasses.replace(error, value=0.6), whole=dataclasses.replace(whole, value=0.7)
    )
    assert "by itself" not in Page(render(dataclasses.replace(account, selective={"encoder": poor}))).said
    worse = dataclasses.replace(selective, error=dataclasses.replace(error, value=0.06, low=0.03))
    said = Page(render(dataclasses.replace(account, selective={"encoder": worse}))).said
    assert "encoder : passing on doubtful answers would not help." in said
    assert "by itself" not in said
    assert "by itself" not in Page(render(dataclasses.replace(account, selective={"linear": selective}))).said


def test_written_texts_say_where_they_differ_and_hide_a_cascade_of_wrong_answers() -> None:
    account = sample_account()
    writes = dataclasses.replace(account, verdict=dataclasses.replace(account.verdict, task="generate"))
    page = render(writes)
    assert rows_of(page)["written"]
    assert "encoder differs from the right answer in" in Page(page).said
    assert "Keep the confident answers, pass on the rest" in Page(page).said
    wrong = {
        name: tuple(dataclasses.replace(p, error=dataclasses.replace(p.error, value=0.9, high=1.0)) for p in points)
        for name, points in account.coverage.items()
    }
    assert "pass on the rest" not in Page(render(dataclasses.replace(writes, coverage=wrong))).said


def test_rows_that_were_all_kept_and_did_not_leak_have_no_table() -> None:
    account = sample_account()
    intake = dataclasses.replace(account.ingest, rows=account.ingest.kept_rows, dropped=(), quarantined=())
    dataset = dataclasses.replace(account.verdict.dataset, leaks_prevented=0)
    pairs = tuple(dataclasses.replace(pair, leaks=0) for pair in account.split_optimism)
    clean = dataclasses.replace(account, ingest=intake, split_optimism=pairs)
    clean = dataclasses.replace(clean, verdict=dataclasses.replace(account.verdict, dataset=dataset))
    for shown, page in ((True, Page(render(account))), (False, Page(render(clean)))):
        assert ("Kept and dropped rows" in page.said) == shown
        assert ("With leakage" in page.said) == shown
    assert "No near-duplicates or groups would have leaked from a random split." in page.said


def test_a_run_without_requirements_has_no_column_of_them() -> None:
    account = sample_account()
    results = tuple(
        dataclasses.replace(result, meets={}, why="", rows_needed=240) for result in account.verdict.candidates
    )
    free = dataclasses.replace(account, verdict=dataclasses.replace(account.verdict, candidates=results))
    for shown, page in ((True, Page(render(account))), (False, Page(render(free)))):
        table = page.said[page.said.index("Candidates, smallest first") : page.said.index("Rows kept and dropped")]
        assert ("Requirements" in table) == shown
    assert "about 240 more test rows would tell" in table


def test_long_lists_have_a_fold() -> None:
    account = sample_account()
    apis = tuple(dataclasses.replace(account.apis[0], name=f"api-{n}") for n in range(6))
    doubts = tuple(dataclasses.replace(account.label_issues[0], id=f"mails.csv:{n}") for n in range(130))
    page = Page(render(dataclasses.replace(account, apis=apis, label_issues=doubts)))
    assert "Other APIs (2)" in page.said
    assert "The next 80" in page.said
    assert "30 more: save them as CSV." in page.said


def test_the_foot_says_what_to_cite() -> None:
    account = sample_account()
    plain = "Evaluation of models on mails.csv. Ockham 0.1.0, 2025-03-04, 10:15 UTC, run runs/2025-03-04-mails."
    assert plain in Page(render(account)).said
    said = Page(render(dataclasses.replace(account, owner="Ada <b>"))).said
    assert f"Ada <b>. {plain}" in said
    assert "Owner Ada <b>" in said


@pytest.mark.parametrize("unseen", [None, 0.0])
def test_the_start_of_tuning_has_no_score_of_rows_that_were_not_seen_yet(unseen: float | None) -> None:
    account = sample_account()
    start, *epochs = account.training["encoder-tuned"]
    start = dataclasses.replace(start, train_loss=unseen, train_metric=unseen)  # older runs wrote 0
    page = render(dataclasses.replace(account, training={"encoder-tuned": (start, *epochs)}))
    said = Page(page).said
    assert "start not trained yet 62.0 % 1 1.610 71.0 % 69.0 %" in said
    assert "training rows: 71.0 % at 1 to 100.0 % at 6; validation rows: 62.0 % at 0" in said.replace(
        "71 %", "71.0 %"
    ).replace("100 %", "100.0 %").replace("62 %", "62.0 %")


def test_equal_accounts_give_equal_pages() -> None:
    assert render(sample_account()) == render(sample_account())


def test_long_texts_are_cut_and_say_so() -> None:
    account = dataclasses.replace(hostile_account(["x" * 50_000]), title="long", warnings=())
    page = render(account)
    assert "(50,000 characters)" in page
    assert "x" * 2_000 in page
    assert "x" * 2_001 not in page


HOSTILE = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "<!--<script>",
    "]]><!--",
    "\u202egnp.exe and \u2066 inside",
    "zero\u200bwidth and \ufeff",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07done",
    "one\rtwo\x00three\x9b31mfour",
    "\ud800 alone",
    "{{7*7}} ${7*7} `x` &amp; &lt;b&gt;",
)


def assert_inert(source: str) -> None:
    """Check that what a page shows of `HOSTILE` is text, with no mark that a reader does not see."""
    page = Page(source)
    assert page.mistakes == []
    assert [a.get("type") for a in page.all("script")] == ["application/json", "application/json", None]
    assert not page.all("img")
    for unseen in "\u202e\u2066\u200b\ufeff\x1b\x00\x9b\r":
        assert unseen not in source


def test_d21_foreign_text_is_inert_and_its_marks_are_visible() -> None:
    source = render(hostile_account(HOSTILE))
    source.encode("utf-8")
    assert_inert(source)
    for shown in ("⟦RLO⟧gnp.exe", "⟦LRI⟧", "zero⟦ZWSP⟧width", "⟦BOM⟧", "red done", "one⟦CR⟧two⟦NUL⟧three", "⟦U+D800⟧"):
        assert shown in source
    data = rows_of(source)
    assert [r[1] for r in data["rows"]][:3] == list(HOSTILE[:3])


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_survives_markup_as_text(value: str) -> None:
    made = tag("p", value, title=value)
    made.encode("utf-8")
    page = Page(made)
    assert [name for name, _ in page.elements] == ["p"]
    assert "".join(page.words) == words.clean(value)
    assert page.elements[0][1]["title"] == words.clean(value)
    assert html.unescape(text(value)) == words.clean(value)
    assert words.clean(words.clean(value)) == words.clean(value)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_embedded_json_reads_back_and_cannot_end_its_element(value: str) -> None:
    made = embed_json([value])
    assert json.loads(made) == [value]
    assert not set("<>&\u2028\u2029") & set(made)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("line\r\nnext", "line\nnext"),
        ("tab\tstays", "tab\tstays"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("a\u200cb", "a⟦ZWNJ⟧b"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("soft\u00adhyphen", "soft⟦SHY⟧hyphen"),
        ("tag\U000e0041", "tag⟦U+E0041⟧"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1;2|junk\x1b\\rest", "rest"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert words.clean(raw) == shown


def test_numbers_are_written_for_readers() -> None:
    e = Estimate(value=0.912, low=0.901, high=0.922, n=4500)
    assert words.full("accuracy", e).replace("\u00a0", " ") == "91.2 % (90.1 to 92.2, n = 4,500)"
    plain = {
        words.milliseconds(0.0064): "<0.01 ms",
        words.milliseconds(12.345): "12.3 ms",
        words.milliseconds(2400): "2.4 s",
        words.milliseconds_between(1.8, 2.1): "1.8 to 2.1 ms",
        words.milliseconds_between(900, 1100): "900 ms to 1.1 s",
        words.megabytes(91): "91 MB",
        words.megabytes(2100): "2.1 GB",
        words.dollars(2.4): "$2.40",
        words.dollars(0.0031): "$0.0031",
        words.dollars(12345): "$12,345",
        words.seconds(0.41): "0.41 s",
        words.seconds(412): "7 min",
        words.limit_value("min_accuracy", 0.925): "92.5 %",
        words.limit_value("max_memory_mb", 2000): "2 GB",
        words.p_value(0.0): "< 0.001",
        words.points(-0.0001): "0.0",
        words.points(-0.012): "\N{MINUS SIGN}1.2",
        words.limit_name("max_tokens_out"): "tokens out at most",
    }
    for made, expected in plain.items():
        assert made.replace("\u00a0", " ") == expected


def test_estimates_are_read_from_what_a_verdict_may_hold() -> None:
    e = Estimate(value=1.0, low=0.5, high=2.0, n=9)
    assert words.estimate_of(e) == e
    assert words.estimate_of({"value": 1, "low": 0.5, "high": 2, "n": 9}) == e
    assert words.estimate_of(3.5) == Estimate(value=3.5, low=3.5, high=3.5, n=0)
    for missing in (None, "x", math.nan, True, {"value": 1}, {"value": None, "low": 0, "high": 1}):
        assert words.estimate_of(missing) is None


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 25, [1, 2, 5, 10, 20]),
        (0.5, 600, [1, 3, 10, 30, 100, 300]),
        (0.004, 900, [0.01, 0.1, 1, 10, 100]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, ticks: list[float]) -> None:
    assert next(tick_choices(Scale(low=low, high=high, start=0, end=1, log=True))) == ticks


def test_ladder_leaves_the_baseline_out_and_says_so(sample: str) -> None:
    assert "Below the picture: constant (8.3 %)." in Page(sample).said


def test_crowded_ladder_numbers_its_dots() -> None:
    account = sample_account()
    few = ladder_chart.spots([line for line in candidate_views(account) if line.report], "accuracy", "latency")
    many = tuple(
        dataclasses.replace(s, name=f"decoder:org/{s.name}-instruct-{i}:4bit", baseline=False)
        for i in range(2)
        for s in few
    )
    direct = ladder_chart.ladder(account, few, "latency", 560)
    assert set(words_in(direct)) >= {
        "linear",
        "encoder",
        "required: at least 85\u00a0%",
        "required: at most 200\u00a0ms",
    }
    assert direct.key == ()
    numbered = ladder_chart.ladder(account, many, "latency", 560)
    assert set(words_in(numbered)) >= {str(i) for i in range(1, 11)}
    assert numbered.key == tuple(s.name for s in many)


def test_charts_draw_every_interval_and_keep_to_the_axes() -> None:
    account = sample_account()
    found = ladder_chart.spots(candidate_views(account), "accuracy", "latency")
    picture = ladder_chart.ladder(account, found, "latency", 560)
    drawn = ET.fromstring(f"<g>{''.join(picture.parts)}</g>")
    strokes = [{k: float(one.attrib[k]) for k in ("x1", "x2", "y1", "y2")} for one in drawn.iter("line")]
    dots = [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in drawn.iter("circle")]
    assert len(dots) == len(found) - 1  # all but the baseline
    # Two ticks of each axis tell the scales, from which every mark's place follows.
    tick = {one.text: one for one in drawn.iter("text")}
    x_1, x_100 = (float(tick[word].attrib["x"]) for word in ("1", "100"))
    y_60, y_100 = (float(tick[word].attrib["y"]) - 4.3 for word in ("60\u00a0%", "100\u00a0%"))

    def across(ms: float) -> float:
        return x_1 + math.log(ms) / math.log(100) * (x_100 - x_1)

    def up(share: float) -> float:
        return y_60 + (share - 0.6) / 0.4 * (y_100 - y_60)

    for spot in found[1:]:
        x, y = across(spot.x.value), up(spot.y.value)
        assert any(near(dot, (x, y)) for dot in dots)
        whisker = (x, up(spot.y.low), x, up(spot.y.high))
        beside = (across(spot.x.low), y, across(spot.x.high), y)
        for wanted in (whisker, beside):
            assert any(near((s["x1"], s["y1"], s["x2"], s["y2"]), wanted) for s in strokes)
    # What was asked for stays in the picture.
    assert any(near((s["x1"], s["x2"]), (across(200), across(200))) for s in strokes)
    assert any(near((s["y1"], s["y2"]), (up(0.85), up(0.85))) and s["x2"] - s["x1"] > 400 for s in strokes)


def test_focus_is_the_chosen_or_else_the_best() -> None:
    account = sample_account()
    assert [line.name for line in candidate_views(account)][-1] == "endpoint"
    unchosen = dataclasses.replace(account, verdict=dataclasses.replace(account.verdict, chosen=None))
    best = focus(unchosen)
    assert best is not None
    assert best.name == "encoder-tuned"


def test_headline_tells_cannot_tell_from_none() -> None:
    open_ = Page(render_quick(sample_account(need=0.96))).said
    assert "The test rows cannot tell yet whether a candidate will do. encoder-tuned comes closest" in open_
    none = Page(render_quick(sample_account(need=0.999))).said
    assert "No candidate meets every requirement. encoder-tuned comes closest" in none


@pytest.mark.parametrize(
    ("name", "headline", "shown"),
    [
        ("encoder", "Best so far: encoder.", "Best so far: encoder . It scores best."),
        ("s", "Use s.", "Use s . It scores best."),
        (None, "No candidate meets every requirement.", "No candidate meets every requirement. It scores best."),
    ],
)
def test_the_headline_stands_over_the_reasons(name: str | None, headline: str, shown: str) -> None:
    account = sample_account()
    verdict = dataclasses.replace(account.verdict, chosen=name, headline=headline, because="It scores best.")
    page = render_quick(dataclasses.replace(account, verdict=verdict))
    assert shown in Page(page).said
    assert (f"<strong>{name}</strong>.</h1>" in page) is (name is not None)


def test_an_empty_account_is_a_page() -> None:
    account = bare_account()
    nothing = dataclasses.replace(
        account,
        verdict=dataclasses.replace(account.verdict, candidates=(), headline="Nothing was measured."),
        reports=(),
        examples={},
        ingest=IngestReport(rows=0, kept_rows=0, dropped=(), quarantined=(), sources=()),
    )
    page = Page(render(nothing))
    assert page.mistakes == []
    assert "The data has 0 rows" in page.said


def test_many_quarantined_rows_are_counted_not_listed() -> None:
    account = sample_account()
    many = tuple(Quarantined(file="f", record=i, offset=None, code="E_FORMAT", reason="r") for i in range(150))
    intake = IngestReport(rows=152, kept_rows=1, dropped=(Dropped(id="1", reason="x"),), quarantined=many, sources=())
    said = Page(render(dataclasses.replace(account, ingest=intake))).said
    assert "50 more are in the run's folder." in said
    assert "quarantined 150" in said


def render_quick(account: RunResult) -> str:
    kept = dataclasses.replace(account, curve=(), training={}, coverage={}, apis=())
    return render(kept)


def words_in(picture: Picture) -> list[str]:
    return [one.text or "" for one in ET.fromstring(f"<g>{''.join(picture.parts)}</g>").iter("text")]


def near(first: Sequence[float], second: Sequence[float]) -> bool:
    """Tell whether places are equal, but for the tenth of a pixel to which they are written, twice."""
    return all(abs(a - b) < 0.3 for a, b in zip(first, second, strict=True))
