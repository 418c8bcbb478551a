"""What tests of volumes share: a store of each kind, an owner's blobs in one, and small volumes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from s3_server import running_s3, s3_bucket

from farcell.volumes import Blobs, BucketStore, LocalStore, OwnerKeys, Store

SECRET = bytes(range(32))


@pytest.fixture(scope="session")
def keys() -> OwnerKeys:
    return OwnerKeys.derive(SECRET)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture(params=["local folder", "memory", "S3"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens one store, again and again: each has its own adapter, as processes have."""
    if request.param == "local folder":
        return lambda: LocalStore(tmp_path / "store")
    if request.param == "memory":
        memory = MemoryStore()
        return lambda: BucketStore(memory, "some/prefix")
    endpoint, prefix = request.getfixturevalue("s3_endpoint"), uuid.uuid4().hex
    return lambda: BucketStore(s3_bucket(endpoint), prefix)


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def memory() -> Store:
    return BucketStore(MemoryStore())


@pytest.fixture
def blobs(memory: Store, keys: OwnerKeys) -> Blobs:
    return Blobs.open(memory, keys)
