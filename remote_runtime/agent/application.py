"""The agent put together: the kernel on one side, the gateway on the other, the watch over both."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import signal
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ..api import EndReason
from ..errors import BadFrame, TooLarge
from ..logs.format import FOLDER
from ..logs.writer import LogHandler, LogPump, LogWriter
from ..spawners.nvml import Nvml
from ..wire import Kind, Message, Priority, control, messages
from ..wire.messages import KernelMessage
from ..wire.numbered import BROADCAST, OWN_CLIENTS
from . import way_out
from .activity import ActivityMeter
from .apt import AptDesk
from .cells import CellTracker, execute_request_id, input_reply_id, message_id
from .forwarder import forwarding
from .heard import Heard
from .installs import Installs
from .kernel_keeper import RESTARTED, KernelKeeper
from .kernel_process import KernelProcess
from .lease_folder import LeaseFolder
from .link import GatewayLink, Refused
from .outlet import Outlet
from .watch import Watch

_log = logging.getLogger(__name__)

FIRST_LEASE_END_S = 60.0
"""An agent that no gateway has welcomed by then ends."""
GOODBYE_S = 2.0
HOLD_BACK_S = 0.5


class Agent:
    """One lease's agent; `run` returns the process's exit code."""

    def __init__(self, folder: LeaseFolder, process: KernelProcess, log: LogWriter) -> None:
        self._folder = folder
        self._log = log
        self._nvml = Nvml() if any(not device["simulated"] for device in folder.devices) else None
        self._devices = tuple(map(_device_fact, folder.devices))
        self._cells = CellTracker()
        self._heard = Heard()
        self._kernel = KernelKeeper(process, self, self._cells.to_kernel)
        self._link = GatewayLink(str(folder.socket), folder.lease_id, lambda: folder.token, self)
        self._outlet = Outlet(folder.path / "journal", self._link)
        meter = ActivityMeter(self._devices, self._nvml)
        self._installs = Installs(
            self._kernel.package_folders, lambda packages: self.tell(control.Installed(packages))
        )
        self._watch = Watch(self._kernel, self._cells, meter, self, FIRST_LEASE_END_S)
        self._ending: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end, EndReason.STOPPED)
        try:
            async with asyncio.TaskGroup() as tasks:
                works = (
                    self._keep_link,
                    self._link.acknowledge_regularly,
                    self._kernel.run,
                    self._hold_back,
                    self._installs.run,
                    self._judge,
                    self._watch.attest_regularly,
                    self._keep_way_out,
                    self._serve_apt,
                )
                running = [tasks.create_task(work()) for work in works]
                reason = await self._ending
                _log.info("lease %s ends: %s", self._folder.lease_id, reason.value)
                await self._say_bye(reason)
                for task in running:
                    task.cancel()
        finally:
            self._kernel.close()
            self._outlet.close()
        return 0

    # --- the kernel tells ---

    def from_kernel(self, client: int, message: KernelMessage) -> None:
        cell = self._cells.from_kernel(message, self._watch.uptime_ms())
        if cell is not None:
            self._watch.cell_changed(cell)
            if cell.ended_ms is not None:
                self._installs.look()
        self._outlet.put(client, messages.pack(message))
        if self._outlet.overfull:
            self._kernel.pause()

    def kernel_ready(self, pid: int) -> None:
        self._watch.begin()
        self._installs.look()
        self.tell(control.Ready(pid, self._watch.uptime_ms()))

    def kernel_replaced(self, why: str) -> None:
        self._end_cells()
        if why != RESTARTED:
            self.tell(control.KernelDied(why))
        self._outlet.put(BROADCAST, messages.pack(_restarting(why)))

    # --- the gateway tells ---

    def received(self, message: Message) -> None:
        """What can't be read is logged: the gateway has checked what clients send."""
        try:
            if message.kind is Kind.KERNEL:
                self._from_client(message.client, messages.unpack(message.body))
            else:
                self._obey(control.decode_from_gateway(message.body))
        except (BadFrame, TooLarge) as error:
            _log.warning("lease %s: dropped a message: %s", self._folder.lease_id, error)

    def _from_client(self, client: int, message: KernelMessage) -> None:
        """At most once: what came before is not given to the kernel again; of stock clients, cells and answers."""
        execute_id = execute_request_id(message)
        if execute_id is not None and not self._outlet.accept(execute_id, client):
            _log.info("lease %s: cell %s came again", self._folder.lease_id, execute_id)
        elif self._heard.is_new(message_id(message) if client == OWN_CLIENTS else input_reply_id(message)):
            self._kernel.send(client, message)

    def _obey(self, order: control.FromGateway) -> None:
        match order:
            case control.Attach(client=client):
                self._kernel.attach(client)
            case control.Detach(client=client):
                self._kernel.detach(client)
            case control.Interrupt():
                self._cells.interrupted()
                self._kernel.interrupt()
            case control.Restart():
                self._kernel.restart()
            case control.Keep(seconds=seconds):
                self._watch.keep(seconds)
            case control.Settings(idle_s=idle_s, busy_cap_s=busy_cap_s):
                self._watch.set_limits(idle_s, busy_cap_s)
            case control.LeaseEnd(in_s=in_s):
                self._watch.move_lease_end(in_s)
            case control.Stop(reason=reason):
                self._end(_end_reason(reason))
            case control.Welcome():
                raise BadFrame("a second welcome")

    # --- the link ---

    @property
    def connected(self) -> bool:
        return self._link.connected

    def tell(self, message: control.Control) -> None:
        self._link.send(Message(Kind.CONTROL, BROADCAST, control.encode(message), Priority.HIGH))

    async def _keep_link(self) -> None:
        try:
            await self._link.run()
        except Refused as refusal:
            _log.warning("lease %s: %s", self._folder.lease_id, refusal)
            self._end(EndReason.LOST)

    def hello(self, nonce: str, stream: dict[str, Any]) -> control.Hello:
        return control.Hello(
            nonce=nonce,
            stream=stream,
            farcell=version("farcell"),
            python=platform.python_version(),
            pid=os.getpid(),
            devices=self._devices,
            driver=self._nvml.driver_version() if self._nvml else None,
        )

    def welcomed(self, welcome: control.Welcome, *, fresh: bool) -> None:
        self._watch.move_lease_end(welcome.lease_end_s)
        self._watch.set_limits(welcome.idle_s, welcome.busy_cap_s)
        self._outlet.set_limit(welcome.journal_bytes)
        self._log.set_limit(welcome.log_bytes)
        if fresh:
            self._outlet.begin_anew()
            self._kernel.detach_all()
            if self._kernel.answers:
                self.tell(control.Ready(self._kernel.pid, self._watch.uptime_ms()))

    def room(self) -> None:
        self._outlet.flush()

    async def _hold_back(self) -> None:
        """A kernel that fills the disk faster than compaction empties it is not read meanwhile."""
        while True:
            await asyncio.sleep(HOLD_BACK_S)
            if not self._outlet.overfull:
                self._kernel.resume()

    async def _keep_way_out(self) -> None:
        """The kernel's environment names it already."""
        if self._folder.egress is not None:
            try:
                async with forwarding(self._folder.egress):
                    await asyncio.Event().wait()
            except OSError as error:
                _log.error("lease %s: the way out is closed: %s", self._folder.lease_id, error)

    async def _serve_apt(self) -> None:
        """For a kernel that runs as another user than the agent: in a container with an image of its own."""
        folder = self._folder
        if folder.apt and folder.kernel_uid is not None:
            proxies = {} if folder.egress is None else way_out.VARIABLES
            await AptDesk(folder.run, folder.kernel_uid, proxies).serve()

    # --- the end ---

    async def _judge(self) -> None:
        self._end(await self._watch.judge())

    def _end(self, reason: EndReason) -> None:
        if not self._ending.done():
            self._ending.set_result(reason)

    def _end_cells(self) -> None:
        for cell in self._cells.end_all(self._watch.uptime_ms(), "lost"):
            self.tell(cell)

    async def _say_bye(self, reason: EndReason) -> None:
        unsaved = self._watch.unsaved
        if not self._cells.running:
            unsaved = await self._kernel.variables() or unsaved
        self._end_cells()
        self.tell(control.Bye(reason.value, self._watch.uptime_ms(), unsaved))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._link.flushed()


