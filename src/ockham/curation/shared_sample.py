"""The text that rows of any number of files share, from the first rows of some of them: what all of the data would say.

Documents are judged and compared without it. A pass over all rows would find the same, and cost as much as examining.
"""

from __future__ import annotations

from itertools import islice

from ockham.curation.map_stage import inputs_of
from ockham.curation.record_batch import batch_of, bytes_at
from ockham.curation.steps.examine import StepConfig, changed_texts
from ockham.data.shared_text import SharedText
from ockham.readers.blocks import BufferedRecords
from ockham.readers.documents import Document, SourceFile, first_documents
from ockham.readers.plain_text import texts_of

_ROWS, _FILES = 4_000, 64
_CHARACTERS = 8_000_000
"""Characters of a file that are looked at, if it is the only one."""


def find_in_first_rows(files: list[SourceFile], plan: StepConfig) -> tuple[SharedText, str | None]:
    """Find what the first rows of up to 64 files share, after all changes, and say how much it is.

    A long passage that decides the target is none, as in `ockham.data.passage_search`.
    """
    from ockham.data.passage_search import describe_shared_text, find_shared_text

    chosen = range(0, len(files), -(-len(files) // _FILES))
    texts: list[str] = []
    targets: list[str] = []
    for number in chosen:
        documents = _first(number, files[number], plan, -(-_ROWS // len(chosen)), _CHARACTERS // len(chosen))
        if documents:
            batch = batch_of(BufferedRecords(number, documents, inputs_of([files[number]])[0]))
            changed = changed_texts(batch, plan)
            texts += [bytes_at(changed, index).decode() for index in range(len(documents))]
            targets += [document.target or "" for document in documents]
    shared = find_shared_text(texts, targets if plan.labelled else None)
    return shared, describe_shared_text(shared, texts, verb="judged and compared")


def _first(number: int, file: SourceFile, plan: StepConfig, rows: int, characters: int) -> list[Document]:
    """Read the first rows of a file; of texts that are files, some of them."""
    if file.parts:
        records = islice(texts_of(number, file, plan.spec.encoding), rows)
        documents = [record for record in records if isinstance(record, Document)]
    else:
        documents = first_documents(number, file, plan.spec.encoding, rows)
    first: list[Document] = []
    for document in documents:
        characters -= sum(map(len, document.texts))
        if first and characters < 0:
            break
        first.append(document)
    return first
