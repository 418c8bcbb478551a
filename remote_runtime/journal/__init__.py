"""The journal: every message of a session's cells on disk, so that no output is lost.

The agent writes it, in the lease's folder outside the container, before it sends anything on; the gateway reads it,
also when no container runs. One folder for each lease, of segments; `format` says what is in them.
"""

from .compaction import LIMIT_BYTES, Compactor
from .format import Kind, Record
from .left_out import note_message
from .policy import Policy
from .reader import JournalReader
from .replay import Replay, Replayed, replay
from .unfinished import UnfinishedCells
from .writer import SEGMENT_BYTES, JournalWriter

__all__ = [
    "LIMIT_BYTES",
    "SEGMENT_BYTES",
    "Compactor",
    "JournalReader",
    "JournalWriter",
    "Kind",
    "Policy",
    "Record",
    "Replay",
    "Replayed",
    "UnfinishedCells",
    "note_message",
    "replay",
]
