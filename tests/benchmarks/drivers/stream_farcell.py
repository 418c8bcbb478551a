"""Much output of a warm far session, through the client that ``%%gpu`` uses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from farcell_cells import end_gateway, new_spec, outputs, run
from numbered_output import NumberedOutput, text_of
from serving import Answer, Measure, serve

from farcell.remote_runtime.client.blocking import Client


@contextmanager
def warm_session() -> Iterator[Measure]:
    client, spec = Client(), new_spec()

    def measure(request: str) -> Answer:
        cell = NumberedOutput.parse(request)
        began = time.perf_counter()
        texts = [text_of(output.msg_type, output.content) for output in outputs(client, spec, cell.code)]
        took_s = time.perf_counter() - began
        return {"value": took_s, "lost": cell.lost([text for text in texts if text is not None])}

    run(client, spec, "pass")
    yield measure
    client.close()
    end_gateway()


if __name__ == "__main__":
    serve(warm_session())
