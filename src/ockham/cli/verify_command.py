"""`ockham verify`: a run or a bundle held against what was written down about it."""

from __future__ import annotations

from pathlib import Path

import click

from ockham.cli import options, run_names
from ockham.cli.help import Command
from ockham.cli.options import PATH

EXAMPLES = ("ockham verify runs/tickets", "ockham verify tickets-bundle --digest sha256:…")


@click.command("verify", cls=Command, examples=EXAMPLES)
@click.argument("place", type=PATH, metavar="RUN_OR_BUNDLE")
@click.option("--digest", metavar="SHA256", help="The digest to expect, as `ockham fit` printed it.")
@options.as_json
def command(*, place: Path, digest: str | None, as_json: bool) -> int:
    """Check that a run or a bundle was not changed.

    Every file of the bundle is compared with bundle.json; in a run, bundle.json is compared with the verdict, the
    verdict with the account of the run, and everything that was sealed with its list. A folder cannot prove that it
    was not replaced as a whole: compare the digest with one that you received another way, or pass that one as
    --digest. Exit status: 0 every check holds, 2 one fails.
    """
    run_names.check(place)
    from ockham.bundles.verify import verify
    from ockham.cli import output

    verification = verify(place, digest=digest)
    if as_json:
        output.record(verification)
    else:
        output.verification(verification)
    return 0 if verification.ok else 2
