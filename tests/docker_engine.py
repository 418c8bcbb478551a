"""A pytest plugin: a Docker engine of the tests' own, with images that need no registry.

Debian's ``dockerd`` runs as root on a folder of its own, in mounts of its own, which end with it: its data on a btrfs
in a file, so that it can limit what a container writes. The base image is a Debian made by debootstrap, once, and kept
in ``FARCELL_TEST_CACHE`` (``~/.cache/farcell-tests``); so are the disk with an engine's images, and what agents run in.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from docker import APIClient

PROGRAMS = (
    *("dockerd", "containerd", "docker-init", "runc", "crun", "runsc"),
    *("debootstrap", "mkfs.btrfs", "mount", "setpriv", "unshare"),
)
SUITE = "bookworm"
DEBIAN = "https://deb.debian.org/debian"
PACKAGES = "ca-certificates,python3,python3-venv"
KERNEL_PACKAGES = ("ipykernel>=6.29,<8", "cloudpickle>=3.1")
IMAGE = "farcell-test:latest"
BARE_IMAGE = "farcell-test-base:latest"
"""The base as debootstrap made it: a Python, but neither a kernel nor the user that one is."""
WITH_WHEELS = "farcell-test-wheels:latest"
"""The base with what a kernel needs as wheels: what an operator has whose builds reach no index."""
NOTEBOOK_IMAGE = "farcell-test-notebook:latest"
"""`IMAGE` with what the notebooks of the tests import."""
NOTEBOOK_PACKAGES = ("anywidget>=0.9", "ipywidgets>=8.1", "matplotlib>=3.10", "tqdm>=4.67")
NOTEBOOK = f"""\
FROM {IMAGE}
USER farcell
COPY wheels /tmp/wheels
RUN uv pip install --offline --no-index --find-links /tmp/wheels {" ".join(map(repr, NOTEBOOK_PACKAGES))}
"""
BUILD_ARGUMENTS = {"UV_FIND_LINKS": "/wheels", "UV_OFFLINE": "1"}
# crun refuses control groups that are mounted half the old way and half the new; nothing here has to survive a crash of
# the machine, and removing a container is several transactions
START = """
umount /sys/fs/cgroup/unified 2>/dev/null
mount -o loop,nobarrier "$1" "$2" && exec dockerd --config-file "$3"
"""
HANGING = """#!/bin/sh
# as runc, but a container is not made before the file is there
case " $* " in *" create "*) while [ ! -e {gate} ]; do sleep 0.02; done ;; esac
exec runc "$@"
"""
LISTENING_SANDBOX = "runsc-listening"
"""As ``runsc``, for programs that the machine reaches on sockets which they make in mounted folders."""
STARTS_S = 120.0
KEPT_S = 3 * 86_400
DISK_BYTES = 40 << 30
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """A running engine. `image` has all that a kernel needs; `gate` is the file that the runtime ``hanging`` awaits."""

    folder: Path
    pid: int
    image: str = IMAGE
    bare_image: str = BARE_IMAGE

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def agents(self) -> Path:
        """Where the agents' environments are, which all tests share."""
        return cache() / "agent-environments"

    def client(self) -> APIClient:
        from docker import APIClient

        return APIClient(self.url, version="auto", timeout=120)

    def traits(self, **more: Any) -> dict[str, Any]:
        """What a `DockerSpawner` needs to know of this engine, with what the test wants beside that."""
        return {
            "url": self.url,
            "image": WITH_WHEELS,
            "build_network": "none",
            "build_arguments": BUILD_ARGUMENTS,
            "agents": str(self.agents),
            "max_disk_bytes": None,
            "shm_bytes": 1 << 30,
            **more,
        }

    def config(self, **more: Any) -> str:
        """A ``farcell_config.py`` with which a gateway has this engine's containers, and nothing else."""
        lines = [f"c.DockerSpawner.{name} = {value!r}" for name, value in self.traits(**more).items()]
        return "\n".join(["c = get_config()", "c.Gateway.spawners = ['docker']", *lines, ""])

    def processes(self, container: str) -> list[int]:
        """The container's processes, as this machine numbers them."""
        with docker_client(self) as client:
            rows = client.top(container, "-o pid")["Processes"]
        return [int(row[0]) for row in rows]


def cache() -> Path:
    folder = os.environ.get("FARCELL_TEST_CACHE") or "~/.cache/farcell-tests"
    return Path(folder).expanduser()


