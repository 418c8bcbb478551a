"""What stands around a container: its isolation, and what of the network it reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self, final

from ..errors import BadRequest
from .offer import Isolation

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)
MAX_HOSTS = 100


class Reach(Enum):
    """`NONE`: only the gateway. `EGRESS`: every public host. `HOSTS`: those of a list."""

    NONE = "none"
    EGRESS = "egress"
    HOSTS = "hosts"


@final
class Network:
    """``none``, ``egress``, or host names such as ``pypi.org,*.huggingface.co``; private addresses are never reached.

    Immutable; its text is its JSON form. Not a dataclass, so that `json_form` writes the text and not the fields.
    """

    __slots__ = ("_hosts", "_reach")

    def __init__(self, reach: Reach, hosts: tuple[str, ...] = ()) -> None:
        self._reach = reach
        self._hosts = hosts

    @property
    def reach(self) -> Reach:
        return self._reach

    @property
    def hosts(self) -> tuple[str, ...]:
        return self._hosts

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `BadRequest` for what is neither a word nor a list of host names."""
        if text in (Reach.NONE.value, Reach.EGRESS.value):
            return cls(Reach(text))
        hosts = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
        if len(hosts) > MAX_HOSTS or not all(len(host) <= 253 and _HOST.fullmatch(host) for host in hosts):
            raise BadRequest(
                f"{text[:200]!r} is no network: write none, egress, or host names such as pypi.org,*.huggingface.co"
            )
        return cls(Reach.HOSTS, hosts)

    def __str__(self) -> str:
        return ",".join(self.hosts) or self.reach.value

    def __repr__(self) -> str:
        return f"Network({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, Network) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    @classmethod
    def from_json(cls, value: Any) -> Self:
        if not isinstance(value, str):
            raise BadRequest(f'a network is a text such as "egress", not {type(value).__name__}')
        return cls.parse(value)


@dataclass(frozen=True, slots=True)
class Walls:
    """What was asked for; None is the spawner's own default. As a text, as it is typed: ``--network none``."""

    isolation: Isolation | None = None
    network: Network | None = None

    @classmethod
    def parse(cls, isolation: str | None, network: str | None) -> Self:
        """Of what was typed; None and an empty text ask for nothing. Raises `BadRequest`."""
        return cls(
            _parse_isolation(isolation) if isolation else None, Network.parse(network) if network else None
        )

    def __str__(self) -> str:
        return " ".join(f"--{name} {value}" for name, value in self._asked())

    @property
    def told(self) -> str:
        """In a table: ``network none, isolation sandbox``; empty where nothing was asked for."""
        return ", ".join(f"{name} {value}" for name, value in self._asked())

    def _asked(self) -> Iterator[tuple[str, str]]:
        if self.network is not None:
            yield "network", str(self.network)
        if self.isolation is not None:
            yield "isolation", self.isolation.value

    def over(self, known: Walls) -> Walls:
        """These, and those known where these ask for nothing."""
        return Walls(self.isolation or known.isolation, self.network or known.network)


def _parse_isolation(text: str) -> Isolation:
    words = [isolation.value for isolation in Isolation]
    if text not in words:
        raise BadRequest(f"{text[:200]!r} is no isolation: it is one of {', '.join(words)}")
    return Isolation(text)
