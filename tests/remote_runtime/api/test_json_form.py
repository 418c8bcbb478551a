from datetime import UTC, datetime, timedelta, timezone

import pytest

from farcell.remote_runtime.api import (
    CellRecord,
    Device,
    EndReason,
    ExecuteId,
    IdleReport,
    Image,
    Isolation,
    Lease,
    LeaseId,
    LeaseState,
    Nanos,
    Offer,
    QueuePlace,
    Request,
    Session,
    SessionId,
    SessionKey,
    SessionSettings,
    SessionSpec,
    SessionState,
    Signal,
    default_table,
    from_json,
    to_json,
)
from farcell.remote_runtime.api.json_form import decode, encode
from farcell.remote_runtime.errors import BadRequest, UnknownGpu

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
KEY = SessionKey("laptop", "/home/ann/train.ipynb", "h100")
OFFER = Offer(
    name="H100",
    gpu="H100",
    memory_bytes=80 << 30,
    count_total=1,
    count_free=1,
    price_nanos_per_s=Nanos(1_097_000),
    spawner="process",
    isolation=Isolation.NONE,
    simulated=True,
    devices=(Device("SIM-1", "H100", 80 << 30, simulated=True),),
)
LEASE = Lease(
    id=LeaseId("5f"),
    session_id=SessionId("s"),
    offer="H100",
    spawner="process",
    count=2,
    devices=("GPU-1", "GPU-2"),
    simulated=False,
    price_nanos_per_s=Nanos(2_194_000),
    state=LeaseState.ENDED,
    created_at=NOON,
    ready_at=NOON,
    ended_at=NOON,
    end_reason=EndReason.IDLE,
    unsaved=("model",),
    attested_ms=1_500,
)
SESSION = Session(
    id=SessionId("s"),
    owner="ann",
    key=KEY,
    request=Request.parse("H100:2,cpu"),
    state=SessionState.IDLE,
    created_at=NOON,
    lease=LEASE,
    queue=QueuePlace(1, "2 of 2 H100 are held", 30.0),
    idle=IdleReport(
        12.5,
        47.5,
        warned=True,
        unsaved=("f",),
        signals=(Signal("cpu", busy=False, value="0.2 %", quiet_s=12.5),),
    ),
    cost_nanos=3_291_000,
)
SPEC_JSON = {"key": {"machine": "laptop", "path": "/home/ann/train.ipynb", "name": "h100"}, "request": "H100"}


@pytest.mark.parametrize(
    "value",
    [
        OFFER,
        LEASE,
        SESSION,
        SessionSpec(KEY, Request.parse("24GB:2"), SessionSettings(10.0, 60.0), Image("/usr/bin/python3")),
        CellRecord(LeaseId("5f"), ExecuteId("m1"), 3, 0, 900, "ok", 10, 20, 0.75),
        CellRecord(LeaseId("5f"), ExecuteId("m2"), None, 900),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_type_survives_its_json(value):
    assert from_json(type(value), to_json(value)) == value
    assert from_json(type(value), decode(encode(value))) == value


def test_an_offer_has_this_json():
    assert decode(encode(OFFER)) == {
        "name": "H100",
        "gpu": "H100",
        "memory_bytes": 85_899_345_920,
        "count_total": 1,
        "count_free": 1,
        "price_nanos_per_s": 1_097_000,
        "spawner": "process",
        "isolation": "none",
        "isolations": [],
        "mounts": [],
        "simulated": True,
        "devices": [
            {
                "uuid": "SIM-1",
                "gpu": "H100",
                "memory_bytes": 85_899_345_920,
                "simulated": True,
                "foreign": False,
            }
        ],
    }


def test_a_request_is_a_text_and_a_time_is_iso_8601():
    value = to_json(SESSION)
    assert (value["request"], value["created_at"]) == ("H100:2,cpu", "2026-11-01T12:00:00Z")


def test_what_is_left_out_has_its_default():
    spec = from_json(SessionSpec, SPEC_JSON)
    assert spec == SessionSpec(KEY, Request.parse("H100"))
    assert spec.settings.idle_s == 300


def test_unknown_fields_are_ignored():
    newer = {**SPEC_JSON, "color": "red", "key": {**SPEC_JSON["key"], "shape": {"round": True}}}
    assert from_json(SessionSpec, newer) == from_json(SessionSpec, SPEC_JSON)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"key": None}, r"Expected `object`, got `null` - at `\$.key`"),
        ({"key": {"machine": "m", "path": "p"}}, r"missing required field `name` - at `\$.key`"),
        (
            {"key": {"machine": 1, "path": "p", "name": "n"}},
            r"Expected `str`, got `int` - at `\$.key.machine`",
        ),
        ({"key": {"machine": "m", "path": "p", "name": ""}}, r"length >= 1 - at `\$.key.name`"),
        ({"settings": {"idle_s": "soon"}}, r"Expected `float`, got `str` - at `\$.settings.idle_s`"),
        ({"settings": {"idle_s": -1}}, r"Expected `float` > 0.0 - at `\$.settings.idle_s`"),
    ],
)
def test_a_bad_field_is_named(change, fault):
    with pytest.raises(BadRequest, match=f"not a valid SessionSpec: .*{fault}"):
        from_json(SessionSpec, {**SPEC_JSON, **change})


@pytest.mark.parametrize("value", [None, [], "H100", 3])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(BadRequest, match="not a valid SessionSpec: Expected `object`"):
        from_json(SessionSpec, value)


def test_money_is_never_a_float():
    with pytest.raises(BadRequest, match=r"Expected `int`, got `float` - at `\$.price_nanos_per_s`"):
        from_json(Offer, {**to_json(OFFER), "price_nanos_per_s": 1.5})


def test_an_unknown_state_is_refused_with_its_name():
    with pytest.raises(BadRequest, match=r"Invalid enum value 'asleep' - at `\$.state`"):
        from_json(Session, {**to_json(SESSION), "state": "asleep"})


@pytest.mark.parametrize("request_", [7, "", "H100:0"])
def test_a_bad_request_is_refused(request_):
    with pytest.raises(BadRequest):
        from_json(SessionSpec, {**SPEC_JSON, "request": request_})


def test_with_a_table_an_unknown_gpu_is_refused_with_the_nearest():
    with pytest.raises(UnknownGpu, match="nearest: H100"):
        from_json(SessionSpec, {**SPEC_JSON, "request": "H1000"}, default_table())


def test_without_a_table_a_gateways_own_gpu_is_read():
    assert str(from_json(SessionSpec, {**SPEC_JSON, "request": "MI300X"}).request) == "MI300X"


def test_times_of_other_zones_stay_the_same_moment():
    local = NOON.astimezone(timezone(timedelta(hours=2)))
    assert from_json(Lease, {**to_json(LEASE), "created_at": local.isoformat()}) == LEASE


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, "{'a': 1}"])
def test_malformed_json_is_refused(data):
    with pytest.raises(BadRequest, match="malformed JSON"):
        decode(data)


def test_a_type_without_a_json_form_is_a_fault_of_ours():
    with pytest.raises(NotImplementedError, match="object has no JSON form"):
        to_json({"a": object()})
