"""The card of a risk model: what it predicts, what it learned from, and what it must not be used for."""

from collections.abc import Mapping
from typing import Any


def risk_card(manifest: Mapping[str, Any]) -> str:
    """Describe a risk bundle in Markdown.

    Args:
        manifest: of :func:`medanomaly.tabular.risk.training.train_risk`.

    Returns:
        Markdown; the same manifest gives the same text. It has no figure of test, because training never uses test.
    """
    data, threshold = manifest["training_data"], manifest["risk_threshold"]
    found = threshold["out_of_fold"]
    calibration = manifest["calibration"]["name"]
    sections = [
        f"# {manifest['name']}",
        "> **Research use only. Not a medical device.** No decision about a patient may rest on this model.",
        "## What it says\n\n"
        f"The probability of *{manifest['outcome']}* for one record ({' + '.join(manifest['members'])}). It is not an "
        "anomaly score: it learned from labels, does not know what is unusual otherwise, and has no conformal p-value.",
        "## Training data\n\n"
        f"- Cases: {data['n_cases']:,} of {data['n_patients']:,} patients, {data['n_positive']:,} with the outcome "
        f"({100 * data['prevalence']:.1f} %)\n"
        f"- Fingerprint (SHA-256): `{data['fingerprint']}`",
        "## Calibration and threshold\n\n"
        f"- Calibration: {calibration}, on out-of-fold predictions by patient\n"
        f"- Threshold: {threshold['probability']:.4g}; on out-of-fold predictions it finds "
        f"{_percent(found['sensitivity'])} of those with the outcome, and {_percent(found['ppv'])} of the flagged have it",
        "## Limits\n\n"
        "- Probabilities hold where the outcome is as frequent, and recorded in the same way, as in training.\n"
        "- A prediction is no effect: changing a value does not change the risk as the model says.\n"
        "- Treatment is hidden in the data: a low risk can mean that it worked.\n"
        "- How well it works in groups that are rare in training is not known.",
    ]
    return "\n\n".join(sections) + "\n"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
