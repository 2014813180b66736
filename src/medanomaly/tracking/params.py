"""Settings of the trackers; importable without the trackers."""

from typing import Literal

from medanomaly.core.params import Params


class WandbParams(Params):
    """Weights & Biases.

    Attributes:
        mode: ``offline`` writes to ``folder`` and needs no account (``wandb sync`` sends it later); ``online`` sends
            immediately; ``disabled`` does nothing. The environment variable ``WANDB_MODE`` overrides it.
        project: project of the runs.
        entity: user or team; None for that of the account.
        folder: where offline runs are written.
        bundles: ``reference`` records the path of a model bundle and its hashes; ``upload`` sends its files. Those of
            detectors with neighbours or kernels contain training records (without ids).
    """

    mode: Literal["offline", "online", "disabled"] = "offline"
    project: str = "medanomaly"
    entity: str | None = None
    folder: str
    bundles: Literal["reference", "upload"] = "reference"


class TrackingParams(Params):
    """Where results are logged in addition to the report."""

    wandb: WandbParams
