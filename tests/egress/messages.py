"""Read what stands on the wire: IP packets, DNS questions, the beginning of TLS."""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import dataclass

_TCP, _UDP, _ICMPV6 = 6, 17, 58
_SYN, _ACK = 0x02, 0x10
_EXTENSIONS = {0, 43, 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """A UDP datagram, and where it went."""

    address: str
    port: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """An IP packet's destination, its ports (0 where it has none), and whether it opens a connection."""

    raw_destination: bytes
    source_port: int
    port: int
    opens: bool
    datagram: Datagram | None

    @property
    def destination(self) -> str:
        """Return the destination as it is usually written."""
        return str(ipaddress.ip_address(self.raw_destination))

    @property
    def local(self) -> bool:
        """Whether it is for this machine."""
        address = ipaddress.ip_address(self.raw_destination)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


def packet(data: bytes) -> Packet | None:
    """Read a packet from its IP header on (RFC 791, RFC 8200); ``None`` where it is none of IP."""
    if len(data) >= 20 and data[0] >> 4 == 4:
        protocol, destination, payload = data[9], data[16:20], data[(data[0] & 15) * 4 :]
        if struct.unpack_from(">H", data, 6)[0] & 0x1FFF:  # a later fragment has no ports
            protocol = 0
    elif len(data) >= 40 and data[0] >> 4 == 6:
        protocol, destination, payload = data[6], data[24:40], data[40:]
        while protocol in _EXTENSIONS and len(payload) >= 8:
            protocol, payload = payload[0], payload[(payload[1] + 1) * 8 :]
    else:
        return None
    source_port = port = 0
    opens, datagram = False, None
    if protocol in (_TCP, _UDP) and len(payload) >= 8:
        source_port, port = struct.unpack_from(">HH", payload)
    if protocol == _TCP and len(payload) >= 20:
        opens = payload[13] & (_SYN | _ACK) == _SYN
    elif protocol == _UDP:
        datagram = Datagram(address=str(ipaddress.ip_address(destination)), port=port, payload=payload[8:])
    return Packet(raw_destination=destination, source_port=source_port, port=port, opens=opens, datagram=datagram)


def asked_name(query: bytes) -> str | None:
    """Return the name that a DNS query asks for (RFC 1035, section 4), in lower case; ``None`` where it is no query."""
    end = _name_end(query)
    if end is None:
        return None
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "backslashreplace"))
        at += 1 + query[at]
    return ".".join(labels).lower()


def _name_end(query: bytes) -> int | None:
    if len(query) < 17 or query[2] & 0x80 or struct.unpack_from(">H", query, 4)[0] != 1:
        return None
    at = 12
    while at < len(query) and query[at]:
        if query[at] > 63:
            return None
        at += 1 + query[at]
    return at + 1 if at + 5 <= len(query) else None


def answer(query: bytes, address: str) -> bytes | None:
    """Answer a question for an IPv4 address with this one, and any other with nothing; ``None`` for what is none."""
    end = _name_end(query)
    if end is None:
        return None
    wants_address = query[end : end + 4] == b"\0\1\0\1"
    head = query[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, int(wants_address), 0, 0)
    record = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60, 4) + socket.inet_aton(address) if wants_address else b""
    return head + query[12 : end + 4] + record


def server_name(data: bytes) -> str | None:
    """Return the host that the first message of TLS asks for (RFC 6066, section 3); ``None`` where it names none."""
    if data[:1] != b"\x16" or data[5:6] != b"\x01":
        return None
    try:
        at = 43
        at += 1 + data[at]  # session
        at += 2 + struct.unpack_from(">H", data, at)[0]  # ciphers
        at += 1 + data[at]  # compression
        end = at + 2 + struct.unpack_from(">H", data, at)[0]
        at += 2
        while at + 4 <= end:
            kind, size = struct.unpack_from(">HH", data, at)
            if kind == 0:
                length = struct.unpack_from(">H", data, at + 7)[0]
                return data[at + 9 : at + 9 + length].decode("ascii", "backslashreplace") or None
            at += 4 + size
    except (IndexError, struct.error):
        return None
    return None
