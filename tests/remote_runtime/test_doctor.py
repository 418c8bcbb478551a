"""Each line of the doctor's: what makes it fail, and what makes it pass."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_engine import INFO, fake_engine
from farcell_command import Person, serve
from traitlets.config import Config

from farcell.remote_runtime.api import Image, default_table
from farcell.remote_runtime.doctor import engine, gateway, gpus, system
from farcell.remote_runtime.doctor.examine import machine_lines, read_engine
from farcell.remote_runtime.doctor.line import Line, Verdict
from farcell.remote_runtime.spawners.contract import SpawnerSetup
from farcell.remote_runtime.spawners.docker.image_names import Bases
from farcell.remote_runtime.spawners.docker.image_options import DEFAULT_IMAGE
from farcell.remote_runtime.spawners.docker.options import DockerOptions
from farcell.remote_runtime.spawners.nvml import Availability

OK, LACKS, MISSING = Verdict.OK, Verdict.LACKS, Verdict.MISSING
MADE = Bases(DEFAULT_IMAGE, "").tag(Image())


def judged(line: Line) -> Verdict:
    """Whatever is not well comes with what to do."""
    assert bool(line.fix) == (line.verdict is not OK), line
    return line.verdict


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one, for the sockets in it."""
    folder = Path(tempfile.mkdtemp(prefix="farcell-"))
    yield folder
    shutil.rmtree(folder)


