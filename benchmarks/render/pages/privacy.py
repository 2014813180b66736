"""Privacy: what deidentification finds, and what it leaves."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import Listing


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    said = []
    for f in having(figures["privacy"], "dicom", what="right actions"):
        said.append(
            f"This share of the attributes of generated DICOM files is treated as PS3.15 asks: {cited(f)}."
        )
    for f in having(figures["privacy"], "pixels", what="burned-in texts covered"):
        said.append(f"This share of texts in generated films is found and covered: {cited(f)}.")
    for f in having(figures["privacy"], "notes", what="names taken out whole"):
        said.append(f"This share of the names in generated notes is taken out: {cited(f)}.")
    return [*said, verdict(figures)]


PAGE = Page(
    "privacy",
    "Privacy: what deidentification finds, and what it leaves",
    summary,
    (
        Section(
            "Deidentification",
            "privacy",
            "The corpora are generated, because no real one may be kept. The rules for notes were mended after a look at "
            "what they missed in these sentences. The figures say how well the rules do on what they were written for, and "
            "nothing about the notes of a hospital. Brackets hold exact 95 % intervals of a share.",
            (
                Listing("DICOM attributes", ("dicom",)),
                Listing("Text in pixels", ("pixels",)),
                Listing("Notes", ("notes",)),
            ),
        ),
    ),
)
