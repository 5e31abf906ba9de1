"""Labels by a causal language model: ours against lm-evaluation-harness, ``scripts/bench lm_eval_speed``.

The same model, the same prompts of clinc150's test texts, the same labels, on as many threads. The harness scores every
label behind every prompt; ours searches the tree of the labels' tokens, keeps what prompts have in common, and must
find the same answers. The line end behind a label belongs to it, on both sides. Four examples stand in every prompt.

Three tasks: clinc150's 150 intents by their names; 77 labels of one token each; and these without their end, which is
the harness's best case (it computes all labels of a prompt at once) and is answered by one question of ours too. The
model is ockham-nano, whose weights are trained: a search leaves early what such a model finds unlikely. ``--random``
takes SmolLM2-135M's true shape with random weights, which find nothing unlikely: the worst case of a search.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import table
from ockham import catalog

MODEL, SHAPE = "ockham-nano", "SmolLM2-135M"
FORMATS = ("f16", "q8_0")
ONE_TOKEN = 77
SHOTS = 4
END, MARK = "\n", "<|endoftext|>"
"""What ends a label in the prompt's examples, and the one special token of the random model."""


def rows(name: str) -> list[dict[str, str]]:
    with (table.DATA / "clinc150" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def prompt(text: str) -> str:
    """Ask for a message's intent, behind some examples that are the same for all."""
    chosen = random.Random(0).sample(rows("train.csv"), SHOTS)
    return "".join(f"Message: {row['text']}\nIntent: {row['label']}\n\n" for row in chosen) + asking(text)


def asking(text: str) -> str:
    return f"Message: {text}\nIntent:"


def write_model(folder: Path, layers: int) -> None:
    """Write the model as a Hugging Face folder, with a vocabulary learnt from the texts, and as GGUF files."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = catalog.find_architecture(SHAPE)
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=6000,
        special_tokens=[MARK],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    words.train_from_iterator([f"{asking(row['text'])} {row['label']}" for row in rows("train.csv")], trainer)
    words.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": MARK,
        "eos_token": MARK,
        "unk_token": MARK,
        "add_bos_token": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.ffn,
            num_hidden_layers=layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            max_position_embeddings=shape.context,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    model.save_pretrained(folder)


def convert(model: Path, folder: Path) -> None:
    from ockham.convert.gguf_export import Converter

    with Converter() as converter:
        for form in FORMATS:
            converter.convert(model, folder / f"{form}.gguf", "f16" if form == "f16" else "q8_0")


def one_token_labels(folder: Path) -> list[str]:
    """Choose words that the vocabulary writes as one token behind a space."""
    vocabulary: dict[str, int] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    found = sorted(token[1:] for token in vocabulary if token[0] == "\u0120" and token[1:].isalpha() and len(token) > 4)
    return found[:: max(1, len(found) // ONE_TOKEN)][:ONE_TOKEN]


def child(place: Path, form: str) -> None:
    """Answer as the decoder rung does, and say what that took."""
    from ockham.llm.llamacpp import Engine, EngineSpec
    from ockham.llm.trie import Trie

    given: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    engine = Engine(Path(given["gguf"]) / f"{form}.gguf", EngineSpec(context=512, slots=1, threads=given["threads"]))
    labels, (end,) = given["labels"], engine.tokens(END, special=False)
    began = time.perf_counter(), time.process_time()
    paths = [engine.tokens(f" {label}", special=False) for label in labels]
    trie = Trie(labels, paths, end)
    ask, take = (engine.likelihoods, trie.search) if given["end"] else (engine.probabilities, trie.walk)
    answers = []
    for text in given["prompts"]:
        asked = engine.tokens(text, special=False)

        def chances(taken: tuple[int, ...], allowed: tuple[int, ...], asked: list[int] = asked) -> list[float]:
            return ask((*asked, *taken), allowed, slot=0)

        answers.append(take(chances)[0])
    took = time.perf_counter() - began[0], time.process_time() - began[1]
    sys.stdout.write(json.dumps({"answers": answers, "wall": took[0], "cpu": took[1]}))


def measured(command: Sequence[str | Path]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(table.need(table.run(command), command).output.splitlines()[-1])
    return found


def peer() -> None:
    """Put the harness into the peers' environment, where it is not there yet."""
    if table.run([table.PEERS, "-c", "import lm_eval"]).status:
        pip: list[str | Path] = [
            table.PEERS,
            "-m",
            "pip",
            "install",
            "-q",
            "-c",
            table.ROOT / "constraints.txt",
            "lm-eval",
        ]
        table.need(table.run(pip), pip)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ours against lm-evaluation-harness on a task of many labels.")
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3, help="how often both sides are measured, in turn")
    parser.add_argument("--batch", type=int, default=16, help="the harness's batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--random", action="store_true", help=f"random weights of {SHAPE}'s shape")
    parser.add_argument(
        "--layers", type=int, default=catalog.find_architecture(SHAPE).layers, help="fewer, only to try it out"
    )
    parser.add_argument("--child", nargs=2)
    args = parser.parse_args()
    if args.child:
        child(Path(args.child[0]), args.child[1])
        return
    peer()
    texts = rows("test.csv")
    prompts = [prompt(row["text"]) for row in texts[:: max(1, len(texts) // args.rows)][: args.rows]]
    record: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder if args.random else catalog.shipped_folder(MODEL)
        if model is None:
            raise SystemExit(f"{MODEL} is not in this package")
        if args.random:
            write_model(folder, args.layers)
        convert(model, folder)
        intents, short = sorted({row["label"] for row in texts}), one_token_labels(model)
        tasks = {
            "150 intents by name": (intents, END),
            "77 labels of a token": (short, END),
            "77 labels of a token, without their end": (short, ""),
        }
        for task, (labels, end) in tasks.items():
            place = folder / "given.json"
            given = {"folder": str(model), "gguf": name, "prompts": prompts, "labels": labels, "end": end}
            given |= {"batch": args.batch, "threads": args.threads}
            place.write_text(json.dumps(given), encoding="utf-8")
            record += turns(task, place, args.turns)
    if args.random:
        publish("lm_eval_speed_random", record, args.rows, f"random weights of {SHAPE}'s shape, {args.layers} layers")
    else:
        publish("lm_eval_speed", record, args.rows, MODEL)


def turns(task: str, place: Path, number: int) -> list[dict[str, Any]]:
    """Measure the harness and both of our formats in turn."""
    found = []
    for turn in range(number):
        table.say(f"{task}: turn {turn + 1}")
        theirs = measured([table.PEERS, "benchmarks/_lm_eval_peer.py", place])
        for form in FORMATS:
            ours = measured([sys.executable, "-m", "benchmarks.lm_eval_speed", "--child", str(place), form])
            same = sum(a == b for a, b in zip(ours["answers"], theirs["answers"], strict=True)) / len(ours["answers"])
            found.append(
                {
                    "task": task,
                    "format": form,
                    "same": same,
                    "wall": [theirs["wall"], ours["wall"]],
                    "cpu": [theirs["cpu"], ours["cpu"]],
                }
            )
    return found


def publish(name: str, record: Sequence[dict[str, Any]], number: int, model: str) -> None:
    body = []
    for task, form in dict.fromkeys((one["task"], one["format"]) for one in record):
        of = [one for one in record if (one["task"], one["format"]) == (task, form)]
        body.append(
            [
                task,
                f"ours in {form}, theirs in f32",
                table.spread([1000 * one["wall"][0] / number for one in of], 0),
                table.spread([1000 * one["wall"][1] / number for one in of], 0),
                table.spread([one["wall"][0] / one["wall"][1] for one in of]),
                table.spread([one["cpu"][0] / one["cpu"][1] for one in of]),
                f"{of[0]['same']:.0%}",
            ]
        )
    head = ["task", "weights", "harness, ms a row", "ours, ms a row", "ratio", "ratio of CPU time", "same answers"]
    note = f"\n\n{number} rows; {model}; the time without loading the model."
    versions = table.peer_versions()
    table.publish(name, table.markdown(head, body) + note, {"rows": list(record)}, versions)


if __name__ == "__main__":
    main()
