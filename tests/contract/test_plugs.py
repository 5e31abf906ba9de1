"""One suite over every filter and every scorer: what `Filter` and `Scorer` promise holds for each of them.

The contract itself comes with the package (`ockham.check_filter`, `ockham.check_scorer`), so that whoever writes a plug
runs the same one. Here our own pass it, so does one of a package on the path, and plugs that break a clause are told.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sample_package import OVERLAP, SHOUTING, write_package

from ockham.curation.filters import FILTERS, FilterRecord, ask_filter, check_filter, configure_filters
from ockham.errors import ConfigError, PlugError
from ockham.evals.scorer_plugs import SCORERS, check_scorer, load_scorer
from ockham.plugs import WILD_TEXTS, find_plug
from ockham.records import PlugSpec

OUR_FILTERS = {"pattern": "pattern:drop=[A-Z]{4},keep=[a-z]"}
OUR_SCORERS = {"similarity": ["similarity", "similarity:measure=rouge_l", "similarity:measure=f1_tokens"]}

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package on the path of this process; its modules are forgotten afterwards."""
    before = set(sys.modules)

    def put(group: str, name: str, code: str, **more: str) -> None:
        write_package(tmp_path / "site", group, name, code, **more)
        monkeypatch.syspath_prepend(tmp_path / "site")
        importlib.invalidate_caches()

    yield put
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


def filter_code(body: str, reasons: str = '("a", "b")') -> str:
    return f"STATE = []\nREASONS = {reasons}\ndef load():\n    def judge(records):\n        {body}\n    return judge\n"


def scorer_code(body: str) -> str:
    return f"STATE = []\ndef load():\n    def score(targets, answers):\n        {body}\n    return score\n"


@pytest.mark.parametrize("name", sorted(OUR_FILTERS))
def test_our_filters_hold_the_contract(name: str) -> None:
    pytest.importorskip("re2", reason="the extra curate is not installed")
    check_filter(OUR_FILTERS[name])
    check_filter(OUR_FILTERS[name], [FilterRecord(text="LOUD", target="x", cells={"source": "web"})])


@pytest.mark.parametrize("request_", [request for name in sorted(OUR_SCORERS) for request in OUR_SCORERS[name]])
def test_our_scorers_hold_the_contract(request_: str) -> None:
    check_scorer(request_, [("a label", "another label")])


def test_every_plug_is_tested_here() -> None:
    assert set(OUR_FILTERS) == set(FILTERS.own)
    assert set(OUR_SCORERS) == set(SCORERS.own)


def test_plugs_of_a_package_hold_it(install: Install) -> None:
    install("filters", "shouting", SHOUTING)
    install("scorers", "overlap", OVERLAP)
    check_filter("shouting:most=0.3")
    check_filter("shouting:spare=web,spare=mail", [FilterRecord(text="HEY", cells={"source": "web"})])
    check_scorer("overlap:case=true", [("a", "b")])


BROKEN_FILTERS = {
    "one answer for each": ("return [None] * (len(records) - 1)", "answers came back"),
    "an unknown reason": ("return ['c'] * len(records)", "neither None nor one of its REASONS"),
    "true and false": ("return [False] * len(records)", "neither None nor one of its REASONS"),
    "something for nothing": ("return [None] * max(1, len(records))", "empty batch"),
    "a memory": (
        "STATE.append(1); return ['a' if len(STATE) % 3 else None for _ in records]",
        "asked again|in another order|depends on",
    ),
    "neighbours": ("return ['a' if len(records) > 1 else None for _ in records]", "depends on what else"),
    "repeats": (
        "seen = set(); return ['a' if r.text in seen or seen.add(r.text) else None for r in records]",
        "another order|depends on|stands twice",
    ),
    "changes": ("answers = [None] * len(records); records.clear(); return answers", "changes the batch|came back"),
}


