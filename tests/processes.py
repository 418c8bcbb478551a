"""Who runs, found by what every process of Farcell carries in its environment."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

DATA_DIR = "FARCELL_DATA_DIR"


def processes_of(folder: Path) -> list[psutil.Process]:
    """Whoever has this data folder in its environment, apart from the tests' own process."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _environment(process).get(DATA_DIR) == str(folder)
    ]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:  # it ended meanwhile, is a zombie, or is somebody else's
        return {}
