"""Tables for people, made from the API's types; nothing in them is cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from ..api import GIB, Bill, BillLine, Offer, Session, exact_dollars, format_dollars

PIPED_WIDTH = 240
"""Where there is no terminal to fit into."""


def show(table: Table) -> None:
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table)


def offers_table(offers: Iterable[Offer]) -> Table:
    offers = list(offers)
    has_mounts = any(offer.mounts for offer in offers)
    columns = ("offer", ">free", ">memory", ">price per hour", "isolation", "spawner")
    table = _table(*columns, *(["folders"] if has_mounts else []))
    for offer in offers:
        mounts = [", ".join(offer.mounts)] if has_mounts else []
        free = f"{offer.count_free} of {offer.count_total}"
        memory = f"{offer.memory_bytes / GIB:g} GiB"
        hourly = format_dollars(offer.price_nanos_per_s * 3600)
        table.add_row(offer.label, free, memory, hourly, offer.isolations_told, offer.spawner, *mounts)
    return table


def sessions_table(sessions: Iterable[Session], *, owners: bool = False) -> Table:
    """With `owners`, whose each is."""
    sessions = list(sessions)
    has_walls = any(session.walls.told for session in sessions)
    columns = ("session", "state", "device", *(["walls"] if has_walls else []), "notebook", ">cost", "id")
    table = _table(*(["owner"] if owners else []), *columns)
    for session in sessions:
        walls = [session.walls.told] if has_walls else []
        owner = [session.owner] if owners else []
        cost = format_dollars(session.cost_nanos)
        table.add_row(
            *owner,
            session.name,
            session.state.value,
            session.label,
            *walls,
            session.key.path,
            cost,
            session.id,
        )
    return table


def users_table(users: Iterable[tuple[str, str]]) -> Table:
    """Of names and roles."""
    table = _table("user", "role")
    for name, role in users:
        table.add_row(name, role)
    return table


def kernels_table(kernels: Iterable[tuple[str, str, str, str]]) -> Table:
    """Of names, names for people, requests and folders."""
    table = _table("kernel", "shown as", "runs on", "folder")
    for row in kernels:
        table.add_row(*row)
    return table


def checks_table(checks: Iterable[tuple[str, str, str, str, str]]) -> Table:
    """Of marks, verdicts, what was looked at, what was found, and what to do about it."""
    table = _table("", "", "check", "found", "to do")
    for row in checks:
        table.add_row(*row)
    return table


def bill_table(bill: Bill) -> Table:
    """Every line to the nano-dollar, so that they add up as one sees them; real and simulated sums apart."""
    table = _table("notebook", "session", "device", "cell", "status", ">seconds", ">dollars")
    for line in bill.lines:
        dollars = exact_dollars(line.cost_nanos)
        seconds = f"{line.duration_ms / 1000:.1f}"
        table.add_row(line.path, line.session, line.label, *_cell(line), seconds, dollars)
    table.add_section()
    for told, nanos in _sums(bill):
        table.add_row("", "", told, "", "", "", exact_dollars(nanos))
    return table


def _cell(line: BillLine) -> tuple[str, str]:
    if line.is_idle:
        return "", "idle"
    return "" if line.number is None else f"[{line.number}]", line.status or "running"


def _sums(bill: Bill) -> Sequence[tuple[str, int]]:
    """Simulated money is shown only where there is some."""
    simulated = any(line.simulated for line in bill.lines)
    return [("sum", bill.total_nanos), *([("sum (simulated)", bill.simulated_nanos)] if simulated else [])]


def _table(*columns: str) -> Table:
    """A title that begins with ``>`` makes a column of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        table.add_column(
            title.removeprefix(">"), justify="right" if title.startswith(">") else "left", overflow="fold"
        )
    return table
