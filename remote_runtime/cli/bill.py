"""``farcell bill``: what was charged, for people, spreadsheets and programs."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import closing
from typing import Any

from traitlets import Enum

from ..api import CSV_COLUMNS, Bill, csv_rows, to_json
from .command import DEBUG_FLAG, Command
from .tables import bill_table, show


class ShowBill(Command):
    name = "farcell bill"
    description = (
        "Shows what you were charged, by cell and idle time, adding up to the nano-dollar. "
        "Simulated devices cost simulated money, which has a sum of its own."
    )
    form = Enum(["table", "csv", "json"], "table", help="how to print it").tag(config=True)
    flags: dict[str, Any] = {
        "csv": ({"ShowBill": {"form": "csv"}}, "one line per cell and per lease's idle time"),
        "json": ({"ShowBill": {"form": "json"}}, "the same, with the sums"),
    } | DEBUG_FLAG

    def run(self) -> None:
        from ..client.blocking import Client

        with closing(Client()) as client:
            _PRINT[self.form](client.bill())


def _print_table(bill: Bill) -> None:
    show(bill_table(bill))


def _print_csv(bill: Bill) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows([CSV_COLUMNS, *csv_rows(bill)])


def _print_json(bill: Bill) -> None:
    sys.stdout.write(json.dumps(to_json(bill), indent=2) + "\n")


_PRINT = {"table": _print_table, "csv": _print_csv, "json": _print_json}
