"""Control messages between gateway and agent: what both need to know beside the kernel's own messages; JSON.

`Hello` and `Welcome` are the first thing on a new connection, each a text message; everything after them goes in frames
of the stream. Unknown fields are ignored and unknown types answered with `BadFrame`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..api import IdleReport
from ..errors import BadFrame

WIRE_VERSION = 1
"""Told in `Hello` and in every REST answer's ``Farcell-Wire`` header; a gateway serves this one and the one before."""


class Control(msgspec.Struct, frozen=True, tag_field="type", tag=str.lower):
    """The root of all control messages; `type` on the wire is the class's name in lower case."""


class DeviceFact(msgspec.Struct, frozen=True):
    """A GPU as the agent sees it; `memory_bytes` is the whole card's."""

    uuid: str
    name: str
    memory_bytes: int
    simulated: bool = False


class GpuUse(msgspec.Struct, frozen=True):
    """One GPU's use at the moment of a sample; `utilisation` is a fraction."""

    uuid: str
    utilisation: float
    memory_used_bytes: int


class Hello(Control, frozen=True):
    """Agent → gateway, first. `nonce` is made once by the agent and binds its token; `stream` is `Stream.hello`'s."""

    nonce: str
    stream: dict[str, Any]
    wire: int = WIRE_VERSION
    farcell: str = ""
    python: str = ""
    pid: int = 0
    devices: tuple[DeviceFact, ...] = ()
    driver: str | None = None


class Welcome(Control, frozen=True):
    """Gateway → agent, the answer to `Hello`. The lease ends `lease_end_s` from now unless the gateway moves it.

    After `silence_s` without a word from the gateway, the connection is broken.
    """

    stream: dict[str, Any]
    lease_end_s: float
    idle_s: float
    busy_cap_s: float
    journal_bytes: int = 1 << 30
    silence_s: float = 30.0
    log_bytes: int = 16 << 20


class Ready(Control, frozen=True):
    """Agent → gateway: a kernel answers, after a start or a restart; `uptime_ms` is the lease's clock."""

    kernel_pid: int
    uptime_ms: int


class Status(Control, frozen=True):
    """Agent → gateway: whether a cell runs, with each idle signal; on every change and every few seconds."""

    busy: bool
    idle: IdleReport


class Usage(Control, frozen=True):
    """Agent → gateway: attests `uptime_ms` of the lease."""

    uptime_ms: int
    cpu: float = 0.0
    memory_bytes: int = 0
    gpus: tuple[GpuUse, ...] = ()


class Cell(Control, frozen=True):
    """Agent → gateway: a cell began (`ended_ms` None) or ended, on the lease's clock."""

    execute_id: str
    number: int | None
    started_ms: int
    ended_ms: int | None = None
    status: str | None = None
    peak_memory_bytes: int = 0
    peak_gpu_memory_bytes: int = 0
    peak_gpu_utilisation: float = 0.0


class Installed(Control, frozen=True):
    """Agent → gateway: all that cells have installed in this container by hand, as requirements in their order."""

    packages: tuple[str, ...]


class KernelDied(Control, frozen=True):
    """Agent → gateway: the kernel's process ended by itself; the agent starts a new one."""

    detail: str


class Bye(Control, frozen=True):
    """Agent → gateway, last: `reason` is an `EndReason`, `unsaved` the names of the variables that are lost."""

    reason: str
    uptime_ms: int
    unsaved: tuple[str, ...] = ()


class Attach(Control, frozen=True):
    """Gateway → agent: a client with that number came; it gets sockets of its own to the kernel."""

    client: int


class Detach(Control, frozen=True):
    """Gateway → agent: that client is gone."""

    client: int


class Interrupt(Control, frozen=True):
    """Gateway → agent: SIGINT to the kernel's process group."""


class Restart(Control, frozen=True):
    """Gateway → agent: a new kernel in the same container; answered by `Ready`."""


class Keep(Control, frozen=True):
    """Gateway → agent: no idle stop for so many seconds."""

    seconds: float


class Settings(Control, frozen=True):
    """Gateway → agent: the session's settings have changed."""

    idle_s: float
    busy_cap_s: float


class LeaseEnd(Control, frozen=True):
    """Gateway → agent, the answer to each `Usage`: the lease now ends so many seconds from now."""

    in_s: float


class Stop(Control, frozen=True):
    """Gateway → agent: end everything, say `Bye`, exit."""

    reason: str


FromAgent = Hello | Ready | Status | Usage | Cell | Installed | KernelDied | Bye
FromGateway = Welcome | Attach | Detach | Interrupt | Restart | Keep | Settings | LeaseEnd | Stop

_from_agent = msgspec.json.Decoder(FromAgent)
_from_gateway = msgspec.json.Decoder(FromGateway)


def encode(message: Control) -> bytes:
    return msgspec.json.encode(message)


def decode_from_agent(data: bytes | str | memoryview) -> FromAgent:
    """Raises `BadFrame` for anything that no agent sends."""
    message: FromAgent = _decode(_from_agent, data)
    return message


def decode_from_gateway(data: bytes | str | memoryview) -> FromGateway:
    """Raises `BadFrame` for anything that no gateway sends."""
    message: FromGateway = _decode(_from_gateway, data)
    return message


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes | str | memoryview) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadFrame(f"not a control message: {error}") from error
