"""The networks that learn from normal images: each folder here that holds a ``kind.py`` is one; found without torch."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from medanomaly.imaging import networks
from medanomaly.imaging.networks.params import NetworkParams


@dataclass(frozen=True)
class NetworkKind:
    """One kind of network; the name of its folder is its name.

    Attributes:
        label: what people read.
        params: its parameters; their field ``network`` holds the name of the kind.
        module: ``package.module:class`` of its :class:`ImageModule`, imported when a module is built.
        head: ``package.module:function`` that turns a trained network into a :class:`ScoreHead`, also imported late.
        reconstructs: whether it gives back an image.
    """

    label: str
    params: type[NetworkParams]
    module: str
    head: str
    reconstructs: bool = True

    def build_module(self, params: NetworkParams, image_size: int, **training):
        """A new Lightning module for square images of ``image_size`` px."""
        return pkgutil.resolve_name(self.module)(params, image_size, **training)

    def build_head(self, network, params: NetworkParams, image_size: int, n_reference: int):
        """What turns the answers of ``network`` into scores; ``n_reference`` images will be its reference."""
        return pkgutil.resolve_name(self.head)(network, params, image_size, n_reference)


@cache
def network_kinds() -> dict[str, NetworkKind]:
    """Every kind of network by its name."""
    names = [
        f"{networks.__name__}.{found.name}"
        for found in pkgutil.iter_modules(networks.__path__)
        if found.ispkg
    ]
    return {
        name.rpartition(".")[2]: import_module(f"{name}.kind").KIND
        for name in names
        if find_spec(f"{name}.kind")
    }


def network_params(block: Mapping[str, Any] | NetworkParams) -> NetworkParams:
    """The parameters of a network, validated by the kind that the key ``network`` names.

    Example:
        >>> network_params({"network": "unet", "task": "plain"}).task
        'plain'

    Raises:
        ValueError: no such kind, or a value that does not fit.
    """
    if isinstance(block, NetworkParams):
        return block
    name = block.get("network")
    if name not in network_kinds():
        raise ValueError(f"there is no image network '{name}'; there are {sorted(network_kinds())}")
    return network_kinds()[name].params.model_validate(block)


# a field of this type holds the parameters of any kind, and gives back all of them
AnyNetworkParams = Annotated[SerializeAsAny[NetworkParams], BeforeValidator(network_params)]
