"""Settings of the trackers; importable without any of them."""

from typing import Literal

from medanomaly.core.params import Params


class WandbParams(Params):
    """Weights & Biases.

    Attributes:
        mode: ``offline`` writes to ``folder`` and needs no account (``wandb sync`` sends it later), ``online`` sends at
            once, ``disabled`` does nothing. The environment variable ``WANDB_MODE`` goes before it.
        project: project of the runs.
        entity: user or team; None: the account's own.
        folder: where offline runs are written.
        bundles: ``reference`` records where a model bundle lies and its hashes; ``upload`` sends its files, which for
            neighbours and kernels hold training records (without ids).
    """

    mode: Literal["offline", "online", "disabled"] = "offline"
    project: str = "medanomaly"
    entity: str | None = None
    folder: str
    bundles: Literal["reference", "upload"] = "reference"


class TrackingParams(Params):
    """Where results are logged beside the report."""

    wandb: WandbParams
