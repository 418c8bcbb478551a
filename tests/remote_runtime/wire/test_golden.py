"""The formats that other versions speak: a change of these bytes is a new version of the format."""

from __future__ import annotations

from pathlib import Path

import pytest

from farcell.remote_runtime.wire import KernelMessage, Kind, Priority, frames, legacy, messages
from farcell.remote_runtime.wire.frames import Frame

GOLDEN = Path(__file__).parents[2] / "golden" / "wire"
FRAMES = {
    "link-frame-1-control": Frame(Kind.CONTROL, Priority.HIGH, seq=3, body=b'{"type":"interrupt"}'),
    "link-frame-1-part": Frame(Kind.KERNEL, client=7, seq=258, part=1, parts=3, body=b"part"),
    "link-frame-1-ack": Frame(Kind.ACK, seq=65536),
}
MESSAGE = KernelMessage(
    "iopub",
    b'{"msg_id":"2","msg_type":"comm_msg"}',
    b'{"msg_id":"1"}',
    content=b'{"data":{}}',
    buffers=(b"one", b""),
)


def golden(name: str) -> bytes:
    lines = (GOLDEN / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line.partition("#")[0] for line in lines))


@pytest.mark.parametrize(("name", "frame"), FRAMES.items(), ids=FRAMES)
def test_link_frames_are_of_version_1(name, frame):
    assert frames.pack(frame) == golden(name)
    assert frames.unpack(golden(name)) == frame


@pytest.mark.parametrize(
    ("layout", "name"), [(messages, "kernel-message-v1-buffers"), (legacy, "kernel-message-legacy-buffers")]
)
def test_kernel_messages_have_both_of_jupyters_layouts(layout, name):
    assert layout.pack(MESSAGE) == golden(name)
    assert layout.unpack(golden(name)) == MESSAGE


def test_every_golden_file_is_read():
    read = {*FRAMES, "kernel-message-v1-buffers", "kernel-message-legacy-buffers"}
    assert {path.stem for path in GOLDEN.glob("*.hex")} == read
