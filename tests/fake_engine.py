"""What a container engine answers, for engines that can't be had here: an HTTP server on a unix socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, ClassVar
from urllib.parse import unquote

INFO: dict[str, Any] = {
    "ServerVersion": "28.0.1",
    "NCPU": 8,
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "xfs"], ["Supports d_type", "true"]],
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    "DefaultRuntime": "runc",
    "Runtimes": {
        "runc": {"path": "runc"},
        "runsc": {"path": "runsc", "runtimeArgs": ["--host-uds=open"]},
        "nvidia": {"path": "nvidia-container-runtime"},
    },
    "InitBinary": "docker-init",
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "MemoryLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
}
"""Docker on a machine where all is well."""


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = False
    block_on_close = True
    answers: dict[str, tuple[int, Any]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float] = 5
    server: _Server

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        status, body = self.server.answers.get(path, (404, {"message": f"no such thing: {path}"}))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Not on the tests' standard error."""

    def address_string(self) -> str:
        return "unix"


@contextmanager
def fake_engine(
    socket: Path, *, images: tuple[str, ...] = (), registry: tuple[str, ...] = (), **info: Any
) -> Iterator[str]:
    """Serves at `socket`, with `INFO` but for what `info` says; gives its URL."""
    facts = deepcopy(INFO) | info
    version = {
        "Version": facts["ServerVersion"],
        "ApiVersion": "1.48",
        "MinAPIVersion": "1.24",
        "Os": "linux",
    }
    with _Server(str(socket), _Handler) as server:
        server.answers = {"/version": (200, version), "/info": (200, facts), "/_ping": (200, "OK")}
        server.answers |= {f"/images/{name}/json": (200, {"Id": f"sha256:{name}"}) for name in images}
        server.answers |= {f"/distribution/{name}/json": (200, {"Descriptor": {}}) for name in registry}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"unix://{socket}"
        finally:
            server.shutdown()
            thread.join()
