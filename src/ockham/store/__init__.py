"""The only room that writes: records and artifacts of one run, saved whole or not at all."""

from ockham.store.atomic import save_bytes, save_text, shown
from ockham.store.bundle import bundle_digest, read_bundle, seal_bundle, verify_folder
from ockham.store.codec import decode, encode
from ockham.store.run import Run, identity_of, open_run

__all__ = [
    "Run",
    "bundle_digest",
    "decode",
    "encode",
    "identity_of",
    "open_run",
    "read_bundle",
    "save_bytes",
    "save_text",
    "seal_bundle",
    "shown",
    "verify_folder",
]
