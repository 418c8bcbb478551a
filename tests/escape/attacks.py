"""What a cell may try against the machine under it: each function says what it got, or None where something held.

An exception holds, too. A cell gets this file's source, and calls one of them with the facts of its shooting range.
None does harm where nothing holds: files are opened for writing but not written, signals are number 0, bombs are
bounded, and nothing is sent to any address but loopback.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
LIBC = ctypes.CDLL(None, use_errno=True)
FARCELL = Path("/farcell")
LEASE = FARCELL / "lease"


def first(works: Callable[[Any], object], things: Iterable[object]) -> str | None:
    """The first of `things` with which `works` does not fail, nor gives nothing."""
    for thing in things:
        with suppress(Exception):
            if works(thing):
                return str(thing)
    return None


def text(path: object, size: int = 4096) -> str:
    with Path(str(path)).open("rb") as file:
        return file.read(size).decode(errors="replace")


def opens(path: object, flags: int = os.O_RDONLY) -> bool:
    os.close(os.open(str(path), flags | os.O_NONBLOCK))
    return True


def connects(path: object) -> bool:
    with socket.socket(socket.AF_UNIX) as tried:
        tried.connect(str(path))
        return True


def is_routed(address: str) -> bool:
    """Looks a way up, and sends nothing."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as tried:
        tried.connect((address, 80))
        return True


def processes() -> list[int]:
    return sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def facts_of(pid: int) -> dict[str, str]:
    """What ``/proc/<pid>/status`` says."""
    lines = (line.partition(":") for line in text(f"/proc/{pid}/status").splitlines())
    return {name: value.strip() for name, _, value in lines}


def agent() -> int:
    """Who started this kernel."""
    return os.getppid()


# --- files ---


def host_files(facts: Facts) -> str | None:
    """Read a file of the machine that everybody there may read."""
    roots = ["", *(f"/proc/{pid}/{link}" for pid in processes() for link in ("root", "cwd/../../../.."))]
    return first(lambda path: facts["secret"] in text(path), [root + facts["canary"] for root in roots])


def other_leases_files(facts: Facts) -> str | None:
    """Read what a cell of another user's lease wrote."""
    wanted = Path(facts["other_file"])
    seen = [Path(f"/proc/{pid}/root{wanted}") for pid in processes()]
    return first(lambda path: facts["other_secret"] in text(path), [wanted, *seen])


def agents_files(facts: Facts) -> str | None:
    """Read the agent's token, settings and log."""
    folders = [
        LEASE,
        *(Path(word) for word in text(f"/proc/{agent()}/cmdline").split("\0") if word.startswith("/")),
    ]
    files = [folder / name for folder in folders for name in ("token", "agent.json", "container.log")]
    return first(text, files)


def agents_program(facts: Facts) -> str | None:
    """Write where the agent's own program lies."""
    folders = [
        "/farcell",
        "/farcell/agent",
        "/farcell/kernel",
        "/farcell/gateway",
        LEASE,
        *facts["agents_folders"],
    ]
    return first(lambda folder: Path(folder).is_dir() and os.access(folder, os.W_OK), folders)


def links(facts: Facts) -> str | None:
    """Reach the agent's files and the machine's by symbolic and hard links, and by .. across mounts."""
    made = []
    for number, target in enumerate((LEASE / "token", LEASE / "agent.json", facts["canary"])):
        for link in (Path(f"soft{number}"), Path(f"hard{number}")):
            link.unlink(missing_ok=True)
            with suppress(OSError):
                (link.symlink_to if link.name.startswith("soft") else link.hardlink_to)(target)
                made.append(link)
    mounted = Path(os.environ.get("XDG_CACHE_HOME", "."))
    climbs = [mounted / ("../" * height) / facts["canary"].lstrip("/") for height in range(1, 12)]
    return first(text, [*made, *climbs])


# --- sockets and the network ---


def other_leases_sockets(facts: Facts) -> str | None:
    """Connect to a server of another user's lease on a unix socket."""

    def is_reached(path: str) -> bool:
        with socket.socket(socket.AF_UNIX) as tried:
            tried.connect(path)
            return facts["other_secret"] in tried.recv(100).decode()

    wanted = facts["other_socket"]
    return first(is_reached, [wanted, *(f"/proc/{pid}/root{wanted}" for pid in processes())])


def gateways_socket(facts: Facts) -> str | None:
    """Connect to the socket on which agents reach the gateway."""
    return first(connects, [*facts["gateway_sockets"], *FARCELL.glob("gateway/*"), *FARCELL.glob("egress/*")])


def engines_socket(facts: Facts) -> str | None:
    """Connect to a container engine's socket."""
    names = ("docker.sock", "podman/podman.sock", "containerd/containerd.sock")
    return first(
        connects, [*facts["engine_sockets"], *(f"/run/{name}" for name in names), "/var/run/docker.sock"]
    )


