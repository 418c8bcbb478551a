"""All benchmarks, one after the other: ``python tests/benchmarks``, with the options that each of them has."""

from __future__ import annotations

import sys

from capacity import CAPACITY
from coldstart import COLDSTART
from far_kernel import FAR_KERNEL, FAR_ROUNDTRIP
from harness import main
from images import IMAGES
from roundtrip import ROUNDTRIP
from stream import STREAM

if __name__ == "__main__":
    sys.exit(
        max(
            main(benchmark)
            for benchmark in (ROUNDTRIP, COLDSTART, IMAGES, FAR_ROUNDTRIP, FAR_KERNEL, STREAM, CAPACITY)
        )
    )
