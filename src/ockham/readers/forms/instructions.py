"""Instructions with their answers: legacy fine-tuning pairs of prompt and completion, and Alpaca."""

from __future__ import annotations

from collections import Counter

from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all

_SEPARATORS = ("\n\n###\n\n", "\n\n===\n\n", "\n\n---\n\n", "\n\n", " ->", "->", "\n")
_DISLIKED = LeftOut("label_false")
_STOPS = (" END", " ###", "###", "<|endoftext|>", " STOP", "\n")


def _open_pairs(sample: FormSample) -> FormReader | None:
    prompts, completions = sample.values("prompt"), sample.values("completion")
    if not is_all(prompts, _is_text) or not is_all(completions, _is_text):
        return None
    separator, stop = _shared_end(prompts, _SEPARATORS), _shared_end(completions, _STOPS)
    is_judged = is_all(map(_word, sample.values("label")), lambda word: word in ("true", "false"))
    leaves_out = is_judged and sample.request.labelled and sample.request.target is None

    def convert(cells: Cells) -> Cells | LeftOut:
        if leaves_out and _word(cells.get("label")) == "false":
            return _DISLIKED
        prompt, completion = cells.get("prompt"), cells.get("completion")
        return {
            **cells,
            "prompt": prompt.removesuffix(separator) if isinstance(prompt, str) else prompt,
            "completion": completion.removesuffix(stop).strip() if isinstance(completion, str) else completion,
        }

    def remarks() -> list[str]:
        ends = [
            what
            for what, end in (("separator of the prompts", separator), ("stop sequence of the completions", stop))
            if end
        ]
        return [f"removed the {' and the '.join(ends)}, the same in every record"] if ends else []

    return FormReader(columns=sample.columns, convert=convert, inputs=("prompt",), target="completion", remarks=remarks)


def _open_alpaca(sample: FormSample) -> FormReader | None:
    if not {"instruction", "output"} <= set(sample.columns) or not is_all(sample.values("instruction"), _is_text):
        return None
    given = [value for value in sample.values("input") if isinstance(value, str) and value.strip()]
    instructions = {value for value in sample.values("instruction") if isinstance(value, str)}
    shared = instructions.pop() if len(instructions) == 1 and len(given) == len(sample.rows) > 1 else None
    counts: Counter[str] = Counter()

    def convert(cells: Cells) -> Cells | LeftOut:
        counts["history"] += bool(cells.get("history"))
        if shared is not None and cells.get("instruction") == shared:
            return {name: cell for name, cell in cells.items() if name != "instruction"}
        return cells

    def remarks() -> list[str]:
        told = (
            ["the instruction is the same in every record and was left out of the input"] if shared is not None else []
        )
        if counts["history"]:
            told.append(f"records with earlier turns in 'history', which are not used: {counts['history']:,}")
        return told

    both = ("instruction", "input") if given else ("instruction",)
    return FormReader(
        columns=sample.columns,
        convert=convert,
        inputs=both if shared is None else ("input",),
        target="output",
        remarks=remarks,
    )


def _word(value: object) -> str:
    return str(value).strip().casefold()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _shared_end(values: list[object], ends: tuple[str, ...]) -> str:
    """Return the end that all texts have, of those that such files usually have."""
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < 2:
        return ""
    return next((end for end in ends if all(text.endswith(end) for text in texts)), "")


PROMPT_COMPLETION = Form(
    name="prompt and completion",
    recognised="texts in `prompt` and `completion` (OpenAI's former fine-tuning format)",
    taken="`prompt` is the input, `completion` the target, without the separator and stop sequence that all rows"
    " share; if `label` says which completions are good, the others are dropped",
    open=_open_pairs,
)
ALPACA = Form(
    name="Alpaca",
    recognised="`instruction` and `output`, with or without `input`",
    taken="`instruction` and `input` are the input, `output` the target; an instruction that is the same in every"
    " record is omitted; `history` is not used, and this is reported",
    open=_open_alpaca,
)
