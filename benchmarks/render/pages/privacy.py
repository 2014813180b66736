"""Privacy: what deidentification finds and leaves, and what models give away."""

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
        said.append(f"This share of texts in generated images is found and covered: {cited(f)}.")
    for f in having(figures["privacy"], "notes", what="names taken out whole"):
        said.append(f"This share of the names in generated notes is taken out: {cited(f)}.")
    changed = [
        f"of {f.part('what').removeprefix('AUROC of ').partition(', ')[0]} by {cited(f)}"
        for f in having(figures["privacy"], "prototypes")
        if "of 5 patients" in f.part("what")
    ]
    if changed:
        said.append(f"Means of rows of 5 patients, in place of rows, change the AUROC {', '.join(changed)}.")
    for f in having(figures["privacy"], "private"):
        if "denoising autoencoder" in f.part("what"):
            said.append(
                f"Differential privacy at epsilon 8 changes the AUROC of an autoencoder by {cited(f)}."
            )
    return [*said, verdict(figures)]


PAGE = Page(
    "privacy",
    "Privacy: what deidentification leaves, and what models give away",
    summary,
    (
        Section(
            "Deidentification and models",
            "privacy",
            "The corpora of files and notes are generated, because no real one may be kept. The rules for notes were mended "
            "after a look at what they missed in these sentences. The figures say how well the rules do on what they were "
            "written for, and nothing about the notes of a hospital. Brackets of a share hold its exact 95 % interval. "
            "Membership is the AUROC of guessing by the score alone which normal rows were in training, against as many "
            "that were held out: 0.5 is a guess. For models that learned from labels the guess is by the probability of the "
            "right label, among cases with that label. Brackets are DeLong's, of the mean of the sets. Prototypes are means "
            "of rows of at least so many patients, in place of the rows. Differential privacy (DP-SGD) covers the weights "
            "of the network alone. Brackets of differences resample sets, then seeds.",
            (
                Listing("DICOM attributes", ("dicom",)),
                Listing("Text in pixels", ("pixels",)),
                Listing("Notes", ("notes",)),
                Listing("Small groups in tables", ("tables",)),
                Listing("Membership by the score", ("membership",)),
                Listing("Membership by the label", ("by_label",)),
                Listing("Prototypes in place of rows", ("prototypes",)),
                Listing("Training with differential privacy", ("private",)),
            ),
        ),
    ),
)
