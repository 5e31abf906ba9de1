"""Many bytes at once: vector instructions that a loop over bytes does not become, said to LLVM itself.

LLVM has them for every processor. Whoever calls makes sure that so many bytes may be read from a place on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

LANES = np.uintp(16)
WIDE = np.uintp(64)
_BYTE = ir.IntType(8)
_WHOLE = ir.VectorType(_BYTE, 64)

Bytes = NDArray[np.uint8]
Find = Callable[[Any, Any], Any]


def _at(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - llvmlite has no types
    array = make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


def _bits(test: Find) -> Callable[[Bytes, np.uintp], np.uint32]:
    """Make a function of a buffer and a place: a bit for each of the sixteen bytes there that a test holds for."""

    def resolve(typing: Any, data: Any, at: Any) -> Any:  # noqa: ANN401, ARG001 - as numba calls it
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - as above
            mask = _mask(test, 16, builder, _at(context, builder, signature, arguments))
            return builder.zext(mask, ir.IntType(32))

        return types.uint32(data, types.uintp), generate

    return cast("Callable[[Bytes, np.uintp], np.uint32]", intrinsic(resolve))


def _wide_bits(test: Find) -> Callable[[Bytes, np.uintp], np.uint64]:
    """Make a function of a buffer and a place: a bit for each of the 64 bytes there that a test holds for."""

    def resolve(typing: Any, data: Any, at: Any) -> Any:  # noqa: ANN401, ARG001 - as numba calls it
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - as above
            return _mask(test, 64, builder, _at(context, builder, signature, arguments))

        return types.uint64(data, types.uintp), generate

    return cast("Callable[[Bytes, np.uintp], np.uint64]", intrinsic(resolve))


def _mask(test: Find, lanes: int, builder: Any, address: Any) -> Any:  # noqa: ANN401 - as above
    bytes_ = builder.load(builder.bitcast(address, ir.VectorType(_BYTE, lanes).as_pointer()), align=1)
    return builder.bitcast(test(builder, bytes_), ir.IntType(lanes))


def _all(value: int, like: Any) -> Any:  # noqa: ANN401 - a constant of llvmlite
    return ir.Constant(like.type, [value] * like.type.count)


def _between(builder: Any, bytes_: Any, low: int, high: int) -> Any:  # noqa: ANN401 - as above
    return builder.icmp_unsigned("<", builder.sub(bytes_, _all(low, bytes_)), _all(high - low, bytes_))


def _is_plain(builder: Any, bytes_: Any) -> Any:  # noqa: ANN401 - as above
    letter = _between(builder, builder.or_(bytes_, _all(0x20, bytes_)), 0x61, 0x7B)
    return builder.or_(letter, _between(builder, bytes_, 0x30, 0x3A))


def _is_digit(builder: Any, bytes_: Any) -> Any:  # noqa: ANN401 - as above
    return _between(builder, bytes_, 0x30, 0x3A)


def _is_special(builder: Any, bytes_: Any) -> Any:  # noqa: ANN401 - as above
    quote = builder.icmp_unsigned("==", bytes_, _all(0x22, bytes_))
    escape = builder.icmp_unsigned("==", bytes_, _all(0x5C, bytes_))
    # Controls and bytes of longer characters are below blank as signed numbers.
    return builder.or_(builder.or_(quote, escape), builder.icmp_signed("<", bytes_, _all(0x20, bytes_)))


def _is_longer(builder: Any, bytes_: Any) -> Any:  # noqa: ANN401 - as above
    return builder.icmp_signed("<", bytes_, _all(0, bytes_))


def _is_marked(builder: Any, bytes_: Any) -> Any:  # noqa: ANN401 - as above
    def same(value: int) -> Any:  # noqa: ANN401 - as above
        return builder.icmp_unsigned("==", bytes_, _all(value, bytes_))

    usual = builder.or_(same(9), same(10))
    mask = builder.and_(builder.icmp_signed("<", bytes_, _all(0x20, bytes_)), builder.not_(usual))
    for condition in (same(0x7F), same(0x40), same(0x3C), same(0x26), _is_digit(builder, bytes_)):
        mask = builder.or_(mask, condition)
    return mask


def _is_trace(builder: Any, bytes_: Any) -> Any:  # noqa: ANN401 - as above
    mask = builder.or_(_between(builder, bytes_, 0x30, 0x3B), _between(builder, bytes_, 0x49, 0x4B))
    for value in (0x40, 0x3D, 0x5F, 0x2D):
        mask = builder.or_(mask, builder.icmp_unsigned("==", bytes_, _all(value, bytes_)))
    return mask


def _is_escape(builder: Any, bytes_: Any) -> Any:  # noqa: ANN401 - as above
    return builder.icmp_unsigned("==", bytes_, _all(0x5C, bytes_))


plain_bits = _bits(_is_plain)
"""ASCII letters and digits."""
digit_bits = _bits(_is_digit)
"""ASCII digits."""
special_bits_wide = _wide_bits(_is_special)
"""What a JSON string does not hold as it is, ends with, or holds longer characters of: quote, backslash, not ASCII."""
escape_bits_wide = _wide_bits(_is_escape)
"""Backslashes, of 64 bytes."""
marked_bits_wide = _wide_bits(_is_marked)
"""What `ockham.curation.kernels.repair_flags` has to look at, of 64 bytes."""
trace_bits_wide = _wide_bits(_is_trace)
"""What `ockham.curation.kernels.pii_regions` has to look at, of 64 bytes: digits and some signs."""
plain_bits_wide = _wide_bits(_is_plain)
"""ASCII letters and digits, of 64 bytes."""
longer_bits_wide = _wide_bits(_is_longer)
"""Bytes of longer characters, of 64 bytes."""


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def eight(typing: Any, data: Any, at: Any) -> Any:  # noqa: ANN401, ARG001 - as numba calls it
    """Read the eight bytes at a place as one number, the first one lowest."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - as above
        address = builder.bitcast(_at(context, builder, signature, arguments), ir.IntType(64).as_pointer())
        return builder.load(address, align=1)

    return types.uint64(data, types.uintp), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def copy_wide(typing: Any, data: Any, at: Any, out: Any, to: Any) -> Any:  # noqa: ANN401, ARG001 - as numba calls it
    """Copy the 64 bytes at a place of one buffer to a place of another."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 - as above
        source = make_array(signature.args[0])(context, builder, arguments[0])
        target = make_array(signature.args[2])(context, builder, arguments[2])
        first = builder.bitcast(builder.gep(source.data, [arguments[1]]), _WHOLE.as_pointer())
        second = builder.bitcast(builder.gep(target.data, [arguments[3]]), _WHOLE.as_pointer())
        builder.store(builder.load(first, align=1), second, align=1)
        return context.get_dummy_value()

    return types.void(data, types.uintp, out, types.uintp), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def zeros_below(typing: Any, bits: Any) -> Any:  # noqa: ANN401, ARG001 - as numba calls it
    """Count the zeros below the lowest bit that is set; 32 where none is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001 - as above
        count = builder.cttz(arguments[0], cgutils.false_bit)
        return builder.zext(count, context.get_value_type(types.uintp))

    return types.uintp(types.uint32), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def lowest(typing: Any, bits: Any) -> Any:  # noqa: ANN401, ARG001 - as numba calls it
    """Return the index of the lowest bit that is set; 64 where none is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001 - as above
        return builder.cttz(arguments[0], cgutils.false_bit)

    return types.uintp(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def ones(typing: Any, bits: Any) -> Any:  # noqa: ANN401, ARG001 - as numba calls it
    """Count the bits that are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001 - as above
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate
