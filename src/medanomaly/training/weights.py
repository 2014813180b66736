"""Weights of a network as safetensors: numbers and names, nothing that can run."""

import safetensors.torch
import torch
from safetensors import SafetensorError

from medanomaly.core.errors import BundleError


def weights_bytes(module: torch.nn.Module) -> bytes:
    """All parameters and persistent buffers of ``module`` as the content of a ``.safetensors`` file."""
    # tensors that share memory are refused by the format, so each gets its own
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in module.state_dict().items()}
    return safetensors.torch.save(tensors)


def load_weights(module: torch.nn.Module, content: bytes) -> torch.nn.Module:
    """Put the weights of :func:`weights_bytes` into a module of the same shape; returns the module.

    Raises:
        BundleError: the content is no safetensors file, or belongs to another network.
    """
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise BundleError(f"the weights cannot be read: {error}") from error
    try:
        module.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise BundleError(
            f"the weights belong to another network than {type(module).__name__}: {error}",
            remedy="Build the network with the settings it was trained with.",
        ) from error
    return module
