"""From ``%%gpu --pip`` without a session to its first output, while a gateway runs.

``none``: without an image; ``found``: its image was built before; ``built``: it is built, from a warm cache.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from farcell_cells import end_gateway, new_spec, wait_for
from serving import Measure, serve

from farcell.remote_runtime.api import Image
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import CellSource, Ended, Output, new_header

sys.path.append(str(Path(__file__).parents[2]))
from wheels import make_wheel

NUMBERS = itertools.count()


def image_of(before: str, wheel: Path) -> Image:
    """For `built` a definition that nobody has had before."""
    if before == "none":
        return Image()
    image = Image.debian().pip_install(f"tinyone @ {wheel.as_uri()}")
    return image.env(NUMBER=str(next(NUMBERS))) if before == "built" else image


def start_and_run(image: Image, code: str) -> dict[str, Any]:
    began = time.perf_counter()
    with closing(Client()) as client:
        cell = client.run_cell(CellSource(code, new_header()), replace(new_spec(), image=image))
        wait_for(cell, Output)
        took_s = time.perf_counter() - began
        wait_for(cell, Ended)
        assert cell.session is not None
        client.stop(cell.session.id)
    return {"value": took_s}


@contextmanager
def far_sessions(before: str) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        wheel = make_wheel(Path(folder), "tinyone")
        yield lambda code: start_and_run(image_of(before, wheel), code)
    end_gateway()


if __name__ == "__main__":
    serve(far_sessions(sys.argv[1]))