@contextmanager
def docker_client(engine: DockerEngine) -> Iterator[APIClient]:
    client = engine.client()
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="session")
def docker_engine(require: Callable[..., str]) -> Iterator[DockerEngine]:
    """Starts when the first test asks for it, and ends with the last. No container on it has its disk limited."""
    _require_programs(require)
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def limiting_engine(require: Callable[..., str]) -> Iterator[DockerEngine]:
    """One more, for limits of disks: once btrfs counts what a container has, each removal costs seconds of a core."""
    _require_programs(require)
    with running_engine() as engine:
        yield engine


def _require_programs(require: Callable[..., str]) -> None:
    require("root", "runs a Docker engine of the tests' own", found=os.geteuid() == 0)
    for program in PROGRAMS:
        found = shutil.which(program, path=PATH) is not None
        require(program, "the Docker engine of the tests needs it", found=found)


@contextmanager
def running_engine() -> Iterator[DockerEngine]:
    """Its images are there: they are made once, and every engine begins with a copy of them."""
    images = cached(f"engine-{_images_name()}.btrfs", _make_images)
    with _engine_on(lambda disk: run_program(["cp", "--sparse=always", str(images), str(disk)])) as engine:
        yield engine


def _clear_old() -> None:
    """Disks that no run has begun with for days: how images are finished has changed since."""
    for path in cache().glob("engine-*.btrfs"):
        with suppress(FileNotFoundError):  # another run's clearing was quicker
            if path.stat().st_mtime < time.time() - KEPT_S:
                path.unlink()


def _images_name() -> str:
    """From what goes into them, and from how they are made."""
    from farcell.remote_runtime.api import Image
    from farcell.remote_runtime.spawners.docker.image_names import Bases

    version = subprocess.check_output(["dockerd", "--version"], env={**os.environ, "PATH": PATH}, text=True)
    tag = Bases(default=WITH_WHEELS, debian="").tag(Image())
    return named_by(
        version, tag, SUITE, PACKAGES, *KERNEL_PACKAGES, NOTEBOOK, *map(str, BUILD_ARGUMENTS.items())
    )


def _make_images(path: Path) -> None:
    def make_disk(disk: Path) -> None:
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        run_program(["mkfs.btrfs", "--quiet", str(disk)])

    kept: list[Path] = []
    with _engine_on(make_disk, kept.append) as engine:
        _fill(engine)
    run_program(["cp", "--sparse=always", str(kept[0]), str(path)])
    shutil.rmtree(kept[0].parent)


@contextmanager
def _engine_on(
    make_disk: Callable[[Path], None], keep: Callable[[Path], None] | None = None
) -> Iterator[DockerEngine]:
    """`keep` takes the disk over, once the engine has ended."""
    folder = Path(tempfile.mkdtemp(prefix="farcell-docker-"))
    disk = folder / "data.btrfs"
    try:
        make_disk(disk)
        with (folder / "dockerd.log").open("wb") as log:
            process = _start(folder, disk, log)
            try:
                engine = DockerEngine(folder, process.pid)
                _wait_until_it_answers(engine, process)
                yield engine
            finally:
                _end(process)
        if keep:
            keep(disk)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, disk: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a session of its own: what interrupts the tests does not end the engine before their containers."""
    data = folder / "data"
    data.mkdir()
    hanging = folder / "hanging-runtime"
    hanging.write_text(HANGING.format(gate=shlex.quote(str(folder / "gate"))))
    hanging.chmod(0o755)
    settings = folder / "daemon.json"
    settings.write_text(json.dumps(_daemon_settings(folder, data, hanging)))
    # with whoever runs the tests, however that ends
    command = [
        "setpriv",
        "--pdeathsig",
        "TERM",
        "unshare",
        "--mount",
        "sh",
        "-c",
        START,
        "sh",
        str(disk),
        str(data),
        str(settings),
    ]
    environment = {**os.environ, "PATH": PATH}
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)


def _daemon_settings(folder: Path, data: Path, hanging: Path) -> dict[str, Any]:
    """Without any network: nothing of the machine's is changed, and no container has one."""
    sandbox = ["--platform=ptrace", "--network=none", "--host-uds=open"]
    return {
        "data-root": str(data),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "dockerd.pid"),
        "hosts": [f"unix://{folder / 'docker.sock'}"],
        "storage-driver": "btrfs",
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "ip-masq": False,
        "runtimes": {
            "crun": {"path": "crun"},
            "runsc": {"path": "runsc", "runtimeArgs": sandbox},
            LISTENING_SANDBOX: {"path": "runsc", "runtimeArgs": [*sandbox, "--host-uds=all"]},
            "hanging": {"path": str(hanging)},
        },
    }


