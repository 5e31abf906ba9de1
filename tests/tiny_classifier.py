"""Classifiers of a few thousand random weights, as they come out of other tools: transformers, ONNX, a head."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tests import tiny_encoder

LABELS = ("billing", "delivery", "defect")


def write_transformers(folder: Path, family: str = "bert", labels: Sequence[str] = LABELS) -> Path:
    """Write a model for sequence classification with random weights, the same at every call."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(7)
    config = tiny_encoder._config(family, 2)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    model = AutoModelForSequenceClassification.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder, safe_serialization=True)
    tiny_encoder._tokenizer(folder)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 32, "pad_token": "<pad>"}
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def write_onnx(folder: Path, labels: Sequence[str] = LABELS, *, words: Sequence[str] = ()) -> Path:
    """Write a graph that takes the mean of one vector a token; a token of ``words`` votes for its label alone."""
    from onnx import TensorProto, helper, numpy_helper, save

    folder.mkdir(parents=True, exist_ok=True)
    tiny_encoder._tokenizer(folder)
    size = len(tiny_encoder.SPECIAL) + len(tiny_encoder.WORDS)
    table = np.random.default_rng(3).normal(0, 0.1, (size, len(labels))).astype(np.float32)
    for number, word in enumerate(words):
        table[len(tiny_encoder.SPECIAL) + tiny_encoder.WORDS.index(word), number % len(labels)] = 9
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Cast", ["attention_mask"], ["there"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["there", "last"], ["column"]),
        helper.make_node("Mul", ["vectors", "column"], ["read"]),
        helper.make_node("ReduceMean", ["read", "tokens"], ["logits"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([-1]), "last"),
        numpy_helper.from_array(np.array([1]), "tokens"),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", len(labels)])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "model.onnx")
    (folder / "config.json").write_text(json.dumps({"id2label": dict(enumerate(labels))}))
    return folder


def write_sentence(folder: Path, labels: Sequence[str] = LABELS) -> Path:
    """Write a sentence encoder with a linear head as safetensors."""
    from safetensors.numpy import save_file

    tiny_encoder.write(folder, "bert", layers=2)
    draw = np.random.default_rng(5)
    arrays = {"weight": draw.normal(0, 3, (32, len(labels))), "bias": draw.normal(0, 1, len(labels))}
    save_file({name: array.astype(np.float32) for name, array in arrays.items()}, folder / "head.safetensors")
    (folder / "labels.json").write_text(json.dumps(list(labels)))
    return folder
