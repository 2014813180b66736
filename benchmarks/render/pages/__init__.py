"""What each page of ``docs/results`` shows."""

from benchmarks.render.page import Page
from benchmarks.render.pages import (
    diagnosis,
    diagnosis_ranking,
    environments,
    imaging,
    signals,
    spine,
    tabular,
)

PAGES: tuple[Page, ...] = (
    environments.PAGE,
    spine.PAGE,
    tabular.PAGE,
    signals.PAGE,
    imaging.PAGE,
    diagnosis_ranking.PAGE,
    diagnosis.PAGE,
)
