"""What can be set of the monitoring."""

from typing import Literal

from pydantic import Field

from medanomaly.core.params import Params
from medanomaly.monitoring.drift import Bins


class Limits(Params):
    """When something is worth a warning. A difference counts only where it is large enough and certain enough.

    Attributes:
        psi: population stability index of a column or of scores.
        missing: change of the share of missing values.
        refused: share of cases that could not be scored.
        auroc: loss of AUROC against the calibration cases.
        level: share of unchanged periods that any test of a kind calls changed, after correction for the number of tests.
        confidence: of intervals.
        min_group_size: patients of a subgroup from which it is measured.
    """

    psi: float = Field(0.2, gt=0)
    missing: float = Field(0.05, gt=0, lt=1)
    refused: float = Field(0.05, gt=0, lt=1)
    auroc: float = Field(0.0, ge=0, lt=1)
    level: float = Field(0.01, gt=0, lt=0.5)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_group_size: int = Field(50, ge=2)


class MailParams(Params):
    """Where warnings are mailed to. The password comes from ``MEDANOMALY_MAIL_PASSWORD``.

    Attributes:
        host, port: of the mail server.
        sender: address that mails come from.
        to: addresses that they go to.
        user: name at the server; empty where it asks for none.
        tls: whether the connection is encrypted (STARTTLS) before anything else is said.
    """

    host: str
    port: int = Field(587, gt=0, le=65_535)
    sender: str
    to: list[str] = Field(min_length=1)
    user: str = ""
    tls: bool = True


class MonitoringParams(Params):
    """A period that is monitored.

    Attributes:
        models: folder of the trained models, or a registry, whose champion is taken.
        store: URL of the store of predictions.
        since, until: first moment of the period and first moment after it, such as 2026-11-01; empty: yesterday, in UTC.
        by: what puts a prediction into the period: when it was ``recorded``, or when its case was ``observed``, as the batch
            or the service said.
        known_by: labels that became known from this moment on are not looked at, so that an old period keeps its page;
            empty: all labels.
        source: raw cases of the period, a file or a folder: columns, subgroups and quality are compared as well. Empty: only
            what the store holds.
        modality: of the raw cases; None finds out.
        destination: folder of the pages and figures, one of each per period.
        bins: cells of the stability index: ``quantiles`` of the reference, or ``equal_width`` as evidently has them.
        limits: when something is worth a warning.
        webhook: URL that warnings are posted to as JSON; empty for none.
        mail: where they are mailed to; None for nowhere.
    """

    models: str
    store: str = ""
    since: str = ""
    until: str = ""
    by: Literal["recorded", "observed"] = "recorded"
    known_by: str = ""
    source: str = ""
    modality: str | None = None
    destination: str
    bins: Bins = "quantiles"
    limits: Limits = Limits()
    webhook: str = ""
    mail: MailParams | None = None
