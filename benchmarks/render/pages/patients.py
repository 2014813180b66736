"""One p-value per patient, and lists of alarms with what can be promised about them."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import HIGHER, Column, Grid, Listing


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    rates = sorted(having(figures["fusion"], "rate"), key=lambda f: f.value)
    wrong = max(having(figures["fusion"], "wrong"), key=lambda f: f.value)
    return [
        "Simulated patients have up to four modalities that go together, and their p-values become one.",
        f"Where 0.05 was asked for, the rate of false alarms was {cited(rates[0])} in the pattern of modalities with the "
        f"lowest and {cited(rates[-1])} in the one with the highest rate; Fisher's way gave up to {cited(wrong)}.",
        verdict(figures),
    ]


PAGE = Page(
    "patients",
    "One answer per patient, and alarms one can live with",
    summary,
    (
        Section(
            "One p-value per patient",
            "fusion",
            "Scores of four modalities are normal and correlate. A patient has any of the 15 patterns of modalities. The "
            "p-value of a patient is calibrated on patients with the same pattern; every figure is a mean over 30 "
            "calibration sets.",
            (
                Listing("False alarms where 0.05 was asked for", ("rate",)),
                Listing("Luck of a single calibration set", ("luck",)),
                Listing("The wrong way, and the table as a makeshift", ("wrong", "table")),
                Listing("What is found", ("power", "named"), times_header="Times the baseline"),
                Listing("Many beats per patient", ("beats",)),
                Listing(
                    "A network on embeddings as a contender",
                    ("learned",),
                    "Patients of the embedded cohort with records, an ECG and an image each. The Cauchy statistic has seen "
                    "no label; the networks have seen those of the train patients. A network would have to beat the "
                    "statistic with its whole interval.",
                ),
            ),
        ),
        Section(
            "Lists of alarms",
            "alarms",
            "Days with normal cases and some anomalous ones, shifted by 3 standard deviations. Each way of choosing whom to "
            "look at makes a list. For every list a bound says how many of its alarms are false at most, with a confidence "
            "of 90 %, without any label; the baseline is closed testing with Simes' inequality.",
            (
                Grid(
                    "Share of false alarms",
                    (("Way to choose", "way"),),
                    (Column("{}", "share", each="size"),),
                ),
                Grid(
                    "Share of the anomalous cases that is found",
                    (("Way to choose", "way"),),
                    (Column("{}", "power", HIGHER, each="size"),),
                ),
                Listing("How many alarms are false at most", ("bound",)),
                Listing("How often the bound was broken", ("broken",), folded=True),
                Listing("Streams", ("stream",)),
                Listing(
                    "ECG of patients who were never seen",
                    ("ecg",),
                    "The threshold of a new patient holds the asked rate in expectation over "
                    "patients; that of all recordings together holds it for the calibration patients alone.",
                ),
                Listing(
                    "Lists that learn from reviews",
                    ("reviews",),
                    "A simulated reviewer confirms or dismisses the most unusual record, 50 times; the listed records are "
                    "others, which nobody reviewed.",
                ),
            ),
        ),
    ),
)
