"""Which addresses are the public Internet's, and why another is not; pure.

What is not listed as public is refused. Sources: IANA's IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and
what came after it), and the addresses at which clouds serve their machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
AddressRange = IPv4Network | IPv6Network


def _ranges(named: dict[str, str]) -> list[tuple[AddressRange, str]]:
    return [(ip_network(text), why) for text, why in named.items()]


# the first that holds an address says why; metadata services come first, since their ranges have duller names
_REFUSED = _ranges(
    {
        "169.254.169.254/32": "a cloud's metadata service",
        "169.254.170.2/32": "a cloud's metadata service",
        "169.254.170.23/32": "a cloud's metadata service",
        "168.63.129.16/32": "a cloud's own service for its machines",
        "100.100.100.200/32": "a cloud's metadata service",
        "192.0.0.192/32": "a cloud's metadata service",
        "fd00:ec2::/32": "a cloud's metadata service",
        "fd20:ce::254/128": "a cloud's metadata service",
        "0.0.0.0/8": "an unspecified address",
        "10.0.0.0/8": "a private address",
        "100.64.0.0/10": "a private address of a provider (CGNAT)",
        "127.0.0.0/8": "a loopback address",
        "169.254.0.0/16": "a link-local address",
        "172.16.0.0/12": "a private address",
        "192.0.0.0/24": "a reserved address",
        "192.0.2.0/24": "a documentation address",
        "192.88.99.0/24": "a relay's address",
        "192.168.0.0/16": "a private address",
        "198.18.0.0/15": "a benchmarking address",
        "198.51.100.0/24": "a documentation address",
        "203.0.113.0/24": "a documentation address",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
        "::/128": "an unspecified address",
        "::1/128": "a loopback address",
        "64:ff9b:1::/48": "a private address behind a translator",
        "100::/64": "a discarding address",
        "2001::/32": "a Teredo tunnel's address",
        "2001::/23": "a reserved address",
        "2001:db8::/32": "a documentation address",
        "2002::/16": "a 6to4 tunnel's address",
        "3fff::/20": "a documentation address",
        "fc00::/7": "a private address",
        "fe80::/10": "a link-local address",
        "fec0::/10": "a private address",
        "ff00::/8": "a multicast address",
        "::/96": "an IPv4-compatible address",
    }
)
_PUBLIC = [ip_network(text) for text in ("0.0.0.0/0", "2000::/3")]
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 behind a NAT64 translator, as DNS64 answers in networks that have IPv6 alone (RFC 6052)."""


def why_refused(address: Address) -> str | None:
    """What the address is, where that is not a public one: ``a link-local address``; None for a public one.

    An IPv6 address that stands for an IPv4 one (mapped, translated) is what that is.
    """
    inner = plain(address)
    for some, why in _REFUSED:
        if inner in some:
            return why
    return None if _is_in(inner, _PUBLIC) else "not a public address"


def plain(address: Address) -> Address:
    """Without a zone, and the IPv4 address where an IPv6 one only stands for it."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return IPv6Address(int(address))


def is_in_any(address: Address, ranges: Iterable[AddressRange]) -> bool:
    """Whether one of the ranges holds it, also as that for which it stands."""
    ranges = list(ranges)
    return any(_is_in(form, ranges) for form in _forms(address))


def _forms(address: Address) -> Iterator[Address]:
    yield plain(address)
    if isinstance(address, IPv6Address):
        yield IPv6Address(int(address))


def _is_in(address: Address, ranges: Iterable[AddressRange]) -> bool:
    return any(address in some for some in ranges)
