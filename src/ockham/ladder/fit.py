"""Climb: the page where everything meets.

Read, clean and split the examples; build each rung from the smallest up and measure it in a process that only serves;
stop where validation says that the job is done; open the sealed test set once for all of them; decide; write it down.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ockham import catalog, machine, store
from ockham.api.client import EndpointSpec
from ockham.config import check_rungs
from ockham.data.label_merges import merge_notes
from ockham.data.languages import foreign_language
from ockham.data.prepare import Prepared, prepare
from ockham.data.split import SplitSpec
from ockham.errors import ConfigError
from ockham.evals import field_scores, tasks
from ockham.evals.scorer_plugs import LoadedScorer, load_scorer
from ockham.ladder import assemble, diagnostics, llm_judge
from ockham.ladder.climb import climb, decide
from ockham.ladder.measure import RungResult
from ockham.ladder.run_facts import FACTS, encode_facts
from ockham.ladder.run_folder import ACCOUNT, run_name
from ockham.ladder.run_identity import run_identity
from ockham.llm import model_names
from ockham.llm.task_words import match_descriptions, read_descriptions, read_instructions, task_words
from ockham.models import counting
from ockham.models.extraction import field_match
from ockham.printable import printable
from ockham.readers.label_sets import SeveralLabels
from ockham.readers.read import ReadSpec
from ockham.records import (
    DeviceName,
    Json,
    PlugRequest,
    PrecisionName,
    Progress,
    Requirements,
    RunResult,
    TaskName,
    Verdict,
    digest,
    ignore,
)
from ockham.rungs import decoder_rungs, encoder_rungs, field_blend_rung, own_models
from ockham.rungs.decoder_weights import SIXTEEN_BITS
from ockham.rungs.linear_tagger_rung import field_notes
from ockham.rungs.registry import LADDER
from ockham.rungs.rung import BuildConfig, RunContext, Rung
from ockham.rungs.several_encoders import add_encoders
from ockham.rungs.tagger_rung import ENCODER_TAGGER
from ockham.sealed import connector
from ockham.tuning.tune_spec import TuneSpec, batch_for, passes


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSpec:
    """What to fit, and how: every field has the name of its flag. ``rungs`` empty means all of them.

    ``target`` names the column of the right answers, or several with commas between them: the fields to extract.

    ``models`` are language models to try: folders, GGUF files or hub ids. Without any, those of the catalogue are
    taken that stand on this machine and fit into its memory; ``models_folder`` is one more place to look for them.
    ``encoder`` are sentence encoders in place of the built-in one: folders or hub ids, each a candidate of its own.

    ``epochs``, ``learning_rate``, ``batch`` and ``rank`` are those of `TuneSpec`; without ``epochs`` or ``batch`` they
    follow from the number of training rows, without ``learning_rate`` each kind of model has its own, and without
    ``rank`` an encoder's tagger tunes all weights where the rows are few. ``device`` is
    where language models compute: ``auto`` takes a graphics processor where the libraries see one, ``cuda`` insists.
    ``precision`` is what they are tuned in: ``auto`` is ``bfloat16`` where that is measured to be faster when the run
    begins, else ``float32``; a run goes on in the precision it began with. ``keep_adapter``: a tuned language model is
    published as its base and the adapter, which are not merged, so that bundles on one base can be served together.

    ``several_labels`` says what to do with rows that have several labels: leave them out (``one``), take each set of
    labels as a label of its own (``sets``), or take what stands there as one name (``as-is``). ``merge_labels`` takes
    spellings of what looks like one label as one.
    ``scorer`` names a scorer whose mean score choices are made by (see `ockham.evals.scorer_plugs`).

    ``instructions`` say what the task is, as a text or a file of text, and ``labels`` is a file that says what each
    label means (columns ``label`` and ``description``): models that are asked in words read both, and classifiers learn
    from the descriptions where that helps. ``owner`` is who answers for the run, as the report is to cite it.

    ``match`` says of extracted fields how their values match the targets': ``total=normalised`` as dates, amounts or
    words, without it as they are written.

    ``judge`` is a large model that is asked whether written answers are right; the verdict does not rest on it.
    """

    inputs: tuple[str, ...] = ()
    target: str | None = None
    group: str | None = None
    encoding: str | None = None
    several_labels: SeveralLabels | None = None
    merge_labels: bool = False
    task: TaskName | None = None
    test: str | None = None
    encoder: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    models_folder: str | None = None
    rungs: tuple[str, ...] = ()
    all: bool = False
    seed: int = field(default=0, metadata={"min": 0, "max": 2**32 - 1})
    epochs: int | None = field(default=None, metadata={"min": 1, "max": 1000})
    learning_rate: float | None = field(default=None, metadata={"above": 0, "max": 1})
    batch: int | None = field(default=None, metadata={"min": 1, "max": 65_536})
    rank: int | None = field(default=None, metadata={"min": 1, "max": 1024})
    device: DeviceName = "auto"
    precision: PrecisionName = "auto"
    keep_adapter: bool = False
    endpoint: EndpointSpec | None = None
    judge: EndpointSpec | None = None
    instructions: str | None = None
    labels: str | None = None
    prices: str | None = None
    scorer: PlugRequest | None = None
    match: tuple[str, ...] = ()
    owner: str | None = None


def fit(
    source: object,
    spec: FitSpec | None = None,
    requirements: Requirements | None = None,
    *,
    out: str | Path | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> Verdict:
    """Find the smallest model that does the job; leave verdict, report and bundle in the run folder.

    ``source`` is a file, a folder of files, a pandas or polars frame, an Arrow table, or a list of dicts. Equal work is
    never done twice: a run that was stopped goes on, and a finished one answers at once. Raises `DataError` for data
    that cannot be used, `ConfigError` for settings that cannot, `RunError` for a run folder that is busy or belongs to
    other work, `StoreError` when the disk refuses.
    """
    spec, requirements = spec or FitSpec(), requirements or Requirements()
    _check_out(out)
    rungs = choose_rungs(spec)
    decoder_rungs.check(spec.device)
    llm_judge.check_judge(spec.judge)
    scorer = None if spec.scorer is None else load_scorer(spec.scorer)
    prices = catalog.prices(None if spec.prices is None else Path(spec.prices))
    reading = read_spec(spec)
    instructions, descriptions = read_instructions(spec.instructions), read_descriptions(spec.labels)
    prepared = prepare(
        source, reading, SplitSpec(seed=spec.seed), test=spec.test, task_name=spec.task, on_progress=on_progress
    )
    foreign = foreign_language([row.input for row in prepared.dataset.examples])
    if foreign is not None:
        remark = _language_note(foreign, spec.encoder)
        intake = dataclasses.replace(prepared.intake, warnings=(*prepared.intake.warnings, remark))
        prepared = dataclasses.replace(prepared, intake=intake)
    _introduce(prepared, on_progress)
    _check_fields(prepared, [*requirements.min_field, *field_match.read_match(spec.match)])
    config = dataclasses.replace(
        _plan(spec, requirements, prepared, scorer),
        instructions=task_words(instructions, descriptions, prepared.dataset.labels),
        descriptions=match_descriptions(descriptions, prepared.dataset.labels),
    )
    if config.task == "extract":
        rungs = field_blend_rung.add_models_blend(rungs)
    identity = run_identity(prepared, _deciding_settings(spec, config.instructions), spec.encoder, rungs)
    folder = Path(out) if out else Path("runs") / f"{run_name(source, prepared.dataset.name)}-{digest(identity)[:8]}"
    with store.open_run(folder, identity) as run, assemble.record_requests(run):
        if decoder_rungs.tunes(rungs):
            config = dataclasses.replace(
                config, precision=decoder_rungs.settle_precision(spec.precision, spec.device, run)
            )
        assemble.record_protection(run)
        connector.tell_run(str(folder.absolute()))
        context = RunContext(prepared, config, run, on_progress)
        for note in field_notes(context):
            on_progress(Progress(stage="climb", message=f"note: {note}"))
        with counting.remember_pieces():
            rung_results = climb(context, rungs, requirements, prices, everything=spec.all)
            diagnosed = diagnostics.diagnose(context)
        opinions = llm_judge.ask_judge(context, rung_results)
        decided = decide(context, rungs, rung_results, requirements, diagnosed)
        outcome = assemble.ClimbOutcome(
            rung_results=rung_results,
            requirements=requirements,
            prices=prices,
            diagnostics=diagnosed,
            opinions=opinions,
            decision=decided,
        )
        result = dataclasses.replace(assemble.build_result(context, outcome), owner=spec.owner)
        _publish(run, result, rung_results)
    connector.tell_run(str(folder.absolute()))
    return result.verdict


def _language_note(language: str, encoders: Sequence[str]) -> str:
    """Say that rows are not in English, and what follows for the encoder."""
    if encoders:
        named = "the encoder" if len(encoders) == 1 else "each of the encoders"
        return f"most rows look like {language}: {named} {', '.join(encoders)} must have been trained on it"
    other = next(entry for entry in catalog.encoders() if entry.is_multilingual)
    size = f"{other.megabytes:,.0f} MB, {other.licence}, fetched from the hub"
    return (
        f"most rows look like {language}, and the built-in encoder was trained on English: what it scores here says "
        f"little about the task. A multilingual one: --encoder {other.name} ({size}; `ockham doctor` lists others)"
    )


def tune(
    source: object,
    base: str,
    spec: FitSpec | None = None,
    requirements: Requirements | None = None,
    *,
    out: str | Path | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> Verdict:
    """Tune one model, and measure it before and after beside the rungs that cost nothing; otherwise as `fit`.

    ``base`` is a causal language model or a sentence encoder: a folder in Hugging Face's format or a hub id. Raises
    `ModelError` where it is neither here nor to be had.
    """
    model_names.check_name(base)
    kind = decoder_rungs.kind_of(base)
    causal = kind == decoder_rungs.PROMPTED
    spec = dataclasses.replace(
        spec or FitSpec(),
        rungs=("constant", "lookup", kind, f"{kind}-tuned", *([] if causal else [ENCODER_TAGGER.name])),
    )
    spec = dataclasses.replace(spec, models=(base,)) if causal else dataclasses.replace(spec, encoder=(base,))
    return fit(source, spec, requirements, out=out, on_progress=on_progress)


def read_spec(spec: FitSpec) -> ReadSpec:
    """Return how a fit reads its examples."""
    return ReadSpec(
        inputs=spec.inputs,
        target=spec.target,
        fields=spec.task == "extract",
        group=spec.group,
        encoding=spec.encoding,
        merge_labels=spec.merge_labels,
        several_labels="as-is" if spec.task in ("generate", "extract") else spec.several_labels,
    )


def _check_out(out: str | Path | None) -> None:
    """Find out, before any work, whether a run can be kept in a folder; its records hold the path as text."""
    try:
        str(out).encode()
    except UnicodeEncodeError:
        message = f"the path {printable(Path(out or ''))} is not UTF-8"
        raise ConfigError("E_CONFIG", message, fix="choose a folder with another name: --out FOLDER") from None
    if out:
        store.check_folder(Path(out))
    else:
        store.check_place(Path("runs") / "run.json")


def _check_fields(prepared: Prepared, names: Sequence[str]) -> None:
    """Find out, before any work, whether the fields that the user names are in the targets.

    Raises `ConfigError` (``E_CONFIG``) where one is not.
    """
    if not names or prepared.dataset.task != "extract":
        return  # another task has no fields, which its metrics say
    fields = {path for row in prepared.dataset.examples for path, _ in field_scores.parse_fields(row.target) or ()}
    strange = next((name for name in names if name not in fields), None)
    if strange is not None:
        message = f"the settings name the field {printable(strange)!r}, which no target has"
        known = ", ".join(printable(name) for name in sorted(fields)[:30])
        raise ConfigError("E_CONFIG", message, fix=f"name one of {known}")


def _introduce(prepared: Prepared, on_progress: Callable[[Progress], None]) -> None:
    """Say what was found in the data: nothing is guessed silently."""
    intake, split = prepared.intake, prepared.split
    for source in intake.sources:
        columns = " + ".join(source.inputs)
        on_progress(
            Progress(
                stage="read", message=f"{source.file}: {source.format}, {source.encoding}; {columns} → {source.target}"
            )
        )
    counts = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in intake.dropped_counts().items()]
    left_out = f"; dropped: {', '.join(counts)}" if counts else ""
    on_progress(Progress(stage="clean", message=f"{intake.rows:,} rows, {intake.kept_rows:,} kept{left_out}"))
    on_progress(Progress(stage="clean", message=f"the task is {prepared.dataset.task}: {intake.task_reason}"))
    sides = f"{len(split.train):,} for training, {len(split.valid):,} for validation, {len(split.test):,} for testing"
    on_progress(Progress(stage="split", message=sides))
    if split.leaks_prevented:
        leaks = f"an ordinary random split would put near-duplicates of {split.leaks_prevented:,} test rows in training"
        on_progress(Progress(stage="split", message=leaks))
    for text in merge_notes(intake.merges):
        on_progress(Progress(stage="clean", message=f"note: {text}"))
    for warning in (*intake.warnings, *split.warnings):
        on_progress(Progress(stage="split", message=f"note: {warning}"))


def _publish(run: store.Run, run_result: RunResult, rung_results: Sequence[RungResult]) -> None:
    """Leave result, verdict, report, and the bundle of the chosen candidate in the run folder."""
    from ockham.ladder.candidate_facts import candidate_facts
    from ockham.reporting import render

    run.publish(ACCOUNT, store.encode(run_result) + b"\n")
    run.publish("report.html", render(run_result).encode())
    run.publish(FACTS, encode_facts(candidate_facts(run_result)))
    chosen = next(
        (rung_result for rung_result in rung_results if rung_result.rung.name == run_result.verdict.chosen), None
    )
    if chosen is not None and chosen.built_rung is not None:
        run.publish_folder("bundle", chosen.built_rung.folder)
    run.publish("verdict.json", store.encode(run_result.verdict) + b"\n")
    run.discard(SIXTEEN_BITS)


def choose_rungs(spec: FitSpec) -> list[Rung]:
    """Put the ladder together, smallest first: the rungs that were named, or all; each model is a decoder's rung.

    Raises `ConfigError` and `ModelError` for rungs, models and encoders that there are not, or that cannot be read.
    """
    check_rungs(spec.rungs)
    has_decoders = not spec.rungs or {decoder_rungs.PROMPTED, decoder_rungs.TUNED} & set(spec.rungs)
    shelf = None
    if has_decoders and not spec.models:
        shelf = decoder_rungs.find_cached_models(machine.cache(), spec.models_folder, machine.available_memory_gb())
    own = {model: own_models.read_model(model) for model in spec.models}
    yours = [own_models.rung_of(model) for model in own.values() if model is not None]
    own_models.check_names(yours)
    language_models = [model for model in spec.models if own[model] is None]
    if language_models and not has_decoders:
        message = f"--models names a language model ({printable(language_models[0])}), and --rung no rung that runs it"
        raise ConfigError("E_CONFIG", message, fix="add --rung decoder or --rung decoder-tuned, or leave --rung out")
    decoders = decoder_rungs.rungs(language_models, shelf)
    ladder = add_encoders(LADDER, spec.encoder)
    every = sorted([*ladder, *yours, *decoders], key=lambda rung: rung.number)
    chosen = [rung for rung in every if not spec.rungs or rung in yours or rung.name.partition(":")[0] in spec.rungs]
    encoder_rungs.check_encoders(chosen, spec.encoder)
    return chosen


def _plan(spec: FitSpec, requirements: Requirements, prepared: Prepared, scorer: LoadedScorer | None) -> BuildConfig:
    task, rows = prepared.dataset.task, len(prepared.split.train)
    batch = spec.batch or batch_for(rows)
    return BuildConfig(
        task=task,
        metric=tasks.metric_for(task, requirements, scorer),
        scorer=scorer,
        match=field_match.read_match(spec.match),
        seed=spec.seed,
        encoder=next(iter(spec.encoder), None),
        tune=TuneSpec(
            epochs=spec.epochs or passes(rows, batch),
            learning_rate=spec.learning_rate or TuneSpec().learning_rate,
            batch=batch,
            rank=spec.rank or TuneSpec().rank,
            seed=spec.seed,
        ),
        endpoint=spec.endpoint,
        learning_rate=spec.learning_rate,
        rank=spec.rank,
        epochs=spec.epochs,
        batch=spec.batch,
        device=spec.device,
        keep_adapter=spec.keep_adapter,
        judge=spec.judge,
        every=spec.all,
    )


def _deciding_settings(spec: FitSpec, instructions: str) -> dict[str, Json]:
    """Return the settings that decide what is built from the rows, beside the encoders."""
    deciding = ("epochs", "learning_rate", "batch", "rank", "device", "precision", "seed")
    settings: dict[str, Json] = {name: getattr(spec, name) for name in deciding}
    if instructions:
        settings["instructions"] = instructions
    if spec.keep_adapter:
        settings["keep_adapter"] = True
    return settings
