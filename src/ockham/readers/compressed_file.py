"""Packed files (gzip, zstd, zip): unpacked in blocks, within limits, and read as if they stood plain on the disk."""

from __future__ import annotations

import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.local_file import BLOCK, HEAD, RegularFile
from ockham.version import install_command

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
MAX_RATIO = 250
"""How many times its packed size a file may unfold to, once it is over `FREE` bytes; text packs 3 to 30 times."""
FREE = 64_000_000
UNFOLDS = f"it expands to over {MAX_RATIO} times its size"
_MAX_WINDOW = 1 << 27
_OFFICE = {"word/": "a document of Word", "ppt/": "slides of PowerPoint"}
"""What stands in such a document, which is packed as a zip archive."""


def unfolds_too_far(unfolded: int, packed: int) -> bool:
    """Tell whether so many packed bytes have given more than any honest file would."""
    return unfolded > FREE and unfolded > MAX_RATIO * packed


class Unpacked(RegularFile):
    """A packed file seen as its content. ``cut`` is true, after reading, where the packed data end too early.

    Its hash is that of the packed file, so a change is noticed; sizes inside the file are never believed.
    """

    __slots__ = ("_packed", "cut")

    def __init__(self, packed: RegularFile) -> None:
        """See a packed file as its content; ``head`` is unpacked now.

        Raises `DataError` (``E_FORMAT``) for what is not sound, unfolds too far, or holds another packed file.
        """
        self.path, self.name, self.raw = packed.path, packed.name, packed.raw
        self._stamp, self.size, self.digests = packed._stamp, packed.size, packed.digests
        self._packed, self.cut = packed, False
        head = b""
        for block in self.blocks():
            head += block
            if len(head) >= HEAD:
                break
        self.head = head[:HEAD]
        if self.head.startswith((GZIP, ZSTD, ZIP)):
            raise _unsound(packed, "it contains another compressed file")

    @property
    def suffix(self) -> str:
        """Return the suffix of what is inside."""
        return Path(self.path.stem).suffix.lower()

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks of at most 1 MiB.

        Raises `DataError`: ``E_FORMAT`` where the packed data are not sound or unfold too far, ``E_IO``, ``E_CHANGED``.
        """
        unpacked_bytes = packed_bytes = 0
        self.cut = False
        unpack = _gunzip if self._packed.head.startswith(GZIP) else _unzstd
        source = _Counted(self._packed.blocks())
        for block in unpack(self._packed, source, self._note_cut):
            unpacked_bytes += len(block)
            packed_bytes = source.taken
            if unfolds_too_far(unpacked_bytes, packed_bytes):
                raise _unsound(self._packed, UNFOLDS)
            yield block

    def _note_cut(self) -> None:
        self.cut = True


class ZipMember(Unpacked):
    """The only file of a kind that is read in a zip archive, seen as its content; other archives are refused."""

    __slots__ = ("_member",)

    def __init__(self, packed: RegularFile, suffixes: tuple[str, ...]) -> None:
        """Find the member whose name ends in one of ``suffixes``; ``head`` is unpacked now.

        Raises `DataError` (``E_FORMAT``): no such member or several, one that is locked, and as `Unpacked`.
        """
        with _archive(packed) as archive:
            inside = [entry for entry in archive.infolist() if not entry.is_dir() and _is_data(entry.filename)]
        members = [entry for entry in inside if PurePosixPath(entry.filename).suffix.lower() in suffixes]
        office = next(
            (kind for folder, kind in _OFFICE.items() if any(e.filename.startswith(folder) for e in inside)), ""
        )
        if office:
            message = f"{printable(packed.path)} is {office}, not a table of text"
            raise DataError("E_FORMAT", message, fix="save it as CSV (UTF-8), JSONL or Parquet")
        if not members:
            message = f"{printable(packed.path)} is a zip archive without a file that can be read"
            raise DataError("E_FORMAT", message, fix="unpack it, or save it as CSV (UTF-8), JSONL or Parquet")
        if len(members) > 1:
            command = f"unzip {shlex.quote(printable(packed.path))} -d {shlex.quote(printable(packed.path.stem))}"
            raise DataError(
                "E_FORMAT",
                f"{printable(packed.path)} is a zip archive with {len(members)} files that can be read",
                fix=f"unpack it ({command}) and name a file in it, or the folder if its files belong together",
            )
        self._member = members[0]
        if self._member.flag_bits & 1:
            raise _unsound(packed, "it is protected with a password")
        super().__init__(packed)

    @property
    def suffix(self) -> str:
        """Return the suffix of the member."""
        return PurePosixPath(self._member.filename).suffix.lower()

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks of at most 1 MiB; its checksum is compared at the end. Raises as `Unpacked`."""
        unpacked_bytes = 0
        try:
            with _archive(self._packed) as archive, archive.open(self._member) as stream:
                while block := stream.read(BLOCK):
                    unpacked_bytes += len(block)
                    if unfolds_too_far(unpacked_bytes, min(self._member.compress_size, self._packed.size)):
                        raise _unsound(self._packed, UNFOLDS)
                    yield block
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise _unsound(self._packed, "the compressed data is damaged") from error


def _archive(packed: RegularFile) -> zipfile.ZipFile:
    try:
        packed.raw.seek(0)
        return zipfile.ZipFile(packed.raw)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _unsound(packed, "the compressed data is damaged") from error


def _is_data(name: str) -> bool:
    """Tell a member from what programs add on their own: notes of macOS, hidden files."""
    return not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


class _Counted:
    """Blocks, and how many bytes of them were taken."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self.taken = blocks, 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            # Small steps, so that what a few bytes unfold to is seen before more is taken.
            for start in range(0, len(block), 1 << 16):
                part = block[start : start + (1 << 16)]
                self.taken += len(part)
                yield part


def _gunzip(file: RegularFile, source: _Counted, cut: Callable[[], None]) -> Iterator[bytes]:
    """Unpack the members of a gzip file, one after the other."""
    member = zlib.decompressobj(wbits=31)
    begun = False
    try:
        for part in source:
            data = part
            while data:
                if member.eof:
                    if begun and not data.strip(b"\0"):
                        break  # padding behind the last member
                    member = zlib.decompressobj(wbits=31)
                begun = True
                block = member.decompress(data, BLOCK)
                if block:
                    yield block
                data = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise _unsound(file, "the compressed data is damaged") from error
    if not member.eof:
        cut()


def _unzstd(file: RegularFile, source: _Counted, cut: Callable[[], None]) -> Iterator[bytes]:
    """Unpack the frames of a zstd file, one after the other."""
    try:
        import zstandard
    except ImportError as error:
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)} is compressed with zstd, and the package to read it is not installed",
            fix=install_command("curate"),
        ) from error
    maker: Any = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    frame = maker.decompressobj()
    try:
        for part in source:
            # A block of a few bytes can unfold to 128 KB, so a kilobyte at a time keeps what comes out small.
            for start in range(0, len(part), 1 << 10):
                data = part[start : start + (1 << 10)]
                while data:
                    if frame.eof:
                        frame = maker.decompressobj()
                    block = frame.decompress(data)
                    if block:
                        yield block
                    data = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise _unsound(file, "the compressed data is damaged") from error
    if not frame.eof:
        cut()


def _unsound(file: RegularFile, why: str) -> DataError:
    return DataError(
        "E_FORMAT",
        f"{printable(file.path)} cannot be decompressed: {why}",
        fix="compress the file again with gzip, zstd or zip, or decompress it and name the plain file",
    )
