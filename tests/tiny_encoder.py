"""Sentence encoders of a few thousand random weights, in the layout in which real ones come."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WORDS = (
    *("parcel", "late", "invoice", "refund", "card", "paid", "twice", "courier", "price", "broken", "pump", "milk"),
    *("where", "is", "my", "the", "a", "not"),
)
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def write(
    folder: Path,
    family: str,
    *,
    pooling: str = "mean",
    layers: int = 4,
    normalize: bool = True,
    dense: Sequence[str] = (),
    prompts: Mapping[str, Any] | None = None,
) -> Path:
    """Write an encoder of a family (bert, modernbert, gemma3_text …); the same at every call.

    ``dense`` are the activations of layers behind the pooling, each of 24 numbers; ``prompts`` is what
    config_sentence_transformers.json holds.
    """
    import torch
    from transformers import AutoModel

    torch.manual_seed(5)
    body = AutoModel.from_config(_config(family, layers))
    for parameter in body.parameters():  # larger than a fresh model's, so that every part leaves its mark
        torch.nn.init.normal_(parameter, std=0.3)
    body.save_pretrained(folder, safe_serialization=True)
    _tokenizer(folder)
    modules = [{"type": "sentence_transformers.models.Transformer", "path": ""}]
    modules.append({"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"})
    for activation in dense:
        modules.append(_dense(folder, f"{len(modules)}_Dense", activation, 24 if len(modules) > 2 else 32))
    if normalize:
        modules.append({"type": "sentence_transformers.models.Normalize", "path": f"{len(modules)}_Normalize"})
    listed = [{"idx": number, "name": str(number), **module} for number, module in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(listed))
    if prompts is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    (folder / "1_Pooling").mkdir()
    old = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken", "max": "max_tokens"}
    modes = {f"pooling_mode_{name}": pooling == mode for mode, name in old.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    return folder


def write_static(folder: Path, layout: str) -> Path:
    """Write a table of random vectors as sentence-transformers does (``modules``) or as model2vec (``model2vec``).

    In the latter tokens share vectors, and each has a weight.
    """
    import numpy as np
    from safetensors.numpy import save_file

    draw, tokens = np.random.default_rng(5), len(SPECIAL) + len(WORDS)
    home = folder if layout == "model2vec" else folder / "0_StaticEmbedding"
    home.mkdir(parents=True)
    _tokenizer(home)
    if layout == "model2vec":
        arrays = {
            "embeddings": draw.normal(size=(tokens - 3, 16)).astype(np.float16),
            "mapping": np.minimum(np.arange(tokens), tokens - 4),
            "weights": draw.uniform(0.2, 2, tokens),
        }
        (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    else:
        arrays = {"embedding.weight": draw.normal(size=(tokens, 16)).astype(np.float32)}
    modules = [("StaticEmbedding", home.relative_to(folder).as_posix().removeprefix(".")), ("Normalize", "1_Normalize")]
    kinds = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in modules]
    (folder / "modules.json").write_text(
        json.dumps([{"idx": n, "name": str(n), **kind} for n, kind in enumerate(kinds)])
    )
    (folder / "1_Normalize").mkdir()
    save_file(arrays, home / "model.safetensors")
    return folder


def _dense(folder: Path, name: str, activation: str, entering: int) -> dict[str, str]:
    """Write a dense layer as sentence-transformers does; one without an activation has no bias either."""
    import torch
    from safetensors.torch import save_file

    layer = torch.nn.Linear(entering, 24, bias=activation != "Identity")
    torch.nn.init.normal_(layer.weight, std=0.3)
    (folder / name).mkdir()
    home = "linear" if activation == "Identity" else "activation"
    config = {
        "in_features": entering,
        "out_features": 24,
        "bias": layer.bias is not None,
        "activation_function": f"torch.nn.modules.{home}.{activation}",
    }
    (folder / name / "config.json").write_text(json.dumps(config))
    save_file(
        {f"linear.{part}": value for part, value in layer.state_dict().items()}, folder / name / "model.safetensors"
    )
    return {"type": "sentence_transformers.models.Dense", "path": name}


def _config(family: str, layers: int) -> Any:
    from transformers import AutoConfig

    shared: dict[str, Any] = {"vocab_size": len(SPECIAL) + len(WORDS), "max_position_embeddings": 40, "pad_token_id": 1}
    if family == "distilbert":
        return AutoConfig.for_model(family, dim=32, n_layers=layers, n_heads=4, hidden_dim=48, **shared)
    if family == "modernbert":
        shared |= {"local_attention": 8, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    if family == "gemma3_text":  # as EmbeddingGemma: both sides, and queries that share the heads of the keys
        shared |= {"use_bidirectional_attention": True, "sliding_window": 8, "sliding_window_pattern": 2}
        shared |= {"num_key_value_heads": 2, "head_dim": 16, "query_pre_attn_scalar": 20}
    sizes = {"hidden_size": 32, "num_hidden_layers": layers, "num_attention_heads": 4, "intermediate_size": 48}
    return AutoConfig.for_model(family, **sizes, **shared)


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    places = {word: place for place, word in enumerate((*SPECIAL, *WORDS))}
    words = Tokenizer(models.WordLevel(places, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<s>", places["<s>"]), ("</s>", places["</s>"])]
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    words.save(str(folder / "tokenizer.json"))


def labelled_rows() -> list[dict[str, str]]:
    """90 texts of its words, of which one word tells the label."""
    draw = random.Random(1)
    marks = ("refund", "courier")
    return [
        {"text": " ".join([*draw.choices(WORDS[12:], k=6), marks[number % 2]]), "label": "ab"[number % 2]}
        for number in range(90)
    ]
