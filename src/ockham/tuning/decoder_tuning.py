"""Tune a causal language model with LoRA on questions and their answers, token by token as they will be served.

The loss is on the answer alone, and output logits are computed where an answer stands and nowhere else. What all
questions of a part begin with is computed once for all of them, also in the backward pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.records import DeviceName, EpochPoint, Precision
from ockham.tuning import lora_encoder, recompute
from ockham.tuning.adapter_files import Adapter, write_config
from ockham.tuning.causal import computing_in_float32, load_adapted
from ockham.tuning.loop import Batch, Checkpoint, ValidationScore, by_length, single_threaded, train
from ockham.tuning.precision import compute_device
from ockham.tuning.tune_spec import TuneSpec

if TYPE_CHECKING:
    import torch

RATE = 1e-3
"""The learning rate for a model of `_USUAL` parameters; it falls with the root of their number."""
_USUAL, _RATES = 135e6, (1e-4, 3e-3)
_SHARED = 8
"""Tokens in common that are worth a pass of their own."""
_SAME = 1e-3
"""Nats by which the loss with and without a shared beginning may differ."""
_IGNORED = -100
_DRAFT = 256
"""Tokens of a draft that are read at once: each has a number for every token of the vocabulary, of which large ones
have 260,000."""
_FIRST_BATCH = 16
"""Rows of a step in a first part, which would have hardly any steps otherwise."""

Allowed = Callable[[Sequence[int]], Sequence[int]]
"""Tokens written so far → the tokens that may come next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderRow:
    """A question and its answer as token numbers; the answer ends with the token that ends a turn."""

    question: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderTrainingData:
    """What tuning starts from: a folder in Hugging Face's format, the rows, and the judge of an adapter.

    ``judge`` measures the task metric on the validation rows as they will be served; larger is better. The loss of
    ``valid`` tells passes with the same metric apart. ``rate`` is the learning rate, where the one that follows from
    the model's size is not wanted. ``precision`` is what the frozen weights are computed in; the adapter, its gradients
    and the optimizer are float32 in any case. ``device`` "auto" is a graphics processor where torch sees one.
    """

    folder: Path
    train: Sequence[DecoderRow]
    valid: Sequence[DecoderRow]
    judge: Callable[[Adapter], float]
    precision: Precision
    rate: float | None = None
    device: DeviceName = "auto"


