"""Which of a gateway's images were used when, and which of them have to go."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SUFFIX = ".used"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """`used_at`: seconds since the epoch. `size_bytes` is what removing it would give back."""

    tag: str
    used_at: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class KeepRules:
    """None keeps without a bound."""

    unused_s: float | None
    total_bytes: int | None


def to_evict(images: Iterable[KeptImage], rules: KeepRules, now: float) -> list[str]:
    """The tags of what was not used for too long, and then of the longest unused until the rest fits; pure."""
    newest_first = sorted(images, key=lambda image: image.used_at, reverse=True)
    total = 0
    gone = []
    for image in newest_first:
        total += image.size_bytes
        too_old = rules.unused_s is not None and now - image.used_at > rules.unused_s
        too_much = rules.total_bytes is not None and total > rules.total_bytes
        if too_old or too_much:
            gone.append(image.tag)
            total -= image.size_bytes
    return gone[::-1]


@dataclass(frozen=True, slots=True)
class ImageUse:
    """`at`: seconds since the epoch. `below_bytes` is the size of what the image was made from: shared with others."""

    tag: str
    at: float
    below_bytes: int


class ImageUses:
    """A file in `folder` for each image that this gateway made or used; its time is when that was last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, tag: str, below_bytes: int | None = None) -> None:
        """None leaves what was noted of its size."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(tag)
        path.touch(mode=0o600)
        if below_bytes is not None:
            path.write_text(str(below_bytes))
        os.utime(path)

    def read(self) -> list[ImageUse]:
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            repository, _, digest = path.name.removesuffix(_SUFFIX).rpartition("-")
            try:
                used_at, below = path.stat().st_mtime, path.read_text()
            except FileNotFoundError:
                continue
            below_bytes = int(below) if below.isdecimal() else 0
            found.append(ImageUse(f"{repository}:{digest}", used_at, below_bytes))
        return found

    def forget(self, tag: str) -> None:
        self._path(tag).unlink(missing_ok=True)

    def _path(self, tag: str) -> Path:
        return self._folder / (tag.replace(":", "-") + _SUFFIX)
