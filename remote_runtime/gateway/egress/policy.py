"""What a session's containers may reach: by name and port before a name is resolved, by address afterwards; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Self

from ...api import Network, Reach
from ...errors import BadRequest
from .addresses import Address, AddressRange, is_in_any, plain, why_refused

WEB_PORTS = frozenset({80, 443})
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_SHOWN_HOSTS = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client wants to; `host` is in lower case, without a last dot; an IPv6 address has no brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, host: str, port: int) -> Self:
        """Raises `BadRequest` for what is neither a host name nor an address."""
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        name = bare.lower().removesuffix(".")
        if not 0 < port < 65536:
            raise BadRequest(f"{port} is no port")
        if len(name) > 253 or "%" in name or not (_NAME.fullmatch(name) or address_of(name)):
            raise BadRequest("that is no host name")
        return cls(name, port)

    @property
    def address(self) -> Address | None:
        """Where the host is given by its address."""
        return address_of(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class PrivatePlaces:
    """What the operator lets containers reach though it is private: host names, ``*.`` patterns, address ranges."""

    names: tuple[str, ...] = ()
    ranges: tuple[AddressRange, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Raises `BadRequest` for a text that is neither a host nor an address range."""
        names, ranges = [], []
        for text in texts:
            try:
                ranges.append(ip_network(text))
            except ValueError as error:
                if not _NAME.fullmatch(text.lower().removeprefix("*.")) or "/" in text:
                    raise BadRequest(
                        f"{text!r} is neither a host nor an address range such as 10.1.2.0/24: {error}"
                    ) from error
                names.append(text.lower())
        return cls(tuple(names), tuple(ranges))

    def has_name(self, host: str) -> bool:
        return any(matches(pattern, host) for pattern in self.names)

    def has(self, host: str, address: Address) -> bool:
        return self.has_name(host) or is_in_any(address, self.ranges)


@dataclass(frozen=True, slots=True)
class EgressRules:
    """The operator's: ports beside 80 and 443, and private places that may be reached."""

    ports: frozenset[int] = frozenset()
    private: PrivatePlaces = field(default_factory=PrivatePlaces)


def matches(pattern: str, host: str) -> bool:
    """``*.pypi.org`` is every host below ``pypi.org``, at any depth, and not ``pypi.org`` itself."""
    if pattern.startswith("*."):
        return address_of(host) is None and host.endswith(pattern[1:]) and len(host) >= len(pattern)
    return host == pattern


def why_not_asked(target: Target, network: Network, rules: EgressRules) -> str | None:
    """Why the target is refused before its name is looked up; None where it is not."""
    ports = WEB_PORTS | rules.ports
    if target.port not in ports:
        allowed = ", ".join(map(str, sorted(ports)))
        return f"port {target.port} is not let through (only {allowed}): the gateway's operator can add it"
    if network.reach is Reach.NONE:
        return "this session reaches nothing but its gateway: --network egress or --network HOSTS opens a way"
    if network.reach is Reach.HOSTS and not any(matches(pattern, target.host) for pattern in network.hosts):
        return f"it is not among this session's hosts ({_some(network.hosts)}): --network takes more"
    return None


def why_not_there(
    target: Target, addresses: Sequence[Address], rules: EgressRules, own: Collection[Address]
) -> str | None:
    """Why a target with these addresses is refused: one that is refused suffices. `own` are the gateway machine's."""
    for address in addresses:
        why = why_refused(address)
        if why is None and plain(address) in own:
            why = "an address of the gateway's own machine"
        if why is not None and not rules.private.has(target.host, address):
            is_name = target.address is None
            return f"it {'leads to' if is_name else 'is'} {why}, which no --network opens"
    return None


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - _SHOWN_HOSTS} more" if len(hosts) > _SHOWN_HOSTS else ""
    return ", ".join(hosts[:_SHOWN_HOSTS]) + more
