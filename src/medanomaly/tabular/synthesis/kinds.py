"""Which generators there are, by name."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from medanomaly.core.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from medanomaly.tabular.synthesis.generator import TableGenerator

GeneratorName = Literal["smote", "copula", "adversarial_forest", "diffusion", "conditional_gan"]
# the class is given as text, so parameters can be validated without importing the libraries
GENERATORS: Mapping[GeneratorName, str] = {
    "smote": "medanomaly.tabular.synthesis.smote:Smote",
    "copula": "medanomaly.tabular.synthesis.copula:GaussianCopula",
    "adversarial_forest": "medanomaly.tabular.synthesis.adversarial_forest:AdversarialForest",
    "diffusion": "medanomaly.tabular.synthesis.diffusion:Diffusion",
    "conditional_gan": "medanomaly.tabular.synthesis.conditional_gan:ConditionalGAN",
}


def generator(name: str, seed: int = 0, **options: Any) -> "TableGenerator":
    """The unfitted generator of this name.

    Args:
        name: a key of ``GENERATORS``.
        seed: of what ``fit`` draws.
        options: its other arguments.

    Raises:
        ConfigurationError: there is none; the error lists those that exist.
    """
    if name not in GENERATORS:
        raise ConfigurationError(
            f"unknown generator '{name}'",
            remedy=f"{did_you_mean(name, GENERATORS)}Known are {', '.join(GENERATORS)}.",
        )
    module, _, attribute = GENERATORS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)(seed=seed, **options)
