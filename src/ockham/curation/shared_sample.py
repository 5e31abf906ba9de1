"""The text that rows of any number of files share, from a sample of some of them: what all of the data would say.

Documents are judged and compared without it. A pass over all rows would find the same, and cost as much as examining.
"""

from __future__ import annotations

from itertools import islice

from ockham.curation.map_stage import inputs_of
from ockham.curation.record_batch import batch_of, bytes_at
from ockham.curation.steps.examine import StepConfig, changed_texts
from ockham.data.shared_text import SharedText
from ockham.readers.blocks import BufferedRecords
from ockham.readers.documents import Document, SourceFile
from ockham.readers.file_sample import MOST_PACKED, SampleSize, is_sampled_at_its_beginning, spread_documents
from ockham.readers.plain_text import texts_of

_ROWS, _FILES = 4_000, 64
_CHARACTERS = 8_000_000
"""Characters of a file that are looked at, if it is the only one."""


def find_in_sample(files: list[SourceFile], plan: StepConfig) -> tuple[SharedText, str | None]:
    """Find what rows from all over up to 64 files share, after all changes, and say how much it is.

    A long passage that decides the target is none, as in `ockham.data.passage_search`.
    """
    from ockham.data.passage_search import describe_shared_text, find_shared_text

    chosen = range(0, len(files), -(-len(files) // _FILES))
    texts: list[str] = []
    targets: list[str] = []
    for number in chosen:
        size = SampleSize(-(-_ROWS // len(chosen)), _CHARACTERS // len(chosen))
        documents = _sample(number, files[number], plan, size)
        if documents:
            batch = batch_of(BufferedRecords(number, documents, inputs_of([files[number]])[0]))
            changed = changed_texts(batch, plan)
            texts += [bytes_at(changed, index).decode() for index in range(len(documents))]
            targets += [document.target or "" for document in documents]
    shared = find_shared_text(texts, targets if plan.labelled else None)
    remarks = [describe_shared_text(shared, texts, verb="judged and compared")]
    begun = sum(is_sampled_at_its_beginning(files[number].path) for number in chosen if not files[number].parts)
    if begun:
        which = "1 packed file" if begun == 1 else f"{begun:,} packed files"
        remarks.append(
            f"{which} of over {MOST_PACKED // 1_000_000} MB: what all rows share is looked for in the first rows alone;"
            " unpack what is sorted"
        )
    return shared, "; ".join(remark for remark in remarks if remark) or None


def _sample(number: int, file: SourceFile, plan: StepConfig, size: SampleSize) -> list[Document]:
    """Read rows from all over a file; of texts that are files, some of them."""
    if file.parts:
        records = islice(texts_of(number, file, plan.spec.encoding), size.rows)
        documents = [record for record in records if isinstance(record, Document)]
    else:
        documents = spread_documents(number, file, plan.spec.encoding, size)
    sample: list[Document] = []
    characters = size.size
    # Long documents are left out from everywhere alike: every second one comes first, then the others.
    for document in (*documents[::2], *documents[1::2]):
        characters -= sum(map(len, document.texts))
        if sample and characters < 0:
            break
        sample.append(document)
    return sample