@pytest.mark.parametrize("body", sorted(BROKEN_FILTERS))
def test_a_filter_that_breaks_a_clause_is_told(install: Install, body: str) -> None:
    code, message = BROKEN_FILTERS[body]
    install("filters", "broken", filter_code(code))
    with pytest.raises(PlugError, match=message):
        check_filter("broken")


BROKEN_SCORERS = {
    "one score for each": ("return [0.5]", "gave 1 scores"),
    "more than 1": ("return [1.5] * len(answers)", "outside of 0 to 1"),
    "less than 0": ("return [-0.01] * len(answers)", "outside of 0 to 1"),
    "percent": ("return [50] * len(answers)", "outside of 0 to 1"),
    "not a number": ("return [float('nan')] * len(answers)", "NaN"),
    "infinite": ("return [float('inf')] * len(answers)", "outside of 0 to 1"),
    "a text": ("return ['1'] * len(answers)", "not a number"),
    "nothing": ("return [None] * len(answers)", "not a number"),
    "relative to the batch": (
        "return [len(a) / max(1, max(map(len, answers))) for a in answers]",
        "depends on what else",
    ),
    "changes": ("scores = [0.0] * len(answers); answers.sort(); return scores", "changes the lists"),
}


@pytest.mark.parametrize("body", sorted(BROKEN_SCORERS))
def test_a_scorer_that_breaks_a_clause_is_told(install: Install, body: str) -> None:
    code, message = BROKEN_SCORERS[body]
    install("scorers", "broken", scorer_code(code))
    with pytest.raises(PlugError, match=message):
        check_scorer("broken")


def test_the_contract_shows_the_whole_error(install: Install) -> None:
    install("filters", "broken", filter_code("raise ValueError(records[0].text)"))
    with pytest.raises(ValueError, match="plain sentence"):
        check_filter("broken")


@pytest.mark.parametrize(
    "error", ["ValueError(records[0].text)", "SystemExit(0)", "RecursionError(records[0].text)", "Own(records[0].text)"]
)
def test_an_error_of_a_plug_is_told_by_its_kind_and_line_alone(install: Install, error: str) -> None:
    code = filter_code(f"raise {error}") + "\n\nfrom ockham.errors import DataError\n"
    install("filters", "broken", code + "def Own(text): return DataError('E_FORMAT', text, fix=text)\n")
    configured = configure_filters(["broken"])[0]
    with pytest.raises(PlugError) as caught:
        ask_filter(configured, [FilterRecord(text="secret words")])
    kind = "DataError" if "Own" in error else error.split("(", maxsplit=1)[0]
    assert f"the filter broken (acme-broken 1.0) raised {kind} at acme_broken.py, line 5," in caught.value.message
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert caught.value.exit_status == 2


def test_what_a_plug_prints_goes_to_stderr(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("scorers", "loud", scorer_code("print('noise'); return [0.0] * len(answers)"))
    assert load_scorer("loud").grade(["a"], ["b"]) == [0.0]
    assert capsys.readouterr() == ("", "noise\n")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("shoutin", "no filter is called shoutin"),
        ("shouting:most=loud", "most is text"),
        ("shouting:most=2", "most is out of range"),
        ("shouting:least=2", "there is no setting 'least'"),
        ("shouting:most", "has no value"),
        ("Shouting", "is not the name of a filter"),
        ("", "is not the name of a filter"),
        (PlugSpec(name="shouting", settings={"most": "0.5"}), "most is text"),
        (PlugSpec(name="shouting", settings={"spare": "web"}), "spare is text"),
    ],
)
def test_names_and_settings_that_do_not_fit_are_refused(
    install: Install, request_: str | PlugSpec, message: str
) -> None:
    install("filters", "shouting", SHOUTING)
    with pytest.raises(ConfigError, match=message):
        configure_filters([request_])


def test_words_and_typed_settings_are_one(install: Install) -> None:
    install("filters", "shouting", SHOUTING)
    words = configure_filters(["shouting:most=0.25,spare=web,spare=mail"])
    typed = configure_filters([PlugSpec(name="shouting", settings={"most": 0.25, "spare": ["web", "mail"]})])
    assert words == typed
    assert words[0].use.settings == {"most": 0.25, "spare": ["web", "mail"]}
    assert configure_filters(["shouting:spare=web"])[0].use.settings["spare"] == ["web"]


