"""``farcell doctor``: what this machine can do for a gateway, and what it lacks."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from traitlets import Bool

from .. import config
from ..loopback import is_loopback
from .command import DEBUG_FLAG, Command
from .gateway import DEFAULT_PORT, Gateway
from .serve import FOLDER_ALIASES
from .tables import checks_table, show

if TYPE_CHECKING:
    from ..doctor.line import Line


class Doctor(Command):
    name = "farcell doctor"
    description = (
        "Says line by line what this machine can do for a gateway, what it lacks, and what to do about it. It looks "
        "at the gateway that 'farcell serve' with the same options and the same farcell_config.py would serve, and "
        "changes nothing. Its exit code is 1 where such a gateway could not work."
    )
    classes: list[Any] = [Gateway]
    as_json = Bool(help="print JSON").tag(config=True)
    aliases: dict[Any, Any] = FOLDER_ALIASES | {
        "host": ("Gateway.host", "address to listen on (default: 127.0.0.1)"),
        "port": ("Gateway.port", f"default: {DEFAULT_PORT}; 0 takes any that is free"),
        "certfile": ("Gateway.certfile", "PEM file of the TLS certificate"),
        "keyfile": ("Gateway.keyfile", "PEM file of its key"),
        "host-name": ("Gateway.host_names", "a name by which clients reach it; may be given more than once"),
    }
    flags: dict[Any, Any] = {
        "json": ({"Doctor": {"as_json": True}}, "for programs"),
        "insecure-no-tls": ({"Gateway": {"insecure_no_tls": True}}, "something else encrypts the way"),
    } | DEBUG_FLAG

    def run(self) -> None:
        lines = list(_examine(Gateway(config=self.config)))
        if self.as_json:
            print_json(lines)
        else:
            show(
                checks_table(
                    (line.verdict.mark, line.verdict.value, line.check, line.found, line.fix)
                    for line in lines
                )
            )
        if any(line.verdict.value == "missing" for line in lines):
            raise SystemExit(1)


def print_json(lines: list[Line]) -> None:
    checks = [
        {"check": line.check, "verdict": line.verdict.value, "found": line.found, "fix": line.fix}
        for line in lines
    ]
    sys.stdout.write(json.dumps({"checks": checks}, indent=2) + "\n")


def _examine(gateway: Gateway) -> Iterator[Line]:
    from ..doctor.examine import machine_lines
    from ..doctor.gateway import database_line, port_line, socket_line, tls_line

    setup = gateway.setup(gateway.table())
    yield from machine_lines(
        setup, min_free_bytes=gateway.min_free_bytes, containers="docker" in gateway.spawners
    )
    yield socket_line(gateway.path)
    yield port_line(gateway.host, gateway.port, serves=_is_served(gateway))
    exposed = not is_loopback(gateway.host) and not gateway.insecure_no_tls
    yield tls_line(gateway.certfile, gateway.keyfile, gateway.host_names, needed=exposed)
    yield database_line(gateway.database_url, _database_error(gateway))


def _database_error(gateway: Gateway) -> str | None:
    """None also where there is none yet: it is not for a look to make one."""
    if not gateway.database_url and not (gateway.path / "gateway.sqlite").exists():
        return None
    from sqlalchemy.exc import SQLAlchemyError

    from ..gateway.database import Database

    try:
        with closing(Database.of_gateway(gateway.path, gateway.database_url)) as database:
            database.check()
    except (SQLAlchemyError, ImportError) as error:
        return str(error).splitlines()[0]
    return None


def _is_served(gateway: Gateway) -> bool:
    """Whether a gateway runs on the folder."""
    lock = gateway.path / config.GATEWAY_LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
