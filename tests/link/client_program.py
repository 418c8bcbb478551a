"""A client in a process of its own, to be killed or stopped: runs a cell, and writes to a file what it hears.

At the end also by how many bytes its memory had grown at the most.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, TextIO

from farcell.remote_runtime.api import Request, SessionKey, SessionSpec
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import AwayOutput, CellSource, Ended, LinkDown, new_header
from farcell.remote_runtime.client.output import Output

MAX_TEXT = 10_000


def write(file: TextIO, kind: str, content: dict[str, Any]) -> None:
    """Of a long display its beginning and its length."""
    text = content.get("data", {}).get("text/plain", "")
    if len(text) > MAX_TEXT:
        content = {"data": {"text/plain": f"{text[:20]} {len(text)}"}}
    file.write(json.dumps([kind, content]) + "\n")
    file.flush()


def peak_bytes() -> int:
    """Of this program's own memory; what `resource` tells begins with its parent's."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def main() -> None:
    given = json.loads(sys.argv[1])
    header = new_header() | {"msg_id": given["execute_id"]}
    spec = SessionSpec(SessionKey("machine", "link.ipynb", given["name"]), Request.parse("H100"))
    client = Client()
    client.sessions()
    before = peak_bytes()
    run = client.run_cell(CellSource(given["code"], header), spec)
    with Path(given["file"]).open("w") as file:
        while not isinstance(event := run.next(), Ended):
            event = event.output if isinstance(event, AwayOutput) else event
            if isinstance(event, Output):
                write(file, event.msg_type, event.content)
            elif isinstance(event, LinkDown):
                write(file, "down", {})
        grown = peak_bytes() - before
        write(file, "ended", {"error": event.error.message if event.error else "", "grown_bytes": grown})


main()
