"""Images at the gateway: built before a session waits for a device, once, and told as it goes; kept under names."""

from __future__ import annotations

import asyncio
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farcell.remote_runtime.api import BuildProgress, Image, to_json
from farcell.remote_runtime.api.json_form import decode, encode
from farcell.remote_runtime.errors import BuildFailed, ImageNotSupported
from farcell.remote_runtime.gateway import image_files
from tests.wheels import SlowIndex, make_index

from .conftest import NO_AGENT, House
from .faces import Answer, Face, close_code, is_error, until
from .gateway_process import gateway_process, new_user

SESSIONS = "/farcell/v1/sessions"
IMAGES = "/farcell/v1/images"
PLAIN = to_json(Image.debian().env(A="1"))


class PlayedBuilds:
    """Before a spawner's own `build`: begins, and goes on with that when it is told to."""

    def __init__(self, house: House) -> None:
        self.begun = 0
        self.cancelled = 0
        self.finish = asyncio.Event()
        self.failure: Exception | None = None
        spawner = house.gateway.places.spawners["process"]
        self._build = spawner.build
        spawner.build = self  # type: ignore[method-assign]

    async def __call__(self, image: Image, tell: Callable[[BuildProgress], None]) -> None:
        self.begun += 1
        tell(BuildProgress(1, 2, "pip install tinyone", "Resolved 1 package"))
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        await self._build(image, lambda _: None)


@pytest.fixture
def builds(house: House) -> PlayedBuilds:
    return PlayedBuilds(house)


@pytest.fixture
def slow_index(tmp_path: Path) -> Iterator[SlowIndex]:
    make_index(tmp_path / "index", "tinyone")
    with SlowIndex(tmp_path / "index") as index:
        yield index


async def put(face: Face, path: str, body: bytes) -> Answer:
    return await face.ask("PUT", path, body)


# --- the way of a session ---


async def test_a_session_waits_for_its_image_before_it_waits_for_a_device(house, ada, builds):
    session = (await ada.session(image=PLAIN)).json
    assert session["state"] == "building"
    told = await ada.until_state(session["id"], "building")
    assert told["lease"] is None
    assert (await ada.get("/farcell/v1/offers")).json["offers"][0]["count_free"] == 2, "nothing is held"
    await until(lambda: builds.begun)
    told = (await ada.get(f"{SESSIONS}/{session['id']}")).json
    assert told["build"] == {
        "step": 1,
        "steps": 2,
        "what": "pip install tinyone",
        "line": "Resolved 1 package",
    }
    builds.finish.set()
    started = await ada.until_state(session["id"], "starting")
    assert started["build"] is None
    assert started["lease"]["devices"]


async def test_a_session_without_an_image_to_build_builds_nothing(house, ada, builds):
    session = (await ada.session(image=to_json(Image(python=sys.executable)))).json
    await ada.until_state(session["id"], "starting")
    assert builds.begun == 0


async def test_a_spawner_that_is_not_prepared_yet_is_waited_for_like_a_build(house, ada, builds, monkeypatch):
    """What every container needs is made once: with nothing held, and told as any image's build."""
    spawner = house.gateway.places.spawners["process"]
    monkeypatch.setattr(type(spawner), "is_prepared", property(lambda _: builds.finish.is_set()))
    session = (await ada.session(image=to_json(Image(python=sys.executable)))).json
    assert session["state"] == "building"
    await until(lambda: builds.begun)
    builds.finish.set()
    await ada.until_state(session["id"], "starting")
    again = (await ada.session(name="again", image=to_json(Image(python=sys.executable)))).json
    assert again["state"] != "building"
    assert builds.begun == 1


async def test_two_sessions_share_one_build(house, ada, bob, builds):
    one = (await ada.session(image=PLAIN)).json["id"]
    other = (await bob.session(image=PLAIN)).json["id"]
    await until(lambda: builds.begun)
    for face, session_id in ((ada, one), (bob, other)):
        live = house.gateway.keeper.live[session_id]
        await until(lambda live=live: live.build)
        assert (await face.get(f"{SESSIONS}/{session_id}")).json["build"]["step"] == 1
    builds.finish.set()
    await ada.until_state(one, "starting")
    await bob.until_state(other, "starting")
    assert builds.begun == 1


