"""The peer of ``lm_eval_speed``: lm-evaluation-harness answers the same rows. Run by the peers' Python.

Reads a JSON object from a file: the model's folder, the rows' prompts, the labels and what ends each, batch, threads.
Writes answers and times; the model is loaded before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(place: Path) -> None:
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    given: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    torch.set_num_threads(given["threads"])
    rows = place.with_name("rows.jsonl")
    lines = [json.dumps({"prompt": prompt, "target": 0}) for prompt in given["prompts"]]
    rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = HFLM(pretrained=given["folder"], device="cpu", dtype="float32", batch_size=given["batch"])
    task = {
        "task": "labels",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_choice": [label + given["end"] for label in given["labels"]],
        "doc_to_target": "target",
        "metric_list": [{"metric": "acc"}],
        "num_fewshot": 0,
    }
    wall, cpu = time.perf_counter(), time.process_time()
    found = lm_eval.simple_evaluate(
        model, tasks=[task], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0, log_samples=True
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    samples = sorted(found["samples"]["labels"], key=lambda one: one["doc_id"])
    answers = []
    for one in samples:
        chances = [float(reply[0]) for reply in one["filtered_resps"]]
        answers.append(given["labels"][chances.index(max(chances))])
    sys.stdout.write("\n" + json.dumps({"answers": answers, "wall": wall, "cpu": cpu}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
