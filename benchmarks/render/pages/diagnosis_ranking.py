"""The part of the page on diagnosis about diseases of published cases in order."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Section, cited
from benchmarks.render.tables import Column, Grid, Listing


def figure(figures: dict[str, list[Figure]], kind: str, **parts: str) -> Figure | None:
    found = having(figures["diagnosis"], kind, **parts)
    return found[0] if found else None


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    said = [
        "Diseases are ranked for published cases by their symptoms alone. All splits are by publication, and cases whose "
        "publication the knowledge cites for their own disease are counted apart.",
    ]
    if top := figure(figures, "ranks", model="as published, ranker, knowledge only", rank="1"):
        said.append(
            f"With knowledge alone, the true disease is first in {cited(top)} of the cases; for Exomiser, phenotype only, "
            f"{top.baseline_value} was published on nearly the same cases."
        )
    return said


RANKING = Section(
    "Ranking the diseases of published cases",
    "diagnosis",
    "A disease is right by its exact OMIM id, ties count against it, and a disease that is no candidate is never found. "
    "Intervals resample publications. As published: the knowledge may cite the publication of the case. Folds: five folds "
    "of publications; the knowledge loses all that cites the publications of the test fold, for whatever disease, and the "
    "training cases are mixed in. Alike in having cases: ranks among the diseases that have training cases if the true one "
    "has some, else among those that have none, so that a disease gains nothing by being published. Stratified by case: "
    "cases are divided without regard to publications, as is often done, and the knowledge is whole; it shows by how much "
    "that flatters. Constants were chosen on folds 0 and 1.",
    (
        Grid(
            "Share of cases whose disease is among the first 1, 3 and 10",
            (("What", "model"),),
            (Column("Top-{}", "ranks", each="rank"),),
            baseline_rows=True,
        ),
        Grid(
            "Paired gains",
            (("What", "model"),),
            (Column("Top-{}", "gain", each="rank"),),
            "An interval that includes 0 does not tell the two apart.",
        ),
        Listing("Mean over diseases of their top-1", ("macro",)),
        Listing("Calibration, and each disease against the rest", ("calibration",), folded=True),
        Listing("Noise, two diseases, questions", ("simulated",)),
        Listing("Speed and memory", ("speed",)),
    ),
)
