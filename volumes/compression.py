"""zstd where it helps."""

from __future__ import annotations

import threading
from enum import IntEnum
from typing import Final

import zstandard

from .errors import Damaged

LEVEL: Final = 1
"""0.5 GB/s a core; level 3 takes twice as long for a tenth less, on text and on float32."""
WORTH_IT: Final = 0.95
"""What compresses to more of its length is kept as it is: reading it costs nothing then."""
_SHORT_BYTES: Final = 16 << 10
_SAMPLE_BYTES: Final = 4 << 10


class Codec(IntEnum):
    """How a blob's bytes are stored; a number of the format."""

    PLAIN = 0
    ZSTD = 1


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


_per_thread = _PerThread()


def compress(data: bytes) -> tuple[Codec, bytes]:
    """Long data are judged by three samples, so that what doesn't compress costs a hundredth of trying."""
    compressor = _per_thread.compressor
    if len(data) > _SHORT_BYTES:
        sample = _sample(data)
        if len(compressor.compress(sample)) > WORTH_IT * len(sample):
            return Codec.PLAIN, data
    compressed = compressor.compress(data)
    if len(compressed) > WORTH_IT * len(data):
        return Codec.PLAIN, data
    return Codec.ZSTD, compressed


def decompress(codec: int, stored: bytes, size: int) -> bytes:
    """Raises `Damaged` where the result would not have that size; allocates no more than it."""
    data = stored
    if codec == Codec.ZSTD:
        try:
            if zstandard.frame_content_size(stored) == size:
                data = _per_thread.decompressor.decompress(stored, max_output_size=size)
        except zstandard.ZstdError as error:
            raise Damaged("a blob can't be decompressed") from error
    if len(data) != size:
        raise Damaged("a blob has another size than its pack says")
    return data


def _sample(data: bytes) -> bytes:
    middle = (len(data) - _SAMPLE_BYTES) // 2
    return data[:_SAMPLE_BYTES] + data[middle : middle + _SAMPLE_BYTES] + data[-_SAMPLE_BYTES:]