def _device_fact(device: Mapping[str, Any]) -> control.DeviceFact:
    return control.DeviceFact(device["uuid"], device["gpu"], device["memory_bytes"], device["simulated"])


def _end_reason(reason: str) -> EndReason:
    try:
        return EndReason(reason)
    except ValueError as error:
        raise BadFrame(str(error)) from error


def _restarting(why: str) -> KernelMessage:
    """An IOPub status in the kernel's place, as jupyter_server sends one; `detail` is for our own client."""
    content = {"execution_state": "restarting", "farcell": {"detail": why}}
    return messages.encode("iopub", messages.new_header("status", "farcell"), content=content)


def run(folder: LeaseFolder, process: KernelProcess, output: int) -> int:
    """Runs the agent to its end; called by ``__main__`` once the kernel's process is started.

    `output` is what the kernel writes past its messages. It goes to the lease's log, and so does the agent's own.
    """
    log = LogWriter(folder.path / FOLDER)
    handler = LogHandler(log, "agent")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", handlers=[handler])
    pump = LogPump(output, log, "kernel")
    pump.start()

    async def main() -> int:
        return await Agent(folder, process, log).run()

    try:
        return asyncio.run(main())
    except Exception:
        _log.exception("lease %s: the agent failed", folder.lease_id)
        raise
    finally:
        pump.close()
        log.close()