# --- the system ---


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (system.python_line((3, 10)), MISSING),
        (system.python_line((3, 11)), OK),
        (system.kernel_line("darwin", "23.1"), MISSING),
        (system.kernel_line("linux", "5.10.0-8-amd64"), LACKS),
        (system.kernel_line("linux", "6.1.0"), OK),
        (system.cgroup_line(None), LACKS),
        (system.cgroup_line(("cpu", "pids")), LACKS),
        (system.cgroup_line(("cpu", "memory", "pids", "io")), OK),
        (system.delegation_line(delegated=False), LACKS),
        (system.delegation_line(delegated=True), OK),
        (system.open_files_line(1024), LACKS),
        (system.open_files_line(65_536), OK),
        (system.open_files_line(resource.RLIM_INFINITY), OK),
        (system.clock_line(synchronised=False), LACKS),
        (system.clock_line(synchronised=None), LACKS),
        (system.clock_line(synchronised=True), OK),
        (system.user_namespaces_line(there=False), LACKS),
        (system.user_namespaces_line(there=True), OK),
        (system.uv_line(there=False), LACKS),
        (system.uv_line(there=True), OK),
    ],
)
def test_the_system_is_judged(line: Line, verdict: Verdict):
    assert judged(line) is verdict


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_the_system_is_read_of_its_files(tmp_path: Path):
    assert system.read_system(tmp_path).controllers is None
    assert not system.read_system(tmp_path).user_namespaces
    put(tmp_path, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory pids\n")
    put(tmp_path, "proc/sys/user/max_user_namespaces", "1000\n")
    found = system.read_system(tmp_path)
    assert found.controllers == ("cpuset", "cpu", "memory", "pids")
    assert found.user_namespaces
    put(tmp_path, "proc/sys/kernel/unprivileged_userns_clone", "0\n")
    assert not system.read_system(tmp_path).user_namespaces


def test_this_systems_limit_of_open_files_is_its_hard_one():
    assert system.read_system().open_files == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


# --- GPUs ---


def facts(**more: Any) -> gpus.Gpus:
    return replace(gpus.Gpus(Availability.AVAILABLE, "570.1", ("NVIDIA H100",), (), toolkit=False), **more)


@pytest.mark.parametrize(
    ("availability", "verdict"),
    [
        (Availability.AVAILABLE, OK),
        (Availability.NO_LIBRARY, LACKS),
        (Availability.NO_DEVICE, LACKS),
        (Availability.NO_DRIVER, MISSING),
        (Availability.NO_PERMISSION, MISSING),
        (Availability.MISMATCH, MISSING),
        (Availability.FAILED, MISSING),
    ],
)
def test_the_driver_is_judged(availability: Availability, verdict: Verdict):
    assert judged(gpus.driver_line(facts(availability=availability))) is verdict


def test_the_way_of_gpus_into_containers_is_judged():
    assert judged(gpus.toolkit_line(facts(), frozenset())) is MISSING
    assert "cdi generate" in gpus.toolkit_line(facts(toolkit=True), frozenset({"runc"})).fix
    assert judged(gpus.toolkit_line(facts(specs=("/etc/cdi/nvidia.yaml",)), frozenset())) is OK
    assert judged(gpus.toolkit_line(facts(), frozenset({"nvidia"}))) is OK
    assert [line.check for line in gpus.gpu_lines(facts(devices=()), containers=True)] == ["GPU driver"]


def test_cdi_files_that_name_other_devices_do_not_count(tmp_path: Path):
    class NoNvml:
        def availability(self) -> Availability:
            return Availability.NO_LIBRARY

    put(tmp_path, "etc/cdi/intel.yaml", "kind: intel.com/gpu\n")
    assert gpus.read_gpus(NoNvml(), tmp_path).specs == ()
    put(tmp_path, "etc/cdi/nvidia.yaml", "kind: nvidia.com/gpu\n")
    assert gpus.read_gpus(NoNvml(), tmp_path).specs == (str(tmp_path / "etc/cdi/nvidia.yaml"),)


# --- the engine, over a real socket ---


def asked(url: str, folder: Path, **options: Any) -> dict[str, Line]:
    setup = SpawnerSetup(folder, {}, "", default_table(), Config({"DockerSpawner": {"url": url, **options}}))
    found = read_engine(DockerOptions(config=setup.config).settings(setup))
    return {line.check: line for line in engine.engine_lines(found, needed=True)}


def test_an_engine_with_which_all_is_well(folder: Path):
    with fake_engine(folder / "d.sock", images=(MADE,), Driver="btrfs", DriverStatus=[]) as url:
        lines = asked(url, folder)
    assert {line.verdict for line in lines.values()} == {OK}, lines
    assert list(map(judged, lines.values()))


def test_nothing_at_the_socket(folder: Path):
    line = asked(f"unix://{folder}/none", folder)["container engine"]
    assert judged(line) is MISSING
    assert "nothing is at" in line.found


def test_a_socket_that_nobody_hears(folder: Path):
    with closing(socket.socket(socket.AF_UNIX)) as left_over:
        left_over.bind(str(folder / "d.sock"))
    line = asked(f"unix://{folder}/d.sock", folder)["container engine"]
    assert judged(line) is MISSING
    assert "nobody hears" in line.found


def test_a_socket_that_this_user_may_not_open():
    line = engine.answer_line(engine.EngineFacts("unix:///var/run/docker.sock", deaf=errno.EACCES))
    assert judged(line) is MISSING
    assert "usermod" in line.fix


def test_something_else_at_the_socket(folder: Path):
    """Whoever answers there, it is no engine."""
    with fake_engine(folder / "d.sock") as url:
        line = asked(f"{url}/../none", folder)["container engine"]
    assert judged(line) is MISSING
    line = engine.answer_line(engine.EngineFacts("unix:///d", failed="no such thing: /info"))
    assert judged(line) is MISSING


@pytest.mark.parametrize(
    ("check", "info", "verdict"),
    [
        ("container limits", {"MemoryLimit": False}, MISSING),
        ("container limits", {"PidsLimit": False}, MISSING),
        ("isolation sandbox", {"Runtimes": {"runc": {}}}, LACKS),
        ("isolation sandbox", {"Runtimes": {"runsc": {"runtimeArgs": ["--platform=kvm"]}}}, MISSING),
        ("isolation sandbox", {"Runtimes": {"runsc": {"runtimeArgs": ["--host-uds=all"]}}}, OK),
        ("isolation sandbox", {"Runtimes": {"runsc": {"runtimeType": "io.containerd.runsc.v1"}}}, OK),
        ("container disk", {"DriverStatus": [["Backing Filesystem", "extfs"]]}, LACKS),
        ("container disk", {"Driver": "zfs"}, OK),
        ("seccomp", {"SecurityOptions": []}, MISSING),
        ("seccomp", {"SecurityOptions": ["name=seccomp,profile=unconfined"]}, MISSING),
        ("init", {"InitBinary": ""}, MISSING),
        ("engine's user", {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}, LACKS),
    ],
)
def test_what_an_engine_holds_is_judged(folder: Path, check: str, info: dict[str, Any], verdict: Verdict):
    with fake_engine(folder / "d.sock", images=(MADE,), **info) as url:
        assert judged(asked(url, folder)[check]) is verdict


def test_a_limit_that_nobody_set_need_not_be_held(folder: Path):
    with fake_engine(folder / "d.sock", images=(MADE,)) as url:
        assert judged(asked(url, folder, max_disk_bytes=None)["container disk"]) is OK


def test_an_image_that_can_not_be_had(folder: Path):
    with fake_engine(folder / "d.sock") as url:
        assert judged(asked(url, folder)["default image"]) is MISSING
    with fake_engine(folder / "e.sock", registry=(DEFAULT_IMAGE,)) as url:
        assert judged(asked(url, folder)["default image"]) is OK


def test_an_engine_that_is_too_old():
    old = engine.EngineFacts("unix:///d", version={"Version": "19.03", "ApiVersion": "1.40"}, info=INFO)
    assert judged(engine.answer_line(old)) is MISSING


def test_overlay_on_xfs_needs_project_quotas():
    assert judged(engine.storage_line(INFO, frozenset({"rw", "prjquota"}), 1)) is OK
    assert judged(engine.storage_line(INFO, frozenset({"rw", "noquota"}), 1)) is LACKS


def test_a_folders_mount_options_are_those_of_the_nearest_mount():
    text = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "40 22 8:2 / /var/lib/docker rw,relatime shared:9 - xfs /dev/sdb rw,prjquota\n"
    )
    assert "prjquota" in engine.mount_options(text, Path("/var/lib/docker"))
    assert "prjquota" not in engine.mount_options(text, Path("/var/lib"))


