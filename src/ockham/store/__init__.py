"""The only room that writes: records and artifacts of one run, saved whole or not at all."""

from ockham.store.atomic import check_place, save_bytes, save_text
from ockham.store.bundle import (
    BUNDLE,
    bundle_digest,
    file_digest,
    read_bundle,
    read_manifest,
    remembered_digest,
    seal_bundle,
    verify_folder,
)
from ockham.store.codec import decode, encode
from ockham.store.run import Run, check_folder, differences, identity_of, open_run
from ockham.store.scratch import scratch_folder

__all__ = [
    "BUNDLE",
    "Run",
    "bundle_digest",
    "check_folder",
    "check_place",
    "decode",
    "differences",
    "encode",
    "file_digest",
    "identity_of",
    "open_run",
    "read_bundle",
    "read_manifest",
    "remembered_digest",
    "save_bytes",
    "save_text",
    "scratch_folder",
    "seal_bundle",
    "verify_folder",
]
