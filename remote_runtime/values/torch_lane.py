"""Torch's tensors as stretches of memory; those of a device travel as a copy of their whole storage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .memory import Stretch

if TYPE_CHECKING:
    from .decoder import Decoder
    from .encoder import Encoder, Node


def is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and writer_of(value, torch) is not None


def writer(value: Any) -> Any:
    return writer_of(value, sys.modules["torch"])


def writer_of(value: Any, torch: Any) -> Any:
    """For dense ones; what hooks and graphs hang on a tensor does not travel, as with `torch.save`."""
    if type(value) not in {getattr(torch, "Tensor", None), torch.nn.Parameter}:
        return None
    is_dense = value.layout is torch.strided and not value.is_quantized and value.device.type != "meta"
    return _write_tensor if is_dense and not (value.is_conj() or value.is_neg()) and not vars(value) else None


def _write_tensor(encoder: Encoder, tensor: Any) -> Node:
    """``[tensor, segment, offset, dtype, shape, strides, device, is a parameter, requires_grad, grad]``."""
    torch = sys.modules["torch"]
    is_parameter = type(tensor) is torch.nn.Parameter
    grad = tensor.grad if tensor.is_leaf else None
    node = [
        "tensor", None, 0, str(tensor.dtype), list(tensor.shape), list(tensor.stride()), str(tensor.device),
        is_parameter, tensor.requires_grad, encoder.item(grad),
    ]  # fmt: skip
    if tensor.numel():
        encoder.lies(_stretch(encoder, node, tensor.detach()), tensor)
    return node


def _stretch(encoder: Encoder, node: Node, tensor: Any) -> Stretch:
    storage = tensor.untyped_storage()
    if tensor.device.type != "cpu":
        key = ("storage", storage.data_ptr())
        if key not in encoder.made:
            encoder.made[key] = encoder.keep(storage).cpu()
        storage = encoder.made[key]
    size = tensor.element_size()
    low = storage.data_ptr() + tensor.storage_offset() * size
    span = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))

    def pack() -> Stretch:
        packed = tensor.cpu().contiguous()
        node[5] = list(packed.stride())
        return _stretch(encoder, node, packed)

    return Stretch(node, low, low + (span + 1) * size, low, tensor.numel() * size, storage, pack)


def _read_tensor(decoder: Decoder, node: Node) -> Any:
    torch = decoder.library("torch")
    _, segment, offset, name, shape, strides, device, is_parameter, requires_grad, grad = node
    dtype = getattr(torch, name.removeprefix("torch."))
    if segment is None:
        tensor = torch.empty_strided(shape, strides, dtype=dtype)
    else:
        tensor = _view(decoder, torch, (segment, device), dtype, (offset, shape, strides))
    if is_parameter:
        tensor = torch.nn.Parameter(tensor, requires_grad=requires_grad)
    else:
        tensor.requires_grad_(requires_grad)
    if grad is not None:
        tensor.grad = decoder.item(grad)
    return tensor


def _view(decoder: Decoder, torch: Any, place: tuple[int, str], dtype: Any, layout: tuple[Any, ...]) -> Any:
    segment, device = place
    offset, shape, strides = layout

    def load() -> Any:
        """On the device that it was on, if there is one of that kind here."""
        memory = torch.frombuffer(decoder.memory(segment), dtype=torch.uint8)
        kind = device.partition(":")[0]
        is_there = (
            kind != "cpu" and getattr(torch, kind, None) is not None and getattr(torch, kind).is_available()
        )
        return memory.to(kind) if is_there else memory

    memory = decoder.once(("storage", segment, device), load)
    size = torch.empty(0, dtype=dtype).element_size()
    if offset % size:
        return torch.frombuffer(memory.numpy(), dtype=dtype, offset=offset).as_strided(shape, strides)
    empty = torch.empty(0, dtype=dtype, device=memory.device)
    return empty.set_(memory.untyped_storage(), offset // size, shape, strides)


READERS = {"tensor": _read_tensor}
