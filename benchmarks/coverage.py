"""Count how often the 95 % intervals hold the truth, and how often a verdict is wrong, on resampled real answers.

A simple classifier answers the rows of a data set; all its scored answers are the population, whose values are known.
From it, many samples of n rows are drawn with replacement, and each is measured as a run measures its test set.

    python benchmarks/coverage.py --data ../shared/data/hwu64 --data ../shared/data/sms_spam

With ``--small`` samples are of 20 to 100 rows, and a third model is a blend of the two, whose weights are fitted as a
run fits them: it agrees with its members on most rows, so few rows tell them apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from ockham.evals.comparison import compare
from ockham.evals.sample_size import rows_needed
from ockham.evals.task_metrics import find_metric, metrics_of
from ockham.evals.tasks import estimate_metrics, metric_value
from ockham.models import blend, blend_weights
from ockham.records import Estimate, Requirements, Score
from ockham.verdict.decide import MeasuredCandidate, decide

SIZES = (50, 100, 200, 500, 1000)
SMALL = (20, 30, 50, 100)
LEARNT, FOLDS = 1000, 5
"""Rows that the members of a blend learn from, and the folds that its weights are fitted on."""
RARE = 10
"""Labels with fewer rows in the population are left out of it: a sample of 50 says nothing of them."""
Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The answers of two models to the same rows, taken for all there are."""

    name: str
    scores: tuple[tuple[Score, ...], ...]
    labels: tuple[str, ...]

    def truth(self, model: int, metric: str) -> float:
        rows = self.scores[model]
        return metric_value("classify", metric, [s.target for s in rows], [s.answer for s in rows])

    def sample(self, model: int, rows: Rows, clusters: Sequence[int] | None = None) -> list[Score]:
        every, numbers = self.scores[model], clusters or range(len(rows))
        return [
            Score(example=str(place), answer=s.answer, target=s.target, value=s.value, cluster=number)
            for place, (s, number) in enumerate(zip([every[row] for row in rows], numbers, strict=True))
        ]


def population(folder: Path) -> Population:
    """Train on one part of a data set and answer the other."""
    train, test = read_sides(folder)
    vectors = TfidfVectorizer(sublinear_tf=True).fit(train["text"])
    seen, asked = vectors.transform(train["text"]), vectors.transform(test["text"])
    answers = [model.fit(seen, train["label"]).predict(asked).tolist() for model in members()]
    return score(folder.name, answers, test["label"].tolist())


def blend_population(folder: Path) -> Population:
    """Answer with a blend of both models, by the weights that cross-validation gives, and with each of them."""
    train, test = read_sides(folder)
    train = train[:LEARNT]
    test = test[test["label"].isin(set(train["label"]))]
    targets, labels = train["label"].tolist(), tuple(sorted(set(train["label"])))
    vectors = TfidfVectorizer(sublinear_tf=True).fit(train["text"])
    seen, asked = vectors.transform(train["text"]), vectors.transform(test["text"])
    folds = np.arange(len(targets)) % FOLDS
    unseen = [np.full((len(targets), len(labels)), -np.inf) for _ in members()]
    for fold in range(FOLDS):
        learns = np.flatnonzero(folds != fold)
        for margins, model in zip(unseen, members(), strict=True):
            model.fit(seen[learns], train["label"].iloc[learns])
            columns = np.searchsorted(labels, model.classes_)
            margins[np.ix_(np.flatnonzero(folds == fold), columns)] = model.predict_log_proba(seen[folds == fold])
    weights = blend_weights.fit_weights(unseen, targets, labels).weights
    logs = [model.fit(seen, train["label"]).predict_log_proba(asked) for model in members()]
    every = [blend.pool(logs, weights), *logs]
    answers = [[labels[column] for column in margins.argmax(axis=1)] for margins in every]
    return score(folder.name, answers, test["label"].tolist())


def members() -> tuple[LogisticRegression, MultinomialNB]:
    return LogisticRegression(C=10, max_iter=200), MultinomialNB(alpha=0.1)


