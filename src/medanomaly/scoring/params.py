"""What can be set of a batch, of the gate of a promotion, and of the nights of a hospital."""

from pydantic import Field

from medanomaly.core.params import Params
from medanomaly.partitions.workers import WorkersParams


class ScoringParams(Params):
    """A batch.

    Attributes:
        source: file or folder of raw cases, or the URL of a database of OMOP; empty where no batch is described.
        destination: file of the answers, ``.parquet`` or ``.csv``.
        models: folder of the trained models: ``06_models/<data set>``.
        names: models that are asked; None asks all of the modality.
        modality: of the cases; None finds out.
        store: URL of the store of predictions; None stores nothing.
        keep_clinical_values: whether the store keeps raw records and values in explanations.
        chunk_rows: cases of a table, patients of events, recordings or images per part; None: 20,000, 2,000, 8 and 64.
        alpha: false-alarm rate at which cases are flagged; None takes that of the run.
        explain: how many of the most anomalous cases of each part are explained per model.
        reweight: weight the calibration cases so that they are taken as those of the batch; the source is read twice.
        observed_at: moment at which all cases were observed, such as 2026-11-03; the store keeps it, and the monitoring can
            divide periods by it. Empty: it is not known.
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
    observed_at: str = ""
    reweight: bool = False
    workers: int | None = Field(None, ge=1)
    cluster: WorkersParams | None = None


class GateParams(Params):
    """How much worse a challenger may be.

    Attributes:
        auroc: lowest lower bound of the difference of AUROC.
        ece: largest increase of the expected calibration error.
        subgroup: largest loss of AUROC in a subgroup.
        min_group_size: cases from which a subgroup is looked at.
        min_class_size: anomalous and normal cases from which it is.
        refused: largest increase of the share of refused cases.
        confidence: that the true difference of AUROC is not below the lower bound; the bound is one-sided.
        n_resamples: bootstrap resamples.
        seed: of the resamples.
    """

    auroc: float = -0.005
    ece: float = 0.01
    subgroup: float = 0.02
    min_group_size: int = 50
    min_class_size: int = 10
    refused: float = 0.01
    confidence: float = 0.95
    n_resamples: int = 2000
    seed: int = 0


class NightlyParams(Params):
    """What happens every night: the day's cases are scored and monitored, and models are trained again where that is due.

    Attributes:
        day: whose cases are looked at, such as 2026-11-03; empty: yesterday, in UTC.
        folder: of everything that the nights write.
        cases: folder with the raw cases of each day: ``<day>.csv``, or another ending of a table, or a folder ``<day>``.
        labels: folder with a table ``<day>.csv`` of the labels that became known on that day, where there are any.
        store: URL of the store of predictions.
        registry: folder of the versions of models; its champion answers.
        window: days whose labels a training, the gate and the measured performance look at, the day itself included.
        retrain_every: days after which models are trained again.
        retrain_on_warning_every: days after which they are trained again while a limit is crossed.
        held_out: share of patients that no challenger learns from, so that the gate has cases that are new to it.
        gate: how much worse a challenger may be.
    """

    day: str = ""
    folder: str
    cases: str
    labels: str
    store: str
    registry: str
    window: int = Field(14, ge=1)
    retrain_every: int = Field(28, ge=1)
    retrain_on_warning_every: int = Field(3, ge=1)
    held_out: float = Field(0.5, gt=0, lt=1)
    gate: GateParams = GateParams()
