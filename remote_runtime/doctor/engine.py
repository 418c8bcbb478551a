"""The container engine: whether it answers, and what it holds."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .line import Line, Verdict, lacks, missing, ok

OLDEST_API = (1, 41)
RUNSC_JSON = '"runsc": {"path": "/usr/local/bin/runsc", "runtimeArgs": ["--host-uds=open"]}'


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine at `url` answered. `deaf` is why its socket takes no connection; `failed` what else went wrong.

    `image` says how the default image can be had, None if it can't; `base` is what it is built on. `root_options` are
    the mount options of the file system that the engine keeps its data on.
    """

    url: str
    deaf: int | None = None
    failed: str = ""
    version: Mapping[str, Any] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    image: str | None = None
    base: str = ""
    root_options: frozenset[str] = frozenset()
    wanted_runtimes: Mapping[str, str] = field(default_factory=dict)
    disk_bytes: int | None = None

    @property
    def answers(self) -> bool:
        return self.deaf is None and not self.failed

    @property
    def runtimes(self) -> frozenset[str]:
        return frozenset(self.info.get("Runtimes") or ())


def mount_options(mountinfo: str, folder: Path) -> frozenset[str]:
    """Of the file system that a folder lies on, from the text of ``/proc/self/mountinfo``."""
    best, options = -1, ""
    for line in mountinfo.splitlines():
        mount, _, filesystem = line.partition(" - ")
        point, words = Path(mount.split(" ")[4]), filesystem.split(" ")
        if folder.is_relative_to(point) and len(point.parts) >= best:
            best, options = len(point.parts), words[2] if len(words) > 2 else ""
    return frozenset(options.split(","))


def engine_lines(facts: EngineFacts, *, needed: bool) -> Iterator[Line]:
    """`needed`: the gateway is set up for containers; else they would only be better."""
    for line in _lines(facts):
        spared = line.verdict is Verdict.MISSING and not needed
        yield replace(line, verdict=Verdict.LACKS, fix=f"{line.fix} {_ELSE}") if spared else line


def _lines(facts: EngineFacts) -> Iterator[Line]:
    yield answer_line(facts)
    if not facts.answers:
        return
    info = facts.info
    yield limits_line(info)
    yield from runtime_lines(facts)
    yield storage_line(info, facts.root_options, facts.disk_bytes)
    yield seccomp_line(info)
    yield init_line(info)
    yield rootless_line(info)
    yield image_line(facts)


_ELSE = "(else containers are processes, without walls)"


def answer_line(facts: EngineFacts) -> Line:
    check = "container engine"
    if facts.deaf in (errno.EACCES, errno.EPERM):
        fix = "usermod -aG docker USER for the gateway's user (which makes it as mighty as root), and start it anew"
        return missing(check, f"this user may not open {facts.url}", fix)
    if facts.deaf == errno.ENOENT:
        fix = "install Docker or Podman and start it (systemctl enable --now docker); or name it: c.DockerSpawner.url"
        return missing(check, f"nothing is at {facts.url}", fix)
    if facts.deaf is not None:
        return missing(
            check, f"nobody hears at {facts.url}", "systemctl restart docker; journalctl -u docker"
        )
    if facts.failed:
        return missing(check, facts.failed, "journalctl -u docker says more; is it the engine's socket?")
    api = str(facts.version.get("ApiVersion", ""))
    found = f"{facts.version.get('Version', '?')} (API {api}) at {facts.url}"
    numbers = tuple(int(part) for part in api.split(".") if part.isdecimal())
    if numbers < OLDEST_API:
        return missing(check, found, "Docker 20.10 or newer, or Podman 4 or newer")
    return ok(check, found)