async def test_who_leaves_leaves_the_build_to_the_others_and_the_last_ends_it(house, ada, bob, builds):
    one = (await ada.session(image=PLAIN)).json["id"]
    other = (await bob.session(image=PLAIN)).json["id"]
    await until(lambda: builds.begun)
    assert (await ada.delete(f"{SESSIONS}/{one}")).json["state"] == "stopped"
    assert builds.cancelled == 0
    assert await bob.state(other) == "building"
    assert (await bob.delete(f"{SESSIONS}/{other}")).json["state"] == "stopped"
    await until(lambda: builds.cancelled == 1)
    assert builds.begun == 1
    again = (await ada.session(image=PLAIN)).json
    await until(lambda: builds.begun == 2)
    builds.finish.set()
    await ada.until_state(again["id"], "starting")


async def test_a_failed_build_ends_the_session_and_says_why_until_it_is_asked_for_again(house, ada, builds):
    builds.failure = BuildFailed("step 1 of 2 (pip install tinyone) failed:\nno such package")
    session_id = (await ada.session(image=PLAIN)).json["id"]
    async with ada.channels(session_id) as channels:
        builds.finish.set()
        assert (await close_code(channels.connection))[0] == 4410
    stopped = await ada.until_state(session_id, "stopped")
    assert stopped["failure"] == {
        "code": "build-failed",
        "message": "step 1 of 2 (pip install tinyone) failed:\nno such package",
    }
    assert stopped["lease"] is None
    builds.failure = None
    assert (await ada.session(image=PLAIN)).json["failure"] is None
    await ada.until_state(session_id, "starting")


async def test_what_no_spawner_can_build_is_said(house, ada):
    image = to_json(Image.debian().apt_install("ffmpeg"))
    session_id = (await ada.session(image=image)).json["id"]
    stopped = await ada.until_state(session_id, "stopped")
    assert stopped["failure"]["code"] == ImageNotSupported.code
    assert "docker" in stopped["failure"]["message"]


async def test_a_definition_that_makes_no_sense_is_refused_at_once(house, ada):
    image = {"steps": [{"kind": "pip", "words": ["--target=/etc", "x"]}]}
    assert is_error(await ada.session(image=image), 400, "bad-request")
    assert (await ada.get(SESSIONS)).json["sessions"] == []


async def test_another_image_on_a_running_session_is_refused_with_the_ways_on(house, ada, builds):
    builds.finish.set()
    await ada.session(image=PLAIN)
    refused = await ada.session(image=to_json(Image.debian().pip_install("tinytwo")))
    assert is_error(refused, 409, "session-holds-other")
    assert "%gpu stop main" in refused.json["message"]
    assert "-n NAME" in refused.json["message"]
    body = {
        "request": "H100",
        "key": {"machine": "laptop", "path": "a.ipynb", "name": "main"},
        "keeps_image": True,
    }
    assert (await ada.post(SESSIONS, body)).json["image"] == decode(encode(PLAIN))


async def test_who_names_no_image_has_the_one_before(house, ada, builds):
    builds.finish.set()
    session_id = (await ada.session(image=PLAIN)).json["id"]
    await ada.delete(f"{SESSIONS}/{session_id}")
    body = {
        "request": "H100",
        "key": {"machine": "laptop", "path": "a.ipynb", "name": "main"},
        "keeps_image": True,
    }
    again = (await ada.post(SESSIONS, body)).json
    assert again["state"] == "building"
    assert again["image"]["steps"][0]["words"] == ["A=1"]


# --- the gateway dies ---


async def test_the_next_gateway_goes_on_with_a_build(data_dir: Path, slow_index: SlowIndex):
    """The real thing: uv is asking its index when its gateway is killed."""
    image = to_json(Image(python=sys.executable).pip_install("tinyone", index_url=slow_index.url))
    token = await new_user(data_dir)
    async with gateway_process(data_dir) as (first, port):
        ada = Face(port, token)
        session_id = (await ada.session(image=image)).json["id"]
        await until(lambda: slow_index.asked)
        first.kill()
        await first.wait()
    slow_index.go_on()
    async with gateway_process(data_dir) as (second, port):
        ada = Face(port, token)
        async with ada.channels(session_id) as channels:
            assert await channels.value("__import__('tinyone').version") == "1.0"
        await ada.delete(f"{SESSIONS}/{session_id}")
        second.terminate()
        assert await second.wait() == 0
    left = [path for path in (data_dir / "environments").iterdir() if path.name.startswith(".")]
    assert left == []


