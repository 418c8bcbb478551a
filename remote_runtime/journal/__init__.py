"""The journal: every message of a session's cells on disk, so that no output is lost.

The agent writes it, in the lease's folder outside the container, before it sends anything on; the gateway reads it,
also when no container runs. One folder for each lease, of segments; `format` says what is in them.
"""

from .format import Kind, Record
from .reader import JournalReader
from .writer import JournalWriter

__all__ = ["JournalReader", "JournalWriter", "Kind", "Record"]
