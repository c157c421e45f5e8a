"""Device and precision of a network: chosen by what the machine has."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch

Precision = Literal["auto", "bfloat16", "float32"]


def choose_device(rank: int = 0) -> torch.device:
    """The GPU of this process where one is visible, else the CPU."""
    return torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")


def prepare_cpu(threads: int | None = None) -> None:
    """Flush denormals (they make a step four times slower where matte x colour nears zero) and fix the thread count, if one is given."""
    torch.set_flush_denormal(True)
    if threads:
        torch.set_num_threads(threads)


def _cpu_has_bfloat16() -> bool:
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Resolve `auto`: bfloat16 where the device multiplies it natively, else float32."""
    if precision == "auto":
        native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Mixed precision in dtype; nothing at all for float32."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def as_autocast(x: torch.Tensor) -> torch.Tensor:
    """A tensor in the type that a layer here would turn it into: what is laid out anew beforehand is then copied once."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
