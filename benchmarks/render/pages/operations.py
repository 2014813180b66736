"""Operations: what monitoring sees, which challengers are promoted, and what goes past one machine."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import Column, Grid, Listing


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    said = []
    for f in having(figures["monitoring"], "size", what="verdict on all columns"):
        said.append(f"A million rows of 50 columns are compared with the training in {cited(f)}.")
    guesses = sorted(
        having(figures["monitoring"], "guess", what="mean absolute error"), key=lambda f: f.value
    )
    if guesses:
        said.append(
            f"On real tables without shift, the AUROC that is estimated without labels is off by {cited(guesses[0])} on the "
            f"best and {cited(guesses[-1])} on the worst table, on average."
        )
    for f in having(figures["retraining"], "gate", gain="+0.02", n="2,000"):
        said.append(f"Of simulated challengers that are better by 0.02, this share is promoted: {cited(f)}.")
    for f in having(figures["scale"], "events", size="100,000,000", what="features of patients"):
        said.append(f"A hundred million events become features of patients in {cited(f)}.")
    for f in figures["thirty_days"]:
        if f.name == "day on which the drift is noticed":
            said.append(f"Of thirty days with drift from day 15 on, it is noticed on day {cited(f)}.")
    return [*said, verdict(figures)]


PAGE = Page(
    "operations",
    "Operations: what monitoring sees, which models are promoted, and what goes past one machine",
    summary,
    (
        Section(
            "Monitoring",
            "monitoring",
            "Columns and scores of new cases are compared with the calibration cases. The AUROC without labels follows from "
            "the scores alone. Sets of ADBench are divided anew 20 times; the new cases come from the same hospital as the "
            "calibration cases, or a quarter of their features is moved. Brackets hold the range of 95 % of the divisions.",
            (
                Listing("A million rows", ("size",)),
                Grid(
                    "AUROC without labels",
                    (("Table", "set"),),
                    (
                        Column("Mean absolute error", "guess", where={"what": "mean absolute error"}),
                        Column("Mean error", "guess", where={"what": "mean error"}),
                        Column("True value inside the interval", "inside"),
                        Column("Called valid without shift", "kept"),
                        Column("Called not valid under shift", "caught"),
                    ),
                ),
                Listing("Columns without change", ("wrong",)),
            ),
        ),
        Section(
            "Retraining",
            "retraining",
            "Pairs of models are simulated 200 times: a champion with an AUROC of 0.85, and a challenger whose scores "
            "correlate with those of the champion by 0.7. The gate looks at the AUROC, at the calibration error and at "
            "eleven subgroups. Then a service follows a registry while clients ask without a pause.",
            (
                Grid(
                    "Challengers that are promoted",
                    (("True difference of AUROC", "gain"),),
                    (Column("{} patients", "gate", each="n"),),
                ),
                Listing("Which condition fails", ("failed",)),
                Listing("A service that follows", ("follow",)),
            ),
        ),
        Section(
            "Past one machine",
            "scale",
            "Synthetic events, a thousand per patient and 22 codes, in files in which every patient occurs, become one row "
            "per patient; recordings and images go from their files to answers. Two processes of one thread each do the "
            "tasks. Memory is that of all processes together. Other programs ran on the machine. What the figures mean for "
            "more data than were measured, [scale.md](../scale.md) says.",
            (
                Listing("Events of many patients", ("events", "linear")),
                Listing("The same bytes, whatever happens", ("same",)),
                Listing("Against dask.dataframe", ("peer",)),
                Listing("Recordings", ("recordings",)),
                Listing("Images", ("images",)),
            ),
        ),
        Section(
            "Thirty days",
            "thirty_days",
            "A hospital of the embedded cohort: 100 new patients per day, labels after three days, other devices on day 15. "
            "The commands are those of the DAG of Airflow. AUROC is that of the version that answers, in those of the last "
            "ten days whose labels are known; a version that is new has none yet.",
            (
                Listing("The month", ("month",)),
                Grid(
                    "Each day",
                    (("Day", "day"),),
                    (
                        Column("Cases", "day_cases"),
                        Column("Share flagged", "day_flagged"),
                        Column("Capital of the martingale", "day_capital"),
                        Column("Limits crossed", "day_limits"),
                        Column("Notices sent", "day_notices"),
                        Column("Version", "day_version"),
                        Column("AUROC", "day_auroc"),
                    ),
                    folded=True,
                ),
            ),
            image="thirty_days.svg",
        ),
    ),
)
