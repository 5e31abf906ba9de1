"""A classifier that was made elsewhere, run as it came: by transformers from safetensors, or by ONNX Runtime.

Texts are read one at a time, without padding, so an answer never depends on what stands beside a text. One that is
longer than the model reads loses its end, as it does wherever such models are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ockham import machine
from ockham.errors import ModelError
from ockham.models import model_files, softmax
from ockham.records import Answer
from ockham.sealed import switches
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "classifier.json"
MODEL = "model"
"""The folder of the bundle that holds the model's own files."""
Engine = Literal["transformers", "onnx"]
ONNX_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_PATIENT = {"session.intra_op.allow_spinning": "0", "session.dynamic_block_base": "4"}
"""Threads sleep where they wait for one another, and take work in small parts: where another program has a core, one
that spins keeps the one that it waits for from running. Beside one busy program on two cores, answers took less
than half the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierSettings:
    """What runs the model, its graph where it is one, its labels in the order of its outputs, and how much it reads."""

    engine: Engine
    labels: tuple[str, ...]
    max_tokens: int = field(metadata={"min": 3})
    graph: str = ""


class ReadText(NamedTuple):
    """The outputs for a text (1, labels), the tokens that were read of it, and the share of it that was not."""

    margins: NDArray[np.float32]
    tokens: int
    unread: float


@dataclass(frozen=True, slots=True)
class SequenceClassifier:
    """A classifier ready to answer; ``read`` returns what it makes of one text."""

    settings: ClassifierSettings
    read: Callable[[str], ReadText]

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the label of the largest output; confidence is its share by softmax."""
        answers: list[Answer] = []
        for text in inputs:
            outcome = self.read(text.encode("utf-8", "replace").decode())
            answer = softmax.answers(outcome.margins, self.settings.labels, 1.0, [outcome.tokens])[0]
            answers.append(replace(answer, unread=outcome.unread))
        return answers


def load(folder: Path) -> SequenceClassifier:
    """Load the model.

    Raises `ModelError`: ``E_MODEL_MISSING`` where a file or a library is missing, ``E_MODEL_FORMAT`` where the files
    are not a classifier with as many outputs as labels.
    """
    settings = model_files.read(ClassifierSettings, folder / FILE)
    opened = _open_transformers if settings.engine == "transformers" else _open_onnx
    model = SequenceClassifier(settings, opened(folder / MODEL, settings))
    try:
        outputs = model.read("a").margins.shape
    except Exception as error:  # of libraries, whose words may hold anything
        raise _unfit(f"the classifier cannot answer ({type(error).__name__})") from None
    if outputs != (1, len(settings.labels)):
        raise _unfit(f"the classifier has {outputs[-1]} outputs and {len(settings.labels)} labels")
    return model


def _open_transformers(folder: Path, settings: ClassifierSettings) -> Callable[[str], ReadText]:
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging
    except ImportError:
        message = "torch and transformers are needed for a classifier of transformers"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command("tune")) from None
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(machine.cores())
    own_files: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **own_files)
        model = AutoModelForSequenceClassification.from_pretrained(
            str(folder), use_safetensors=True, dtype=torch.float32, **own_files
        ).eval()
    except Exception as error:
        raise _unfit(f"transformers cannot load the classifier ({type(error).__name__})") from None

    def read_text(text: str) -> ReadText:
        tokens = tokenizer(text, truncation=True, max_length=settings.max_tokens, return_tensors="pt")
        with torch.inference_mode():
            outputs: NDArray[np.float32] = model(**tokens).logits.numpy()
        count = tokens["input_ids"].shape[1]
        unread = 1 - count / len(tokenizer(text)["input_ids"]) if count == settings.max_tokens else 0.0
        return ReadText(outputs, count, unread)

    return read_text


def _open_onnx(folder: Path, settings: ClassifierSettings) -> Callable[[str], ReadText]:
    switches.need_silence()
    try:
        import numpy as np
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError:
        message = "onnxruntime and tokenizers are needed for a classifier in ONNX"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command("encoder")) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.cores()
    for key, value in _PATIENT.items():
        options.add_session_config_entry(key, value)
    options.log_severity_level = 3
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        session = onnxruntime.InferenceSession(
            str(folder / settings.graph), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # both libraries raise plain Exceptions of their own
        raise _unfit(f"the classifier's files cannot be loaded ({type(error).__name__})") from None
    names = [value.name for value in session.get_inputs()]
    if not set(names) <= set(ONNX_INPUTS) or "input_ids" not in names:
        raise _unfit(f"the graph takes other inputs than {', '.join(ONNX_INPUTS)}")
    tokenizer.no_padding()
    tokenizer.enable_truncation(settings.max_tokens)

    def read_text(text: str) -> ReadText:
        encoding = tokenizer.encode(text)
        columns = zip(ONNX_INPUTS, (encoding.ids, encoding.attention_mask, encoding.type_ids), strict=True)
        inputs = {name: np.array([values], np.int64) for name, values in columns if name in names}
        outputs: NDArray[np.float32] = session.run(None, inputs)[0]
        beyond = sum(part.special_tokens_mask.count(0) for part in encoding.overflowing)
        return ReadText(outputs, len(encoding.ids), beyond / (len(encoding.ids) + beyond))

    return read_text


def _unfit(message: str) -> ModelError:
    return ModelError("E_MODEL_FORMAT", message, fix="check the model's folder with the library that it was made with")
