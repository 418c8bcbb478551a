"""Writing blobs: each once, compressed, gathered in packs that are sent while the next one fills."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, NamedTuple, Self

from .blobs import Blobs
from .collection import read_collection
from .compression import Codec, compress
from .errors import Collected, ObjectMissing
from .ids import BlobId, Kind
from .index import Location
from .pack import TARGET_BYTES, PackBuilder, PackEntry, new_pack_name, pack_key

_AHEAD_BYTES: Final = 12 << 20
"""Of chunks that are being hashed and compressed while the next ones are read."""
_SENDERS: Final = 2
"""Packs on their way at a time: a store takes two at once sooner than one after the other, and memory is bounded."""


class Prepared(NamedTuple):
    """A blob, ready for a pack; no body when the store has it."""

    id: BlobId
    size_bytes: int
    codec: Codec = Codec.PLAIN
    body: bytes | None = None


class Upload:
    """One writer's session; belongs to one thread. Its blobs count when `flush` has returned and a head was moved.

    After an error it is of no use. `close` may be called twice; it drops what was not flushed.
    """

    def __init__(self, blobs: Blobs, target_bytes: int = TARGET_BYTES) -> None:
        self.blobs = blobs
        self._target_bytes = target_bytes
        self._pack = PackBuilder()
        self._sending: deque[tuple[Future[None], PackBuilder]] = deque()
        self._relied: set[str] = set()
        """Packs that hold what this session refers to, its own among them."""
        self._workers = ThreadPoolExecutor(os.cpu_count() or 1, "farcell-chunks")
        self._sender = ThreadPoolExecutor(_SENDERS, "farcell-packs")
        self._counting = threading.Lock()
        self.stored_bytes = 0
        """Sent so far, as packs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._workers.shutdown(cancel_futures=True)
        self._sender.shutdown(cancel_futures=True)

    def add(self, kind: Kind, data: bytes) -> BlobId:
        """Takes a blob unless the store has it; returns its id."""
        return self._take(kind, self._prepare(kind, data))

    def add_all(self, kind: Kind, blobs: Iterable[bytes | memoryview]) -> Iterator[tuple[BlobId, int]]:
        """The same for many large ones, on all cores; their ids and sizes in order."""
        ahead: deque[Future[Prepared]] = deque()
        ahead_bytes = 0
        for blob in blobs:
            data = bytes(blob)
            ahead.append(self._workers.submit(self._prepare, kind, data))
            ahead_bytes += len(data)
            while ahead_bytes > _AHEAD_BYTES:
                done = ahead.popleft().result()
                ahead_bytes -= done.size_bytes
                yield self._take(kind, done), done.size_bytes
        for waiting in ahead:
            done = waiting.result()
            yield self._take(kind, done), done.size_bytes

    def rely(self, blob: BlobId, kind: Kind) -> None:
        """Refers to a blob that an old commit has; raises `Damaged` where it is gone."""
        found = self._lasting(blob)
        if found is None:
            self.add(kind, self.blobs.read(blob, kind))

    def copy(self, entry: PackEntry, stored: bytes) -> None:
        """A blob as another pack has it, whether or not the store has it elsewhere."""
        self._put(
            entry.id, Kind(entry.kind), Prepared(entry.id, entry.size_bytes, Codec(entry.codec), stored)
        )

    def flush(self) -> None:
        """Returns when all blobs are in the store; they are not lasting before a head has them."""
        self._send()
        while self._sending:
            self._await_first()

    def confirm(self) -> None:
        """Makes sure that everything this session refers to will stay; call it between reading a head and moving it.

        What lies in condemned packs is copied out of them. Raises `Collected` where it is gone already.
        """
        self.flush()
        collection = read_collection(self.blobs.store)[0]
        if collection.epoch != self.blobs.collection.epoch:
            self.blobs.refresh()
        else:
            self.blobs.note_collection(collection)
        if not self._relied <= self.blobs.index.packs:
            raise _collected()
        leaving = self._relied & self.blobs.index.condemned
        for name in leaving:
            self._rescue(name)
        self._relied -= leaving
        self.flush()

    def _prepare(self, kind: Kind, data: bytes) -> Prepared:
        blob = self.blobs.keys.id_of(kind, data)
        if self._lasting(blob) is not None:
            return Prepared(blob, len(data))
        codec, body = compress(data)
        return Prepared(blob, len(data), codec, body)

    def _lasting(self, blob: BlobId) -> Location | None:
        found = self.blobs.index.lasting(blob)
        if found is not None:
            self._relied.add(found.pack)
        return found

    def _take(self, kind: Kind, prepared: Prepared) -> BlobId:
        if prepared.body is not None and self._lasting(prepared.id) is None:
            self._put(prepared.id, kind, prepared)
        return prepared.id

    def _put(self, blob: BlobId, kind: Kind, prepared: Prepared) -> None:
        assert prepared.body is not None
        if any(blob in pack for _, pack in self._sending):
            return
        self._pack.add(blob, kind, prepared.codec, prepared.body, prepared.size_bytes)
        if self._pack.size_bytes >= self._target_bytes:
            self._send()

    def _send(self) -> None:
        if len(self._pack):
            while len(self._sending) >= _SENDERS:
                self._await_first()
            self._sending.append((self._sender.submit(self._write, self._pack), self._pack))
            self._pack = PackBuilder()

    def _await_first(self) -> None:
        """What fails on the way fails here; a pack's blobs stay known as being sent until the index has them."""
        self._sending[0][0].result()
        self._sending.popleft()

    def _write(self, pack: PackBuilder) -> None:
        name = new_pack_name()
        parts, entries = pack.finish(self.blobs.keys)
        self.blobs.store.put(pack_key(name), parts)
        self.blobs.wrote_pack(name, entries)
        self._relied.add(name)
        with self._counting:
            self.stored_bytes += sum(map(len, parts))

    def _rescue(self, name: str) -> None:
        """Copies all that a pack holds."""
        key = pack_key(name)
        try:
            for stored in self.blobs.store.list(key):
                for entry in self.blobs.pack_entries(stored):
                    self.copy(entry, self.blobs.store.get_range(key, entry.offset, entry.stored_bytes))
                return
        except ObjectMissing as error:
            raise _collected() from error
        raise _collected()


def _collected() -> Collected:
    return Collected("what was uploaded was removed as garbage meanwhile: put the files again")
