"""Blocks of parameters that describe the models of an environment, so that benchmarks measure what runs there."""

from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from medanomaly.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parents[1] / "conf"


def described_models(modality: str, environment: str = "base") -> dict[str, dict[str, Any]]:
    """Name -> block of each model of a modality, as ``kedro run --env <environment>`` reads it."""
    loader = OmegaConfigLoader(str(CONF), env=environment, **CONFIG_LOADER_ARGS)
    blocks = loader["parameters"]["models"][modality]
    return {name: block for name, block in blocks.items() if block is not None}
