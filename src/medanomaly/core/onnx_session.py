"""The one way to open and run an ONNX model: on one thread of the processor, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medanomaly.core.errors import BundleError

if TYPE_CHECKING:
    import onnxruntime

# every failure raises an exception, so nothing else needs printing
_FATAL = 4


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """An inference session on one thread, because a single record takes microseconds and threads would cost more.

    Raises:
        BundleError: it is no model, or a model whose weights are in other files, which could be any file of the machine.
    """
    import onnxruntime

    if _reads_other_files(model):
        raise BundleError(
            "the model reads its weights from other files", remedy="Store them in the model itself."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # its own exceptions have no common class
    except Exception as error:
        raise BundleError(f"the model cannot be opened: {error}", remedy="Train the model again.") from error


def _reads_other_files(model: bytes) -> bool:
    # every tensor in a file names the file under this key
    if b"location" not in model:
        return False
    try:
        import onnx
    except ImportError:
        # the base installation cannot look inside; a model that has the word anywhere is refused
        return True
    from google.protobuf.message import DecodeError, Message

    def external(message: Message) -> bool:
        if isinstance(message, onnx.TensorProto) and message.data_location == onnx.TensorProto.EXTERNAL:
            return True
        for field, value in message.ListFields():
            if field.message_type is not None:
                parts = [value] if isinstance(value, Message) else value
                if any(external(part) for part in parts):
                    return True
        return False

    try:
        return external(onnx.load_model_from_string(model))
    except DecodeError:
        return False


def run_batches(
    session: onnxruntime.InferenceSession,
    rows: Sequence | np.ndarray,
    *,
    batch_size: int,
    names: Sequence[str] | None = None,
    prepare: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> dict[str, np.ndarray]:
    """Outputs of a model that has one input, whose first axis are the rows.

    Args:
        session: of :func:`open_session`.
        rows: n rows; anything with a length that slices give parts of, such as a memory map.
        batch_size: rows per call, which limits the memory.
        names: the outputs wanted; None for all.
        prepare: turns a slice of ``rows`` into what the input takes.

    Returns:
        Each output by name, with n rows.
    """
    (taken,) = session.get_inputs()
    given = {output.name: output for output in session.get_outputs()}
    names = list(names or given)
    parts = [
        session.run(names, {taken.name: prepare(rows[start : start + batch_size])})
        for start in range(0, len(rows), batch_size)
    ]
    if not parts:
        return {name: np.empty((0, *given[name].shape[1:])) for name in names}
    return {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}