def test_who_needs_no_engine_lacks_what_others_miss(folder: Path):
    found = engine.EngineFacts(f"unix://{folder}/none", deaf=errno.ENOENT)
    assert [line.verdict for line in engine.engine_lines(found, needed=False)] == [LACKS]
    assert [line.verdict for line in engine.engine_lines(found, needed=True)] == [MISSING]


# --- the gateway ---


def test_a_folder_that_can_not_be_written(tmp_path: Path):
    assert judged(gateway.folder_line(tmp_path / "a" / "b")) is OK
    (tmp_path / "file").write_text("")
    assert judged(gateway.folder_line(tmp_path / "file" / "b")) is MISSING


def test_a_disk_with_too_little_room():
    assert judged(gateway.disk_line(1 << 30, 2 << 30)) is MISSING
    assert judged(gateway.disk_line(3 << 30, 2 << 30)) is LACKS
    assert judged(gateway.disk_line(100 << 30, 2 << 30)) is OK


def test_a_folder_whose_socket_has_too_long_a_path(tmp_path: Path, folder: Path):
    assert judged(gateway.socket_line(folder)) is OK
    assert judged(gateway.socket_line(tmp_path / ("x" * 100))) is LACKS


def test_a_port_that_somebody_has():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        assert judged(gateway.port_line("127.0.0.1", port, serves=False)) is MISSING
        assert judged(gateway.port_line("127.0.0.1", port, serves=True)) is OK
    assert judged(gateway.port_line("127.0.0.1", port, serves=False)) is OK
    assert judged(gateway.port_line("127.0.0.1", 0, serves=False)) is OK


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, str]]:
    folder = tmp_path_factory.mktemp("tls")

    def make(name: str, *, days: int = 2) -> tuple[str, str]:
        cert, key = folder / f"{name}-{days}.pem", folder / f"{name}-{days}.key"
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
        words += ["-addext", f"subjectAltName=DNS:{name}", "-out", str(cert), "-keyout", str(key)]
        subprocess.run([*words, "-days", str(days)], check=True, capture_output=True)
        return str(cert), str(key)

    return make