def _wait_until_it_answers(engine: DockerEngine, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_S
    while True:
        if _listens(engine.socket):
            return
        said = (engine.folder / "dockerd.log").read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"dockerd ended: {said}"
        assert time.monotonic() < deadline, f"dockerd does not answer: {said}"
        time.sleep(0.05)


def _listens(path: Path) -> bool:
    """The package leaves its socket open where nobody listens."""
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(str(path))
        except OSError:
            return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """The engine ends its containers with itself."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


# --- images ---


def _fill(engine: DockerEngine) -> None:
    with docker_client(engine) as client:
        with _base().open("rb") as file:
            repository, _, tag = BARE_IMAGE.partition(":")
            said = client.import_image_from_data(file, repository, tag)  # type: ignore[arg-type]
        assert "error" not in said, said
        _build(client, WITH_WHEELS, f"FROM {BARE_IMAGE}\nCOPY wheels /wheels\n", KERNEL_PACKAGES)
        client.tag(asyncio.run(_finished(engine, WITH_WHEELS)), IMAGE)
        _build(client, NOTEBOOK_IMAGE, NOTEBOOK, NOTEBOOK_PACKAGES)
    asyncio.run(_finished(engine, NOTEBOOK_IMAGE))


def _build(client: APIClient, name: str, dockerfile: str, packages: Sequence[str]) -> None:
    """With the wheels of these packages beside it."""
    with tempfile.TemporaryDirectory(prefix="farcell-image-") as folder:
        shutil.copytree(_wheels(packages), Path(folder) / "wheels")
        (Path(folder) / "Dockerfile").write_text(dockerfile)
        for line in client.build(path=folder, tag=name, rm=True, decode=True, network_mode="none"):
            assert "error" not in line, line


async def _finished(engine: DockerEngine, image: str) -> str:
    """The name of what containers have where `image` is what they get unasked, made by a spawner."""
    from traitlets.config import Config

    from farcell.remote_runtime.api import Image, default_table
    from farcell.remote_runtime.spawners.contract import SpawnerSetup
    from farcell.remote_runtime.spawners.docker.options import DockerOptions
    from farcell.remote_runtime.spawners.docker.spawner import DockerSpawner

    options = DockerOptions(config=Config(DockerSpawner=engine.traits(image=image)))
    with tempfile.TemporaryDirectory(prefix="farcell-builds-") as folder:
        setup = SpawnerSetup(Path(folder), {}, "", default_table(), Config())
        spawner = DockerSpawner(options.settings(setup), default_table())
        try:
            await spawner.build(Image(), lambda _: None)
            return options.build_settings(setup).bases.tag(Image())
        finally:
            await spawner.close()


def _base() -> Path:
    """A Debian with a Python in it, as a tar archive."""

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="farcell-debian-") as folder:
            Path(folder).chmod(0o755)  # it becomes the root of every container
            run_program(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, folder, DEBIAN])
            shutil.rmtree(Path(folder, "var/cache/apt/archives"))
            shutil.rmtree(Path(folder, "var/lib/apt/lists"))
            run_program(
                ["tar", "--create", "--numeric-owner", "--file", str(path), "--directory", folder, "."]
            )

    return cached(f"debian-{named_by(SUITE, PACKAGES)}.tar", make)


def _wheels(packages: Sequence[str]) -> Path:
    """For that Debian's Python."""

    def make(path: Path) -> None:
        target = ["--python-version", "3.11", "--only-binary", ":all:", "--dest", str(path)]
        run_program([sys.executable, "-m", "pip", "download", "--quiet", *target, *packages])

    return cached(f"wheels-{named_by(*packages)}", make)


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Made whole or not at all; of several who make it at once, the last counts."""
    path = cache() / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(f".{os.getpid()}-{name}")
        try:
            make(making)
            if not path.exists():
                making.rename(path)
        finally:
            shutil.rmtree(making, ignore_errors=True)
            making.unlink(missing_ok=True)
    return path


def named_by(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def run_program(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False
    )
    assert not done.returncode, f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
