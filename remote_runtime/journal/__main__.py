"""Compacts a journal once; the arguments are a `Compactor`'s folder, limit and segment size."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .compaction import Compactor

NICENESS = 10
"""Behind the cells, on a machine where all is busy."""


def main(folder: str, limit_bytes: str, segment_bytes: str) -> None:
    os.nice(NICENESS)
    Compactor(Path(folder), int(limit_bytes), int(segment_bytes)).run_once()


if __name__ == "__main__":
    main(*sys.argv[1:])
