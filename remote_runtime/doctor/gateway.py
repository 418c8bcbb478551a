"""The gateway as it is set up: its folder, its port, its certificate, its database."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..config import MAX_SOCKET_PATH, socket_path
from .line import Line, lacks, missing, ok

AGENT_BYTES = 200 << 20
"""What an agent's environment takes, and a little more."""


def folder_line(folder: Path) -> Line:
    """The folder, or what is there of the way to it, may be written."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        fix = f"chown it to the gateway's user ({_user()}), or take another --folder"
        return missing("folder", f"{existing} may not be written", fix)
    return ok("folder", str(folder))


def _user() -> str:
    return f"uid {os.getuid()}"


def disk_line(free_bytes: int, min_free_bytes: int) -> Line:
    found = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes < min_free_bytes:
        fix = "make room, or take another --folder: below c.Gateway.min_free_bytes, caches are emptied"
        return missing("disk", found, fix)
    if free_bytes < min_free_bytes + (20 << 30):
        return lacks(
            "disk", found, "images, caches and journals take tens of gigabytes: give the folder a larger disk"
        )
    return ok("disk", found)


def socket_line(folder: Path) -> Line:
    """Where agents dial in: a unix socket's path has about a hundred bytes."""
    path = socket_path(folder)
    if path.is_relative_to(folder):
        return ok("agents' socket", f"{len(os.fsencode(path))} of {MAX_SOCKET_PATH} bytes")
    fix = "take a --folder with a shorter path: what clears up temporary folders must leave this one alone"
    return lacks("agents' socket", f"the folder's path is too long for it, so it is at {path}", fix)


def port_line(host: str, port: int, *, serves: bool) -> Line:
    """`serves`: a gateway runs on the folder already."""
    if port == 0:
        return ok("port", "any that is free")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if serves:
            return ok("port", f"{port}: the gateway serves")
        fix = f"ss -ltnp | grep {port} shows who has it; or take another --port"
        return missing("port", f"{port} of {host}: {error.strerror}", fix)
    return ok("port", f"{port} of {host} is free")


def tls_line(certfile: str, keyfile: str, names: Iterable[str], *, needed: bool) -> Line:
    """As a client would judge the certificate that knows who signed it; `needed`: other machines come here."""
    if not certfile:
        if needed:
            fix = "--certfile and --keyfile; or --insecure-no-tls behind a proxy that encrypts"
            return missing("TLS", "none, and other machines come here", fix)
        return ok("TLS", "none: plain HTTP on loopback, or behind what encrypts")
    for name in names or ("localhost",):
        if refused := _refusal(certfile, keyfile or certfile, name):
            return missing(
                "TLS", f"{certfile} for {name}: {refused}", "get a certificate for that name, and its key"
            )
    return ok("TLS", f"{certfile} is for {', '.join(names) or 'localhost'}")


def _refusal(certfile: str, keyfile: str, name: str) -> str | None:
    """What a client finds wrong, in a handshake in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.create_default_context()
    try:
        server.load_cert_chain(certfile, keyfile)
        client.load_verify_locations(certfile)
    except (OSError, ssl.SSLError) as error:
        return str(error)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
            except ssl.SSLError as error:
                return str(error)
    return None


def database_line(url: str, error: str | None) -> Line:
    if error is not None:
        fix = "is its server up, and the driver installed (pip install 'farcell[postgres]')?"
        return missing("database", error, fix)
    return ok("database", url or "SQLite in the folder")


def agent_lines(folder: Path) -> Iterator[Line]:
    """What it takes to make an agent's own environment, which the Docker spawner mounts."""
    libc, _ = platform.libc_ver()
    if libc != "glibc":
        fix = "run the gateway on a Linux with glibc (Debian, Ubuntu, Fedora; not Alpine)"
        yield missing("agent's environment", f"this Python's C library is {libc or 'not glibc'}", fix)
    elif shutil.which("ldd") is None:
        yield missing("agent's environment", "ldd is not found", "install libc-bin: it comes with glibc")
    elif (
        shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
        < AGENT_BYTES
    ):
        yield missing("agent's environment", "the folder's disk has no 200 MB left for it", "make room")
    else:
        yield ok("agent's environment", "can be made of this Python")