def abstract_sockets(facts: Facts) -> str | None:
    """Connect to a server on an abstract unix socket of the machine, which no file system guards."""
    with socket.socket(socket.AF_UNIX) as tried:
        tried.connect(facts["abstract"])
        return tried.recv(100).decode()


def host_loopback(facts: Facts) -> str | None:
    """Connect to a server on the machine's loopback address."""
    with socket.create_connection(("127.0.0.1", facts["port"]), timeout=10) as tried:
        return tried.recv(100).decode()


def metadata_address(facts: Facts) -> str | None:
    """Find a way to a cloud's metadata address."""
    return first(is_routed, ["169.254.169.254", "fd00:ec2::254"])


def private_addresses(facts: Facts) -> str | None:
    """Find a way to a private address range."""
    return first(is_routed, ["10.0.0.1", "172.16.0.1", "192.168.0.1"])


def proxy_to_loopback(facts: Facts) -> str | None:
    """Have the gateway's proxy connect to the machine itself, by its many names."""

    def tunnels(host: str) -> bool:
        with socket.create_connection(("127.0.0.1", 3128), timeout=30) as proxy:
            proxy.sendall(f"CONNECT {host}:{facts['port']} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return b" 200 " in proxy.recv(1000).splitlines()[0]

    numbers = ("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0")
    return first(tunnels, [*numbers, "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::]", "localhost."])


# --- limits ---


def fork_bomb(facts: Facts) -> str | None:
    """Start more processes than a lease may have."""
    children: list[int] = []
    try:
        while len(children) < facts["too_many_processes"]:
            pid = os.fork()
            if not pid:
                time.sleep(600)
                os._exit(0)
            children.append(pid)
    finally:
        for pid in children:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    return f"{len(children)} processes"


def memory_bomb(facts: Facts) -> str | None:
    """Take more memory than a lease may have."""
    take = f"taken = [bytearray(b'x' * (1 << 20)) for _ in range({facts['too_much_memory'] >> 20})]"
    done = subprocess.run([sys.executable, "-c", take], check=False)
    return None if done.returncode else f"{facts['too_much_memory'] >> 20} MiB"


def disk_fill(facts: Facts) -> str | None:
    """Write more to disk than a lease may have."""
    left = _fill([Path.cwd(), Path.home(), Path("/tmp"), Path("/var/tmp")], facts["too_much_disk"])
    return None if left > 0 else f"{facts['too_much_disk'] >> 20} MiB"


def shared_memory_fill(facts: Facts) -> str | None:
    """Write more to /dev/shm than a lease may have."""
    left = _fill([Path("/dev/shm")], facts["too_much_memory"])
    return None if left > 0 else f"{facts['too_much_memory'] >> 20} MiB"


def _fill(folders: list[Path], size: int) -> int:
    """What of `size` found no room; nothing of it stays."""
    block = os.urandom(1 << 20) * 4
    written: list[Path] = []
    try:
        for folder in folders:
            written.append(folder / f"farcell-fill-{os.getpid()}")
            with suppress(OSError), written[-1].open("wb", buffering=0) as file:
                while size > 0:
                    size -= file.write(block)
                os.fsync(file.fileno())
    finally:
        for path in written:
            path.unlink(missing_ok=True)
    return size


# --- other processes, and the kernel under all ---


def other_processes(facts: Facts) -> str | None:
    """See a process of the machine outside the lease."""
    return first(lambda pid: facts["marker"] in text(f"/proc/{pid}/cmdline", 1 << 16), processes())


def trace_the_agent(facts: Facts) -> str | None:
    """Trace the agent, or read its memory."""
    seize, detach = 0x4206, 17
    if LIBC.ptrace(seize, agent(), 0, 0) == 0:
        LIBC.ptrace(detach, agent(), 0, 0)
        return f"traced process {agent()}"
    return first(opens, [f"/proc/{agent()}/mem"])


def signal_the_agent(facts: Facts) -> str | None:
    """Signal the agent, process 1, or whatever else is not this kernel's own."""
    own = {os.getpid()}
    for pid in processes():
        with suppress(OSError):
            if int(facts_of(pid)["PPid"]) in own:
                own.add(pid)
    return first(lambda pid: os.kill(pid, 0) is None, [agent(), *({1, *processes()} - own)])


def become_root(facts: Facts) -> str | None:
    """Become another user: by setuid(2), or by a program with the set-user-id bit."""
    if os.geteuid() == 0:
        return "is root already"
    if got := first(lambda call: call(0) is None, [os.setuid, os.setgid]):
        return got
    programs = [Path("/usr/bin", name) for name in ("su", "passwd", "mount", "newgrp", "chsh", "sudo")]
    return first(
        _runs_as_root, [path for path in programs if path.exists() and path.stat().st_mode & stat.S_ISUID]
    )


def _runs_as_root(program: Path) -> bool:
    """All of them wait for an answer, or for a password, for a moment at least."""
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            return facts_of(process.pid)["Uid"].split()[1] == "0"
        finally:
            process.kill()


def capabilities(facts: Facts) -> str | None:
    """Have any capability, or a way to gain one."""
    status = facts_of(os.getpid())
    if held := [name for name in ("CapPrm", "CapEff", "CapAmb") if int(status.get(name, "0"), 16)]:
        return ", ".join(f"{name} {status[name]}" for name in held)
    get_no_new_privileges = 39
    return None if LIBC.prctl(get_no_new_privileges, 0, 0, 0, 0) == 1 else "new privileges are not ruled out"


def mount_something(facts: Facts) -> str | None:
    """Mount a file system, also in a namespace of its own."""
    new_mounts, new_users = 0x20000, 0x10000000
    return first(_mounts, [0, new_mounts, new_users | new_mounts])


def _mounts(namespaces: int) -> bool:
    target = Path("mounted")
    target.mkdir(exist_ok=True)
    pid = os.fork()
    if not pid:
        moved = not namespaces or LIBC.unshare(namespaces) == 0
        mounted = moved and LIBC.mount(b"none", bytes(target), b"tmpfs", 0, None) == 0
        if mounted:
            LIBC.umount2(bytes(target), 2)
        os._exit(not mounted)
    return os.waitpid(pid, 0)[1] == 0


def system_calls(facts: Facts) -> str | None:
    """Call what no cell needs: bpf, perf_event_open, kexec_load, init_module, userfaultfd, pivot_root and such."""
    calls = {"pivot_root": 155, "settimeofday": 164, "swapon": 167, "reboot": 169, "init_module": 175}
    calls |= {
        "kexec_load": 246,
        "perf_event_open": 298,
        "open_by_handle_at": 304,
        "bpf": 321,
        "userfaultfd": 323,
    }
    refusals = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENODEV}

    def is_let_through(name: str) -> bool:
        """With arguments that lead to nothing, the call itself complains of those."""
        return LIBC.syscall(calls[name], 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in refusals

    return first(is_let_through, calls)


def kernels_settings(facts: Facts) -> str | None:
    """Write the settings of the machine's kernel in /proc and /sys, or of the lease's own limits."""
    proc = (
        "sys/kernel/core_pattern",
        "sys/vm/panic_on_oom",
        "sys/kernel/hostname",
        "sysrq-trigger",
        "acpi/wakeup",
    )
    groups = ("release_agent", "cgroup.procs", "memory.max", "pids.max", "memory.limit_in_bytes")
    cgroup = [Path("/sys/fs/cgroup", *at, name) for at in ((), ("memory",), ("pids",)) for name in groups]
    rest = ["/sys/kernel/uevent_helper", "/sys/power/state", "/sys/block/loop0/queue/nr_requests"]
    return first(lambda path: opens(path, os.O_WRONLY), [*(f"/proc/{name}" for name in proc), *cgroup, *rest])


def kernels_memory(facts: Facts) -> str | None:
    """Read the memory of the machine, or what its kernel says."""
    files = [
        "/proc/kcore",
        "/dev/mem",
        "/dev/kmem",
        "/dev/port",
        "/proc/kmsg",
        "/sys/firmware/acpi/tables/DSDT",
    ]
    return first(lambda path: opens(path) and Path(path).stat().st_size != 0, files)


def devices(facts: Facts) -> str | None:
    """Open a device of the machine, or make one."""
    usual = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"}
    if os.uname().version.endswith("Sun Jan 10 15:06:54 PST 2016"):  # gVisor's own kernel, and its own device
        usual.add("fuse")
    found = [path for path in Path("/dev").iterdir() if path.name not in usual and not path.is_symlink()]
    if got := first(opens, [path for path in found if path.is_block_device() or path.is_char_device()]):
        return got
    node = Path("made")
    os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    node.unlink()
    return "made one"


ATTACKS = (
    *(host_files, other_leases_files, agents_files, agents_program, links),
    *(other_leases_sockets, gateways_socket, engines_socket, abstract_sockets),
    *(host_loopback, metadata_address, private_addresses, proxy_to_loopback),
    *(fork_bomb, memory_bomb, disk_fill, shared_memory_fill),
    *(other_processes, trace_the_agent, signal_the_agent, become_root, capabilities),
    *(mount_something, system_calls, kernels_settings, kernels_memory, devices),
)
"""In the order of the table; the first line of each one's docstring says what it tries."""
