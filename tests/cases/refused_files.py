"""Forms that are refused by name, each with what the message says and the command that helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cases.case_files import LETTERS, Refusal, Row, in_array, in_lines, in_table, other, table
from tests.cases.export_files import text_file, user
from tests.cases.tool_files import first, zipped

FORM_HEAD = ("Timestamp", "Please say what the letter is about", "Which pile?")


def label_studio_comment(number: int, text: str, label: str) -> Row:
    comment = {"from_name": "comment", "type": "textarea", "value": {"text": [f"note {number}"]}}
    choice = {"from_name": "pile", "type": "choices", "value": {"choices": [label]}}
    return {"annotations": [{"result": [comment, choice], "was_cancelled": False}], "data": {"text": text}}


def intents_and_slots(_: int, text: str, label: str) -> Row:
    return {"text": text, "cats": [label], "entities": [[0, len(first(text)), "FIRST"]]}


def token_rows(folder: Path) -> Path:
    rows = [[f"Sentence: {n}", w, "B-X" if not i else "O"] for n in range(9) for i, w in enumerate(first_words(n))]
    return table(folder / "a.csv", [["Sentence #", "Word", "Tag"], *rows])


def first_words(number: int) -> list[str]:
    return LETTERS[number][0].split()


def python_line(text: str) -> str:
    return f"{ {'text': text, 'label': None}!r}\n"


def refusal(name: str, write: Callable[[Path], Path], says: str, helps: str, code: str = "E_FORMAT") -> Refusal:
    return Refusal(name=name, write=write, code=code, says=says, helps=helps)


REFUSED_TOOLS: tuple[Refusal, ...] = (
    refusal(
        "a choice and a comment",
        in_array(label_studio_comment),
        "several Label Studio controls",
        "--target pile",
        "E_COLUMN",
    ),
    refusal("intents and slots", in_lines(intents_and_slots), "classes (cats) and spans", "--target cats", "E_COLUMN"),
    refusal(
        "half a batch",
        in_lines(lambda n, t, _: {"custom_id": f"{n}", "body": {"messages": [user(t)]}}),
        "without the answers",
        "custom_id",
    ),
    refusal(
        "old ragas",
        in_lines(lambda _, t, label: {"question": t, "answer": other(label), "ground_truth": label}),
        "several columns",
        "--target",
        "E_COLUMN",
    ),
    refusal(
        "label first",
        text_file("a.csv", "".join(f'{label},"{text}"\n' for text, label in LETTERS)),
        "first row looks like data",
        "'label,text\\n'",
        "E_COLUMN",
    ),
    refusal(
        "a form's answers",
        in_table(FORM_HEAD, lambda _, t, label: ["5/2/2024 8:00:00", t, label]),
        "clearly the target",
        f"--input '{FORM_HEAD[1]}' --target '{FORM_HEAD[2]}'",
        "E_LABEL_MISSING",
    ),
    refusal("a token in each row", token_rows, "one token per row", "ner_tags"),
    refusal(
        "python",
        text_file("a.jsonl", "".join(python_line(text) for text, _ in LETTERS)),
        "single quotes",
        "ast.literal_eval",
    ),
    refusal(
        "webanno",
        text_file("a.tsv", "#FORMAT=WebAnno TSV 3.3\n#T_SP=ner\n\n#Text=a b\n1-1\t0-1\ta\tPER\n"),
        "WebAnno",
        "CoNLL",
    ),
    refusal(
        "conll-u",
        text_file("a.conllu", "# sent_id = 1\n" + "".join(f"{n}\ta\ta\tNOUN\t_\t_\t0\troot\t_\t_\n" for n in (1, 2))),
        "CoNLL-U",
        "texts and labels",
    ),
    refusal(
        "mailbox", text_file("a.mbox", "From a@b Thu Jan 1 00:00:00 2024\nSubject: x\n\nhello\n"), "mailbox", "JSON"
    ),
    refusal(
        "sql",
        text_file("a.sql", "-- dump\nCREATE TABLE a (b TEXT);\nINSERT INTO a VALUES ('c');\n"),
        "SQL dump",
        "SELECT",
    ),
    refusal(
        "settings in TOML",
        text_file("ockham.toml", '# mine\n[fit]\ninput = ["a"]\n'),
        "a settings file",
        "--config FILE",
    ),
    refusal("several in a zip", zipped("train.jsonl", "test.jsonl"), "2 files that can be read", "unzip"),
)
