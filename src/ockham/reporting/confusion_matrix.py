"""What is mistaken for what: the matrix of right labels against answers, and the pairs that are confused most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ockham.records import Score
from ockham.reporting.candidate_view import confusions
from ockham.reporting.formatting import count
from ockham.reporting.html import Child, Html, note, scroll, table, tag

LARGEST = 12
"""The most labels that a matrix shows: those that are confused most often."""
_PAIRS = 20
_SHADES = 5


def matrix(scores: Sequence[Score]) -> Html | None:
    """Count the rows of each right label (down) by their answer (across).

    Of many labels the ones that are confused most are shown; what was answered else is one column. ``None`` where
    nothing is confused.
    """
    shown, every = _choose_labels(scores), {score.target for score in scores if score.value is not None}
    if not shown:
        return None
    counts = Counter((score.target, score.answer) for score in scores if score.value is not None)
    inside = set(shown)
    totals = Counter(score.target for score in scores if score.value is not None)
    other = {
        label: sum(n for (target, answer), n in counts.items() if target == label and answer not in inside)
        for label in shown
    }
    has_other = any(other.values())
    heads = [
        tag("th", tag("span", str(i), aria_hidden="true"), tag("span", label, class_="unseen"), scope="col", class_="n")
        for i, label in enumerate(shown, 1)
    ]
    if has_other:
        heads.append(tag("th", "other", scope="col", class_="n"))
    body = []
    for i, target in enumerate(shown, 1):
        cells = [_cell(counts[target, answer], totals[target], right=answer == target) for answer in shown]
        if has_other:
            cells.append(_cell(other[target], totals[target], right=False))
        name = tag("th", tag("span", f"{i} ", class_="small"), tag("bdi", target, dir="auto"), scope="row")
        body.append(tag("tr", name, cells))
    caption = tag("caption", "Confusion matrix", class_="unseen")
    grid = tag(
        "table",
        caption,
        tag("thead", tag("tr", tag("th", "Right label", scope="col"), heads)),
        tag("tbody", body),
        class_="confusion",
    )
    part = f"The {len(shown)} labels of {count(len(every))} that are confused most. " if len(shown) < len(every) else ""
    return tag(
        "div",
        tag("h3", "Confusion matrix"),
        note(f"{part}Rows: the right label. Columns: the answer, numbered like the rows."),
        scroll(grid, "Confusion matrix"),
    )


def pairs_table(pairs: Sequence[tuple[str, str | None, int]], of: Mapping[str, int]) -> Html:
    """List the wrong answers by right label and answer, most frequent first; ``of`` counts each label's rows."""
    rest_count = sum(n for _, _, n in pairs[_PAIRS:])
    body = [
        (
            tag("bdi", target, dir="auto"),
            tag("bdi", answer, dir="auto") if answer is not None else tag("span", "no valid answer", class_="none"),
            count(n),
            f"{count(n)} of {count(of[target])}" if target in of else "",
        )
        for target, answer, n in pairs[:_PAIRS]
    ]
    return tag(
        "div",
        tag("h3", "Confused labels"),
        table(("Right label", "Answer", "Rows", "Of the label's rows"), body, label="Confusions", numbers=(2, 3)),
        note(f"{count(rest_count)} more wrong answers are spread over rarer pairs.") if rest_count else None,
    )


def _choose_labels(scores: Sequence[Score]) -> list[str]:
    """Return the labels of the matrix, sorted: all, or the ones that stand in the most frequent confusions."""
    targets = sorted({score.target for score in scores if score.value is not None})
    pairs = confusions(tuple(scores))
    if not pairs or len(targets) < 2:
        return []
    if len(targets) <= LARGEST:
        return targets
    chosen: dict[str, None] = {}
    for target, answer, _ in pairs:
        new = [label for label in (target, answer) if label in targets and label not in chosen and label is not None]
        if len(chosen) + len(new) <= LARGEST:
            chosen.update(dict.fromkeys(new))
    return sorted(chosen)


def _cell(n: int, total: int, *, right: bool) -> Html:
    shade = min(_SHADES, -(-n * _SHADES // max(1, total))) if n else 0
    words: Child = count(n) if n else ""
    return tag("td", words, class_=f"n {'hit' if right else 'miss'}-{shade}" if n else "n")
