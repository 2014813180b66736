"""Parameters of the search for beats; importable without compiled code."""

from typing import Literal

from pydantic import Field

from medanomaly.core.params import Params
from medanomaly.signals.quality.params import QualityParams

# a recording with fewer beats says nothing about its patient, unless an environment asks for less
MIN_BEATS = 16
# rates in Hz at which beats are found, measured and scored
LOWEST_RATE, HIGHEST_RATE = 100.0, 10_000.0


class BeatParams(Params):
    """How beats are found.

    Attributes:
        marks: ``reference`` takes the marks of the source where a recording has them, ``detected`` never does. Labels
            come from reference marks within 150 ms in both cases. Marks at fewer than half of the R peaks are labels of
            single beats, and the R peaks are the beats.
        classes: ``ec57`` calls escape beats of the atria and the node supraventricular, as the standard does; ``de_chazal``
            calls them normal, as most papers on MIT-BIH do.
        quality: limits of a good window.
        min_beats: a recording with fewer beats is refused. Ten seconds have 6 at 40 per minute; the beat detector, which
            learns each patient, needs 16.
    """

    marks: Literal["reference", "detected"] = "reference"
    classes: Literal["ec57", "de_chazal"] = "ec57"
    quality: QualityParams = QualityParams()
    min_beats: int = Field(default=MIN_BEATS, ge=4)
