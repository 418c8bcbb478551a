"""Images: the archives that they copy, those that users keep under names, and what builds said."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, TypedDict

from msgspec import Meta, Struct

from ...api import Image, SavedImage, from_json, to_json
from ...errors import BadRequest, FarcellError, NotFound, SessionNotFound
from .. import saved_images
from ..image_files import MAX_BYTES, Incoming
from .base import BODY_TIMEOUT_S, JsonHandler
from .operation import Operation

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
MAX_LOG_BYTES = 256 << 10
Name = Annotated[str, Meta(pattern=f"^{saved_images.NAME.pattern}$")]


class ImagesAnswer(TypedDict):
    images: list[SavedImage]


class SaveWish(Struct):
    """The body of a POST to a session's image: under which name it is kept, the session's own without one."""

    name: Name | None = None


class BuildLogAnswer(TypedDict):
    """What the newest build of that definition said; empty where none was."""

    log: str


class Images(JsonHandler):
    """``GET /farcell/v1/images``."""

    @Operation("The images that one keeps, by name", ImagesAnswer)
    async def get(self) -> None:
        images = await self.gateway.database.read(
            lambda connection: saved_images.read_all(connection, self.user.id)
        )
        self.write_json({"images": to_json(images)})


class OneImage(JsonHandler):
    """``GET``, ``PUT`` and ``DELETE /farcell/v1/images/{name}``."""

    @Operation("One image", SavedImage, refuses=(NotFound,))
    async def get(self, name: str) -> None:
        found = await self.gateway.database.read(
            lambda connection: saved_images.read(connection, self.user.id, name)
        )
        self.write_json(to_json(found))

    @Operation("Keeps an image under that name, in place of the one before", SavedImage, takes=Image)
    async def put(self, name: str) -> None:
        if not saved_images.NAME.fullmatch(name):
            raise BadRequest(f"{name[:80]!r} is no name for an image: letters, digits, '.', '_' and '-'")
        image = from_json(Image, self.body())
        image.check()
        kept = await self.gateway.database.write(
            lambda connection: saved_images.keep(connection, self.user.id, name, image)
        )
        self.write_json(to_json(kept))

    @Operation("Forgets an image; what runs with it goes on", status=204, refuses=(NotFound,))
    async def delete(self, name: str) -> None:
        await self.gateway.database.write(
            lambda connection: saved_images.forget(connection, self.user.id, name)
        )
        self.set_status(204)
        self.finish()


class SessionImage(JsonHandler):
    """``POST /farcell/v1/sessions/{id}/image``, whose body is ``{"name": NAME}``."""

    @Operation(
        "Keeps a session's image with what was installed in it by hand",
        SavedImage,
        takes=SaveWish,
        needs_body=False,
        refuses=(SessionNotFound,),
    )
    async def post(self, session_id: str) -> None:
        wish = from_json(SaveWish, self.body() if self.has_body() else {})
        kept = await self.gateway.desk.save_image(self.user, session_id, wish.name)
        self.write_json(to_json(kept))


class BuildLog(JsonHandler):
    """``GET /farcell/v1/images/{digest}/log``: for whoever has a session with that definition."""

    @Operation("What the newest build of a definition said", BuildLogAnswer, refuses=(NotFound,))
    async def get(self, digest: str) -> None:
        sessions = await self.gateway.desk.list(self.user, everybody=True)
        if all(session.image.digest != digest for session in sessions):
            raise NotFound(f"none of your sessions has the image {digest}")
        self.write_json(BuildLogAnswer(log=await asyncio.to_thread(self._read, digest)))

    def _read(self, digest: str) -> str:
        try:
            data = self.gateway.keeper.folders.build_log(digest).read_bytes()
        except FileNotFoundError:
            return ""
        return data[-MAX_LOG_BYTES:].decode(errors="replace")


class ImageFile(JsonHandler):
    """``PUT /farcell/v1/image-files/{sha256}``: a tar archive, streamed, kept under its digest.

    Who asks for a session whose image copies archives is told which of them are missing (`ImageFilesMissing`).
    """

    _incoming: Incoming | None = None

    @Operation("Takes an archive that has that SHA-256", status=204)
    async def put(self, sha256: str) -> None:
        if self._incoming is None:
            raise BadRequest("the body is empty; an archive was expected")
        incoming, self._incoming = self._incoming, None
        await asyncio.to_thread(incoming.commit)
        await asyncio.to_thread(self.gateway.images.files.make_room, sha256)
        self.set_status(204)
        self.finish()

    @property
    def _takes_archive(self) -> bool:
        """Other methods are refused as anywhere."""
        return self.request.method == "PUT"

    async def check(self) -> None:
        await super().check()
        if not self._takes_archive:
            return
        if not _SHA256.fullmatch(self.path_args[0]):
            raise BadRequest("an archive is named by its SHA-256, 64 hexadecimal digits")
        connection: Any = self.request.connection
        connection.set_max_body_size(MAX_BYTES)

    def _check_body(self, size: int) -> None:
        if size > MAX_BYTES or not self._takes_archive:
            super()._check_body(size)

    def data_received(self, chunk: bytes) -> None:
        if self._refusal is not None or not self._takes_archive:
            super().data_received(chunk)
            return
        self._wait_for_more()
        try:
            if self._incoming is None:
                self._incoming = self.gateway.images.files.receive(self.path_args[0])
            self._incoming.write(chunk)
        except FarcellError as error:
            self._refuse_now(error)

    def _wait_for_more(self) -> None:
        """An archive may take as long as it comes at all."""
        self._forget_deadline()
        late = BadRequest(f"nothing more of the body came within {BODY_TIMEOUT_S:g} s")
        self._deadline = asyncio.get_running_loop().call_later(BODY_TIMEOUT_S, self._refuse_now, late)

    def on_finish(self) -> None:
        super().on_finish()
        self._drop()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._drop()

    def _drop(self) -> None:
        if self._incoming is not None:
            self._incoming.drop()
            self._incoming = None
