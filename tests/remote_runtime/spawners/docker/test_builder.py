"""Images that a real engine builds."""

import asyncio
import io
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from docker_engine import BARE_IMAGE, BUILD_ARGUMENTS, WITH_WHEELS, docker_client
from patience import until

from farcell.remote_runtime.api import Image
from farcell.remote_runtime.api.image import Step, StepKind
from farcell.remote_runtime.errors import BuildFailed, ImageNotSupported
from farcell.remote_runtime.spawners.docker.build_settings import BuildSettings
from farcell.remote_runtime.spawners.docker.builder import ImageBuilder
from farcell.remote_runtime.spawners.docker.engine import Engine
from farcell.remote_runtime.spawners.docker.finish import UID
from farcell.remote_runtime.spawners.docker.image_names import Bases
from farcell.remote_runtime.spawners.docker.image_uses import ImageUses, KeepRules

pytestmark = pytest.mark.slow
TRICKY = """a'b"c $HOME ${HOME} `id` \\ \\n #x é\u00a0\u2003☃ <<E"""


async def no_agent():
    raise AssertionError("these builds need no forwarder")


@pytest.fixture
def settings(docker_engine, tmp_path):
    archives = tmp_path / "image-files"
    archives.mkdir()
    return BuildSettings(
        bases=Bases(WITH_WHEELS, "farcell-test-{python}"),
        folder=tmp_path / "builds",
        archives=archives,
        network="none",
        egress=tmp_path / "none.sock",
        arguments=BUILD_ARGUMENTS,
        keep=KeepRules(None, None),
    )


@pytest.fixture
async def open_builder(docker_engine):
    """Opens builders, which end with the test."""
    opened = []

    def open_one(settings):
        engine = Engine(docker_engine.url)
        builder = ImageBuilder(engine, settings, no_agent)
        opened.extend([builder, engine])
        return builder

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
def builder(open_builder, settings):
    return open_builder(settings)


@pytest.fixture
def client(docker_engine):
    with docker_client(docker_engine) as client:
        yield client


def run(client, image, *command, user=f"{UID}:{UID}"):
    """What a command in a container of `image` prints."""
    body = {
        "Image": image,
        "Cmd": [*command],
        "User": user,
        "Labels": {"farcell.test": "x"},
        "HostConfig": {"NetworkMode": "none"},
    }
    container = client.create_container_from_config(body)["Id"]
    try:
        client.start(container)
        client.wait(container)
        return client.logs(container).decode()
    finally:
        client.remove_container(container, v=True, force=True)


def unique(tmp_path):
    """A step that no other test's image has: nothing of it is found in the engine's cache."""
    return f": {tmp_path.name} {id(tmp_path)}"


