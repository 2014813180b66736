"""Validity of the alarms, and speed of what every modality uses."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import LOWER, Column, Grid, Listing


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    rates = sorted(having(figures["conformal_validity"], "rate"), key=lambda f: f.value)
    bootstrap = [f for f in figures["auroc_bootstrap"] if f.ratio and f.kind == "time"]
    return [
        f"Isolation forests raised alarms at a level of 5 % on {len(rates)} ADBench data sets, and the shared steps "
        "were timed against scikit-learn and scipy.",
        f"Normal records raised a false alarm at rates from {cited(rates[0])} to {cited(rates[-1])}.",
        f"The bootstrap took at most 1/{min(f.ratio for f in bootstrap):.0f} of the time of its baseline.",
        verdict(figures),
    ]


PAGE = Page(
    "spine",
    "Validity of alarms, and speed of the shared steps",
    summary,
    (
        Section(
            "Does 5 % mean 5 %?",
            "conformal_validity",
            "A conformal p-value of at most 0.05 raises an alarm. The table shows how often this happens to normal "
            "records that were neither trained on nor calibrated with. One third of the normal records has each role.",
            (
                Grid(
                    "False alarms at a level of 5 %",
                    (("Data set", "set"),),
                    (
                        Column("Normal records", "rate", show="normals"),
                        Column("False-alarm rate (asked for: 0.05)", "rate"),
                    ),
                ),
            ),
        ),
        Section(
            "A p-value for every record without labels",
            "cross_conformal",
            "Detectors that leave out two of the folds compare the records of both, so every record has a p-value that no "
            "detector made which saw it. Labels are used only to measure. The range covers 10 seeds.",
            (
                Listing("Usual records that are flagged", ("rate",)),
                Listing("AUROC of the p-values", ("auroc",)),
            ),
        ),
        Section(
            "Bootstrap of the AUROC",
            "auroc_bootstrap",
            "The project draws 2,000 resamples of 100,000 cases. The baseline calls scikit-learn's `roc_auc_score` in "
            "a loop on the same resamples. Both use one thread, unless the row says otherwise.",
            (
                Grid(
                    "Time of 2,000 resamples of 100,000 cases",
                    (("Way", "way"),),
                    (
                        Column("No ties, s", "time", LOWER, where={"ties": "no ties"}),
                        Column("No ties, times as fast", "time", show="ratio", where={"ties": "no ties"}),
                        Column("Ties (2 decimals), s", "time", LOWER, where={"ties": "tied, 2 decimals"}),
                        Column(
                            "Ties, times as fast", "time", show="ratio", where={"ties": "tied, 2 decimals"}
                        ),
                    ),
                    baseline_rows=True,
                ),
                Grid(
                    "Time of a part",
                    (("Part", "way"),),
                    (
                        Column("No ties, s", "part", where={"ties": "no ties"}),
                        Column("Ties (2 decimals), s", "part", where={"ties": "tied, 2 decimals"}),
                    ),
                ),
                Grid(
                    "Is the result right?",
                    (("Check", "way"),),
                    (
                        Column("No ties, AUROC", "check", where={"ties": "no ties"}),
                        Column("Ties (2 decimals), AUROC", "check", where={"ties": "tied, 2 decimals"}),
                    ),
                    baseline_rows=True,
                ),
                Listing(
                    "Floors and compilation",
                    ("other",),
                    "A floor is the time of a step that no program can leave out. Its baseline is the project's own "
                    "time.",
                    times_header="Share of that time",
                ),
            ),
        ),
        Section(
            "Isolation forest as an ONNX graph",
            "isolation_forest_onnx",
            "The exported graph is compared with `score_samples` of the same scikit-learn forest, in the same process "
            "and on one thread.",
            (Listing("One row and a batch", ("time", "equal")),),
        ),
        Section(
            "Tail probabilities (ECDF)",
            "ecdf_speed",
            "The detector scores rows and says what each value adds to the score. The baseline ranks the values with "
            "scipy.",
            (Listing("Rows per second, one core", ("other",), times_header="Ratio"),),
        ),
    ),
)
