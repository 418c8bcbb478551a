"""The types that client, gateway and agent share: frozen values, each with one JSON form (`json_form`)."""

from .bill import CSV_COLUMNS, Bill, BillLine, csv_rows
from .gpus import GIB, GpuTable, GpuType, default_table
from .identifiers import ExecuteId, GatewayId, LeaseId, SessionId, UserId
from .image import Image, SavedImage
from .json_form import from_json, to_json
from .lease import CellRecord, EndReason, Lease, LeaseState
from .money import NANOS_PER_DOLLAR, Nanos, exact_dollars, format_dollars
from .offer import Device, Isolation, Offer, OfferFacts, device_label
from .request import Choice, Request
from .session import (
    BuildProgress,
    Failure,
    Holder,
    IdleReport,
    QueuePlace,
    Session,
    SessionFacts,
    SessionKey,
    SessionSettings,
    SessionSpec,
    SessionState,
    Shown,
    Signal,
)
from .walls import Network, Reach, Walls

__all__ = [
    "CSV_COLUMNS",
    "GIB",
    "NANOS_PER_DOLLAR",
    "Bill",
    "BillLine",
    "BuildProgress",
    "CellRecord",
    "Choice",
    "Device",
    "EndReason",
    "ExecuteId",
    "Failure",
    "GatewayId",
    "GpuTable",
    "GpuType",
    "Holder",
    "IdleReport",
    "Image",
    "Isolation",
    "Lease",
    "LeaseId",
    "LeaseState",
    "Nanos",
    "Network",
    "Offer",
    "OfferFacts",
    "QueuePlace",
    "Reach",
    "Request",
    "SavedImage",
    "Session",
    "SessionFacts",
    "SessionId",
    "SessionKey",
    "SessionSettings",
    "SessionSpec",
    "SessionState",
    "Shown",
    "Signal",
    "UserId",
    "Walls",
    "csv_rows",
    "default_table",
    "device_label",
    "exact_dollars",
    "format_dollars",
    "from_json",
    "to_json",
]
