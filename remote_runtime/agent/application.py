"""The agent's work after the kernel's process was started: relays, judges idleness, reports, ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import platform
import signal
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from ..api import EndReason
from ..errors import BadFrame
from ..spawners.nvml import Nvml
from ..wire import control, messages
from ..wire.frames import Kind, Priority
from ..wire.messages import KernelMessage
from ..wire.stream import Message
from .activity import Activity, ActivityMeter
from .cells import CellTracker
from .idle import Action, IdleJudge, Sample
from .kernel_channels import BROADCAST, KernelChannels
from .kernel_process import KernelProcess, describe_exit
from .kernel_requests import KernelRequests
from .lease_folder import LeaseFolder
from .link import GatewayLink, Refused

_log = logging.getLogger(__name__)

FIRST_LEASE_END_S = 60.0
"""An agent that no gateway has welcomed by then ends."""
USAGE_EVERY_S = 5.0
_PENDING_BYTES = 64 << 20
"""What clients may send before the kernel answers."""


class Agent:
    """One lease's agent; `run` returns the process's exit code."""

    def __init__(self, folder: LeaseFolder, kernel: KernelProcess) -> None:
        self._folder = folder
        self._kernel = kernel
        self._nvml = Nvml() if any(not device["simulated"] for device in folder.devices) else None
        self._devices = tuple(
            control.DeviceFact(device["uuid"], device["gpu"], device["memory_bytes"], device["simulated"])
            for device in folder.devices
        )
        self._meter = ActivityMeter(self._devices, self._nvml)
        self._cells = CellTracker()
        self._judge = IdleJudge(idle_s=300.0, busy_cap_s=86_400.0, started_at=time.monotonic())
        self._activity = Activity(0.0, 0, ())
        self._ready_at: float | None = None
        self._kernel_answers = False
        self._pending: list[tuple[int, KernelMessage]] = []
        self._clients: set[int] = set()
        self._lease_end = time.monotonic() + FIRST_LEASE_END_S
        self._unsaved: tuple[str, ...] = ()
        self._ending: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._restart_wanted = asyncio.Event()
        self._judge_now = asyncio.Event()
        self._link = GatewayLink(
            str(folder.socket),
            folder.lease_id,
            lambda: folder.token,
            self._hello,
            self._welcomed,
            self._received,
        )
        self._open_kernel()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, EndReason.STOPPED)
        try:
            async with asyncio.TaskGroup() as tasks:
                link = tasks.create_task(self._keep_link())
                others = [
                    tasks.create_task(work())
                    for work in (self._keep_kernel, self._keep_judging, self._keep_attesting)
                ]
                reason = await self._ending
                _log.info("lease %s ends: %s", self._folder.lease_id, reason.value)
                for task in others:
                    task.cancel()
                await self._say_bye(reason)
                link.cancel()
        finally:
            self._channels.close()
            self._kernel.kill()
        return 0

    # --- the kernel ---

    def _open_kernel(self) -> None:
        self._channels = KernelChannels(self._kernel.connection, self._from_kernel)
        self._requests = KernelRequests(lambda message: self._channels.send(BROADCAST, message))
        for client in self._clients:
            self._channels.attach(client)

    async def _keep_kernel(self) -> None:
        """Waits for readiness, then for the kernel's end or a wish to restart; again and again."""
        while True:
            async with asyncio.TaskGroup() as tasks:
                readiness = tasks.create_task(self._announce_ready())
                detail = await self._kernel_end()
                readiness.cancel()
            await self._start_again(detail)

    async def _announce_ready(self) -> None:
        await self._requests.ready()
        if self._ready_at is None:
            self._ready_at = time.monotonic()
        self._kernel_answers = True
        self._tell(control.Ready(self._kernel.pid, self._uptime_ms()))
        pending, self._pending = self._pending, []
        for client, message in pending:
            self._to_kernel(client, message)

    async def _kernel_end(self) -> str:
        """The reason why this kernel is over: its exit in words, or ``restarted``."""
        while (code := self._kernel.poll()) is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self._restart_wanted.wait()
                    return "restarted"
        return describe_exit(code)

    async def _start_again(self, detail: str) -> None:
        self._restart_wanted.clear()
        self._kernel_answers = False
        for cell in self._cells.end_all(self._uptime_ms(), "lost"):
            self._tell(cell)
        if detail != "restarted":
            self._tell(control.KernelDied(detail))
        self._to_clients(BROADCAST, _kernel_status("restarting", detail))
        self._channels.close()
        await asyncio.to_thread(self._kernel.kill)
        self._kernel.start()
        self._open_kernel()

    # --- messages ---

    def _from_kernel(self, client: int, message: KernelMessage) -> None:
        if self._requests.received(message):
            return
        if cell := self._cells.from_kernel(message, self._uptime_ms()):
            self._cell_changed(cell)
        self._to_clients(client, message)

    def _to_clients(self, client: int, message: KernelMessage) -> None:
        self._link.send(Message(Kind.KERNEL, client, messages.pack(message), Priority.NORMAL))
        if not self._link.writable:
            self._channels.pause()

    def _cell_changed(self, cell: control.Cell) -> None:
        self._tell(cell)
        if cell.ended_ms is not None:
            self._attest()
        self._judge_now.set()

    def _received(self, message: Message) -> None:
        """A message of the gateway's; one that can't be read is logged, since the gateway has checked what clients send."""
        try:
            if message.kind is Kind.KERNEL:
                self._from_client(message.client, messages.unpack(message.body))
            else:
                self._obey(control.decode_from_gateway(message.body))
        except BadFrame as error:
            _log.warning("lease %s: dropped a message: %s", self._folder.lease_id, error)

    def _from_client(self, client: int, message: KernelMessage) -> None:
        if self._kernel_answers:
            self._to_kernel(client, message)
        elif sum(len(waiting.content) for _, waiting in self._pending) < _PENDING_BYTES:
            self._pending.append((client, message))

    def _to_kernel(self, client: int, message: KernelMessage) -> None:
        self._cells.to_kernel(message)
        self._channels.send(client, message)

    def _obey(self, order: control.FromGateway) -> None:
        match order:
            case control.Attach(client=client):
                self._clients.add(client)
                self._channels.attach(client)
            case control.Detach(client=client):
                self._clients.discard(client)
                self._channels.detach(client)
            case control.Interrupt():
                self._kernel.interrupt()
            case control.Restart():
                self._restart_wanted.set()
            case control.Keep(seconds=seconds):
                self._judge.keep(seconds, time.monotonic())
                self._judge_now.set()
            case control.Settings():
                self._judge.idle_s, self._judge.busy_cap_s = order.idle_s, order.busy_cap_s
                self._judge_now.set()
            case control.LeaseEnd(in_s=in_s):
                self._lease_end = time.monotonic() + in_s
            case control.Stop(reason=reason):
                self._end(EndReason(reason))
            case control.Welcome():
                raise BadFrame("a second welcome")

    # --- the link ---

    async def _keep_link(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._link.run())
                tasks.create_task(self._resume_iopub())
        except* Refused as refusals:
            _log.warning("lease %s: %s", self._folder.lease_id, refusals.exceptions[0])
            self._end(EndReason.LOST)

    async def _resume_iopub(self) -> None:
        while True:
            await self._link.drained()
            self._channels.resume()
            await asyncio.sleep(0.01)

    def _hello(self, nonce: str, stream: dict[str, Any]) -> control.Hello:
        return control.Hello(
            nonce=nonce,
            stream=stream,
            farcell=version("farcell"),
            python=platform.python_version(),
            pid=os.getpid(),
            devices=self._devices,
            driver=self._nvml.driver_version() if self._nvml else None,
        )

    def _welcomed(self, welcome: control.Welcome, fresh: bool) -> None:
        self._lease_end = time.monotonic() + welcome.lease_end_s
        self._judge.idle_s, self._judge.busy_cap_s = welcome.idle_s, welcome.busy_cap_s
        if fresh:
            for client in self._clients:
                self._channels.detach(client)
            self._clients.clear()
            if self._kernel_answers:
                self._tell(control.Ready(self._kernel.pid, self._uptime_ms()))
        self._judge_now.set()

    def _tell(self, message: control.Control) -> None:
        self._link.send(Message(Kind.CONTROL, BROADCAST, control.encode(message), Priority.HIGH))

    # --- idleness, attestation, the end ---

    async def _keep_judging(self) -> None:
        while True:
            action = self._sample()
            if action is Action.WARN:
                self._unsaved = await self._requests.variables()
            self._judge.name_unsaved(self._unsaved if self._judge.report.warned else ())
            self._report_status()
            if action is Action.STOP:
                self._end(EndReason.IDLE)
            elif action is Action.EXPIRE or time.monotonic() >= self._lease_end:
                self._end(EndReason.EXPIRED)
            await self._pause_judging()

    def _report_status(self) -> None:
        """Where no gateway hears it, nothing is queued: only the newest status is of use."""
        if self._link.connected:
            self._tell(control.Status(self._cells.running > 0, self._judge.report))
            self._link.acknowledge()

    async def _pause_judging(self) -> None:
        """Until something changes, or a second is over (less where the idle time is short)."""
        self._judge_now.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(1.0, self._judge.idle_s / 10)):
                await self._judge_now.wait()

    def _sample(self) -> Action:
        self._activity = self._meter.sample(self._kernel.pid)
        self._cells.observe_use(
            self._activity.memory_bytes, self._activity.gpu_memory_bytes, self._activity.gpu_utilisation
        )
        return self._judge.observe(
            Sample(
                at=time.monotonic(),
                cells_running=self._cells.running if self._kernel_answers else 1,
                waits_for_input=self._cells.waits_for_input,
                cpu=self._activity.cpu,
                gpu=self._activity.gpu_utilisation,
            )
        )

    async def _keep_attesting(self) -> None:
        while True:
            self._attest()
            await asyncio.sleep(USAGE_EVERY_S)

    def _attest(self) -> None:
        """Where no gateway hears it, nothing is queued: the next attestation has the same time in it."""
        if self._ready_at is not None and self._link.connected:
            activity = self._activity
            self._tell(control.Usage(self._uptime_ms(), activity.cpu, activity.memory_bytes, activity.gpus))

    def _uptime_ms(self) -> int:
        """The lease's clock: milliseconds since its first kernel was ready, on the monotonic clock."""
        return 0 if self._ready_at is None else int((time.monotonic() - self._ready_at) * 1000)

    def _end(self, reason: EndReason) -> None:
        if not self._ending.done():
            self._ending.set_result(reason)

    async def _say_bye(self, reason: EndReason) -> None:
        if reason is not EndReason.IDLE and self._kernel_answers and not self._cells.running:
            self._unsaved = await self._requests.variables()
        for cell in self._cells.end_all(self._uptime_ms(), "lost"):
            self._tell(cell)
        self._tell(control.Bye(reason.value, self._uptime_ms(), self._unsaved))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._link.flushed()


def _kernel_status(state: str, detail: str) -> KernelMessage:
    """An IOPub status in the kernel's place, as jupyter_server sends one; `detail` says why, for our own client."""
    header = {
        "msg_id": f"farcell-{state}-{time.monotonic_ns()}",
        "msg_type": "status",
        "session": "farcell",
        "username": "farcell",
        "date": datetime.now(UTC).isoformat(),
        "version": "5.3",
    }
    content = {"execution_state": state, "farcell": {"detail": detail}}
    return KernelMessage("iopub", json.dumps(header).encode(), b"{}", b"{}", json.dumps(content).encode(), ())


def run(folder: LeaseFolder, kernel: KernelProcess) -> int:
    """Runs the agent to its end; called by ``__main__`` once the kernel's process is started."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s agent: %(message)s")

    async def main() -> int:
        return await Agent(folder, kernel).run()

    return asyncio.run(main())
