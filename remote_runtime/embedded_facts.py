"""What an embedded gateway leaves for its clients to find: ``embedded.json`` in the data folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .config import write_private


@dataclass(frozen=True, slots=True)
class EmbeddedFacts:
    """The file is its user's alone: it has the token."""

    url: str
    token: str
    pid: int
    simulate: str = ""

    def write(self, folder: Path) -> None:
        write_private(folder / "embedded.json", json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> EmbeddedFacts | None:
        """None when there is no file, or no readable one."""
        try:
            facts = json.loads((folder / "embedded.json").read_text("utf-8"))
            return cls(str(facts["url"]), str(facts["token"]), int(facts["pid"]), str(facts["simulate"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @staticmethod
    def remove(folder: Path) -> None:
        (folder / "embedded.json").unlink(missing_ok=True)
