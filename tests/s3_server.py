"""A real S3 API as its own process: moto's server, whose conditional writes are those of S3.

Of what PyPI and Debian have it is the one small server with If-Match and If-None-Match on PutObject; Debian's other is
Ceph's gateway, which needs a cluster. It runs in an environment of its own: what it needs holds others' packages back.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layout import ROOT
from obstore.store import S3Store
from patience import DEADLINE_S

_ENVIRONMENT = ROOT / "build" / "s3-server"
_REQUIREMENTS = "moto[s3]>=5.2\nflask>=3\nflask-cors>=6\n"
_BUCKET = "farcell"
_PROGRAM = """
import sys
from moto.server import ThreadedMotoServer
import boto3
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
).create_bucket(Bucket=sys.argv[1])
print(endpoint, flush=True)
sys.stdin.read()
server.stop()
"""


def server_python() -> Path:
    """The interpreter that has the server; makes its environment when it is missing or should hold something else."""
    wanted, made = _ENVIRONMENT / "requirements.txt", _ENVIRONMENT / "bin" / "python"
    if not wanted.exists() or wanted.read_text() != _REQUIREMENTS:
        uv = [sys.executable, "-m", "uv"]
        subprocess.run(
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, _ENVIRONMENT], check=True
        )
        install = [*uv, "pip", "install", "--quiet", "--system-certs", "--python", made]
        subprocess.run([*install, *_REQUIREMENTS.split()], check=True)
        wanted.write_text(_REQUIREMENTS)
    return made


@contextmanager
def running_s3() -> Iterator[str]:
    """Its address; it has one bucket, and forgets everything in the end."""
    with subprocess.Popen(
        [server_python(), "-c", _PROGRAM, _BUCKET],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        watchdog = threading.Timer(DEADLINE_S, server.kill)
        watchdog.start()
        try:
            endpoint = server.stdout.readline().strip()
            watchdog.cancel()
            assert endpoint, "the S3 server did not start"
            yield endpoint
        finally:
            watchdog.cancel()
            server.stdin.close()
            try:
                server.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                server.kill()


def s3_bucket(endpoint: str) -> S3Store:
    return S3Store(
        _BUCKET,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",
        client_options={"allow_http": True},
    )
