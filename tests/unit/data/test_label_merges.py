from ockham.data.label_merges import propose_merges
from ockham.records import LabelMerge


def test_spellings_are_proposed_with_the_most_frequent_in_front() -> None:
    counts = {"refund": 40, "Refund": 3, "refund\n": 5, "card_arrival": 7, "card arrival": 9, "other": 4}
    assert propose_merges(counts) == (
        LabelMerge(labels=("card arrival", "card_arrival"), counts=(9, 7), proposal="card arrival"),
        LabelMerge(labels=("refund", "refund\n", "Refund"), counts=(40, 5, 3), proposal="refund"),
    )


def test_of_equally_frequent_spellings_the_one_without_blanks_is_proposed() -> None:
    assert propose_merges({" ham": 5, "ham": 5})[0].proposal == "ham"


def test_a_rare_slip_of_one_letter_is_proposed() -> None:
    for slip in ("cancel_ordr", "cancel_oorder", "cancel_ordur", "cancel_odrer"):
        assert propose_merges({"cancel_order": 50, slip: 1})[0].labels == ("cancel_order", slip)


def test_labels_that_are_apart_stay_apart() -> None:
    assert propose_merges({"cancel_order": 15, "cancel_orders": 2}) == ()  # not rare enough
    assert propose_merges({"cat": 500, "car": 1}) == ()  # too short to tell
    assert propose_merges({"priority 1": 500, "priority 2": 1}) == ()  # digits mean something
    assert propose_merges({"C": 5, "C++": 5, "C#": 5, "1.0": 9, "10": 9}) == ()
    assert propose_merges({}) == ()
