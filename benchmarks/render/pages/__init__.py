"""What each page of ``docs/results`` shows."""

from benchmarks.render.page import Page
from benchmarks.render.pages import environments, imaging, serving, signals, spine, tabular

PAGES: tuple[Page, ...] = (
    environments.PAGE,
    spine.PAGE,
    tabular.PAGE,
    signals.PAGE,
    imaging.PAGE,
    serving.PAGE,
)
