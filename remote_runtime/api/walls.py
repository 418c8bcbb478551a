"""What stands around a container: its isolation, and what of the network it reaches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

from ..errors import BadRequest
from .offer import Isolation

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)
MAX_HOSTS = 100


class Reach(Enum):
    """`NONE`: only the gateway. `EGRESS`: every public host. `HOSTS`: those of a list."""

    NONE = "none"
    EGRESS = "egress"
    HOSTS = "hosts"


@dataclass(frozen=True, slots=True)
class Network:
    """``none``, ``egress``, or host names such as ``pypi.org,*.huggingface.co``; private addresses are never reached.

    Its JSON form is that text.
    """

    reach: Reach
    hosts: tuple[str, ...] = ()

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

    @classmethod
    def from_json(cls, value: Any) -> Self:
        if not isinstance(value, str):
            raise BadRequest(f'a network is a text such as "egress", not {type(value).__name__}')
        return cls.parse(value)


@dataclass(frozen=True, slots=True)
class Walls:
    """What was asked for; None is the spawner's own default."""

    isolation: Isolation | None = None
    network: Network | None = None
