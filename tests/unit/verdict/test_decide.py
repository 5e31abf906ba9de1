"""The verdict: which candidate, why, and what is still unknown."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.evals.intervals import wilson
from ockham.evals.sample_size import rows_needed
from ockham.records import Comparison, Estimate, Requirements
from ockham.rungs.registry import KNOWN
from ockham.verdict.conclusion import AnswerQuality, WeakSpot
from ockham.verdict.decide import Decision, MeasuredCandidate, decide
from ockham.verdict.p_values import holm_threshold, normal_quantile, normal_tail, p_below
from ockham.verdict.sentences import ClimbFacts, ExactAnswers, LearningGain, improvement

NATURES = {rung.name: rung.nature for rung in KNOWN}


def candidate(name: str, rung: int, right: int, n: int = 1000, artifact_mb: float | None = None) -> MeasuredCandidate:
    return MeasuredCandidate(
        name=name,
        rung=rung,
        nature=NATURES.get(name, ""),
        metrics={"accuracy": wilson(right, n)},
        artifact_mb=artifact_mb,
    )


def gap(
    first: str, second: str, value: float, half: float, metric: str = "accuracy", p: float | None = None
) -> Comparison:
    difference = Estimate(value=value, low=value - half, high=value + half, n=1000)
    p = (0.001 if abs(value) > half else 0.4) if p is None else p
    return Comparison(first=first, second=second, metric=metric, difference=difference, p_value=p, p_holm=p)


def judge(measured: list[MeasuredCandidate], requirements: Requirements, *comparisons: Comparison) -> Decision:
    return decide(measured, requirements, comparisons, rows_needed=rows_needed)


USE = "Answer new rows with `ockham predict RUN NEW.csv -o answers.csv`."
LADDER = [candidate("constant", 0, 120), candidate("linear", 2, 912), candidate("encoder", 3, 940)]


def test_the_smallest_that_meets_is_chosen_and_linear_is_said_to_do() -> None:
    found = judge(LADDER, Requirements(min_accuracy=0.88))
    assert found.chosen == "linear"
    assert found.headline == "Use linear."
    assert found.because == (
        "It is the smallest candidate that meets every requirement: accuracy 91.2 % (89.3 to 92.8, n = 1,000), "
        "where at least 88 % is required. It is a linear model over words and characters: no language model is needed "
        "for these requirements."
    )
    assert found.next == USE
    assert found.proven
    assert found.meets["constant"] == {"min_accuracy": "misses"}


def test_a_smaller_one_that_might_do_is_named_with_its_rows() -> None:
    found = judge(LADDER, Requirements(min_accuracy=0.90))
    assert found.chosen == "encoder"
    assert found.meets["linear"] == {"min_accuracy": "cannot tell"}
    assert found.rows_needed["linear"] is not None
    assert "linear is lower on the ladder and might do: about" in found.next
    sizes = [replace(one, artifact_mb=size) for one, size in zip(LADDER, (1.0, 5.0, 20.0), strict=True)]
    assert "linear is smaller and might do: about" in judge(sizes, Requirements(min_accuracy=0.90)).next
    heavy = [replace(one, artifact_mb=size) for one, size in zip(LADDER, (1.0, 50.0, 20.0), strict=True)]
    assert "linear is lower on the ladder" in judge(heavy, Requirements(min_accuracy=0.90)).next


def test_none_meets_names_the_closest_with_numbers_and_a_next_step() -> None:
    found = judge(LADDER, Requirements(min_accuracy=0.98))
    assert found.chosen is None
    assert found.headline == "No candidate meets every requirement."
    assert found.because.startswith("encoder comes closest: accuracy 94.0 % (92.4")
    assert "n = 1,000), where at least 98 % is required" in found.because
    assert "`ockham report RUN --open`" in found.next
    assert "larger models with `--models`" in found.next
    assert not found.proven


def test_cannot_tell_says_how_many_rows_would() -> None:
    found = judge(LADDER, Requirements(min_accuracy=0.93))
    assert found.chosen is None
    assert found.headline == "The test rows cannot tell yet whether a candidate will do."
    assert found.because.startswith("encoder comes")
    assert found.meets["encoder"] == {"min_accuracy": "cannot tell"}
    assert "Label about" in found.next
    assert "whether encoder does" in found.next


def test_what_was_not_measured_is_never_met() -> None:
    found = judge(LADDER, Requirements(min_accuracy=0.88, max_cost_per_day=5.0, max_p95_ms=100))
    assert found.chosen is None
    assert found.meets["linear"] == {
        "min_accuracy": "meets",
        "max_p95_ms": "cannot tell",
        "max_cost_per_day": "cannot tell",
    }
    assert "cost per day was not measured" in found.because
    assert "--requests-per-day" in found.next
    assert judge(LADDER, Requirements(min_f1_macro=0.1)).meets["linear"] == {"min_f1_macro": "cannot tell"}


def test_latency_meets_by_its_high_end_and_misses_by_its_low_end() -> None:
    seen = Estimate(value=10.0, low=9.0, high=12.0, n=500)
    one = [replace(LADDER[1], p95_ms=seen, memory_mb=300.0)]
    for limit, finding in ((12.0, "meets"), (11.0, "cannot tell"), (9.0, "cannot tell"), (8.9, "misses")):
        assert judge(one, Requirements(max_p95_ms=limit)).meets["linear"]["max_p95_ms"] == finding
    assert judge(one, Requirements(max_memory_mb=300)).chosen == "linear"
    slow = judge(one, Requirements(min_accuracy=0.8, max_memory_mb=299))
    assert slow.next == "Only the memory of linear is over the limit: raise the limit, or serve on another machine."


def test_without_a_minimum_the_smallest_near_the_best_is_chosen() -> None:
    near = judge(
        LADDER,
        Requirements(tolerance=4),
        gap("encoder", "linear", 0.028, 0.010),
        gap("encoder", "constant", 0.82, 0.02),
    )
    assert near.chosen == "linear"
    assert "within 4 points of the best" in near.because
    assert "ahead by 2.8 points (1.8 to 3.8)" in near.because
    far = judge(LADDER, Requirements(), gap("linear", "encoder", -0.028, 0.010), gap("encoder", "constant", 0.82, 0.02))
    assert far.chosen == "encoder"
    assert far.next == USE
    unsure = judge(LADDER, Requirements(tolerance=3), gap("linear", "encoder", -0.028, 0.010))
    assert unsure.chosen == "encoder"
    assert "linear is lower on the ladder and might do" in unsure.next
    assert unsure.rows_needed["linear"] is not None


def test_a_sentence_says_what_was_measured_and_no_more() -> None:
    alone = judge([LADDER[1]], Requirements())
    assert alone.headline == "Best so far: linear."
    assert alone.because == (
        "It has accuracy 91.2 % (89.3 to 92.8, n = 1,000); no other candidate was measured. It is a "
        "linear model over words and characters; no language model was measured beside it."
    )
    usual = judge([LADDER[0]], Requirements())
    assert "say nothing of the target" not in usual.because
    assert usual.headline == "Best so far: constant (12.0 %), not usable yet: more than half of the answers are wrong."
    tried = judge(LADDER, Requirements(tolerance=4), gap("encoder", "linear", 0.028, 0.010))
    assert tried.because.endswith("of the language models measured (encoder), none scores over 4 points better.")
    same = judge([LADDER[1], replace(LADDER[1], name="other")], Requirements())
    assert same.because.startswith("It has accuracy 91.2 %")
    assert "; no difference from another candidate is beyond chance." in same.because
    only = judge([LADDER[0], replace(LADDER[1], memory_mb=10.0)], Requirements(max_memory_mb=20))
    assert "; no other candidate meets every limit." in only.because


def test_use_is_said_only_where_a_comparison_is_beyond_chance() -> None:
    won = judge(LADDER, Requirements(), gap("encoder", "linear", 0.028, 0.010), gap("encoder", "constant", 0.82, 0.02))
    assert won.proven
    assert won.headline == "Use encoder."
    assert won.because == (
        "It scores best: accuracy 94.0 % (92.4 to 95.3, n = 1,000). Every smaller candidate scores "
        "lower, beyond chance."
    )
    even = judge(LADDER, Requirements(), gap("encoder", "linear", 0.028, 0.040), gap("encoder", "constant", 0.82, 0.02))
    assert (even.chosen, even.proven) == ("encoder", False)
    assert even.headline == "Best so far: encoder."
    assert even.because == (
        "It has accuracy 94.0 % (92.4 to 95.3, n = 1,000); these test rows cannot tell it from linear."
    )
    # A difference that is beyond chance alone, and not among all comparisons of the run.
    many = gap("encoder", "linear", 0.028, 0.026, p=0.2)
    assert not judge(LADDER, Requirements(), many, gap("encoder", "constant", 0.82, 0.02)).proven
    small = [LADDER[0], candidate("linear", 2, 950), LADDER[2]]
    first = judge(small, Requirements(), gap("linear", "encoder", 0.01, 0.02), gap("linear", "constant", 0.83, 0.02))
    assert first.proven
    assert first.because.startswith("It scores best: accuracy 95.0 %")


def test_what_is_mostly_wrong_is_not_usable_and_says_where_it_is_weakest() -> None:
    due = WeakSpot(kind="field", name="due_date", f1=wilson(8, 80), rows=80)
    quality = AnswerQuality(right=0, rows=80, weakest=due)
    poor = replace(LADDER[2], metrics={"f1_micro": wilson(47, 100)}, quality=quality)
    others = [replace(LADDER[0], metrics={"f1_micro": wilson(2, 100)})]
    found = decide(
        [*others, poor],
        Requirements(),
        [gap("encoder", "constant", 0.45, 0.1, metric="f1_micro")],
        metric="f1_micro",
        rows_needed=rows_needed,
        climb=ClimbFacts(run="runs/my mails"),
    )
    assert found.headline == (
        "Best so far: encoder (47.0 %), not usable yet: 0 of 80 whole objects right; "
        "weakest field due_date (F1 10 %, 80 test rows)."
    )
    assert found.because == "It has micro F1 47.0 % (37.5 to 56.7, n = 100)."
    assert (found.chosen, found.proven) == ("encoder", False)
    report = "`ockham report 'runs/my mails' --open`"
    assert found.next.startswith(f"See in the wrong answers what they have in common ({report}), label more training ")
    good = replace(poor, metrics={"f1_micro": wilson(97, 100)}, quality=replace(quality, right=61))
    met = decide([good], Requirements(min_f1_micro=0.9), (), metric="f1_micro", rows_needed=rows_needed)
    assert "where at least 90 % is required; 61 of 80 whole objects right; weakest field due_date" in met.because
    written = replace(LADDER[2], metrics={"chrf": wilson(20, 100)})
    assert "not usable" not in decide([written], Requirements(), (), metric="chrf", rows_needed=rows_needed).headline


def test_a_field_can_be_required() -> None:
    needs = Requirements(min_field={"total": 0.9})
    assert needs.limits() == {"min_field:total": 0.9}
    total = replace(LADDER[1], metrics={"f1_micro": wilson(97, 100), "field:total": wilson(198, 200)})
    poor = replace(LADDER[0], metrics={"f1_micro": wilson(97, 100), "field:total": wilson(20, 200)})
    found = decide([poor, total], needs, (), metric="f1_micro", rows_needed=rows_needed)
    assert (found.chosen, found.meets["constant"]) == ("linear", {"min_field:total": "misses"})
    assert "F1 of field total 99.0 % (96.4 to 99.7, n = 200), where at least 90 % is required" in found.because
    absent = decide([replace(total, metrics={"f1_micro": wilson(9, 10)})], needs, (), rows_needed=rows_needed)
    assert (absent.chosen, absent.meets["linear"]) == (None, {"min_field:total": "cannot tell"})
    assert "F1 of field total was not measured" in absent.because


def test_fields_that_are_not_usable_are_named() -> None:
    quality = AnswerQuality(right=3, rows=80, unusable=("total", "address"))
    good = replace(LADDER[2], metrics={"f1_micro": wilson(97, 100)}, quality=quality)
    met = decide([good], Requirements(), (), metric="f1_micro", rows_needed=rows_needed)
    assert "3 of 80 whole objects right; not usable: fields total, address (F1 below 50 %)" in met.because


def test_nothing_is_weakest_where_every_label_is_right() -> None:
    spot = WeakSpot(kind="label", name="refund", f1=wilson(80, 80), rows=2)
    found = judge([replace(LADDER[1], quality=AnswerQuality(weakest=spot))], Requirements(min_accuracy=0.8))
    assert "weakest" not in found.because


def test_a_name_of_a_label_is_shortened() -> None:
    spot = WeakSpot(kind="label", name="x" * 400, f1=wilson(8, 80), rows=1)
    found = judge([replace(LADDER[1], quality=AnswerQuality(weakest=spot))], Requirements(min_accuracy=0.8))
    assert f"weakest label {'x' * 39}\u2026 (F1 10 %, 1 test row)" in found.because


def test_limits_alone_leave_out_what_is_over_them() -> None:
    heavy = [replace(LADDER[1], memory_mb=100.0), replace(LADDER[2], memory_mb=900.0)]
    found = judge(heavy, Requirements(max_memory_mb=500))
    assert (found.chosen, found.meets["encoder"]) == ("linear", {"max_memory_mb": "misses"})


def test_ties_go_to_the_smaller_artifact_and_then_the_name() -> None:
    same = [candidate(n, 2, 950, artifact_mb=a) for n, a in (("b", 3.0), ("a", 3.0), ("c", 9.0))]
    assert judge(same, Requirements(min_accuracy=0.9)).chosen == "a"
    unknown = [candidate("a", 2, 950), candidate("z", 2, 950, artifact_mb=99.0)]
    assert judge(unknown, Requirements(min_accuracy=0.9)).chosen == "z"


def test_nothing_measured_is_said() -> None:
    found = judge([], Requirements(min_accuracy=0.5))
    assert (found.chosen, found.headline, found.because) == (None, "No candidate could be measured.", "")


def test_many_candidates_need_more_proof() -> None:
    # 928 of 1,000 clears 91 % with an interval that stands for one candidate, and not for twelve.
    one = candidate("m", 5, 928)
    assert judge([one], Requirements(min_accuracy=0.91)).chosen == "m"
    crowd = [one, *(candidate(f"x{i}", 1, 500) for i in range(11))]
    found = judge(crowd, Requirements(min_accuracy=0.91))
    assert found.chosen is None
    assert "With 12 candidates tried" in found.because
    assert (found.rows_needed["m"] or 0) > 0
    early = decide([one], Requirements(min_accuracy=0.91), (), rows_needed=rows_needed, climb=ClimbFacts(planned=12))
    assert early.chosen is None


def test_proofs_agree_with_their_intervals() -> None:
    for right, n in ((45, 50), (928, 1000), (50, 50), (1, 40)):
        seen = wilson(right, n)
        assert p_below(seen, seen.low) == pytest.approx(0.025, abs=1e-9)
    # A bias-corrected interval may start at its value: that is not certainty.
    assert p_below(Estimate(value=0.8, low=0.8, high=0.86, n=90), 0.79) == pytest.approx(
        normal_tail(1.96 / 3), abs=1e-3
    )
    assert normal_tail(1.959963984540054) == pytest.approx(0.025)
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054)
    # Holm over .01, .02, .04 at 5 %: .01 <= .05/3, .02 <= .05/2, .04 <= .05/1: all rejected.
    assert holm_threshold([0.01, 0.02, 0.04], 3) == 0.05
    assert holm_threshold([0.01, 0.03, 0.04], 3) == 0.025
    assert holm_threshold([0.01], 5) == 0.0125


candidates_ = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))),
    min_size=1,
    max_size=5,
).map(lambda rows: [candidate(f"m{i}", rung, k, n) for i, (rung, (k, n)) in enumerate(rows)])


@given(candidates_, st.floats(0.05, 0.99), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_promises_of_every_decision(ladder: list[MeasuredCandidate], limit: float, chance: random.Random) -> None:
    required = Requirements(min_accuracy=limit)
    found = judge(ladder, required)
    shuffled = list(ladder)
    chance.shuffle(shuffled)
    assert judge(shuffled, required) == found
    for one in ladder:
        seen, finding = one.metrics["accuracy"], found.meets[one.name]["min_accuracy"]
        assert finding != "meets" or seen.value >= seen.low >= limit
        assert finding != "misses" or seen.high < limit
    if found.chosen is not None:
        chosen = next(c for c in ladder if c.name == found.chosen)
        assert chosen.metrics["accuracy"].low >= limit
        # A higher bar never makes a smaller candidate do.
        stricter = judge(ladder, Requirements(min_accuracy=min(limit + 0.02, 1.0))).chosen
        assert stricter is None or next(c for c in ladder if c.name == stricter).rung >= chosen.rung
    assert judge(ladder, replace(required, max_memory_mb=100.0)).chosen is None


@given(st.integers(5, 200), st.floats(0, 1), st.floats(0.02, 0.98))
@settings(max_examples=50, deadline=None)
def test_more_rows_of_the_same_kind_only_settle_what_is_open(n: int, share: float, limit: float) -> None:
    right = round(share * n)
    before = judge([candidate("m", 1, right, n)], Requirements(min_accuracy=limit)).meets["m"]["min_accuracy"]
    after = judge([candidate("m", 1, 10 * right, 10 * n)], Requirements(min_accuracy=limit)).meets["m"]["min_accuracy"]
    if before != "cannot tell":
        assert after == before
    elif after != "cannot tell":
        assert after == ("meets" if right / n > limit else "misses")


def test_the_rows_asked_for_are_enough() -> None:
    for right, limit in ((928, 0.92), (905, 0.92), (990, 0.985)):
        more = judge([candidate("m", 1, right)], Requirements(min_accuracy=limit)).rows_needed["m"]
        assert more is not None
        grown = MeasuredCandidate(name="m", rung=1, metrics={"accuracy": scaled(right / 1000, 1000 + more)})
        assert judge([grown], Requirements(min_accuracy=limit)).meets["m"]["min_accuracy"] != "cannot tell"
        fewer = MeasuredCandidate(name="m", rung=1, metrics={"accuracy": scaled(right / 1000, 1000 + int(0.9 * more))})
        assert judge([fewer], Requirements(min_accuracy=limit)).meets["m"]["min_accuracy"] == "cannot tell"


def scaled(share: float, n: int) -> Estimate:
    found = wilson(share * n, n)
    return replace(found, value=share)


@pytest.mark.parametrize("copies", [1, 4])
def test_a_candidate_below_the_bar_is_chosen_in_at_most_five_percent(copies: int) -> None:
    # All candidates are truly just below; independent candidates are the worst case for the family.
    rng = np.random.default_rng(0)
    for truth, n in itertools.product((0.8, 0.95), (100, 400)):
        right = rng.binomial(n, truth, size=(400, copies))
        wrong = sum(
            judge(
                [candidate(f"m{i}", i, int(k), n) for i, k in enumerate(row)], Requirements(min_accuracy=truth + 1e-9)
            ).chosen
            is not None
            for row in right
        )
        # 400 draws at 5 % stay below 29 with 97.5 %.
        assert wrong <= 29


def test_the_next_step_speaks_of_labels_in_doubt_and_of_more_rows_only_where_the_run_has_shown_them() -> None:
    gain = LearningGain(name="linear", rows=242, more_rows=484, points=4.25)
    both = improvement(ClimbFacts(run="runs/mails", doubts=12, gain=gain))
    assert both == (
        "Check 12 labels in doubt, which `ockham report runs/mails --open` shows, label more training rows (linear "
        "gained 4.2 points on the validation rows from 242 rows to 484), or measure larger models with `--models` "
        "(`ockham plan` lists those for this machine)."
    )
    flat = improvement(ClimbFacts(run="runs/mails", gain=replace(gain, points=0.0)))
    assert "label" not in flat
    assert improvement(ClimbFacts(run="r", doubts=1)).startswith("Check 1 label in doubt, which ")


NO_JOB = "As measured here, this is no job for a small language model."
WRITERS = [candidate("constant", 0, 200), candidate("decoder:tiny", 5, 310), candidate("decoder-tuned:tiny", 6, 390)]


def test_where_no_language_model_is_of_use_the_verdict_says_that_this_is_no_job_for_one() -> None:
    pairs = [gap("decoder-tuned:tiny", one.name, 0.1, 0.03) for one in WRITERS[:2]]
    found = judge(WRITERS, Requirements(), *pairs)
    assert found.headline.endswith("not usable yet: more than half of the answers are wrong.")
    assert found.because.endswith(f"n = 1,000). {NO_JOB}")
    assert found.next.startswith("Measure a large model beside these, with `--endpoint URL")
    assert not found.proven
    ahead = candidate("encoder", 3, 450)
    beside = judge([*WRITERS, ahead], Requirements(), *[gap("encoder", one.name, 0.1, 0.03) for one in WRITERS])
    assert beside.because.endswith(
        "n = 1,000). The best language model run here, decoder-tuned:tiny, has 39.0 % "
        f"(36.0 to 42.1, n = 1,000) of the answers right. {NO_JOB}"
    )


def test_it_says_so_of_language_models_that_were_measured_and_surely_fail_and_of_no_others() -> None:
    classic = [candidate("constant", 0, 200), candidate("linear", 2, 390), candidate("encoder", 3, 400)]
    assert NO_JOB not in judge(classic, Requirements()).because, "no language model that writes was measured"
    few = [candidate("constant", 0, 2, 10), candidate("decoder:tiny", 5, 4, 10)]
    assert NO_JOB not in judge(few, Requirements(), gap("decoder:tiny", "constant", 0.2, 0.1)).because, "it may yet do"
    able = [candidate("constant", 0, 200), candidate("linear", 2, 900), candidate("decoder:tiny", 5, 300)]
    assert NO_JOB not in judge(able, Requirements(), gap("linear", "constant", 0.7, 0.03)).because, (
        "another one does it"
    )


def written(name: str, rung: int, chrf: float) -> MeasuredCandidate:
    similar = Estimate(value=chrf, low=chrf - 0.02, high=chrf + 0.02, n=100)
    return MeasuredCandidate(name=name, rung=rung, metrics={"chrf": similar})


def test_texts_that_look_alike_are_of_no_use_where_their_results_are_wrong() -> None:
    measured = [written("lookup", 1, 0.3), written("decoder:tiny", 5, 0.4)]
    pair = gap("decoder:tiny", "lookup", 0.1, 0.1, "chrf", p=0.001)  # lookup may yet be as good

    def told(right: int) -> Decision:
        exact = ExactAnswers(
            rows=95,
            tested=100,
            what="the answer is a word or two",
            right={"lookup": wilson(1, 95), "decoder:tiny": wilson(right, 95)},
        )
        return decide(
            measured, Requirements(), [pair], metric="chrf", rows_needed=rows_needed, climb=ClimbFacts(exact=exact)
        )

    failed = told(2)
    assert failed.headline == (
        "Best so far: decoder:tiny (40.0 %), not usable yet: in 95 of 100 test rows the "
        "answer is a word or two, and 2.1 % (0.6 to 7.4, n = 95) of these are right."
    )
    assert failed.because == f"It has chrF 40.0 % (38.0 to 42.0, n = 100). {NO_JOB}"
    assert failed.next.endswith("(`ockham plan` lists those for this machine)."), "no smaller one is worth a look"
    assert told(80).because.startswith("It scores best")


def test_fields_that_a_model_extracts_badly_do_not_show_that_the_job_is_none_for_a_small_one() -> None:
    fields = [
        MeasuredCandidate(name=name, rung=rung, metrics={"f1_micro": wilson(right, 200)})
        for name, rung, right in (("constant", 0, 0), ("decoder-tuned:tiny", 6, 54))
    ]
    pair = gap("decoder-tuned:tiny", "constant", 0.27, 0.05, "f1_micro", p=0.001)
    decision = decide(fields, Requirements(), [pair], metric="f1_micro", rows_needed=rows_needed, climb=ClimbFacts())
    assert "not usable yet" in decision.headline
    assert NO_JOB not in decision.because
