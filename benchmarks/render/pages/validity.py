"""Whether p-values are valid, whether it is noticed when they are not, and what mends them."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import HIGHER, Column, Grid, Listing
from medanomaly.reporting.wording import joined


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    if not figures["validity"]:
        return ["Nothing was measured yet."]
    still = max(having(figures["validity"], "still"), key=lambda f: f.value)
    shift = min(having(figures["validity"], "shift"), key=lambda f: f.value)
    sets = list(dict.fromkeys(f.part("set") for f in having(figures["validity"], "still")))
    return [
        f"Batches of {joined(sets)} were checked for a shift, with up to 60 % abnormal cases in them.",
        f"Where nothing had shifted the check spoke in at most {cited(still)} of the batches, at a level of 0.05.",
        f"At shifts of the size that doubles the false alarms it spoke in at least {cited(shift)} of them.",
        verdict(figures),
    ]


PAGE = Page(
    "validity",
    "P-values that know when they no longer hold",
    summary,
    (
        Section(
            "Validity that is checked",
            "validity",
            "P-values hold while the normal cases of a batch are exchangeable with the calibration cases. The check reads "
            "facts of acquisition and quality, and the scores. Sizes of planted shifts are the smallest of a few that "
            "double the false alarms, chosen on cases that are not measured; where none does, it is the largest.",
            (
                Listing("Is it silent where nothing has shifted, whatever is ill?", ("still",)),
                Listing("Does it speak at planted shifts?", ("shift",)),
                Listing(
                    "Without abnormal calibration cases",
                    ("unlabelled",),
                    "Then a difference may be illness, and the verdict is 'unknown' with its reason.",
                ),
                Listing(
                    "A stream of normal scores",
                    ("stream",),
                    "The shift turns 10 % of false alarms into 37 %.",
                ),
                Listing(
                    "A stream of images, ECG and records, 40 % of them abnormal",
                    ("ward",),
                    "Most of the capital bets on means of facts, the rest on cases beyond every calibration case. The bets "
                    "were chosen on other tables and on ECGs of other patients. Tried there and left out: a direction that "
                    "is learned from the stream itself, because the luck of the calibration set in so many directions costs "
                    "more than it wins; and bets on the distance in all directions instead of each direction.",
                ),
                Listing("Mending without labels", ("mending",)),
                Grid(
                    "Anomalies hidden among the calibration cases: false alarms where 0.1 is asked",
                    (("Scores", "set"), ("Hidden, %", "share")),
                    (Column("{}", "hidden", "≈0.1", each="way"),),
                    "Trimmed: calibration scores that look like anomalies are left out, which is approximate and has no "
                    "guarantee.",
                    across=True,
                    keep={"figure": "realised rate at 0.1"},
                ),
                Grid(
                    "Anomalies hidden among the calibration cases: power",
                    (("Scores", "set"), ("Hidden, %", "share")),
                    (Column("{}", "hidden", HIGHER, each="way"),),
                    across=True,
                    keep={"figure": "power"},
                ),
                Listing("New patients", ("patients",)),
                Listing("Against other libraries", ("oracle",)),
            ),
        ),
    ),
)
