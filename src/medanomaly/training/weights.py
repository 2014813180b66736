"""Weights of a network as safetensors: only numbers and names, nothing that can run."""

import safetensors.torch
import torch
from safetensors import SafetensorError

from medanomaly.core.errors import BundleError


def weights_bytes(module: torch.nn.Module) -> bytes:
    """All parameters and persistent buffers of ``module`` as the content of a ``.safetensors`` file."""
    # the format refuses tensors that share memory, so each is copied
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in module.state_dict().items()}
    return safetensors.torch.save(tensors)


def load_weights(module: torch.nn.Module, content: bytes) -> torch.nn.Module:
    """Load the weights of :func:`weights_bytes` into a module of the same shape, and return the module.

    Raises:
        BundleError: the content is not a safetensors file, or belongs to another network.
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