def test_a_certificate_is_judged_as_clients_would(certificate, tmp_path: Path, require):
    require("openssl", "makes certificates")
    cert, key = certificate("gpu.example.org")
    assert judged(gateway.tls_line(cert, key, ["gpu.example.org"], needed=True)) is OK
    other = gateway.tls_line(cert, key, ["other.example.org"], needed=True)
    assert judged(other) is MISSING
    assert "mismatch" in other.found.lower()
    assert judged(gateway.tls_line(cert, certificate("else")[1], ["gpu.example.org"], needed=True)) is MISSING
    assert judged(gateway.tls_line(str(tmp_path / "none"), "", [], needed=True)) is MISSING
    assert judged(gateway.tls_line("", "", [], needed=True)) is MISSING
    assert judged(gateway.tls_line("", "", [], needed=False)) is OK


def test_a_database_that_does_not_answer():
    assert judged(gateway.database_line("", None)) is OK
    assert judged(gateway.database_line("postgresql://x", "could not connect")) is MISSING


def test_what_an_agents_environment_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert [judged(line) for line in gateway.agent_lines(tmp_path)] == [OK]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [judged(line) for line in gateway.agent_lines(tmp_path)] == [MISSING]
    monkeypatch.setattr(gateway.platform, "libc_ver", lambda: ("", ""))
    assert [judged(line) for line in gateway.agent_lines(tmp_path)] == [MISSING]
    monkeypatch.undo()
    monkeypatch.setattr(gateway, "AGENT_BYTES", 1 << 60)
    assert [judged(line) for line in gateway.agent_lines(tmp_path)] == [MISSING]


# --- all together ---


def test_every_check_of_a_machine_has_a_line_of_its_own(folder: Path):
    with fake_engine(folder / "d.sock", images=(MADE,)) as url:
        config = Config({"DockerSpawner": {"url": url}})
        setup = SpawnerSetup(folder, os.environ, "", default_table(), config)
        checks = [line.check for line in machine_lines(setup, min_free_bytes=0, containers=True)]
    assert len(checks) == len(set(checks)) >= 18


def test_the_command_tells_people_and_programs_and_changes_nothing(person: Person, folder: Path):
    told = person.farcell("doctor", "--port", "0")
    assert told.exit_code == 0, told
    assert "✓  ok" in told.out
    assert f"{LACKS.mark}  lacks" in told.out
    assert not (person.folder / "serve").exists()
    with fake_engine(folder / "d.sock") as url:
        options = ["--json", "--port", "0", "--Gateway.spawners=docker", f"--DockerSpawner.url={url}"]
        answer = person.farcell("doctor", *options)
    assert answer.exit_code == 1
    checks = {one["check"]: one for one in json.loads(answer.out)["checks"]}
    assert checks["default image"]["verdict"] == "missing"
    assert checks["database"]["verdict"] == "ok"


def test_a_gateway_that_serves_has_its_port_and_its_database(person: Person):
    with serve(person) as served:
        answer = person.farcell("doctor", "--json", "--port", str(served.port))
    checks = {one["check"]: one for one in json.loads(answer.out)["checks"]}
    assert checks["port"]["found"] == f"{served.port}: the gateway serves"
    wrong = person.farcell(
        "doctor", "--json", "--port", "0", "--database-url", "postgresql+psycopg://127.0.0.1:1/x"
    )
    checks = {one["check"]: one for one in json.loads(wrong.out)["checks"]}
    assert (wrong.exit_code, checks["database"]["verdict"]) == (1, "missing")


@pytest.fixture
def person(data_dir: Path) -> Person:
    return Person(data_dir)