def limits_line(info: Mapping[str, Any]) -> Line:
    named = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "cores"}
    unheld = [what for name, what in named.items() if info.get(name) is False]
    found = f"cgroup version {info.get('CgroupVersion', '?')}"
    if unheld:
        fix = "give the engine these: cgroup version 2, or cgroup_enable=memory on the kernel's command line"
        return missing("container limits", f"{found}: no limit of {', '.join(unheld)}", fix)
    return ok("container limits", f"{found}: memory, processes and cores")


def runtime_lines(facts: EngineFacts) -> Iterator[Line]:
    """One for each isolation that may be asked for; gVisor's has to let containers open the gateway's socket."""
    known = facts.runtimes
    for isolation, wanted in facts.wanted_runtimes.items():
        check = f"isolation {isolation}"
        if not wanted:
            yield ok(check, f"{facts.info.get('DefaultRuntime', 'runc')}, the engine's default")
        elif wanted not in known:
            fix = f"install {wanted}, and put it under runtimes in /etc/docker/daemon.json"
            fix += f": {RUNSC_JSON}" if wanted == "runsc" else ""
            yield lacks(check, f"the engine has no runtime {wanted}: it can't be asked for", fix)
        elif wanted == "runsc" and not opens_sockets(facts.info["Runtimes"][wanted]):
            yield missing(
                check, "runsc runs without --host-uds=open: no agent reaches the gateway", RUNSC_JSON
            )
        else:
            yield ok(check, wanted)


def opens_sockets(runtime: Mapping[str, Any]) -> bool:
    """Also where the engine does not tell a runtime's arguments (those of containerd)."""
    arguments = runtime.get("runtimeArgs")
    return arguments is None or any(one in ("--host-uds=open", "--host-uds=all") for one in arguments)


def storage_line(info: Mapping[str, Any], root_options: frozenset[str], disk_bytes: int | None) -> Line:
    driver = str(info.get("Driver", "?"))
    status = {str(name): str(value) for name, value in info.get("DriverStatus") or ()}
    backing = status.get("Backing Filesystem", "")
    found = f"{driver}{f' on {backing}' if backing else ''}"
    quota = bool(root_options & {"pquota", "prjquota"})
    if driver in ("btrfs", "zfs", "windowsfilter") or (driver == "overlay2" and backing == "xfs" and quota):
        return ok("container disk", f"{found}: holds a limit of what a container writes")
    if disk_bytes is None:
        return ok("container disk", f"{found}; no limit is set (c.DockerSpawner.max_disk_bytes)")
    fix = "put the engine's data on xfs mounted with pquota, on btrfs or on zfs: now a cell can fill its disk"
    return lacks("container disk", f"{found}: can't limit what a container writes", fix)


def seccomp_line(info: Mapping[str, Any]) -> Line:
    options = [str(one) for one in info.get("SecurityOptions") or ()]
    found = next((one for one in options if one.startswith("name=seccomp")), None)
    if found is None or "unconfined" in found:
        fix = 'an engine built with seccomp, and no "seccomp-profile": "unconfined" in daemon.json'
        return missing("seccomp", "off: containers may call whatever the kernel has", fix)
    return ok("seccomp", found.partition("profile=")[2] or "on")


def init_line(info: Mapping[str, Any]) -> Line:
    if info.get("InitBinary"):
        return ok("init", str(info["InitBinary"]))
    return missing(
        "init", "the engine names no init program", "install tini (Debian: docker.io brings docker-init)"
    )


def rootless_line(info: Mapping[str, Any]) -> Line:
    rootless = any("name=rootless" in str(one) for one in info.get("SecurityOptions") or ())
    if rootless:
        fix = "see that its user has cgroup controllers delegated; devices need CDI"
        return lacks("engine's user", "rootless: safer, with fewer limits", fix)
    return ok("engine's user", "root")


def image_line(facts: EngineFacts) -> Line:
    if facts.image is None:
        fix = f"docker pull {facts.base}, or name another: c.DockerSpawner.image"
        return missing("default image", f"{facts.base} is not there, and can't be pulled", fix)
    return ok("default image", f"the engine {facts.image}")
