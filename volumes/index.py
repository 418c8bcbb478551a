r"""Which blob lies where: sorted tables of 50 bytes for each blob, searched as they lie in memory. Pure.

A table is also an object of the store (``index/…``), a copy of what many packs say at their ends, so that who opens a
store of many packs reads few objects.

::

    "FARCTB1\n"  number of packs (4)  their names (16 each)  rows, ascending by id  keyed hash of all before (32)

A row is a pack's entry and the pack's number (4).
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isqrt
from typing import Final, NamedTuple

from .errors import Damaged, UnknownFormat
from .ids import ID_BYTES, Kind, OwnerKeys
from .pack import PackEntry

_MAGIC: Final = b"FARCTB1\n"
_COUNT: Final = struct.Struct("<I")
_ROW: Final = struct.Struct("<32sBBIIII")
ROW_BYTES: Final = _ROW.size
_NAME_BYTES: Final = 16
_LOOSE: Final = 20_000
"""So many newest blobs are kept in a dictionary, which is quicker to add to."""
_TABLE_ROWS: Final = 400_000
"""Tables are merged up to this many rows: merging takes twice their room for a moment."""


class Location(NamedTuple):
    pack: str
    entry: PackEntry


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of some packs, ascending by id; a blob that lies in two of them has two rows."""

    packs: Sequence[str]
    rows: bytes

    def __len__(self) -> int:
        return len(self.rows) // ROW_BYTES

    def at(self, position: int) -> Location:
        *entry, pack = _ROW.unpack_from(self.rows, position * ROW_BYTES)
        return Location(self.packs[pack], PackEntry(*entry))

    def locations(self) -> Iterator[Location]:
        for *entry, pack in _ROW.iter_unpack(self.rows):
            yield Location(self.packs[pack], PackEntry(*entry))

    def find(self, blob: bytes) -> Iterator[int]:
        """The positions of a blob's rows."""
        position = self._first(blob)
        while self._id(position) == blob:
            yield position
            position += 1

    def _first(self, blob: bytes) -> int:
        """Ids are evenly spread: a row lies about where its id says, within some standard deviations."""
        size = len(self)
        guess, reach = int.from_bytes(blob[:8]) * size >> 64, 3 * isqrt(size) + 4
        low, high = max(0, guess - reach), min(size, guess + reach)
        if (low and self._id(low) >= blob) or (high < size and self._id(high) < blob):
            low, high = 0, size
        return bisect_left(range(size), blob, low, high, key=self._id)

    def _id(self, position: int) -> bytes:
        start = position * ROW_BYTES
        return self.rows[start : start + ID_BYTES]

    def encode(self, keys: OwnerKeys) -> bytes:
        names = b"".join(map(bytes.fromhex, self.packs))
        body = b"".join((_MAGIC, _COUNT.pack(len(self.packs)), names, self.rows))
        return body + keys.id_of(Kind.PACK_INDEX, body)

    @classmethod
    def decode(cls, data: bytes, keys: OwnerKeys) -> Table:
        body, digest = data[:-ID_BYTES], data[-ID_BYTES:]
        if keys.id_of(Kind.PACK_INDEX, body) != digest:
            raise Damaged("a table of the index is not what was written")
        if not body.startswith(_MAGIC):
            raise UnknownFormat("a table of the index was written by a newer Farcell")
        (count,) = _COUNT.unpack_from(body, len(_MAGIC))
        start = len(_MAGIC) + _COUNT.size
        names = body[start : start + count * _NAME_BYTES]
        packs = [names[at : at + _NAME_BYTES].hex() for at in range(0, len(names), _NAME_BYTES)]
        return cls(packs, body[start + len(names) :])


def make_table(locations: Iterable[Location]) -> Table:
    """Sorted; where a blob lies twice, in the order of the packs' names."""
    numbers: dict[str, int] = {}
    rows = [_ROW.pack(*entry, numbers.setdefault(pack, len(numbers))) for pack, entry in locations]
    rows.sort()
    return Table(list(numbers), b"".join(rows))


def merge_tables(tables: Sequence[Table], packs: Container[str]) -> Table:
    """One table of what lies in the packs named; each blob of each pack once."""
    numbers: dict[str, int] = {}
    rows: set[bytes] = set()
    for table in tables:
        new = [numbers.setdefault(name, len(numbers)) if name in packs else None for name in table.packs]
        head = ROW_BYTES - _COUNT.size
        for start in range(0, len(table.rows), ROW_BYTES):
            row = table.rows[start : start + ROW_BYTES]
            number = new[_COUNT.unpack_from(row, head)[0]]
            if number is not None:
                rows.add(row[:head] + _COUNT.pack(number))
    return Table(list(numbers), b"".join(sorted(rows)))


class Index:
    """All that is known of where blobs lie. May be read while it is added to, from one other thread."""

    def __init__(self) -> None:
        self._tables: list[Table] = []
        self._loose: dict[bytes, tuple[Location, ...]] = {}
        self.packs: set[str] = set()
        """All that it knows of."""
        self.condemned: frozenset[str] = frozenset()
        """What will be removed: to be read, and not to be relied on."""

    def __len__(self) -> int:
        return len(self._loose) + sum(map(len, self._tables))

    def add_pack(self, name: str, entries: Iterable[PackEntry]) -> None:
        self.packs.add(name)
        for entry in entries:
            self._loose[entry.id] = (*self._loose.get(entry.id, ()), Location(name, entry))
        if len(self._loose) > _LOOSE:
            table = self._loose_table()
            while self._tables and len(self._tables[-1]) <= len(table) <= _TABLE_ROWS:
                table = merge_tables([self._tables.pop(), table], self.packs)
            self._tables.append(table)
            self._loose = {}

    def add_table(self, table: Table) -> None:
        self.packs.update(table.packs)
        self._tables.append(table)

    def all(self, blob: bytes) -> list[Location]:
        """Where a blob lies, the best first: packs that stay, then by name, so that all gcs choose alike."""
        found = list(self._all(blob))
        if len(found) > 1:
            found.sort(key=lambda one: (one.pack in self.condemned, one.pack))
        return found

    def find(self, blob: bytes) -> Location | None:
        """The best place; None: the store has no such blob."""
        found = self.all(blob)
        return found[0] if found else None

    def lasting(self, blob: bytes) -> Location | None:
        """Where it lies in a pack that nobody is about to remove."""
        found = self.find(blob)
        return None if found is None or found.pack in self.condemned else found

    def whole(self, packs: Container[str]) -> Table:
        """Everything that lies in the packs named, in one table."""
        return merge_tables([*self._tables, self._loose_table()], packs)

    def _all(self, blob: bytes) -> Iterator[Location]:
        yield from self._loose.get(blob, ())
        for table in self._tables:
            for position in table.find(blob):
                found = table.at(position)
                if found.pack in self.packs:
                    yield found

    def forget(self, packs: Iterable[str]) -> None:
        """Packs that are gone."""
        gone = set(packs)
        self.packs -= gone
        left = {
            blob: tuple(one for one in found if one.pack not in gone) for blob, found in self._loose.items()
        }
        self._loose = {blob: found for blob, found in left.items() if found}

    def _loose_table(self) -> Table:
        return make_table(chain.from_iterable(self._loose.values()))
