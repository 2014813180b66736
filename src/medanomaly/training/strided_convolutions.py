"""Strided 1x1 convolutions on a CPU: pixels are picked first, because a kernel of oneDNN writes outside its workspace.

The backward pass of a strided 1x1 convolution in channels-last layout writes past the workspace where the layer has fewer
input channels than the processor's vector holds (8 with AVX2, 16 with AVX-512): oneDNN issue 6035, up to 3.13 at least. The
process then dies, hangs, or trains on wrong gradients. A 1x1 convolution with stride s uses only each s-th row and column;
taking these first gives the same numbers, bit for bit, and is not slower.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import Tensor, nn


@contextmanager
def pixels_picked_first(module: nn.Module) -> Iterator[None]:
    """Inside the context the strided 1x1 convolutions of ``module`` get only the pixels that they use, with stride 1."""
    layers = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        and layer.padding in ((0, 0), "valid")
    ]
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(setattr, layer, "stride", layer.stride)
            stack.callback(layer.register_forward_pre_hook(partial(_pick, layer.stride)).remove)
            layer.stride = (1, 1)
        yield


def _pick(stride: tuple[int, int], _layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    (images,) = inputs
    return (images[..., :: stride[0], :: stride[1]],)