def keep_archive(settings, members):
    """An archive as the gateway keeps it; its name, which the builder takes as it is."""
    sha256 = "ab" * 32
    with tarfile.open(settings.archives / sha256, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o4755
            archive.addfile(info, io.BytesIO(content))
    return sha256


async def test_what_a_kernel_needs_is_in_the_default_image(builder, client):
    await builder.build(Image(), lambda _: None)
    said = run(
        client,
        builder.tag(Image()),
        "sh",
        "-c",
        "id -un; pwd; which python pip uv; python -c 'import ipykernel, cloudpickle, sys; print(sys.prefix)'",
    )
    programs = [f"/opt/farcell-env/bin/{name}" for name in ("python", "pip", "uv")]
    assert said.split() == ["farcell", "/home/farcell/work", *programs, "/opt/farcell-env"]


async def test_cells_install_with_pip_and_with_uv_and_remove_again(builder, client):
    said = run(
        client,
        builder.tag(Image()),
        "sh",
        "-ec",
        "wheel=$(ls /wheels/six-*.whl 2>/dev/null || ls /wheels/wcwidth-*.whl)\n"
        "pip uninstall -q -y wcwidth; uv pip install -q --offline $wheel; uv pip uninstall -q wcwidth\n"
        "pip install -q --no-index $wheel; python -c 'import wcwidth; print(wcwidth.__file__)'",
    )
    assert said.strip().startswith("/opt/farcell-env/lib/python3."), said


async def test_steps_are_carried_out_in_their_order(builder, settings, client):
    sha256 = keep_archive(settings, {"./data/a.txt": b"copied", "run me": b"#!/bin/sh\necho ran"})
    told = []
    image = (
        Image.debian()
        .env(FIRST="1", TRICKY=TRICKY, EMPTY="", LINES="one\ntwo $HOME")
        .run('echo "$FIRST" > /out; id -un >> /out', 'printf %s "$TRICKY" > /tricky')
        .pip_install("wcwidth")
        .env(FIRST="2")
        .run('echo "$FIRST" >> /out; cat "/my \\$folder/data/a.txt" >> /out')
    )
    copied = Step(StepKind.COPY, (sha256, "/my $folder"))
    image = replace(image, steps=(copied, *image.steps))
    await builder.build(image, told.append)
    tag = builder.tag(image)
    assert run(client, tag, "cat", "/out").split() == ["1", "root", "2", "copied"]
    assert run(client, tag, "cat", "/tricky") == TRICKY
    assert run(client, tag, "printenv", "TRICKY", "EMPTY", "LINES") == f"{TRICKY}\n\none\ntwo $HOME\n"
    assert run(client, tag, "stat", "-c", "%u %a", "/my $folder/run me") == f"{UID} 755\n"
    assert [one.step for one in told] == sorted(one.step for one in told)
    assert {one.steps for one in told} == {7}
    assert {one.what for one in told} >= {"pip install wcwidth", f"base {WITH_WHEELS}"}


COMMANDS = (
    "cat <<'E'\nFROM scratch\nRUN rm -rf /\nE",
    "printf '%s' \"a 'quoted' $HOME\" # a comment \\",
    "echo a \\\n  b",
    "echo '\"]'; echo `echo $((1 + 1))`\necho USER nobody",
    "printf '\\\\ é ☃ \\t'",
    "# escape=`\necho one; echo \\$two; echo '${three:-x}'",
)


async def test_a_commands_text_is_the_shells_alone(builder, client):
    """Whatever stands in it: the same command says the same outside of any build."""
    commands = [f"exec >> /out\n{command}" for command in COMMANDS]
    image = Image.debian().run(*commands)
    await builder.build(image, lambda _: None)
    alone = [
        run(client, builder.tag(Image()), "sh", "-c", command.replace("exec >> /out", ""), user="0:0")
        for command in commands
    ]
    assert run(client, builder.tag(image), "cat", "/out") == "".join(alone)


async def test_an_image_is_built_once(builder, client, tmp_path):
    image = Image.debian().run(unique(tmp_path))
    first, second = [], []
    await asyncio.gather(builder.build(image, first.append), builder.build(image, second.append))
    assert first
    assert second
    made = client.inspect_image(builder.tag(image))["Id"]
    again = []
    await builder.build(image, again.append)
    assert not again
    assert client.inspect_image(builder.tag(image))["Id"] == made


async def test_a_base_is_finished_once_for_all_that_is_built_on_it(builder, client, tmp_path):
    images = [Image.debian().run(f"{unique(tmp_path)} {number}") for number in (1, 2)]
    await asyncio.gather(*(builder.build(image, lambda _: None) for image in images))
    layers = [client.inspect_image(builder.tag(image))["RootFS"]["Layers"] for image in (Image(), *images)]
    default, *others = layers
    for one in others:
        assert one[: len(default)] == default


async def test_a_failed_step_is_named_with_its_last_lines(builder, settings, client, tmp_path):
    image = Image.debian().run("true", f"{unique(tmp_path)}; seq 100; echo to stderr >&2; exit 7").run("true")
    told = []
    with pytest.raises(BuildFailed) as failed:
        await builder.build(image, told.append)
    assert failed.value.message.startswith("step 2 of 3 of the image failed: run true")
    assert "exit status 7" in failed.value.message
    assert failed.value.message.endswith("\n  99\n  100\n  to stderr")
    assert len(failed.value.details["lines"]) == 20
    assert [one.line for one in told if one.step == 2][1:4] == ["1", "2", "3"]
    with pytest.raises(BuildFailed):
        await builder.build(image, lambda _: None)
    assert not client.containers(all=True, filters={"label": "farcell.build"})


async def test_a_package_that_is_not_there_fails_with_the_installers_words(builder):
    with pytest.raises(BuildFailed, match="no-such-package-anywhere") as failed:
        await builder.build(Image.debian().pip_install("no-such-package-anywhere"), lambda _: None)
    assert failed.value.details["what"] == "pip install no-such-package-anywhere"


async def test_a_build_that_nobody_waits_for_is_ended_at_the_engine(builder, client, tmp_path):
    image = Image.debian().run(f"{unique(tmp_path)}; echo it began; sleep 1000")
    told = []
    before = {one["Id"] for one in client.containers(all=True)}
    task = asyncio.create_task(builder.build(image, told.append))
    await until(lambda: any(one.line == "it began" for one in told))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await until(lambda: {one["Id"] for one in client.containers(all=True)} <= before)
    assert not client.images(name=builder.tag(image))


KILLED = """
import asyncio, sys
from pathlib import Path
from farcell.remote_runtime.api import Image
from farcell.remote_runtime.spawners.docker.build_settings import BuildSettings
from farcell.remote_runtime.spawners.docker.builder import ImageBuilder
from farcell.remote_runtime.spawners.docker.engine import Engine
from farcell.remote_runtime.spawners.docker.image_names import Bases
from farcell.remote_runtime.spawners.docker.image_uses import KeepRules

url, base, folder, command = sys.argv[1:]
folder = Path(folder)
settings = BuildSettings(Bases(base, ""), folder, folder, "none", folder / "no.sock", {}, KeepRules(None, None))

async def build():
    builder = ImageBuilder(Engine(url), settings, None)
    await builder.build(Image.debian().run(command), lambda told: print(told.line, flush=True))

asyncio.run(build())
"""


async def test_of_a_gateway_that_was_killed_nothing_half_made_is_taken(
    docker_engine, builder, settings, client, tmp_path
):
    image = Image.debian().run(f"{unique(tmp_path)}; echo it began; sleep 5; echo it ended")
    before = {one["Id"] for one in client.containers(all=True)}
    command = (docker_engine.url, WITH_WHEELS, str(tmp_path), image.steps[0].words[0])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, *command, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    while (await process.stdout.readline()) != b"it began\n":
        assert process.returncode is None
    process.kill()
    await process.wait()
    await until(lambda: {one["Id"] for one in client.containers(all=True)} <= before)
    assert not client.images(name=builder.tag(image))
    told = []
    await builder.build(image, told.append)
    assert "it ended" in [one.line for one in told]


async def test_a_build_that_was_given_up_begins_anew_when_it_is_asked_for(builder, client, tmp_path):
    wait = tmp_path / "x"
    image = Image.debian().run(f"{unique(tmp_path)}; echo it began; sleep 2; touch {wait.name}")
    told = []
    task = asyncio.create_task(builder.build(image, told.append))
    await until(lambda: any(one.line == "it began" for one in told))
    task.cancel()
    await builder.build(image, lambda _: None)
    await asyncio.wait([task])
    assert client.images(name=builder.tag(image))


async def test_who_waits_while_the_gateway_ends_is_told(open_builder, settings, tmp_path):
    builder = open_builder(settings)
    image = Image.debian().run(f"{unique(tmp_path)}; echo it began; sleep 1000")
    told = []
    task = asyncio.create_task(builder.build(image, told.append))
    await until(lambda: any(one.line == "it began" for one in told))
    await builder.close()
    with pytest.raises(Exception, match="about to end"):
        await task


async def test_a_base_that_is_nowhere_is_refused_with_what_to_do(builder):
    with pytest.raises(ImageNotSupported, match=r"localhost:1/no/such:1 is not here.*docker load"):
        await builder.build(Image.from_registry("localhost:1/no/such:1"), lambda _: None)


async def test_a_base_without_python_is_refused_with_what_it_needs(builder, client):
    make(client, "farcell-test-no-python", "rm -rf /usr/bin/python3* /usr/local/bin/python3*")
    with pytest.raises(
        ImageNotSupported, match=r"kernels need Python 3\.11 or newer, and this image has none"
    ):
        await builder.build(Image.from_registry("farcell-test-no-python"), lambda _: None)


async def test_another_python_than_the_bases_is_refused(builder):
    image = replace(Image.from_registry(WITH_WHEELS), python_version="3.14")
    with pytest.raises(ImageNotSupported, match=r"kernels need Python 3\.14, and this image has 3\.11"):
        await builder.build(image, lambda _: None)


async def test_a_base_whose_python_is_too_old_is_refused(builder, client):
    old = """'#!/bin/sh\\ncase "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac\\n'"""
    command = (
        f"rm -f /usr/bin/python3*; printf {old} > /usr/local/bin/python3; chmod +x /usr/local/bin/python3"
    )
    make(client, "farcell-test-old-python", command)
    with pytest.raises(
        ImageNotSupported, match=r"kernels need Python 3\.11 or newer, and this image has 3\.9"
    ):
        await builder.build(Image.from_registry("farcell-test-old-python"), lambda _: None)


async def test_a_base_that_is_no_glibc_is_refused(builder, client):
    make(client, "farcell-test-no-glibc", "rm /lib64/ld-linux-x86-64.so.2; true", base=BARE_IMAGE)
    with pytest.raises((ImageNotSupported, BuildFailed)):
        await builder.build(Image.from_registry("farcell-test-no-glibc"), lambda _: None)


async def test_builds_without_an_index_need_a_base_with_what_kernels_need(builder):
    with pytest.raises(BuildFailed, match=r"the image lacks ipykernel.*builds need a way to a package index"):
        await builder.build(Image.from_registry(BARE_IMAGE), lambda _: None)


async def test_the_packages_of_a_base_whose_python_is_a_venv_are_seen(builder, client):
    make(
        client,
        "farcell-test-venv",
        "python3 -m venv /app && /app/bin/pip install -q --no-index /wheels/wcwidth-*.whl",
        more="ENV PATH=/app/bin:$PATH\nUSER nobody\nHEALTHCHECK CMD true",
    )
    image = Image.from_registry("farcell-test-venv")
    told = []
    await builder.build(image, told.append)
    assert any("+ ipykernel" in one.line for one in told)
    assert not any("+ wcwidth" in one.line for one in told), "it is there already, for uv as well"
    said = run(
        client, builder.tag(image), "python", "-c", "import wcwidth, sys; print(wcwidth.__file__, sys.prefix)"
    )
    assert said.split()[0].startswith("/app/lib/")
    assert said.split()[1] == "/opt/farcell-env"


async def test_what_root_installs_belongs_to_the_kernels_user(builder, client):
    image = Image.debian().run("pip uninstall -q -y wcwidth; pip install -q --no-index /wheels/wcwidth-*.whl")
    await builder.build(image, lambda _: None)
    assert not run(client, builder.tag(image), "find", "/opt/farcell-env", "!", "-user", str(UID))


async def test_old_images_go_but_none_that_a_container_has(open_builder, settings, client, tmp_path):
    builder = open_builder(settings)
    used, unused = (Image.debian().run(f"{unique(tmp_path)} {name}") for name in ("used", "unused"))
    for image in (used, unused):
        await builder.build(image, lambda _: None)
    container = client.create_container_from_config({"Image": builder.tag(used), "Cmd": ["true"]})["Id"]
    try:
        strict = open_builder(replace(settings, keep=KeepRules(0.0, None)))
        last = Image.debian().run(f"{unique(tmp_path)} last")
        await strict.build(last, lambda _: None)
        assert client.images(name=builder.tag(used))
        assert not client.images(name=builder.tag(unused))
        assert builder.tag(unused) not in {use.tag for use in ImageUses(settings.folder).read()}
    finally:
        client.remove_container(container)


def make(client, name, command, base=WITH_WHEELS, more=""):
    """An image of somebody else's."""
    text = f"FROM {base}\nRUN {command}\n{more}\n"
    for line in client.build(
        fileobj=io.BytesIO(text.encode()), tag=name, rm=True, decode=True, network_mode="none"
    ):
        assert "error" not in line, line


async def test_the_limits_that_an_operator_sets_hold_a_step(open_builder, settings, client, tmp_path):
    builder = open_builder(replace(settings, memory_bytes=256 << 20, cgroup_parent="/farcell-test-builds"))
    before = {one["Id"] for one in client.containers(all=True)}
    told = []
    image = Image.debian().run(f"{unique(tmp_path)}; echo it began; sleep 1000")
    task = asyncio.create_task(builder.build(image, told.append))
    await until(lambda: any(one.line == "it began" for one in told))
    (step,) = {one["Id"] for one in client.containers(all=True)} - before
    host = client.inspect_container(step)["HostConfig"]
    task.cancel()
    await asyncio.wait([task])
    assert (host["Memory"], host["MemorySwap"], host["CgroupParent"]) == (
        *(256 << 20, 256 << 20),
        "/farcell-test-builds",
    )
    assert (host["NetworkMode"], host["Privileged"], host["Binds"]) == ("none", False, None)
    await until(lambda: {one["Id"] for one in client.containers(all=True)} <= before)
    for group in Path("/sys/fs/cgroup").glob("**/farcell-test-builds"):
        group.rmdir()
