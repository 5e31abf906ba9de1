import random
from pathlib import Path

import pytest
from tests.sample_letters import FORMS, PROMPT, framed, letters

from ockham.data.near_duplicates import near_duplicates
from ockham.data.passage_search import describe_shared_text, find_shared_text
from ockham.data.prepare import prepare
from ockham.data.shared_text import SharedText
from ockham.data.split import SplitSpec
from ockham.errors import DataError
from ockham.readers.read import ReadSpec
from ockham.records import Progress

LETTERS = letters()
TEXTS, TARGETS = [text for text, _ in LETTERS], [label for _, label in LETTERS]


def rows_of(form: str) -> list[str]:
    return [framed(form, text, number) for number, text in enumerate(TEXTS)]


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_compared_as_if_the_shared_text_were_not_there(form: str) -> None:
    inputs = rows_of(form)
    shared = find_shared_text(inputs, TARGETS)
    assert [shared.text_to_compare(text) for text in inputs] == TEXTS
    assert len(set(near_duplicates(inputs).tolist())) < len(set(near_duplicates(TEXTS).tolist())) - 50


@pytest.mark.parametrize("form", FORMS)
def test_models_read_the_text_that_differs(form: str) -> None:
    inputs = rows_of(form)
    shared = find_shared_text(inputs, TARGETS)
    marked = form in {"some without", "two prompts", "three prompts"}
    for text, bare in zip((shared.text_to_read(text) for text in inputs), TEXTS, strict=True):
        if text.removesuffix("\nPile:") != bare:
            assert marked
            mark, _, behind = text.partition(" ")
            assert mark[0] == "§"
            assert behind == bare
    if form.endswith("prompts"):  # which of them stood there can be learnt from
        assert len({shared.text_to_read(text).partition(" ")[0] for text in inputs}) == len(shared.passages)


def test_bare_rows_share_nothing() -> None:
    assert find_shared_text(TEXTS, TARGETS) == SharedText()
    assert describe_shared_text(SharedText(), TEXTS) is None


def test_the_names_of_form_fields_are_compared_without_and_read_with() -> None:
    inputs = [
        f"Subject: {' '.join(text.split()[2:4])}\nBody: {text}\nPriority: {'high' if n % 3 else 'low'}"
        for n, text in enumerate(TEXTS)
    ]
    shared = find_shared_text(inputs, TARGETS)
    assert shared.text_to_compare(inputs[0]).split() == ["keep", "the", *TEXTS[0].split(), "low"]
    assert all(word not in shared.text_to_compare(text) for text in inputs for word in ("Subject", "Body", "Priority"))
    assert shared.is_read_whole()
    assert shared.text_to_read(inputs[0]) == inputs[0]


def test_a_passage_that_decides_the_answer_is_no_frame() -> None:
    closing = {
        "loan": "Yours, a reader who has many books at home",
        "rooms": "Yours, someone in search of a quiet place",
    }
    inputs = [f"{text} {closing.get(label, '')}" for text, label in LETTERS]
    assert find_shared_text(inputs, TARGETS) == SharedText()
    assert [p.words for p in find_shared_text(inputs, ["the same"] * len(inputs)).passages] == [9]


def test_a_row_of_shared_text_alone_stays_as_it_is() -> None:
    shared = find_shared_text(rows_of("109 words"), TARGETS)
    empty = framed("109 words", "", 0)
    assert shared.text_to_compare(empty) == shared.text_to_read(empty) == empty


def test_rows_that_are_copies_of_each_other_stay_near_duplicates() -> None:
    words = PROMPT.split()
    pick = random.Random(3)
    copies = [" ".join([*words[: (at := pick.randrange(len(words)))], f"w{n}", *words[at + 1 :]]) for n in range(300)]
    shared = find_shared_text(copies)
    assert set(near_duplicates([shared.text_to_compare(text) for text in copies]).tolist()) == {0}


def test_scripts_without_spaces_share_text_too() -> None:
    prompt = "请把每封信放到正确的一堆里。只写这一堆的名字。不要解释。"
    letters = [f"我的书{chr(0x4E00 + 37 * n)}{chr(0x5E00 + 11 * n)}还没有还" for n in range(40)]
    shared = find_shared_text([prompt + text for text in letters])
    assert prompt[:8] not in shared.text_to_compare(prompt + letters[7])
    assert letters[7][3:5] in shared.text_to_compare(prompt + letters[7])


def test_the_order_of_rows_means_nothing_and_few_rows_say_nothing() -> None:
    inputs = rows_of("three prompts")
    order = list(range(len(inputs)))
    random.Random(1).shuffle(order)
    again = find_shared_text([inputs[row] for row in order], [TARGETS[row] for row in order])
    assert again == find_shared_text(inputs, TARGETS)
    assert find_shared_text(inputs[:19], TARGETS[:19]) == SharedText()


def test_it_is_told_how_much_is_shared() -> None:
    def told(form: str) -> str | None:
        inputs = rows_of(form)
        return describe_shared_text(find_shared_text(inputs, TARGETS), inputs)

    assert told("15 words") == "15 words occur in every input; rows are compared without them"
    assert told("some without") == "122 words occur in 97 % of the inputs; rows are compared without them"
    assert told("two prompts") == "35 to 122 words occur in every input; rows are compared without them"


