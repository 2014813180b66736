import pandas as pd

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