def test_a_filter_named_twice_is_refused(install: Install) -> None:
    install("filters", "shouting", SHOUTING)
    with pytest.raises(ConfigError, match="named twice"):
        configure_filters(["shouting", "shouting:most=0.1"])


def test_two_packages_with_a_plug_of_one_name_are_refused(install: Install) -> None:
    install("filters", "shouting", SHOUTING)
    install("filters", "shouting", SHOUTING, word="acmetwo")
    with pytest.raises(ConfigError, match=r"in acme-shouting 1\.0 and acmetwo-shouting 1\.0"):
        configure_filters(["shouting"])


def test_our_own_name_cannot_be_taken(install: Install) -> None:
    install("scorers", "similarity", OVERLAP)
    assert load_scorer("similarity").use.package.startswith("ockham ")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import nothing_of_this_name\n",
            "raised ModuleNotFoundError at acme_broken.py, line 1, while it was imported",
        ),
        ("def load(:\n", "raised SyntaxError at acme_broken.py, line 1, while it was imported"),
        ("REASONS = ('a',)\n", r"it has no function load\(spec\)"),
        ("def load():\n    return len\n", "it has no REASONS"),
        ("REASONS = ('a', 'a')\ndef load():\n    return len\n", "it has no REASONS"),
        ("REASONS = ('a row: x',)\ndef load():\n    return len\n", "REASONS are words"),
        ("REASONS = ('a',)\ndef load():\n    return 5\n", "did not return a callable"),
        (
            "REASONS = ('a',)\ndef load():\n    raise KeyError\n",
            "raised KeyError at acme_broken.py, line 3, while it was",
        ),
        ("REASONS = ('a',)\nSpec = 5\ndef load(spec):\n    return len\n", "its Spec is not a dataclass"),
    ],
)
def test_what_is_no_filter_is_refused_before_any_row(install: Install, code: str, message: str) -> None:
    install("filters", "broken", code)
    with pytest.raises(PlugError, match=message):
        configure_filters(["broken"])


def test_a_file_that_a_setting_names_is_part_of_what_a_plug_is(install: Install, tmp_path: Path) -> None:
    code = "from dataclasses import dataclass\nfrom pathlib import Path\nREASONS = ('a',)\n"
    code += "@dataclass(frozen=True)\nclass Spec:\n    words: Path = Path('none')\n"
    install("filters", "listed", code + "def load(spec):\n    return lambda records: [None] * len(records)\n")
    words = tmp_path / "words.txt"
    words.write_text("casino")
    first = find_plug(FILTERS, f"listed:words={words}").use
    words.write_text("poker")
    second = find_plug(FILTERS, f"listed:words={words}").use
    assert first.settings == second.settings == {"words": str(words)}
    assert first.sha256 != second.sha256


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(WILD_TEXTS) | st.text(st.characters(codec="utf-8")), max_size=8))
def test_a_filter_answers_each_text_as_if_it_were_alone(texts: list[str]) -> None:
    pytest.importorskip("re2", reason="the extra curate is not installed")
    configured = configure_filters(["pattern:drop=[0-9]+"])[0]
    verdicts = ask_filter(configured, [FilterRecord(text=text) for text in texts])
    assert verdicts == [0 if any(letter in "0123456789" for letter in text) else -1 for text in texts]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.none() | st.text(max_size=20)), max_size=8))
def test_grades_lie_in_0_to_1_and_no_answer_is_0(rows: list[tuple[str, str | None]]) -> None:
    grades = load_scorer("similarity").grade([target for target, _ in rows], [answer for _, answer in rows])
    assert len(grades) == len(rows)
    for (target, answer), grade in zip(rows, grades, strict=True):
        assert 0 <= grade <= 1
        assert answer is not None or grade == 0
        assert answer != target or grade == 1
