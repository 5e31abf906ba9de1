from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.data.clean import clean, drop_seen, first_of_each
from ockham.readers.read import ReadResult
from ockham.records import Conflict, Dropped, Example, Quarantined


def reading(rows: list[tuple[str, str]], quarantined: int = 0) -> ReadResult:
    return ReadResult(
        examples=tuple(Example(id=str(i), input=text, target=target) for i, (text, target) in enumerate(rows, 1)),
        rows=len(rows) + quarantined,
        quarantined=tuple(
            Quarantined(file="f", record=i, offset=None, code="E_FORMAT", reason="r") for i in range(quarantined)
        ),
        sources=(),
        warnings=("from reading",),
    )


def test_every_rule_leaves_out_its_rows_and_names_them() -> None:
    kept, intake = clean(
        reading(
            [
                ("where is my parcel", "shipping"),
                ("  where is\tmy parcel\n", "shipping"),
                (" \u200b ", "shipping"),
                ("hello", " "),
                ("refund me", "refund"),
                ("refund me", "billing"),
                ("Where is my parcel", "shipping"),
                ("refund me", "refund"),
            ],
            quarantined=2,
        )
    )
    assert [example.id for example in kept] == ["1", "7"]
    assert intake.dropped == (
        Dropped(id="2", reason="exact_duplicate", kept_id="1"),
        Dropped(id="3", reason="empty_input"),
        Dropped(id="4", reason="missing_target"),
        Dropped(id="5", reason="conflicting_label"),
        Dropped(id="6", reason="conflicting_label"),
        Dropped(id="8", reason="conflicting_label"),
    )
    assert intake.conflicts == (Conflict(ids=("5", "6", "8"), labels=("billing", "refund")),)
    assert (intake.rows, intake.kept_rows) == (10, 2)
    assert intake.warnings == ("from reading",)
    assert intake.dropped_counts() == {
        "conflicting_label": 3,
        "quarantined": 2,
        "empty_input": 1,
        "exact_duplicate": 1,
        "missing_target": 1,
    }


def test_equal_letters_in_another_composition_are_equal() -> None:
    kept, _ = clean(reading([("caf\u00e9", "a"), ("cafe\u0301", "a"), ("cafe", "b")]))
    assert [example.input for example in kept] == ["caf\u00e9", "cafe"]


def test_rows_to_be_answered_all_stay_but_the_empty() -> None:
    kept, intake = clean(reading([("a", ""), ("a", ""), ("", "")]), labelled=False)
    assert [example.id for example in kept] == ["1", "2"]
    assert intake.dropped == (Dropped(id="3", reason="empty_input"),)


def test_several_answers_to_one_question_are_no_contradiction() -> None:
    rows = [(f"question {i}", f"a written answer, number {i}") for i in range(30)]
    kept, intake = clean(reading([*rows, ("question 3", "another answer"), rows[4]]))
    assert len(kept) == 31
    assert intake.dropped == (Dropped(id="32", reason="exact_duplicate", kept_id="5"),)
    assert intake.warnings[-1] == "1 inputs have several different answers; all were kept"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", " ", "a", "a ", "b", "\u200b"]) | st.text(max_size=4),
            st.sampled_from(["", "x", "y", "y\n"]),
        )
    ),
    st.booleans(),
    st.integers(0, 2),
)
@settings(max_examples=50)
def test_every_row_is_accounted_for(rows: list[tuple[str, str]], labelled: bool, quarantined: int) -> None:
    source = reading(rows, quarantined)
    kept, intake = clean(source, labelled=labelled)
    assert intake.rows == intake.kept_rows + len(intake.dropped) + len(intake.quarantined)
    assert {e.id for e in kept}.isdisjoint(d.id for d in intake.dropped)
    assert {e.id for e in kept} | {d.id for d in intake.dropped} == {e.id for e in source.examples}
    assert all(d.kept_id in {e.id for e in kept} for d in intake.dropped if d.kept_id)
    again, second = clean(reading([(e.input, e.target) for e in kept]), labelled=labelled)
    assert [e.input for e in again] == [e.input for e in kept]
    assert second.dropped == ()


def test_what_the_users_test_set_holds_leaves_training() -> None:
    def row(i: str, text: str, group: str | None = None) -> Example:
        return Example(id=i, input=text, target="x", group=group)

    train = [
        row("1", "please cancel my order 123 today"),
        row("2", "please cancel my order 456 today!"),
        row("3", "how do I reset the password"),
        row("4", "clause of a contract", "c1"),
        row("5", "another clause of a contract", "c2"),
        row("6", "opening hours on Sunday", None),
    ]
    test = [row("t1", "please  cancel my order 123 today"), row("t2", "a third clause", "c1")]
    kept, dropped = drop_seen(train, test)
    assert [example.id for example in kept] == ["3", "5", "6"]
    assert dropped == (
        Dropped(id="1", reason="in_test_set", kept_id="t1"),
        Dropped(id="2", reason="near_test_set", kept_id="t1"),
        Dropped(id="4", reason="group_in_test_set", kept_id="t2"),
    )


@given(st.lists(st.sampled_from("abc"), max_size=8), st.booleans())
def test_the_first_of_each_target_stays_unless_only_one_can_be_right(targets: list[str], one_answer: bool) -> None:
    stays = first_of_each(targets, one_answer=one_answer)
    if one_answer and len(set(targets)) > 1:
        assert stays is None
    else:
        assert stays == [targets.index(target) for target in targets]


def test_a_label_that_may_mean_none_is_said() -> None:
    labels = ["loan", "NA", "rooms"] * 4
    _, intake = clean(
        reading([(f"letter {'abcdefghijkl'[n]} about something", label) for n, label in enumerate(labels)])
    )
    assert any("4 rows have the target 'NA'" in warning for warning in intake.warnings)
    _, plain = clean(reading([(f"letter {n}", "NA") for n in range(6)]))
    assert not any("'NA'" in warning for warning in plain.warnings)
