import pandas as pd
import pytest

from medanomaly.reporting.imaging.anomalies import comparison_section


def test_without_labels_the_comparison_says_so_instead_of_failing():
    models = ("lbe", "unet", "reversed_autoencoder")
    metrics = pd.DataFrame(
        columns=["modality", "model", "split", "subgroup", "metric", "value", "ci_low", "ci_high", "n"]
    )
    comparisons = pd.DataFrame(
        columns=["modality", "model_a", "model_b", "metric", "difference", "ci_low", "ci_high", "n"]
    )
    stratified = pd.DataFrame(columns=["model", "value", "ci_low", "ci_high"])
    section = comparison_section(
        models, metrics, comparisons, stratified, {m: {"leak": None} for m in models}
    )
    assert "not enough labels" in section.text
    assert section.figures == []
    assert len(section.tables[0].rows) == 3


NO_METRICS = pd.DataFrame(
    columns=["modality", "model", "role", "split", "subgroup", "metric", "value", "ci_low", "ci_high", "n"]
)
NO_COMPARISONS = pd.DataFrame(
    columns=["modality", "model_a", "model_b", "metric", "difference", "ci_low", "ci_high", "n"]
)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("unet", "The plain U-Net is a negative control"),
        ("reversed_autoencoder", "perceptual weights from elsewhere"),
        ("autoencoder", "The best epoch of a network"),
    ],
)
def test_the_note_speaks_only_of_models_that_were_compared(model, words):
    stratified = pd.DataFrame(columns=["model", "value", "ci_low", "ci_high"])

    def note(models):
        examinations = {m: {"leak": None} for m in models}
        section = comparison_section(models, NO_METRICS, NO_COMPARISONS, stratified, examinations)
        return section.tables[0].note

    assert words in note(["lbe", model])
    assert words not in note(["lbe"])
