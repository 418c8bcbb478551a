"""Containers held together by a marker in the environment of all their processes."""

from __future__ import annotations

import logging
import os
from signal import SIGKILL, SIGSTOP
from typing import ClassVar

from ..api import LeaseId
from . import procfs
from .containment import Containment, Labels, Members, family

log = logging.getLogger(__name__)


class MarkerContainment(Containment):
    """Finds a container's processes by their environment, then by descent and by session; needs nothing of the machine.

    Without a cgroup these can escape: a process that has cleared its environment *and* begun a session of its own *and*
    lost its parents before the container is stopped; a chain of processes that each fork, leave the session and end
    faster than ``/proc`` can be read; one that runs as another user whom the gateway may not signal (``sudo``); and the
    containers of a gateway that was started inside this container.
    """

    name: ClassVar[str] = "marker"

    def members(self) -> Members:
        found: Members = {}
        for pid in procfs.processes():
            if labels := Labels.from_environment(procfs.environment(pid)):
                found.setdefault(labels, set()).add(pid)
        return found

    def kill(self, lease_id: LeaseId) -> bool:
        """Freezes first, until no process is new: one that forks meanwhile can't get away from a frozen family."""
        frozen: set[procfs.Process] = set()
        while found := self._family(lease_id) - frozen:
            for process in found:
                procfs.send_signal(process, SIGSTOP)
            frozen |= found
        beyond = {process for process in frozen if not procfs.send_signal(process, SIGKILL)}
        if beyond:
            log.warning(
                "lease %s: may not end the processes %s", lease_id, [process.pid for process in beyond]
            )
        return bool(frozen - beyond)

    def _family(self, lease_id: LeaseId) -> set[procfs.Process]:
        marked = {
            pid for labels, pids in self.members().items() if labels.lease_id == lease_id for pid in pids
        }
        processes = procfs.processes()
        return {processes[pid] for pid in family(marked, processes) - {os.getpid()}}
