"""Detection: are planted lesions found, with boxes about them?"""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import Listing


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    found = figures["detection"]
    said = []
    for f in having(found, "found", what="AP at .5, masses of 12 px and more"):
        said.append(
            f"The centre-point detector reaches this average precision on planted masses of 12 px and more: {cited(f)}."
        )
    for f in having(found, "gain", what="AP at .5, masses of 12 px and more"):
        said.append(f"Its gain over boxes of a map that knows normal images alone: {cited(f)}.")
    for f in having(found, "held", what="false boxes per clean normal image"):
        said.append(f"Where 0.1 false boxes are asked for, a clean normal image gets this many: {cited(f)}.")
    return [*said, verdict(figures)]


PAGE = Page(
    "detection",
    "Detection: planted lesions with boxes about them",
    summary,
    (
        Section(
            "Boxes about planted masses",
            "detection",
            "Images are the phantoms of the project, masses are drawn by a generator that nothing else uses: lobes with a "
            "rough contour, an uneven inside, some with a cavity. They are no lesions of patients, so the figures say "
            "whether the detector works, and nothing about real images. A box is right if it overlaps a true box by half or "
            "more. The map is the residual of principal components of normal images, cut at the best of four thresholds. "
            "Epochs, augmentation and the weight of sizes were changed once, after a first measurement that missed its "
            "targets; these test images were drawn afterwards. Time is processor time of one core, because other work "
            "shares the machine.",
            (
                Listing("The detector", ("found",)),
                Listing("Boxes of a map of what is unusual", ("map", "gain")),
                Listing("The threshold", ("held",)),
                Listing("Cost", ("cost",)),
            ),
        ),
    ),
)
