"""`ockham verify`: a run or a bundle held against what was written down about it."""

from __future__ import annotations

from pathlib import Path

import click

from ockham.cli import options
from ockham.cli.options import PATH


@click.command("verify")
@click.argument("place", type=PATH, metavar="RUN_OR_BUNDLE")
@click.option("--digest", metavar="SHA256", help="What the bundle's digest should be, as `ockham fit` printed it.")
@options.as_json
def command(*, place: Path, digest: str | None, as_json: bool) -> int:
    """Check a run or a bundle against its records.

    Every file of the bundle is held against bundle.json; in a run, bundle.json against the verdict, the verdict against
    the account, and everything that was sealed against its list. Nothing in a folder can tell that all of it was
    swapped: compare the digest with one that came by another way, or give that one with --digest. Exit status: 0 every
    check holds, 2 one does not.
    """
    from ockham.bundles.verify import verify
    from ockham.cli import output

    verification = verify(place, digest=digest)
    if as_json:
        output.record(verification)
    else:
        output.verification(verification)
    return 0 if verification.ok else 2
