"""Proves on real NVIDIA devices what simulated ones can't: ``python tests/gpu/prove.py``.

It starts a gateway of its own on an empty data folder, runs cells in far containers, and prints one line per fact. It
needs torch in the environment that it runs in, and a device that nobody else computes on. Without a device it says so
and exits with 0; with a fact that does not hold, with 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from farcell.remote_runtime.api import GIB, Lease, Offer, Request, SessionKey, SessionSpec, default_table
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import Began, CellRun, CellSource, Ended, Output, Progress, new_header
from farcell.remote_runtime.spawners.nvml import Availability, Nvml
from farcell.remote_runtime.spawners.offers import gpu_name

DEADLINE_S = 180.0
SLACK_BYTES = 256 << 20  # what a driver may keep of a context for a moment

COMPUTES = """
import torch
torch.manual_seed(0)
a = torch.randn(512, 512, dtype=torch.float64)
far = (a.cuda() @ a.cuda()).cpu()
print(torch.cuda.device_count(), torch.allclose(far, a @ a), torch.cuda.get_device_name(0), sep="|")
"""
HOLDS_AND_WORKS = """
import time
held = torch.empty(2 << 30, dtype=torch.uint8, device="cuda")
b = torch.randn(4096, 4096, device="cuda")
end = time.monotonic() + 5
while time.monotonic() < end:
    b = torch.nn.functional.normalize(b @ b)
    torch.cuda.synchronize()