def source(form: str) -> list[dict[str, str]]:
    return [{"text": text, "label": label} for text, label in zip(rows_of(form), TARGETS, strict=True)]


def quiet(progress: Progress) -> None:
    """Hear nothing."""


@pytest.mark.parametrize("form", ["7 words", "109 words", "some without", "three prompts"])
def test_the_split_is_that_of_the_bare_rows(form: str) -> None:
    bare, wrapped = (
        prepare(source(name), ReadSpec(), SplitSpec(), test=None, task_name=None, on_progress=quiet)
        for name in ("bare", form)
    )
    assert wrapped.split.clusters == bare.split.clusters
    assert (wrapped.split.train, wrapped.split.valid, wrapped.split.test) == (
        bare.split.train, bare.split.valid, bare.split.test
    )  # fmt: skip
    assert any("rows are compared without them" in warning for warning in wrapped.intake.warnings)
    assert bare.intake.warnings == ()


def test_a_test_file_leaves_the_training_rows_that_it_does_not_repeat(tmp_path: Path) -> None:
    train, test = source("109 words")[:160], source("109 words")[160:]
    kept = prepare(train, ReadSpec(), SplitSpec(), test=test, task_name=None, on_progress=quiet)
    bare = prepare(
        source("bare")[:160], ReadSpec(), SplitSpec(), test=source("bare")[160:], task_name=None, on_progress=quiet
    )
    assert len(kept.split.train) + len(kept.split.valid) == len(bare.split.train) + len(bare.split.valid) > 80
    assert len(kept.split.test) == len(bare.split.test)


def test_a_test_file_that_repeats_all_training_rows_is_an_error_that_says_so() -> None:
    rows = source("bare")
    with pytest.raises(DataError, match="210 training rows, or near-duplicates of them, are in the test set") as caught:
        prepare(rows, ReadSpec(), SplitSpec(), test=rows, task_name=None, on_progress=quiet)
    assert caught.value.code == "E_TOO_FEW"
    assert "--test" in caught.value.fix


def test_copies_of_one_text_are_no_frame() -> None:
    copies = [f"{TEXTS[4]} I look forward to hearing from all of you very soon indeed" for _ in range(90)]
    others = [f"{copies[0]}, and by the way the {text}" for text in TEXTS[:10]]
    assert find_shared_text([*TEXTS, *copies, *others]) == SharedText()


NAMES = ("Anna Berg", "Jon", "Maria de la Cruz", "Wei", "Olu Ade", "Sven Holm", "Ines", "Kofi Mensah", "Lea", "Tom Ray")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")


def slotted(text: str, number: int) -> str:
    name, month = NAMES[number * 7 % len(NAMES)], MONTHS[number * 5 % len(MONTHS)]
    return (
        f"You help {name}, the clerk at the front desk of a town library, today on the {number % 28 + 1}th of {month},"
        f" to put each letter of a visitor on the right pile. Write nothing but the name of the pile.\n\n{text}"
    )


def test_names_and_dates_inside_a_shared_prompt_do_not_part_it() -> None:
    inputs = [slotted(text, number) for number, text in enumerate(TEXTS)]
    shared = find_shared_text(inputs, TARGETS)
    words = [
        len(shared.text_to_compare(text).split()) - len(bare.split()) for text, bare in zip(inputs, TEXTS, strict=True)
    ]
    assert max(words) <= 6, "what stands before the first long passage stays: You help NAME"
    assert all(month not in shared.text_to_compare(slotted("a letter", 3)) for month in MONTHS)
    again = [shared.text_to_read(text) for text in inputs]
    assert all(read.endswith(bare) for read, bare in zip(again, TEXTS, strict=True))


def in_a_form(text: str, number: int, value: str) -> str:
    return f"The person at the desk wrote for the unit {value} and asked that we answer it soon: {text} (no {number})"


@pytest.mark.parametrize("repeats", [False, True])
def test_what_goes_with_the_target_or_is_repeated_in_it_is_no_slot(repeats: bool) -> None:
    units = {"loan": "Anna Berg", "rooms": "Olu Ade", "membership": "Jon"}
    values = [NAMES[number % 10] if repeats else units[label] for number, (_, label) in enumerate(LETTERS)]
    inputs = [in_a_form(text, number, values[number]) for number, text in enumerate(TEXTS)]
    targets = [f'{{"who":"{value}"}}' for value in values] if repeats else TARGETS
    shared = find_shared_text(inputs, targets)
    assert all(value in shared.text_to_read(text) for value, text in zip(values, inputs, strict=True))
    unknown = find_shared_text(inputs, ["the same"] * len(inputs))
    assert not any(value in unknown.text_to_read(text) for value, text in zip(values, inputs, strict=True))


def test_a_template_whose_slots_are_all_that_it_says_keeps_them() -> None:
    inputs = [
        f"Dear visitor of our library, the book of {NAMES[n * 3 % 10]} is due on the first day of the month of"
        f" {MONTHS[n * 7 % 11]} and has to be brought back to the desk downstairs"
        for n in range(110)
    ]
    shared = find_shared_text(inputs, [f"answer {n}" for n in range(110)])
    assert len({shared.text_to_compare(text) for text in inputs}) == len(set(inputs))
