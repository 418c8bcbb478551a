"""The tree that the sync benchmark keeps in step, and how it changes: the same for every contender."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

SMALL_FILES, LARGE_FILES = 10_000, 4
LARGE_BYTES = 256 << 20
_PIECE_BYTES = 1 << 20


def make_tree() -> None:
    """``tree`` in the current folder, made by another process: what it takes is not the contender's memory."""
    subprocess.run([sys.executable, __file__], check=True)


def _fill(folder: Path) -> None:
    """10,000 files of 2 to 8 KiB of text in 100 folders, and 4 of 256 MiB that don't compress."""
    chance = random.Random(1)
    for number in range(SMALL_FILES):
        place = folder / f"{number // 100:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:05}").write_bytes(_text(chance))
    for number in range(LARGE_FILES):
        with (folder / f"large{number}").open("wb") as file:
            for _ in range(LARGE_BYTES // _PIECE_BYTES):
                file.write(chance.randbytes(_PIECE_BYTES))


def change_tree(folder: Path, turn: int) -> None:
    """1 % of the small files are written anew, and one byte is put before a large one."""
    chance = random.Random(f"turn {turn}")
    for number in chance.sample(range(SMALL_FILES), SMALL_FILES // 100):
        (folder / f"{number // 100:02}" / f"{number:05}").write_bytes(_text(chance))
    large, part = folder / f"large{turn % LARGE_FILES}", folder / "part"
    with part.open("wb") as file, large.open("rb") as before:
        file.write(chance.randbytes(1))
        shutil.copyfileobj(before, file, _PIECE_BYTES)
    part.replace(large)
    subprocess.run(["sync"], check=True)


def _text(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1 << 10, 4 << 10)).hex().encode()


def stored_bytes(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 - a Path for each of 10,000 names
        for where, _, names in os.walk(folder)
        for name in names
    )


if __name__ == "__main__":
    _fill(Path("tree"))
    subprocess.run(["sync"], check=True)
