"""What each page of ``docs/results`` shows."""

from benchmarks.render.page import Page
from benchmarks.render.pages import (
    detection,
    diagnosis,
    environments,
    imaging,
    interchange,
    operations,
    patients,
    privacy,
    rare_data,
    serving,
    signals,
    spine,
    tabular,
    validity,
)

PAGES: tuple[Page, ...] = (
    environments.PAGE,
    spine.PAGE,
    tabular.PAGE,
    signals.PAGE,
    imaging.PAGE,
    detection.PAGE,
    patients.PAGE,
    validity.PAGE,
    serving.PAGE,
    diagnosis.PAGE,
    operations.PAGE,
    privacy.PAGE,
    interchange.PAGE,
    rare_data.PAGE,
)
