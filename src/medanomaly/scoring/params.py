"""What can be set of a batch."""

from pydantic import Field

from medanomaly.core.params import Params
from medanomaly.partitions.workers import WorkersParams


class ScoringParams(Params):
    """A batch.

    Attributes:
        source: file or folder of raw cases; empty where no batch is described.
        destination: file of the answers, ``.parquet`` or ``.csv``.
        models: folder of the trained models: ``06_models/<data set>``.
        names: models that are asked; None asks all of the modality.
        modality: of the cases; None finds out.
        store: URL of the store of predictions; None stores nothing.
        keep_clinical_values: whether the store keeps raw records and values in explanations.
        chunk_rows: cases of a table, recordings or images per part; None: 20,000, 8 and 64.
        alpha: false-alarm rate at which cases are flagged; None takes that of the run.
        explain: how many of the most anomalous cases of each part are explained per model.
        reweight: weight the calibration cases so that they are taken as those of the batch; the source is read twice.
        workers: parts of a table that are scored side by side; None: one per processor, at most 4.
        cluster: processes that score partitions side by side, and write to no store; None scores in this process.
    """

    source: str = ""
    destination: str
    models: str
    names: list[str] | None = None
    modality: str | None = None
    store: str | None = None
    keep_clinical_values: bool = False
    chunk_rows: int | None = Field(None, ge=1)
    alpha: float | None = Field(None, gt=0, lt=1)
    explain: int = Field(0, ge=0)
    reweight: bool = False
    workers: int | None = Field(None, ge=1)
    cluster: WorkersParams | None = None
