"""Hospital formats: one table whichever format, how fast, and what becomes of malformed data."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import Listing


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    found = figures["interchange"]
    said = []
    same = [f for f in having(found, "same") if "values that differ" in f.name]
    if same:
        worst = max(same, key=lambda f: f.value)
        said.append(
            f"The same patients as OMOP, FHIR, MEDS and CSV: {cited(worst)} values of the feature tables differ."
        )
    for f in having(found, "speed"):
        if f.name.endswith("resources per second of a core") and f.name.startswith("FHIR"):
            said.append(f"A core turns {cited(f)} FHIR resources per second into features.")
        if f.name.startswith("OMOP") and f.name.endswith("processor time"):
            said.append(f"Two million measurements of OMOP take {cited(f)} of processor time.")
    return [*said, verdict(figures)]


PAGE = Page(
    "interchange",
    "Hospital formats: OMOP, FHIR, MEDS and CSV",
    summary,
    (
        Section(
            "Hospital formats",
            "interchange",
            "The embedded cohort is written as a hospital would write it, with codes, units of two kinds, visits and "
            "outcomes. Speed is processor time of one core; the clock stands next to it, since other work shares the "
            "machine. Malformed data are resources and rows with one fault each; their answers were written down before.",
            (
                Listing("Speed and memory", ("speed",)),
                Listing("The same patients in four formats", ("same",)),
                Listing("Units", ("units",)),
                Listing("Malformed data, and hospitals of others", ("malformed", "others")),
                Listing("Answers as FHIR", ("answers",)),
            ),
        ),
    ),
)