def read_sides(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the rows to learn from and those to answer, without rare labels among the latter."""
    if (folder / "test.csv").exists():
        train, test = (pd.read_csv(folder / f"{side}.csv", dtype=str).dropna() for side in ("train", "test"))
        train = train.sample(min(len(train), 5000), random_state=0)
    else:
        every = pd.read_csv(folder / "all.csv", dtype=str).dropna().sample(frac=1, random_state=0)
        train, test = every[:1500], every[1500:]
    counts = Counter(test["label"])
    return train, test[[counts[label] >= RARE for label in test["label"]]]


def score(name: str, answers: Sequence[Sequence[str]], targets: Sequence[str]) -> Population:
    """Score the answers of each model."""
    scores = tuple(
        tuple(
            Score(example=str(place), answer=answer, target=target, value=float(answer == target))
            for place, (target, answer) in enumerate(zip(targets, given, strict=True))
        )
        for given in answers
    )
    return Population(name=name, scores=scores, labels=tuple(sorted(set(targets))))


def coverage(people: Population, n: int, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Count hits for every metric, every paired difference, and both again on rows drawn in clusters."""
    truths = {metric: (people.truth(0, metric), people.truth(1, metric)) for metric in metrics_of("classify")}
    alike = neighbours(people)
    rng = np.random.default_rng([seed, n])
    tally: dict[str, list[Estimate]] = {}
    for again in range(resamples):
        rows = rng.integers(0, len(alike), n)
        ours, theirs = people.sample(0, rows), people.sample(1, rows)
        found = estimate_metrics("classify", ours, people.labels)
        found |= {f"{m} difference": compare(ours, theirs, m, seed=again).difference for m in metrics_of("classify")}
        together, numbers = clustered(alike, n, rng)
        grouped = [people.sample(model, together, numbers) for model in (0, 1)]
        by_cluster = estimate_metrics("classify", grouped[0], people.labels)
        by_cluster["accuracy difference"] = compare(grouped[0], grouped[1], "accuracy", seed=again).difference
        found |= {f"{name}, clustered": seen for name, seen in by_cluster.items()}
        for name, seen in found.items():
            tally.setdefault(name, []).append(seen)
    result = {}
    for name, estimates in tally.items():
        first, second = truths[name.split(",")[0].split(" ")[0]]
        truth = first - second if "difference" in name else first
        result[name] = {
            "coverage": sum(e.low <= truth <= e.high for e in estimates) / resamples,
            "too_high": sum(e.low > truth for e in estimates) / resamples,
            "too_low": sum(e.high < truth for e in estimates) / resamples,
            "width": sum(e.high - e.low for e in estimates) / resamples,
        }
    return result


def blend_coverage(people: Population, n: int, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Count hits of a blend's accuracy, and of its differences from its members, also on rows drawn in clusters."""
    truths = [people.truth(model, "accuracy") for model in range(3)]
    alike = neighbours(people)
    rng = np.random.default_rng([seed, n, 2])
    hits: dict[str, list[bool]] = {}
    for again in range(resamples):
        drawn = {"": (rng.integers(0, len(alike), n), None), ", clustered": clustered(alike, n, rng)}
        for how, (rows, numbers) in drawn.items():
            given = [people.sample(model, rows, numbers) for model in range(3)]
            own = find_metric("accuracy").estimate(given[0], people.labels)
            hits.setdefault(f"accuracy of the blend{how}", []).append(own.low <= truths[0] <= own.high)
            for model, name in ((1, "LogisticRegression"), (2, "MultinomialNB")):
                gap = compare(given[0], given[model], "accuracy", seed=again).difference
                truth = truths[0] - truths[model]
                hits.setdefault(f"blend - {name}{how}", []).append(gap.low <= truth <= gap.high)
    return {name: {"coverage": sum(held) / resamples} for name, held in hits.items()}


def neighbours(people: Population) -> list[Rows]:
    """Give each row the rows that may stand in for it in a cluster: same target, same outcome."""
    kinds: dict[tuple[str, float | None], list[int]] = {}
    for place, score in enumerate(people.scores[0]):
        kinds.setdefault((score.target, score.value), []).append(place)
    groups = {kind: np.array(places, dtype=np.int64) for kind, places in kinds.items()}
    return [groups[score.target, score.value] for score in people.scores[0]]


def clustered(alike: Sequence[Rows], n: int, rng: np.random.Generator) -> tuple[Rows, list[int]]:
    """Draw clusters of 1 to 5 rows: a row of the population, and rows with the same target and outcome beside it."""
    rows: list[int] = []
    numbers: list[int] = []
    cluster = 0
    while len(rows) < n:
        first = int(rng.integers(0, len(alike)))
        more = rng.choice(alike[first], int(rng.integers(0, 5)))
        rows += [first, *more.tolist()]
        numbers += [cluster] * (1 + more.size)
        cluster += 1
    return np.array(rows[:n], dtype=np.int64), numbers[:n]


def false_verdicts(people: Population, n: int, resamples: int, seed: int) -> float:
    """Count samples in which a candidate is chosen though every one is just below the requirement."""
    limit = max(people.truth(model, "accuracy") for model in range(len(people.scores))) + 1e-6
    required = Requirements(min_accuracy=limit)
    rng = np.random.default_rng([seed, n, 1])
    wrong = 0
    right = [np.array([score.value for score in scores]) for scores in people.scores]
    best = int(np.argmax([values.mean() for values in right]))
    for _ in range(resamples):
        # Four candidates just below the bar, as alike as good candidates are: each agrees with the best on most rows.
        rows = rng.integers(0, right[best].size, n)
        others = rng.integers(0, right[best].size, (3, n))
        keep = rng.random((3, n)) < 0.7
        answers = [right[best][rows], *np.where(keep, right[best][rows], right[best][others])]
        measured = [
            MeasuredCandidate(name=f"m{place}", rung=place, metrics=accuracy_of(values))
            for place, values in enumerate(answers)
        ]
        wrong += decide(measured, required, (), rows_needed=rows_needed).chosen is not None
    return wrong / resamples


def accuracy_of(values: npt.NDArray[np.float64]) -> dict[str, Estimate]:
    scores = [Score(example=str(i), answer="a", target="a", value=float(v)) for i, v in enumerate(values)]
    return estimate_metrics("classify", scores, ())


def table(results: dict[str, dict[str, dict[str, dict[str, float]]]], verdicts: dict[str, dict[str, float]]) -> str:
    lines = []
    for name, by_size in results.items():
        lines += [f"### {name}", "", f"| % of intervals that hold the truth | {' | '.join(by_size)} |"]
        lines.append("|---|" + "--:|" * len(by_size))
        for what in next(iter(by_size.values())):
            shares = [f"{100 * found[what]['coverage']:.1f}" for found in by_size.values()]
            lines.append(f"| {what} | {' | '.join(shares)} |")
        shares = [f"{100 * share:.1f}" for share in verdicts[name].values()]
        lines += [f"| wrong verdicts | {' | '.join(shares)} |", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--small", action="store_true", help="samples of 20 to 100 rows, and a blend")
    given = parser.parse_args()
    sizes, name = (SMALL, "coverage_small") if given.small else (SIZES, "coverage")
    measure, make = (blend_coverage, blend_population) if given.small else (coverage, population)
    results: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    verdicts: dict[str, dict[str, float]] = {}
    for folder in given.data:
        people = make(folder)
        shown = f"{people.name} ({len(people.scores[0]):,} answers, {len(people.labels)} labels)"
        results[shown] = {f"n = {n}": measure(people, n, given.resamples, given.seed) for n in sizes}
        verdicts[shown] = {f"n = {n}": false_verdicts(people, n, given.resamples, given.seed) for n in sizes}
    about = {
        "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "resamples": given.resamples,
        "seed": given.seed,
    }
    text = table(results, verdicts)
    given.out.mkdir(parents=True, exist_ok=True)
    whole = {**about, "coverage": results, "wrong_verdicts": verdicts}
    (given.out / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    what = ", small samples and a blend" if given.small else ""
    head = f"# Coverage of the 95 % intervals{what}\n\n{given.resamples:,} resamplings, "
    head += f"seed {given.seed}, {about['date']}, "
    head += f"{about['machine']}, {', '.join(f'{k} {v}' for k, v in about['versions'].items())}\n\n"
    (given.out / f"{name}.md").write_text(head + text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
