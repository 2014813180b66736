"""Rare classes: what synthetic cases bring and cost, and learning from one to five cases."""

from benchmarks.render.figures import Figure, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import HIGHER, LOWER, Column, Grid, Listing

WAY = (("Way", "way"),)
# what is measured of rows -> header, what is best
MEASURES = {
    "pMSE": ("pMSE", LOWER),
    "nearest-neighbour accuracy": ("Nearest-neighbour accuracy", "≈0.5"),
    "distance ratio": ("Distance ratio", "≈1.0"),
    "membership AUROC": ("Membership AUROC", LOWER),
    "membership AUROC of rare rows": ("of rare rows", LOWER),
    "exact copies": ("Exact copies", ""),
    "rows that break the contract": ("Broken rows", ""),
}


def columns(wanted: list[str], **where: str) -> tuple[Column, ...]:
    return tuple(
        Column(MEASURES[name][0], "rows", MEASURES[name][1], where={"measure": name} | where)
        for name in wanted
    )


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    found = having(figures["rare_data"], "difference", set="all sets")
    if not found:
        return ["Not all sets were measured yet."]
    drawn = [f for f in found if f.part("way") not in ("class weights", "threshold shift")]
    best = max(drawn, key=lambda f: f.value)
    said = [
        f"The best of {len(drawn)} generators, {best.part('way')}, changes the AUPRC of the rare class by {cited(best)} on "
        "average over the sets."
    ]
    helps = [f for f in drawn if f.low is not None and f.low > 0]
    said.append(
        f"The interval of {len(helps)} of them lies above 0."
        if helps
        else "No generator has an interval that lies above 0."
    )
    for f in having(figures["rare_data"], "difference", set="all sets", way="class weights"):
        said.append(f"Class weights change it by {cited(f)}; a threshold shift does not change it at all.")
    return [*said, verdict(figures)]


PAGE = Page(
    "rare_data",
    "Rare classes: synthetic and scarce data",
    summary,
    (
        Section(
            "Synthetic cases and few cases",
            "rare_data",
            "Gradient boosting learns from tables as they are (nothing), with weights, or with synthetic cases until "
            "both classes are equally frequent; a threshold shift flags who is likelier than usual. Generators learn "
            "from training rows alone. Probabilities are not calibrated afterwards; corrected ones are shifted back to "
            "the prevalence. Intervals resample rows and divisions, differences are paired. No set has several rows of "
            "a patient, and equal rows stay in one part.",
            (
                Grid(
                    "AUPRC of the rare class, minus that with nothing added",
                    WAY,
                    (Column("{}", "difference", HIGHER, each="set"),),
                ),
                Grid(
                    "AUPRC of the rare class", WAY, (Column("{}", "auprc", HIGHER, each="set"),), folded=True
                ),
                Grid("Calibration error", WAY, (Column("{}", "ece", LOWER, each="set"),)),
                Grid(
                    "Calibration error after the correction for the prevalence",
                    WAY,
                    (Column("{}", "corrected", LOWER, each="set"),),
                    folded=True,
                ),
                Grid(
                    "Mean of sensitivity and specificity",
                    WAY,
                    (Column("{}", "balanced", HIGHER, each="set"),),
                ),
                Grid(
                    "Are the rows like real ones, and what do they give away? All sets",
                    (("Generator", "way"),),
                    columns(list(MEASURES), set="all sets"),
                    note="pMSE: 0.25 where a model tells all synthetic rows from real ones. Accuracy: 0.5 is ideal. Ratio "
                    "of the distances to the nearest row learned from and to the nearest other one: 1 is ideal. "
                    "Membership: 0.5 is chance.",
                ),
                Listing("The forest compared with copula and GAN", ("best",)),
                Grid(
                    "The same for each set",
                    (("Set", "set"), ("Generator", "way")),
                    columns(list(MEASURES)[:5]),
                    folded=True,
                ),
                Grid(
                    "Copies and broken rows of each set",
                    (("Set", "set"), ("Generator", "way")),
                    columns(list(MEASURES)[5:]),
                    folded=True,
                ),
                Listing("Time", ("speed",), note="Processor time of one core."),
                Listing(
                    "Learning from one to five cases, differences",
                    ("few_gain",),
                    note="Intervals resample draws of the few cases, or publications.",
                ),
                Listing("Learning from one to five cases", ("few",), folded=True),
            ),
        ),
    ),
)
