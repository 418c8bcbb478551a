"""The archives that images copy, made again when a gateway lacks them."""

from __future__ import annotations

import tempfile
from typing import IO

from ..api.image_files import DigestSink, origin, write_archive
from ..errors import BadRequest


def opened_archive(sha256: str) -> IO[bytes]:
    """A temporary file. Raises `BadRequest` where it can't be had any more."""
    source = origin(sha256)
    if source is None:
        raise BadRequest(
            "the image copies files that the gateway has not got: define the image here once more"
        )
    file = tempfile.TemporaryFile(prefix="farcell-")  # noqa: SIM115 (the caller closes it)
    try:
        write_archive(source, sink := DigestSink(file))
    except BaseException:
        file.close()
        raise
    if sink.hexdigest() != sha256:
        file.close()
        raise BadRequest(f"{source.path} has changed since the image was defined: define it again")
    return file
