"""How fast a file is answered, beside the model asked directly for the same texts: ``scripts/bench predict_speed``."""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import table

BATCH = 4096


def main() -> None:
    """Fit the rung on the example emails, and let both answer the same rows in turns."""
    parser = argparse.ArgumentParser(description="Measure answering a file.")
    parser.add_argument("--rung", default="linear")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = fit(folder, args.rung)
        file, texts = write_rows(folder, args.rows)
        asks: dict[str, Callable[[], float]] = {
            "the model alone": direct(run, texts),
            "ockham predict FILE -o FILE": lambda: whole(run, file, folder / "answers.csv"),
        }
        rates: dict[str, list[float]] = {way: [] for way in asks}
        for _ in range(args.repeats):
            for way, ask in asks.items():
                rates[way].append(args.rows / ask())
    first, second = rates.values()
    shares = [b / a for a, b in zip(first, second, strict=True)]
    body = [[way, table.spread(values)] for way, values in rates.items()]
    foot = f"\n\nShare, turn by turn: {table.spread(shares)}; {args.rung}, {args.rows:,} rows, {args.repeats} turns."
    text = table.markdown(["way", "rows a second, median (least to greatest)"], body) + foot
    table.publish("predict_speed", text, {"rates": rates, "shares": shares, "rung": args.rung, "cores": cores})
    print(f"median share {statistics.median(shares):.2f}")


def fit(folder: Path, rung: str) -> Path:
    """Return a run whose chosen model is of that rung."""
    import ockham

    spec = ockham.FitSpec(inputs=("subject", "body"), target="label", rungs=(rung,))
    return Path(ockham.fit(table.ROOT / "examples/support_mail.csv", spec, out=folder / "run").run)


def write_rows(folder: Path, number: int) -> tuple[Path, list[str]]:
    """Write so many emails, each with a number of its own, and return the file with the texts that a model reads."""
    from ockham.bundles.measured_rows import input_columns
    from ockham.readers.examples import input_of
    from ockham.store import read_bundle

    with (table.ROOT / "examples/support_mail.csv").open(encoding="utf-8", newline="") as stream:
        mails = list(csv.DictReader(stream))
    names = input_columns(read_bundle(folder / "run" / "bundle"))
    rows = [{**mails[i % len(mails)], "subject": f"{mails[i % len(mails)]['subject']} {i}"} for i in range(number)]
    path = folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path, [input_of(row, names, names) for row in rows]


def direct(run: Path, texts: list[str]) -> Callable[[], float]:
    """Return what asks the loaded model for all texts, in batches as large as those of a file, and takes the time."""
    from ockham.models.backend import load_model
    from ockham.store import read_bundle

    model = load_model(read_bundle(run / "bundle").kind, run / "bundle")

    def ask() -> float:
        begin = time.perf_counter()
        for start in range(0, len(texts), BATCH):
            model.answer(texts[start : start + BATCH])
        return time.perf_counter() - begin

    return ask


def whole(run: Path, file: Path, out: Path) -> float:
    """Take the time from the first row that is read to the file that is whole; the model is loaded before."""
    from ockham.bundles.answer_file import AnswerForm, write_answers
    from ockham.bundles.predict import open_answers

    with open_answers(run, str(file)) as answering:
        begin = time.perf_counter()
        write_answers(out, answering, AnswerForm(id=None, whole=False))
        return time.perf_counter() - begin


if __name__ == "__main__":
    main()
