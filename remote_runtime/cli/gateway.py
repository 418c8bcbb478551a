"""A served gateway as its operator configures it, on the command line or as ``c.Gateway.…``."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets import Bool, Float, Int, List, Unicode, default
from traitlets.config import Configurable

from .. import config
from ..api import GpuTable, default_table
from ..api.gpus import table_with_overrides
from ..errors import BadRequest, Unavailable
from ..loopback import is_loopback

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..gateway.database import Database
    from ..gateway.egress import EgressSetup
    from ..gateway.options import GatewayOptions
    from ..spawners.contract import Spawner, SpawnerSetup

DEFAULT_PORT = 8890
SPAWNERS = "farcell.spawners"


class Gateway(Configurable):
    """What `farcell serve` and `farcell user` work on."""

    folder = Unicode(help="where the gateway keeps database, leases and caches").tag(config=True)
    database_url = Unicode(help="SQLAlchemy's URL of its database, if that is not SQLite in `folder`").tag(
        config=True
    )
    host = Unicode("127.0.0.1", help="the address to listen on").tag(config=True)
    port = Int(DEFAULT_PORT, min=0, max=65535, help="0 takes any that is free").tag(config=True)
    certfile = Unicode(help="PEM file of the TLS certificate and those that signed it").tag(config=True)
    keyfile = Unicode(help="PEM file of its key, if that is not in `certfile`").tag(config=True)
    insecure_no_tls = Bool(help="serve plain HTTP to other machines (behind a TLS proxy, say)").tag(
        config=True
    )
    host_names = List(Unicode(), help="names by which clients reach the gateway").tag(config=True)
    spawners = List(
        Unicode(),
        ["auto"],
        help=f"names from the entry-point group {SPAWNERS}; auto is docker where an engine answers, else process",
    ).tag(config=True)
    simulate = Unicode(help="simulated devices, such as H100:2,T4:4").tag(config=True)
    gpu_table = Unicode(help="TOML file with GPU types and prices that override the shipped ones").tag(
        config=True
    )
    start_s = Float(120.0, help="seconds that a container may take until its kernel answers").tag(config=True)
    lease_s = Float(1800.0, help="seconds until a lease ends whose agent is not heard").tag(config=True)
    egress_ports = List(Int(), help="ports that containers reach through the proxy beside 80 and 443").tag(
        config=True
    )
    egress_private_hosts = List(
        Unicode(), help="what they reach though it is private: pypi.corp, *.corp, 10.1.2.0/24"
    ).tag(config=True)
    egress_upstream = Unicode(
        help="the proxy that the gateway itself has to use: http://[user:password@]proxy.example.com:3128"
    ).tag(config=True)
    log_bytes = Int(16 << 20, min=64 << 10, help="what is kept of the log of one lease").tag(config=True)
    cache_bytes = Int(50 << 30, min=0, help="what the cache of one user may take").tag(config=True)
    min_free_bytes = Int(
        2 << 30,
        min=0,
        help="free space of the disk below which caches are emptied, and who fills hers is stopped",
    ).tag(config=True)
    log_days = Float(30.0, min=0, help="days that logs are kept after their lease").tag(config=True)

    @default("folder")
    def _default_folder(self) -> str:
        """Beside the embedded gateway's things, so that the two never meet."""
        return str(config.data_dir() / "serve")

    @default("simulate")
    def _default_simulate(self) -> str:
        return config.simulate()

    @property
    def path(self) -> Path:
        return Path(self.folder).expanduser().absolute()

    def options(self) -> GatewayOptions:
        """Raises `BadRequest` for what is unsafe or can't be read."""
        from ..gateway.options import GatewayOptions, LeaseTimes

        tls = self._tls()
        if tls is None and not is_loopback(self.host) and not self.insecure_no_tls:
            raise BadRequest(
                f"on {self.host}, tokens and cells of other machines would come in plain text: give --certfile and "
                "--keyfile, or --insecure-no-tls where something else encrypts the way"
            )
        return GatewayOptions(
            folder=self.path,
            host=self.host,
            port=self.port,
            tls=tls,
            host_names=self._allowed_names(),
            database_url=self.database_url or None,
            log_bytes=self.log_bytes,
            log_days=self.log_days,
            cache_bytes=self.cache_bytes,
            min_free_bytes=self.min_free_bytes,
            egress=self._egress(),
            times=LeaseTimes(start_s=self.start_s, lease_s=self.lease_s),
        )

    def _egress(self) -> EgressSetup:
        from ..gateway.egress import EgressRules, EgressSetup, PrivatePlaces, Upstream

        rules = EgressRules(frozenset(self.egress_ports), PrivatePlaces.parse(self.egress_private_hosts))
        return EgressSetup(rules, Upstream.parse(self.egress_upstream) if self.egress_upstream else None)

    def url(self, port: int) -> str:
        """As people should type it."""
        host = next(iter(self.host_names), self.host)
        if host in ("0.0.0.0", "::"):  # noqa: S104 - a comparison
            host = socket.gethostname()
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.certfile else 'http'}://{shown}:{port}"

    def table(self) -> GpuTable:
        return table_with_overrides(Path(self.gpu_table)) if self.gpu_table else default_table()

    def setup(self, table: GpuTable) -> SpawnerSetup:
        from ..spawners.contract import SpawnerSetup

        return SpawnerSetup(self.path, config.environment(), self.simulate, table, self.config)

    def choose_spawners(self, setup: SpawnerSetup) -> dict[str, str]:
        """The names of those that are to be opened, each with why it was chosen; empty where it was named."""
        from ..spawners.auto import AUTO, choose

        chosen: dict[str, str] = {}
        for name in self.spawners:
            if name == AUTO:
                choice = choose(setup)
                chosen.setdefault(choice.spawner, choice.why)
            else:
                chosen[name] = ""
        has_database = self.database_url or (self.path / "gateway.sqlite").exists()
        if AUTO in self.spawners and has_database:
            with self.open_database() as database:
                for name in database.write_now(_spawners_of_leases):
                    chosen.setdefault(name, "leases of it run still")
        return chosen

    def open_spawners(self, setup: SpawnerSetup, names: Iterable[str]) -> dict[str, Spawner]:
        """Raises `BadRequest` for a name that no package has registered."""
        registered = {point.name: point for point in entry_points(group=SPAWNERS)}
        for name in names:
            if name not in registered:
                raise BadRequest(f"there is no spawner {name!r}; installed: {', '.join(registered)}")
        return {name: registered[name].load().configured(setup) for name in names}

    @contextmanager
    def open_database(self) -> Iterator[Database]:
        """The database, also while the gateway runs; raises `Unavailable` when it can't be had."""
        from sqlalchemy.exc import SQLAlchemyError

        from ..gateway.database import Database

        config.make_private(self.path)
        try:
            database = Database.of_gateway(self.path, self.database_url)
            database.migrate()
        except (SQLAlchemyError, ImportError) as error:
            raise Unavailable(f"the gateway's database can't be opened: {error}") from error
        try:
            yield database
        finally:
            database.close()

    def _allowed_names(self) -> frozenset[str]:
        """Beside those given, this machine's own name when it listens to others."""
        own = [] if is_loopback(self.host) else [socket.gethostname()]
        return frozenset([*self.host_names, *own])

    def _tls(self) -> ssl.SSLContext | None:
        if not self.certfile:
            if self.keyfile:
                raise BadRequest("--keyfile needs --certfile: the certificate that the key is for")
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certfile, self.keyfile or None)
        except (OSError, ssl.SSLError) as error:
            raise BadRequest(
                f"{self.certfile} and {self.keyfile or 'its key'} can't be used: {error}"
            ) from error
        return context


def _spawners_of_leases(connection: Connection) -> list[str]:
    """Of those that have not ended: whatever is chosen now, their containers are not to be left alone."""
    from ..gateway import records

    return sorted({lease.spawner for lease in records.read_leases(connection, live=True)})
