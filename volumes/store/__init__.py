"""Where bytes lie: one contract, a local folder and buckets."""

from .bucket import BucketStore
from .contract import Ref, Store, Stored
from .local import LocalStore

__all__ = ["BucketStore", "LocalStore", "Ref", "Store", "Stored"]
