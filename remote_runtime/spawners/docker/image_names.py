"""What the images that Farcell makes are called at the engine; pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ...api import Image
from ...errors import ImageNotSupported
from .finishing import FINISHING

IMAGES, FINISHED = "farcell-image", "farcell-finished"
"""The repositories of images for kernels, and of bases that were finished for them."""


@dataclass(frozen=True, slots=True)
class Bases:
    """The operator's: `default` is a reference, `debian` one with ``{python}`` for the minor that is asked for."""

    default: str
    debian: str

    def of(self, image: Image) -> str:
        """The reference of what `image` is built on; raises `ImageNotSupported` for what only a process can have."""
        if image.python is not None:
            raise ImageNotSupported(
                f"{image.python} is an interpreter of the gateway's machine, and containers have their own: "
                "name an image, or take an offer of the process spawner"
            )
        if image.base is not None:
            return full_name(image.base)
        if image.python_version is not None:
            return self.debian.format(python=image.python_version)
        return self.default

    def tag(self, image: Image) -> str:
        """The name of what `image` becomes: another where the base, or how images are finished, is another."""
        return f"{IMAGES}:{_digest(image.digest, self.of(image), FINISHING)}"


def finished_tag(base_id: str, python_version: str | None) -> str:
    """The name of a base that is ready for kernels; by its content, not by its name, which may move."""
    return f"{FINISHED}:{_digest(base_id, python_version or '', FINISHING)}"


def full_name(reference: str) -> str:
    """With a tag or a digest, so that it names no image by the beginning of its id: ids may be other people's images.

    Raises `ImageNotSupported` for what was made here: others' definitions stay theirs.
    """
    repository, at, digest = reference.partition("@")
    path, colon, tag = repository.rpartition(":")
    if not colon or "/" in tag:
        path, tag = repository, "" if at else "latest"
    if path == "sha256" or path.rpartition("/")[2] in (IMAGES, FINISHED):
        raise ImageNotSupported(f"{reference} is nothing to build on: name an image of a registry")
    return path + (f":{tag}" if tag else "") + at + digest


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
