"""What can go wrong with volumes, as one tree of its own: whoever serves them maps `code` and `status` onto its own.

::

    VolumesError                   500  volumes-error
    ├── BadName                    400  bad-name
    ├── BadRange                   416  bad-range
    ├── NoSuchVolume               404  no-such-volume
    ├── NoSuchCommit               404  no-such-commit
    ├── NoSuchPath                 404  no-such-path
    ├── VolumeExists               409  volume-exists
    ├── HeadMoved                  409  head-moved
    ├── Collected                  409  collected
    ├── Damaged                    500  damaged
    ├── UnknownFormat              501  unknown-format
    └── StoreUnavailable           503  store-unavailable
        ├── StoreBroken            503  store-broken
        └── StoreFull              507  store-full

Beside it, for adapters and those who call them: `ObjectMissing` and `RefMoved`, which are answers more than errors.
"""

from __future__ import annotations

from typing import Any, ClassVar


class VolumesError(Exception):
    """The root of the tree. `details` are JSON-able."""

    code: ClassVar[str] = "volumes-error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, /, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadName(VolumesError):
    code, status = "bad-name", 400


class BadRange(VolumesError):
    code, status = "bad-range", 416


class NoSuchVolume(VolumesError):
    code, status = "no-such-volume", 404


class NoSuchCommit(VolumesError):
    code, status = "no-such-commit", 404


class NoSuchPath(VolumesError):
    code, status = "no-such-path", 404


class VolumeExists(VolumesError):
    code, status = "volume-exists", 409


class HeadMoved(VolumesError):
    """Others kept moving the head, longer than it is sensible to try; nothing of the commit is in the volume."""

    code, status = "head-moved", 409


class Collected(VolumesError):
    """What a commit was to refer to was removed as garbage meanwhile; to put the files again mends it."""

    code, status = "collected", 409


class Damaged(VolumesError):
    """Bytes in the store are not those that were written."""

    code, status = "damaged", 500


class UnknownFormat(VolumesError):
    """Written by a newer Farcell."""

    code, status = "unknown-format", 501


class StoreUnavailable(VolumesError):
    """The store did not do what was asked; it may do so later."""

    code, status = "store-unavailable", 503


class StoreBroken(StoreUnavailable):
    """An fsync failed: which bytes are on the disk is unknown, and this adapter writes nothing more."""

    code = "store-broken"


class StoreFull(StoreUnavailable):
    code, status = "store-full", 507


class ObjectMissing(Exception):
    """There is no object under a key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no object {key!r} in the store")
        self.key = key


class RefMoved(Exception):
    """A ref is not what the caller had read: another was first."""
