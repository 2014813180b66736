"""Export a network as one ONNX file, and compare its outputs with torch."""

import io
import logging
import warnings
from collections.abc import Sequence

import numpy as np
import onnx
import torch

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.onnx_session import open_session

OPSET = 18
TOLERANCE = 1e-5


def onnx_bytes(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic_batch: bool = True,
) -> bytes:
    """Export ``module`` in evaluation mode, with its weights inside the file.

    Args:
        module: takes ``example`` and returns a tensor or a tuple of tensors; its mode is not changed.
        example: inputs of any batch size; give two or more, since a batch of one may become a constant in the graph.
        input_names: one per tensor of ``example``.
        output_names: one per tensor that the module returns.
        dynamic_batch: the first dimension of every input and output is free; else it is that of ``example``.

    Returns:
        A serialised model with the same outputs in onnxruntime as in torch: ``|a - b| <= 1e-5 (1 + |b|)`` on the example
        and, with a free batch, on its first case alone.

    Raises:
        ConfigurationError: the number of names is wrong, or the exported graph gives other numbers than the module.
    """
    if len(input_names) != len(example):
        raise ConfigurationError(
            f"{len(input_names)} input names for {len(example)} inputs", remedy="Give one name per input."
        )
    was_training = module.training
    module = module.eval().cpu()
    example = tuple(tensor.detach().cpu() for tensor in example)
    n_outputs = len(_outputs(module, example))
    if len(output_names) != n_outputs:
        module.train(was_training)
        raise ConfigurationError(
            f"{len(output_names)} output names for {n_outputs} outputs", remedy="Give one name per output."
        )
    free = {name: {0: "batch"} for name in [*input_names, *output_names]} if dynamic_batch else None
    buffer = io.BytesIO()
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            logger.setLevel(logging.ERROR)
            # the other exporter writes weights to separate files and needs a tracer for loops over time
            torch.onnx.export(
                module,
                example,
                buffer,
                input_names=list(input_names),
                output_names=list(output_names),
                dynamic_axes=free,
                opset_version=OPSET,
                dynamo=False,
            )
        model = buffer.getvalue()
        onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
        _check(model, module, example, input_names, output_names)
        if dynamic_batch and len(example[0]) > 1:
            _check(model, module, tuple(tensor[:1] for tensor in example), input_names, output_names)
    finally:
        logger.setLevel(level)
        module.train(was_training)
    return model


def _outputs(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
    with torch.no_grad():
        given = module(*example)
    return [tensor.numpy() for tensor in (given if isinstance(given, tuple | list) else (given,))]


def _check(model, module, example, input_names, output_names) -> None:
    session = open_session(model)
    constant = "The graph treats a value of the example as a constant: change the network."
    try:
        given = session.run(None, {n: t.numpy() for n, t in zip(input_names, example, strict=True)})
    except Exception as error:
        raise ConfigurationError(
            f"the ONNX graph does not run on {len(example[0])} cases", remedy=constant
        ) from error
    for name, wanted, array in zip(output_names, _outputs(module, example), given, strict=True):
        if array.shape != wanted.shape:
            raise ConfigurationError(
                f"output '{name}' has shape {array.shape} in ONNX and {wanted.shape} in torch for {len(example[0])} cases",
                remedy=constant,
            )
        excess = np.abs(array - wanted) / (1.0 + np.abs(wanted))
        if not (excess <= TOLERANCE).all():
            raise ConfigurationError(
                f"output '{name}' of the ONNX graph differs from torch by up to {np.max(excess):.2g}",
                remedy=f"At most {TOLERANCE} is allowed; look for operations that ONNX rounds differently.",
            )
