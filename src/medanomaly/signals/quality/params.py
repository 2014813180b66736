"""Parameters of signal quality; importable without filters."""

from pydantic import Field

from medanomaly.core.params import Params

# swing of a surface ECG in mV: QRS complexes have 0.1 to 5; with wander and artefacts it is more
LARGEST_ECG_SWING, SMALLEST_ECG_SWING = 30.0, 0.02
# least mean correlation of the pulses of a good PPG window with their template
LEAST_CORRELATION = 0.86


class QualityParams(Params):
    """Length of a window and the limits of a good one."""

    window_s: float = Field(5.0, ge=2.0, le=60.0)
    ecg_sqi: float = Field(0.55, ge=0, le=1)
    ppg_sqi: float = Field(LEAST_CORRELATION, ge=0, le=1)
    missing_share: float = Field(0.2, ge=0, le=1)
    flat_share: float = Field(0.2, ge=0, le=1)
    saturated_share: float = Field(0.05, ge=0, le=1)
    least_swing_mv: float = Field(0.04, ge=0)
    largest_swing_mv: float = Field(LARGEST_ECG_SWING, gt=0)
    mains_mv: float = Field(0.1, ge=0)
