"""What the spawner left for the agent in the lease's folder. Standard library only: the kernel waits for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class LeaseFolder:
    """The fields of ``agent.json``. `run` is short enough for unix sockets; `python` is the kernel's interpreter.

    `egress` is the gateway's proxy for this lease, if there is one. `kernel_uid` is the user (and the group) that the
    kernel runs as, and `launcher` the file that starts it there; None: the agent's own user, and ipykernel's launcher.
    `apt`: whether packages are installed for it.
    """

    path: Path
    gateway_id: str
    session_id: str
    lease_id: str
    socket: Path
    python: str
    home: Path
    work: Path
    run: Path
    devices: tuple[dict[str, Any], ...]
    egress: Path | None = None
    kernel_uid: int | None = None
    launcher: Path | None = None
    apt: bool = False

    @classmethod
    def read(cls, path: Path) -> LeaseFolder:
        facts = json.loads((path / "agent.json").read_text("utf-8"))
        return cls(
            path=path,
            gateway_id=facts["gateway_id"],
            session_id=facts["session_id"],
            lease_id=facts["lease_id"],
            socket=Path(facts["socket"]),
            python=facts["python"],
            home=Path(facts["home"]),
            work=Path(facts["work"]),
            run=Path(facts["run"]),
            devices=tuple(facts["devices"]),
            egress=Path(facts["egress"]) if facts.get("egress") else None,
            kernel_uid=facts.get("kernel_uid"),
            launcher=Path(facts["launcher"]) if facts.get("launcher") else None,
            apt=bool(facts.get("apt")),
        )

    @property
    def token(self) -> str:
        """Read when it is needed, never kept."""
        return (self.path / "token").read_text("utf-8").strip()
