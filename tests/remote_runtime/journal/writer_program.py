"""An agent as far as its journal goes: appends without end, says after each record that it is there, compacts.

Arguments: folder, segment's bytes, limit's bytes.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
from pathlib import Path

from farcell.remote_runtime.journal import Compactor, JournalWriter, Kind, Policy


def stream_message(position: int) -> bytes:
    """In the v1 layout; of very different lengths."""
    text = f"{position}:" + "x" * (position * 7919 % (20_000 if position % 50 == 0 else 400)) + "\n"
    header = {"msg_id": f"{position}", "msg_type": "stream"}
    parent = {"msg_id": f"cell {position // 1000}", "msg_type": "execute_request"}
    contents = (header, parent, {}, {"name": "stdout", "text": text})
    parts = [b"iopub", *(json.dumps(part).encode() for part in contents)]
    offsets = [8 * (2 + len(parts))]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{1 + len(offsets)}Q", len(offsets), *offsets) + b"".join(parts)


def record(position: int) -> tuple[Kind, bytes]:
    if position % 10 == 0:
        return Kind.ACCEPTED, b"%d" % position
    return Kind.MESSAGE, stream_message(position)


def main(folder: str, segment_bytes: str, limit_bytes: str) -> None:
    full, compacted = threading.Event(), threading.Condition()
    policy = Policy(stream_chars=200)
    compactor = Compactor(Path(folder), int(limit_bytes), int(segment_bytes), policy)

    def compact() -> None:
        while True:
            full.wait()
            full.clear()
            compactor.run_once()
            with compacted:
                compacted.notify()

    def rotated() -> None:
        full.set()
        with compacted:
            compacted.wait_for(lambda: not compactor.behind())

    threading.Thread(target=compact, daemon=True).start()
    full.set()
    writer = JournalWriter(Path(folder), rotated, int(segment_bytes))
    while True:
        kind, body = record(writer.position + 1)
        os.write(1, b"%d\n" % writer.append(kind, body, 5))


if __name__ == "__main__":
    main(*sys.argv[1:])