async def test_a_gateway_that_ends_ends_its_builds(open_house):
    async with open_house(agent=NO_AGENT, end=False) as house:
        ada = await house.user("ada")
        builds = PlayedBuilds(house)
        session_id = (await ada.session(image=PLAIN)).json["id"]
        await until(lambda: builds.begun)
    assert builds.cancelled == 1
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        builds = PlayedBuilds(house)
        assert await ada.state(session_id) == "queued"
        assert builds.begun == 0, "nobody has come for it"
        await ada.session(image=PLAIN)
        await until(lambda: builds.begun)
        builds.finish.set()
        await ada.until_state(session_id, "starting")


# --- archives ---


def archive(text: bytes = b"hello") -> tuple[bytes, str]:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("a.txt")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return data.getvalue(), hashlib.sha256(data.getvalue()).hexdigest()


def copying(sha256: str) -> object:
    return {"steps": [{"kind": "copy", "words": [sha256, "/app"]}]}


async def test_what_an_image_copies_is_asked_for_once(house, ada, bob):
    body, sha256 = archive(b"x" * (3 << 20))
    refused = await ada.session(image=copying(sha256))
    assert is_error(refused, 409, "image-files-missing")
    assert refused.json["details"] == {"sha256": [sha256]}
    assert (await put(ada, f"/farcell/v1/image-files/{sha256}", body)).status == 204
    assert (await ada.session(image=copying(sha256))).status == 200
    assert (await bob.session(image=copying(sha256))).status == 200
    assert (house.folder / "image-files" / sha256).read_bytes() == body


async def test_an_archive_that_is_another_is_refused_and_not_kept(house, ada):
    body, sha256 = archive()
    refused = await put(ada, f"/farcell/v1/image-files/{sha256}", body[:-1])
    assert is_error(refused, 400, "bad-request")
    assert list((house.folder / "image-files").iterdir()) == []
    assert is_error(await put(ada, "/farcell/v1/image-files/..", body), 404, "not-found")
    assert is_error(await put(ada, "/farcell/v1/image-files/abc", body), 400, "bad-request")
    assert is_error(await ada.post("/farcell/v1/image-files/abc"), 405, "method-not-allowed")
    assert is_error(await put(house.nobody, f"/farcell/v1/image-files/{sha256}", body), 401, "unauthorized")


async def test_an_archive_has_a_bound(house, ada, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_BYTES", 1000)
    body, sha256 = archive()
    assert is_error(await put(ada, f"/farcell/v1/image-files/{sha256}", body), 413, "too-large")
    assert list((house.folder / "image-files").iterdir()) == []


async def test_archives_make_room_for_the_newest(house, ada, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_ALL_BYTES", 15_000)
    archives = [archive(text) for text in (b"a", b"b")]
    for body, sha256 in archives:
        assert (await put(ada, f"/farcell/v1/image-files/{sha256}", body)).status == 204
    assert [path.name for path in (house.folder / "image-files").iterdir()] == [archives[1][1]]


# --- under names ---


async def test_images_are_kept_under_names_of_ones_own(house, ada, bob):
    image = Image(python="/opt/python").pip_install("torch")
    saved = (await put(ada, f"{IMAGES}/torch", encode(image))).json
    assert saved["name"] == "torch"
    assert saved["image"]["python"] is None, "an interpreter of one machine is no part of it"
    assert (await ada.get(IMAGES)).json["images"] == [saved]
    assert (await ada.get(f"{IMAGES}/torch")).json == saved
    assert (await bob.get(IMAGES)).json["images"] == []
    assert is_error(await bob.get(f"{IMAGES}/torch"), 404, "not-found")
    assert (await ada.delete(f"{IMAGES}/torch")).status == 204
    assert is_error(await ada.get(f"{IMAGES}/torch"), 404, "not-found")


async def test_a_build_log_is_for_whoever_has_the_image(house, ada, bob):
    image = Image(python=sys.executable).env(A="1")
    session_id = (await ada.session(image=to_json(image))).json["id"]
    await ada.until_state(session_id, "starting")
    log = (await ada.get(f"{IMAGES}/{image.digest}/log")).json["log"]
    assert log.startswith("step 1 of 2: Python 3.")
    assert is_error(await bob.get(f"{IMAGES}/{image.digest}/log"), 404, "not-found")
