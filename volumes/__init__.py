"""Named, versioned trees of files in a content-addressed store; knows bytes, paths and object stores."""

from .blobs import Blobs
from .check import CheckReport, Hit, check, rebuild_index
from .chunker import ChunkerSpec
from .commits import Head, LogEntry
from .contents import read_range
from .entries import Entry, EntryKind, children, decode_entry, key_of, path_of
from .gc import Collected, Collector
from .gets import FolderGet, GetReport
from .ids import BlobId, OwnerKeys
from .merge import Conflict, Outcome
from .puts import FolderPut, Looks, PutReport
from .scan import LeftOut, Why
from .stat_cache import StatCache, StatCacheWriter
from .store import BucketStore, LocalStore, Store
from .thinning import Keeping, Made, thin
from .trees import Tree
from .uploads import Upload
from .volume import Committed, Logged, Note, Volume

__all__ = [
    "BlobId",
    "Blobs",
    "BucketStore",
    "CheckReport",
    "ChunkerSpec",
    "Collected",
    "Collector",
    "Committed",
    "Conflict",
    "Entry",
    "EntryKind",
    "FolderGet",
    "FolderPut",
    "GetReport",
    "Head",
    "Hit",
    "Keeping",
    "LeftOut",
    "LocalStore",
    "LogEntry",
    "Logged",
    "Looks",
    "Made",
    "Note",
    "Outcome",
    "OwnerKeys",
    "PutReport",
    "StatCache",
    "StatCacheWriter",
    "Store",
    "Tree",
    "Upload",
    "Volume",
    "Why",
    "check",
    "children",
    "decode_entry",
    "key_of",
    "path_of",
    "read_range",
    "rebuild_index",
    "thin",
]
