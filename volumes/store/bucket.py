"""A store in a bucket (S3, GCS, Azure, R2) or in memory, through obstore.

obstore repeats requests that failed on the way or with 500 and 503. A conditional write whose answer was lost is then
refused, because of itself: so whoever lost a race looks who won. S3 answers 409 where two conditional writes meet,
which says nothing of who won, and obstore tells it as it tells a lost race: looking mends that, too.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError

from ..errors import ObjectMissing, RefMoved, StoreUnavailable
from .contract import Ref, Store, Stored

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore

_CONFLICT_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_PROBES: Final = "probes"


class BucketStore(Store):
    """`bucket` has its credentials, its timeouts and what it repeats; `prefix` is a folder inside it, without ``/``."""

    def __init__(self, bucket: ObjectStore, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def get(self, key: str) -> bytes:
        with _asking(key):
            return bytes(obstore.get(self._bucket, self._prefix + key).bytes())

    def get_range(self, key: str, start: int, size: int) -> bytes:
        with _asking(key):
            found = bytes(obstore.get_range(self._bucket, self._prefix + key, start=start, length=size))
        if len(found) != size:
            raise StoreUnavailable(f"the store gave {len(found)} bytes of {key} where {size} were asked for")
        return found

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        # who finds its new key taken has written it: an answer was lost
        with _asking(key), suppress(AlreadyExistsError):
            obstore.put(self._bucket, self._prefix + key, b"".join(parts), mode="create", use_multipart=False)

    def list(self, prefix: str) -> Iterator[Stored]:
        with _asking(prefix):
            for found in obstore.list(self._bucket, (self._prefix + prefix).rpartition("/")[0] or None):
                for one in found:
                    key = one["path"].removeprefix(self._prefix)
                    if key.startswith(prefix):
                        yield Stored(key, one["size"], one["last_modified"].timestamp())

    def delete(self, key: str) -> None:
        with suppress(ObjectMissing), _asking(key):
            obstore.delete(self._bucket, self._prefix + key)

    def now(self) -> float:
        key = f"{self._prefix}{_PROBES}/{secrets.token_hex(16)}"
        with _asking(key):
            obstore.put(self._bucket, key, b"", use_multipart=False)
            try:
                return obstore.head(self._bucket, key)["last_modified"].timestamp()
            finally:
                obstore.delete(self._bucket, key)

    def read_ref(self, key: str) -> Ref | None:
        with suppress(ObjectMissing), _asking(key):
            found = obstore.get(self._bucket, self._prefix + key)
            return Ref(bytes(found.bytes()), found.meta["e_tag"] or "")
        return None

    def move_ref(self, key: str, value: bytes, expected: Ref | None) -> Ref:
        mode: PutMode = "create" if expected is None else {"e_tag": expected.version}
        for pause_s in _CONFLICT_PAUSES_S:
            with suppress(AlreadyExistsError, PreconditionError), _asking(key):
                done = obstore.put(self._bucket, self._prefix + key, value, mode=mode, use_multipart=False)
                return Ref(value, done["e_tag"] or "")
            found = self.read_ref(key)
            if found is not None and found.value == value:
                return found
            if found != expected:
                raise RefMoved
            time.sleep(pause_s)
        raise StoreUnavailable(f"the store refused to move {key} and named no other that had")

    def tidy(self, before: float) -> None:
        for one in self.list(f"{_PROBES}/"):
            if one.modified_at < before:
                self.delete(one.key)


@contextmanager
def _asking(key: str) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise ObjectMissing(key) from error
    except (AlreadyExistsError, PreconditionError):
        raise
    except BaseError as error:
        raise StoreUnavailable(f"the store did not do what it was asked for {key}: {error}") from error