print("held")
"""
FOREIGN = "import torch; x = torch.ones(1, device='cuda'); print(flush=True); import time; time.sleep(600)"


class DoesNotHold(Exception):
    """A fact is not as it should be; the text says what is."""


@dataclass
class Proof:
    """What the facts share, and what was found so far."""

    client: Client
    nvml: Nvml
    lease: Lease | None = None
    used_before: dict[str, int] = field(default_factory=dict)

    @property
    def offer(self) -> Offer:
        """The first real GPU offer."""
        found = next((one for one in self.client.offers() if one.gpu and not one.simulated), None)
        return _holds(found, "there is no offer of a real GPU")

    @property
    def device(self) -> str:
        return _holds(self.lease, "no cell has run").devices[0]

    def used(self, uuid: str) -> int:
        return _holds(self.nvml.usage(uuid), f"NVML does not answer for {uuid}").memory_used_bytes


def _holds(value: Any, otherwise: str) -> Any:
    if not value:
        raise DoesNotHold(otherwise)
    return value


def _until(holds: Callable[[], Any], otherwise: str, timeout_s: float = 30.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        _holds(time.monotonic() < deadline, otherwise)
        time.sleep(0.1)
    return found


def _cell(proof: Proof, code: str, name: str) -> CellRun:
    key = SessionKey(machine="gpu-proof", path="/proof.ipynb", name=name)
    spec = SessionSpec(key, Request.parse(proof.offer.name))
    return proof.client.run_cell(CellSource(code, new_header()), spec)


def _events(run: CellRun) -> Iterator[Any]:
    while True:
        event = run.next(DEADLINE_S)
        yield event
        if isinstance(event, Ended):
            return


def _printed(proof: Proof, run: CellRun) -> str:
    """What the cell printed; keeps its lease."""
    text = ""
    for event in _events(run):
        if isinstance(event, Began):
            proof.lease = event.session.lease
        if isinstance(event, Output):
            text += event.content.get("text", "")
            _holds(event.msg_type != "error", f"{event.content.get('ename')}: {event.content.get('evalue')}")
        if isinstance(event, Ended) and event.error:
            raise DoesNotHold(event.error.message)
    return text.strip()


# the facts, in the order in which they are proved


def offers_name_the_true_devices(proof: Proof) -> str:
    real = {(gpu_name(one.product, default_table()), one.uuid) for one in proof.nvml.devices()}
    offered = {
        (one.gpu, device.uuid) for one in proof.client.offers() for device in one.devices if not one.simulated
    }
    _holds(offered == real, f"offered {offered}, NVML has {real}")
    return ", ".join(sorted(name for name, _ in real))


def torch_computes_on_the_leases_device_alone(proof: Proof) -> str:
    proof.used_before = {one.uuid: proof.used(one.uuid) for one in proof.nvml.devices()}
    count, is_right, product = _printed(proof, _cell(proof, COMPUTES, "first")).split("|")
    _holds(count == "1" and is_right == "True", f"{count} devices, right: {is_right}")
    _holds(gpu_name(product, default_table()) == proof.offer.gpu, f"torch computed on {product}")
    return f"{product}, {proof.device}"


def a_second_lease_gets_another_device_or_queues(proof: Proof) -> str:
    first, run = proof.device, _cell(proof, "print('second')", "second")
    if proof.offer.count_total == 1:
        return _queues(run)
    kept, proof.lease = proof.lease, None
    _printed(proof, run)
    second, proof.lease = proof.device, kept
    _holds(second != first, f"both leases hold {first}")
    proof.client.stop(str(run.session.id if run.session else ""))
    return f"{first} and {second}"


def _queues(run: CellRun) -> str:
    """The only device is taken: the cell waits, until it is withdrawn."""
    place = None
    for event in _events(run):
        if isinstance(event, Progress) and event.session.queue and not place:
            place = event.session.queue
            run.interrupt()
    return f"queued at place {_holds(place, 'the cell did not queue').place}: {place.reason}"


def utilisation_and_memory_are_reported(proof: Proof) -> str:
    _holds(_printed(proof, _cell(proof, HOLDS_AND_WORKS, "first")) == "held", "the cell did not work")
    _holds(proof.used(proof.device) >= 2 * GIB, f"NVML sees {proof.used(proof.device) / GIB:.1f} GiB in use")
    line = _until(lambda: _working_line(proof), "the bill has no cell with 2 GiB and half a device's work")
    return f"{line.peak_gpu_memory_bytes / GIB:.1f} GiB, {line.peak_gpu_utilisation:.0%} at the peak"


def _working_line(proof: Proof) -> Any:
    lines = proof.client.bill().lines
    return next(
        (one for one in lines if one.peak_gpu_memory_bytes >= 2 * GIB and one.peak_gpu_utilisation > 0.5),
        None,
    )


def stopping_frees_the_memory(proof: Proof) -> str:
    held = proof.used(proof.device)
    for session in proof.client.sessions():
        proof.client.stop(session.id)
    limit = proof.used_before[proof.device] + SLACK_BYTES
    _until(lambda: proof.used(proof.device) <= limit, f"{proof.used(proof.device) / GIB:.1f} GiB stay in use")
    _until(lambda: not proof.nvml.compute_pids(proof.device), "a process still computes there")
    return f"{held / GIB:.1f} → {proof.used(proof.device) / GIB:.1f} GiB"


def a_device_on_which_others_compute_counts_as_taken(proof: Proof) -> str:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": proof.device}
    command = [sys.executable, "-c", FOREIGN]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as foreign:
        try:
            _holds(foreign.stdout and foreign.stdout.readline(), "torch does not run outside of a container")
            _until(lambda: proof.offer.count_free < proof.offer.count_total, "the device is offered as free")
        finally:
            foreign.kill()
    _until(lambda: proof.offer.count_free == proof.offer.count_total, "the device is not free again")
    return "taken while it ran, free again after it"


FACTS = (
    offers_name_the_true_devices,
    torch_computes_on_the_leases_device_alone,
    a_second_lease_gets_another_device_or_queues,
    utilisation_and_memory_are_reported,
    stopping_frees_the_memory,
    a_device_on_which_others_compute_counts_as_taken,
)


@contextmanager
def _gateway() -> Iterator[Client]:
    """An embedded gateway on an empty data folder, without simulated devices; ended with all its containers."""
    folder = Path(tempfile.mkdtemp(prefix="farcell-"))
    os.environ["FARCELL_DATA_DIR"] = str(folder)
    os.environ.pop("FARCELL_SIMULATE", None)
    client = Client()
    try:
        yield client
    finally:
        client.close()
        subprocess.run(
            [Path(sys.executable).with_name("farcell"), "down"], check=True, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(folder, ignore_errors=True)


def prove() -> list[tuple[str, bool, str]]:
    """Each fact, whether it holds, and what was seen; after one that does not hold the next is tried all the same."""
    results = []
    with _gateway() as client:
        proof = Proof(client, Nvml())
        for fact in FACTS:
            try:
                held, seen = True, fact(proof)
            except (DoesNotHold, TimeoutError) as error:
                held, seen = False, str(error)
            results.append((fact.__name__.replace("_", " "), held, seen))
        proof.nvml.close()
    return results


def why_not() -> str | None:
    """Why nothing can be proved here, or None."""
    nvml = Nvml()
    availability = nvml.availability()
    nvml.close()
    return None if availability is Availability.AVAILABLE else availability.value


def main() -> int:
    console = Console()
    if reason := why_not():
        console.print(f"skipped: {reason}", soft_wrap=True)
        return 0
    nvml = Nvml()
    table = Table("fact", "holds", "seen", title=f"NVIDIA driver {nvml.driver_version()}")
    nvml.close()
    results = prove()
    for fact, held, seen in results:
        table.add_row(fact, "yes" if held else "NO", seen)
    console.print(table)
    return 0 if all(held for _, held, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
