"""From no container to the first output of an ipykernel in one: created and started with a lease's own flags."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import zmq
from docker.errors import NotFound
from docker_engine import LISTENING_SANDBOX, DockerEngine, docker_client
from jupyter_client.blocking.client import BlockingKernelClient
from kernels import wait_for_output
from serving import Measure, serve

from farcell.remote_runtime.api import GatewayId, Image, Isolation, LeaseId, SessionId
from farcell.remote_runtime.spawners.contract import ContainerSpec
from farcell.remote_runtime.spawners.docker.agent_environment import EMPTY
from farcell.remote_runtime.spawners.docker.container import ContainerSettings, Limits, create_body

CODE = "print('here', flush=True)"
EAGER_RECONNECT_MS = 5
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
REACHED = {"runsc": LISTENING_SANDBOX}
"""The kernel is to be reached on its own sockets, without an agent that dials out."""
LIMITS = Limits(pids=4096, shm_bytes=1 << 30)


def spec_in(folder: Path) -> ContainerSpec:
    lease_id = LeaseId(secrets.token_hex(6))
    for name in ("lease", "gateway", "cache", "agent"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    (folder / "agent" / EMPTY).touch()
    return ContainerSpec(
        gateway_id=GatewayId("benchmark"),
        session_id=SessionId("benchmark"),
        lease_id=lease_id,
        owner="ada",
        offer="H100",
        devices=(),
        folder=folder / "lease",
        cache=folder / "cache",
        socket=folder / "gateway" / "gateway.sock",
        token="none",
        image=Image(),
    )


def connection(folder: Path) -> BlockingKernelClient:
    """Writes what a kernel in the container is to listen on; its client outside."""
    facts = {f"{channel}_port": number for number, channel in enumerate(CHANNELS, start=1)}
    facts |= {"transport": "ipc", "key": secrets.token_hex(16), "signature_scheme": "hmac-sha256"}
    (folder / "kernel.json").write_text(json.dumps({**facts, "ip": "/farcell/lease/k"}))
    context = zmq.Context()
    context.setsockopt(zmq.RECONNECT_IVL, EAGER_RECONNECT_MS)
    client = BlockingKernelClient(context=context)
    client.load_connection_info({**facts, "ip": str(folder / "k")})
    return client


def start_and_run(engine: DockerEngine, image: str, runtime: str) -> float:
    with tempfile.TemporaryDirectory(prefix="farcell-bench-") as name, docker_client(engine) as docker:
        spec = spec_in(Path(name))
        client = connection(spec.folder)
        settings = ContainerSettings(
            agent=spec.folder.with_name("agent"),
            command=(),
            image=image,
            runtimes={Isolation.CONTAINER: REACHED.get(runtime, runtime)},
            limits=LIMITS,
        )
        body = create_body(spec, settings)
        body |= {
            "User": "10001:10001",
            "Entrypoint": ["python3", "-m", "ipykernel_launcher", "-f", "/farcell/lease/kernel.json"],
            "Cmd": [],
        }
        container = f"farcell-bench-{spec.lease_id}"
        docker.ping()  # its connection is open, as a gateway's is
        began = time.perf_counter()
        try:
            docker.create_container_from_config(body, container)
            docker.start(container)
            client.start_channels(hb=False)
            return wait_for_output(client, CODE) - began
        finally:
            client.stop_channels()
            client.context.destroy(linger=0)
            with suppress(NotFound):
                docker.remove_container(container, force=True, v=True)


@contextmanager
def cold_containers() -> Iterator[Measure]:
    engine = DockerEngine(Path(os.environ["FARCELL_BENCHMARK_ENGINE"]), 0)
    yield lambda runtime: start_and_run(engine, engine.image, runtime)


if __name__ == "__main__":
    serve(cold_containers())
