"""Runs of Weights & Biases: one per pipeline run and one per trial of a study, offline by default."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.tracking.params import WandbParams
from medanomaly.tracking.results import metric_values, shareable_figures

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)


def active_mode(params: WandbParams) -> str:
    """``offline``, ``online`` or ``disabled``; ``disabled`` if the library is not installed."""
    mode = os.environ.get("WANDB_MODE", params.mode)
    if mode == "disabled":
        return mode
    from importlib.util import find_spec

    if find_spec("wandb") is None:
        logger.info("W&B is not installed (pip install 'medanomaly[tracking]'): nothing is logged there")
        return "disabled"
    return mode


@contextmanager
def wandb_run(params: WandbParams, **about: Any) -> Iterator[Any]:
    """A run of W&B, finished at the end; None if W&B is disabled.

    Args:
        params: mode, project, folder.
        about: ``name``, ``group``, ``job_type``, ``config``, ``tags``.
    """
    mode = active_mode(params)
    if mode == "disabled":
        yield None
        return
    import wandb

    Path(params.folder).mkdir(parents=True, exist_ok=True)
    # copies of logged files stay in the outputs, not in the home folder
    os.environ.setdefault("WANDB_DATA_DIR", params.folder)
    wandb.setup(settings=wandb.Settings(silent=True))
    # neither ask for an account nor write to the terminal; do not record the name of the host or code
    settings = wandb.Settings(
        silent=True, console="off", disable_code=True, x_disable_machine_info=True, x_disable_stats=True
    )
    run = wandb.init(
        mode=mode,
        project=params.project,
        entity=params.entity,
        dir=params.folder,
        settings=settings,
        reinit="create_new",
        **about,
    )
    try:
        yield run
    finally:
        run.finish()


@contextmanager
def training_loggers(params: WandbParams, **about: Any) -> Iterator[list]:
    """Loggers for a Lightning training: one that writes each epoch to a separate run; none if W&B is disabled.

    Args:
        params, about: as of :func:`wandb_run`.
    """
    with wandb_run(params, **about) as run:
        if run is None:
            yield []
            return
        from pytorch_lightning.loggers import WandbLogger

        yield [WandbLogger(experiment=run)]


def log_results(
    run: Any,
    params: WandbParams,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    figures: Mapping[str, str],
    bundles: Mapping[Path, Bundle],
) -> None:
    """Metrics, comparisons and figures of one pipeline run, and its bundles as artifacts.

    Args:
        run: of :func:`wandb_run`.
        params: whether bundles are uploaded.
        metrics: metrics table.
        comparisons: paired comparisons.
        figures: name to SVG.
        bundles: folder of each bundle to its content.
    """
    import wandb

    run.summary.update(metric_values(metrics))
    run.log({"metrics": wandb.Table(dataframe=_plain(metrics))})
    if len(comparisons):
        run.log({"comparisons": wandb.Table(dataframe=_plain(comparisons))})
    run.log({f"figures/{name}": wandb.Html(svg) for name, svg in shareable_figures(figures).items()})
    for folder, bundle in bundles.items():
        manifest = bundle.manifest
        fingerprint = manifest.get("training_data", {}).get("fingerprint")
        artifact = wandb.Artifact(
            f"{manifest['dataset']}-{manifest['modality']}-{manifest['name']}".replace(" ", "_"),
            type="model",
            metadata={"bundle_sha256": bundle.bundle_hash, "training_fingerprint": fingerprint},
        )
        if params.bundles == "upload":
            artifact.add_dir(str(folder))
        else:
            artifact.add_reference(folder.resolve().as_uri(), checksum=True)
        run.log_artifact(artifact)


def log_trial(params: WandbParams, study_name: str, trial: "optuna.trial.FrozenTrial") -> None:
    """One run, in the group of the study, per finished trial: its parameters, intermediate values and final value."""
    about = {
        "name": f"trial {trial.number}",
        "group": study_name,
        "job_type": "tuning",
        "config": dict(trial.params),
    }
    with wandb_run(params, **about) as run:
        if run is None:
            return
        for step, value in sorted(trial.intermediate_values.items()):
            run.log({"on_the_way": value}, step=step)
        run.summary.update({"value": trial.value, "state": trial.state.name.lower()})


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """A table with column types that W&B accepts: text without missing values, or numbers of NumPy."""
    return pd.DataFrame(
        {
            name: column.astype("float64")
            if pd.api.types.is_numeric_dtype(column)
            else column.astype("string").fillna("").astype(object)
            for name, column in table.items()
        }
    )
