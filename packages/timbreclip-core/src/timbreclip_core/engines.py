"""What runs a network: torch, or OpenVINO, which is quicker on many processors."""

from __future__ import annotations

import importlib.util
import sys
import threading
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .encoders.base import Encoder
from .errors import MissingExtraError, UsageError

TORCH, OPENVINO = "torch", "openvino"
TELEMETRY = "openvino_telemetry"
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


def check_engine(engine: str, device: str) -> None:
    """Raise an error unless ``engine`` is known, installed, and runs on ``device``.

    Raises:
        UsageError: Another name, or OpenVINO for another device than the processor.
        MissingExtraError: OpenVINO is not installed.
    """
    if engine not in (TORCH, OPENVINO):
        raise UsageError(f"engine must be {TORCH} or {OPENVINO}, not {engine!r}.")
    if engine == OPENVINO:
        if torch.device(device).type != "cpu":
            raise UsageError(f"OpenVINO runs on the processor here, not on {device}.")
        if importlib.util.find_spec("openvino") is None:
            raise MissingExtraError("OpenVINO", "openvino")


class OpenVinoNetwork:
    """``encoder.from_features`` through OpenVINO, for batches and lengths of any size.

    It is converted in memory when it is first used, with as many threads as torch has now; nothing
    is written. Threads may call it at once.

    Args:
        encoder: Frozen, on the processor.
        precision: ``"float32"``: the same vectors up to rounding; or ``"bfloat16"``.
    """

    def __init__(self, encoder: Encoder, precision: str) -> None:
        self._encoder = encoder
        self._hint = _HINTS[precision]
        self._threads = torch.get_num_threads()
        self._lock = threading.Lock()
        self._compiled: Any = None
        self._requests = threading.local()

    def __call__(self, features: Tensor) -> dict[str, Tensor]:
        """Features ``(batch, ...)`` to unit vectors ``(batch, dim)`` by kind."""
        with self._lock:
            if self._compiled is None:
                self._compiled = self._convert(features)
        parts = features.contiguous().chunk(min(len(features), self._threads))
        requests = self._own_requests(len(parts))
        for request, part in zip(requests, parts, strict=True):
            request.start_async({0: part.numpy()}, share_inputs=True)
        found = []
        for request in requests:
            request.wait()
            found.append(
                [torch.from_numpy(output.data.copy()) for output in request.output_tensors]
            )
        columns = (torch.cat(column) for column in zip(*found, strict=True))
        return dict(zip(self._encoder.spaces, columns, strict=True))

    def _own_requests(self, count: int) -> list[Any]:
        """Requests of the calling thread; one works on one input at a time."""
        own = self._requests.__dict__.setdefault("made", [])
        own += [self._compiled.create_infer_request() for _ in range(count - len(own))]
        return own[:count]

    def _convert(self, features: Tensor) -> Any:
        openvino = _openvino()
        # A batch of one would be taken for a constant.
        example = features[:1].expand(2, *features.shape[1:]).clone()
        network = _Ordered(self._encoder).eval()
        exact = torch.autocast("cpu", enabled=False)
        with torch.inference_mode(False), torch.no_grad(), exact, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer, about constants that are none of input
            try:
                graph = openvino.convert_model(network, example_input=example.clone())
            except Exception as error:  # its front end may raise anything
                raise UsageError(
                    f"OpenVINO cannot run {self._encoder.name}: {_first_line(error)} "
                    "Leave --device openvino out."
                ) from error
        settings = {
            "INFERENCE_PRECISION_HINT": self._hint,
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": self._threads,
        }
        return openvino.Core().compile_model(graph, "CPU", settings)


class _Ordered(nn.Module):
    """An encoder's vectors in the order of its spaces, without names."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        vectors = self.encoder.from_features(features)
        return tuple(vectors[kind] for kind in self.encoder.spaces)


def _openvino() -> ModuleType:
    """OpenVINO without its telemetry, which calls home and writes to the home folder unasked.

    It is made to look as if that part were not installed, which OpenVINO allows for.
    """
    silent = TELEMETRY not in sys.modules
    if silent:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if silent:
            del sys.modules[TELEMETRY]
    return openvino


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