@dataclass(slots=True)
class _Lesson:
    """A decoder with an adapter, as the loop trains it."""

    model: Any
    data: DecoderTrainingData
    spec: TuneSpec
    half: bool
    """The weights were stored in 16 bits."""
    shared: bool = True

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Name the adapter's tensors."""
        return {name: tensor for name, tensor in self.model.named_parameters() if tensor.requires_grad}

    def batches(self, epoch: int) -> list[list[int]]:
        """Return batches of rows with questions, then answers, of like length."""
        rows = self.data.train
        return by_length([(len(row.question), len(row.answer)) for row in rows], self.spec, epoch)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Return the summed loss of some rows: a row's is the mean cross-entropy of its answer's tokens."""
        return self._loss([self.data.train[index] for index in batch])

    def judge(self) -> ValidationScore:
        """Measure the adapter as it stands."""
        import torch

        rows = sorted(self.data.valid, key=lambda row: (len(row.question), len(row.answer)))
        parts = [rows[start : start + self.spec.part] for start in range(0, len(rows), self.spec.part)]
        with torch.no_grad():
            loss = sum(float(self._loss(part)[0]) for part in parts) / len(rows) if rows else None
        return ValidationScore(metric=self.data.judge(self.adapter()), loss=loss)

    @single_threaded()
    def nats(self) -> tuple[float, ...]:
        """Return the negative log-probability of every validation answer, its end included, in their order."""
        import torch

        with torch.no_grad():
            return tuple(float(self._answer_losses([row])[0].sum()) for row in self.data.valid)

    def _loss(self, rows: Sequence[DecoderRow]) -> tuple[torch.Tensor, int]:
        import torch

        losses, right = self._answer_losses(rows)
        lengths = torch.tensor([len(row.answer) for row in rows], device=losses.device)
        return (losses / lengths).sum(), right

    def _answer_losses(self, rows: Sequence[DecoderRow]) -> tuple[torch.Tensor, int]:
        """Return each row's summed cross-entropy over its answer's tokens, and how many rows were answered right."""
        import torch

        scores, truth = self._scores(rows)
        losses = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1).float(), truth.flatten(), reduction="none", ignore_index=_IGNORED
        ).view(truth.shape)
        wrong = (scores.detach().argmax(dim=-1) != truth) & (truth != _IGNORED)
        return losses.sum(dim=1), int((~wrong.any(dim=1)).sum())

    def adapter(self) -> Adapter:
        """Write the adapter as PEFT's files."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self._state(get_peft_model_state_dict)}
        config = self.model.peft_config["default"].to_dict()
        config |= {"inference_mode": True, "base_model_name_or_path": self.data.folder.name}
        return Adapter(config=write_config(config), weights=save(tensors, metadata={"format": "pt"}))

    @single_threaded()
    def check_sharing(self) -> None:
        """Compute a few rows both ways; where the model's cache does not allow it, no beginning is shared.

        That belongs to the family and not to the precision: it is tried in 32 bits, where a difference shows.
        """
        import torch

        few = range(min(4, len(self.data.train)))
        losses = []
        with computing_in_float32(self.model):
            for self.shared in (False, True):
                with torch.no_grad():
                    try:
                        losses.append(float(self.loss(few)[0]))
                    except Exception:
                        losses.append(float("nan"))
        self.shared = abs(losses[0] - losses[1]) <= _SAME * len(few)

    def widen(self) -> None:
        """Go over to the weights as they are stored, in 32 bits, under the trained adapter."""
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        if self.data.precision == "float32":
            return
        trained = dict(self._state(get_peft_model_state_dict))
        self.model = load_adapted(self.data.folder, self.spec, "float32", self.model.device.type)
        set_peft_model_state_dict(self.model, trained)

    def _state(self, read: Callable[[Any], dict[str, torch.Tensor]]) -> list[tuple[str, torch.Tensor]]:
        return sorted(read(self.model).items())

    def _scores(self, rows: Sequence[DecoderRow]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (rows, places, vocabulary) where answers stand, and the tokens that belong there.

        Rows stand at the left; places behind an answer's end, or before its beginning, are ``_IGNORED``.
        """
        import torch

        common = _common([row.question for row in rows]) if self.shared and len(rows) > 1 else 0
        cache = self._read(rows[0].question[:common], len(rows)) if common >= _SHARED else None
        start = common if cache is not None else 0
        inputs = [[*row.question[start:], *row.answer[:-1]] for row in rows]
        longest = max(map(len, inputs))
        first = min(len(row.question) for row in rows) - start - 1
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in inputs])
        mask = torch.tensor([[*[1] * (start + len(row)), *[0] * (longest - len(row))] for row in inputs])
        truth = torch.full((len(rows), longest - first), _IGNORED)
        for index, row in enumerate(rows):
            at = len(row.question) - start - 1 - first
            truth[index, at : at + len(row.answer)] = torch.tensor(row.answer)
        device = self.model.device
        named = {} if cache is None else {"past_key_values": cache, "use_cache": True}
        out = self.model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            logits_to_keep=torch.arange(first, longest, device=device),
            **({"use_cache": False} | named),
        )
        return out.logits, truth.to(device)

    def _read(self, beginning: Sequence[int], times: int) -> Any:  # noqa: ANN401 - a cache of transformers
        """Read what all rows begin with once, and give what it leaves behind for each of them."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache()
        ids = torch.tensor([list(beginning)], device=self.model.device)
        self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(times)
        return cache


class TunedDecoder:
    """A tuned model, still in torch: its adapter, its curve, what it writes, and its merged weights."""

    def __init__(self, lesson: _Lesson, points: tuple[EpochPoint, ...]) -> None:
        """Take what the loop left: the best adapter is in the model.

        What was tuned in 16 bits is from here on what will be served: the weights as they are stored, and the adapter.
        Merged into weights that were rounded to 16 bits, an adapter would lose most of its digits.
        """
        lesson.widen()
        self._lesson = lesson
        self.points = points
        self.adapter = lesson.adapter()
        self._tokenizer: Any = None

    @property
    def rate(self) -> float:
        """The learning rate that was used."""
        return self._lesson.spec.learning_rate

    @single_threaded()
    def write(
        self,
        question: Sequence[int],
        end: int,
        limit: int,
        allowed: Allowed | None = None,
        draft: Sequence[int] = (),
    ) -> list[int]:
        """Write after a question, always the likeliest allowed token, until ``end`` (not given) or ``limit`` tokens.

        An implementation apart from the engine's, for the parity gate. A ``draft`` is a guess at what will be written,
        its end included: the model reads it at once and keeps as much of it as it would have written itself, which
        saves writing that token by token (speculative decoding with a given draft: Leviathan et al. 2023).
        """
        import torch
        from transformers import GenerationConfig

        kept = self._keep_agreed(question, draft[:limit], allowed) if draft else []
        if end in kept or len(kept) == limit:
            return kept[: kept.index(end)] if end in kept else kept
        model = self._lesson.model
        ids = torch.tensor([[*question, *kept]], device=model.device)
        settings = GenerationConfig(
            max_new_tokens=limit - len(kept), do_sample=False, eos_token_id=end, pad_token_id=end
        )
        held = None if allowed is None else lambda _, taken: list(allowed(taken[len(question) :].tolist()))
        with torch.no_grad():
            written: list[int] = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=settings,
                prefix_allowed_tokens_fn=held,
            )[0, len(question) :].tolist()
        return written[: written.index(end)] if end in written else written

    def _keep_agreed(self, question: Sequence[int], draft: Sequence[int], allowed: Allowed | None) -> list[int]:
        """Return the beginning of a draft that the model would have written, and its own token where they part."""
        import torch

        model = self._lesson.model
        kept: list[int] = []
        while len(kept) < len(draft):
            part = draft[len(kept) : len(kept) + _DRAFT]
            ids = torch.tensor([[*question, *kept, *part[:-1]]], device=model.device)
            with torch.no_grad():
                logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(part)).logits[0]
            for row, guess in zip(logits, part, strict=True):
                choices = None if allowed is None else list(allowed(kept))
                kept.append(int(row.argmax()) if choices is None else choices[int(row[choices].argmax())])
                if kept[-1] != guess:
                    return kept
        return kept

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, by the tokenizer of the model's folder."""
        from transformers import AutoTokenizer

        if self._tokenizer is None:
            folder = str(self._lesson.data.folder)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        text: str = self._tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False)
        return text

    def merge_adapter(self, folder: Path) -> None:
        """Add the adapter to the weights and save them into a staging folder; the model cannot be used afterwards."""
        import torch

        whole = self._lesson.model.merge_and_unload()
        whole.to(torch.float16 if self._lesson.half else torch.float32).save_pretrained(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningProbe:
    """What a first part of tuning shows: seconds a row, and nats that each validation answer then needs."""

    seconds: float
    nats: tuple[float, ...]


class _Enough(Exception):  # noqa: N818 - no fault: the way out of a loop that knows no other
    """The pace is known, and nothing else is wanted."""


class _Nowhere:
    """The checkpoint of what is not worth one."""

    def load(self) -> None:
        """Return nothing."""

    def save(self, state: bytes) -> None:
        """Keep nothing."""


def begin(
    data: DecoderTrainingData, spec: TuneSpec, clock: Callable[[], float], enough: Callable[[float], bool]
) -> TuningProbe:
    """Tune for one pass over the rows, in small steps, and measure the validation answers.

    ``enough`` hears the seconds a row of the first step took; where it says so, nothing more is done and there are no
    nats. Nothing is judged by the task metric. Raises as `tune`.
    """
    marks: list[float] = []

    def judge(_adapter: Adapter) -> float:
        marks.append(clock())
        return 0.0

    small = dataclasses.replace(spec, epochs=1, batch=min(_FIRST_BATCH, spec.batch))
    lesson = _lesson(dataclasses.replace(data, judge=judge), small)
    lesson.check_sharing()
    first = len(lesson.batches(1)[0])

    def on_progress(done: int, _total: int) -> None:
        marks.append(clock())
        if done == 1 and enough((marks[-1] - marks[0]) / first):
            raise _Enough

    try:
        train(lesson, lesson.spec, _Nowhere(), on_progress)
    except _Enough:
        return TuningProbe(seconds=(marks[-1] - marks[0]) / first, nats=())
    return TuningProbe(seconds=(marks[-2] - marks[0]) / len(data.train), nats=lesson.nats())


def tune(
    data: DecoderTrainingData, spec: TuneSpec, checkpoint: Checkpoint, on_progress: Callable[[int, int], None]
) -> TunedDecoder:
    """Tune a decoder; early stopping on ``data.judge``, the best pass kept.

    Raises `ModelError` (``E_MODEL_MISSING``) where torch, transformers or peft is not installed.
    """
    lesson = _lesson(data, spec)
    lesson.check_sharing()
    return TunedDecoder(lesson, train(lesson, lesson.spec, checkpoint, on_progress))


def _lesson(data: DecoderTrainingData, spec: TuneSpec) -> _Lesson:
    lora_encoder.ready()
    import torch
    from transformers import AutoConfig

    torch.manual_seed(spec.seed)
    model = load_adapted(data.folder, spec, data.precision, compute_device(data.device))
    if spec.recompute_activations:
        recompute.prepare(model)
    rate = data.rate or rate_for(sum(part.numel() for part in model.parameters()))
    workers = 1 if compute_device(data.device) == "cuda" else spec.workers
    stored = AutoConfig.from_pretrained(str(data.folder), local_files_only=True, trust_remote_code=False).dtype
    chosen = dataclasses.replace(spec, learning_rate=rate, workers=workers)
    return _Lesson(model, data, chosen, half=stored in (torch.float16, torch.bfloat16))


def rate_for(parameters: int) -> float:
    """Return the learning rate for a model of so many parameters: smaller ones bear larger steps."""
    low, high = _RATES
    return min(high, max(low, RATE * float((_USUAL / parameters) ** 0.5)))


def _common(questions: Sequence[tuple[int, ...]]) -> int:
    """Count the tokens that all questions begin with, leaving at least one of each."""
    least, most = min(questions), max(questions)
    limit = min(map(len, questions)) - 1
    return next((i for i in range(limit) if least[i] != most[i]), limit)
