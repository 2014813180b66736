"""The alarm of a run, sealed beside its models: at which alpha raw cases are flagged, as those of the report were.

It is a bundle of its own, so that another alpha needs no other model. A model without an alarm beside it flags at 5 %.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from medanomaly.core.bundle import ALARM, Bundle, make_bundle
from medanomaly.core.calibrated_bundle import CALIBRATION
from medanomaly.core.conformal import checked_alpha, score_threshold

DEFAULT_ALPHA = 0.05


def seal_alarm(alpha: float, modality: str, dataset: str) -> Bundle:
    """Seal at which false-alarm rate cases of a modality are flagged.

    Raises:
        ConfigurationError: alpha is no share.
    """
    about = {"kind": ALARM, "name": ALARM, "modality": modality, "dataset": dataset}
    return make_bundle(about | {"alpha": checked_alpha(alpha)}, {})


def alpha_of(model: Bundle, beside: Iterable[Bundle]) -> float:
    """The false-alarm rate at which a model flags.

    Args:
        model: whose rate is asked for.
        beside: bundles that lie beside it, the alarm of its modality among them where there is one.

    Raises:
        ConfigurationError: the rate is no share.
    """
    for bundle in beside:
        if bundle.manifest.kind == ALARM and bundle.manifest.modality == model.manifest.modality:
            return checked_alpha(bundle.manifest["alpha"])
    # bundles of earlier versions say it themselves
    return checked_alpha(model.manifest.thresholds.get("alpha", DEFAULT_ALPHA))


def alarm_threshold(bundle: Bundle, alpha: float) -> dict[str, Any]:
    """``alpha``, and the ``score`` above which a model flags at it among all cases; empty for a model without p-values.

    JSON has no infinite threshold (alpha below the smallest p-value): None says that nothing can be flagged.
    """
    if CALIBRATION not in bundle.files:
        return {}
    threshold = score_threshold(bundle.array(CALIBRATION), alpha)
    return {"alpha": alpha, "score": threshold if np.isfinite(threshold) else None}
