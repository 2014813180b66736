"""Raw cases scored again, and the service."""

from benchmarks.render.figures import Figure
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import Listing


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    said = []
    equal = [f for f in figures["scoring_raw"] if f.kind == "equal"]
    if equal:
        said.append(
            f"Raw files of {len(equal)} modalities and environments were scored again, and the largest difference from "
            f"the score table of the run was {cited(max(equal, key=lambda f: f.value))}."
        )
    one = [
        f
        for f in figures["serving"]
        if f.kind == "time" and f.name.startswith("one record") and f.name.endswith("p50")
    ]
    said += [f"Half of the answers to one record arrived within {cited(f)}." for f in one]
    return [*said, verdict(figures)]


PAGE = Page(
    "serving",
    "New cases: scoring and serving",
    summary,
    (
        Section(
            "Are raw files scored as in the run?",
            "scoring_raw",
            "An environment is run up to its scores. Its raw files are then given to `medanomaly.open(...).score(...)`, and "
            "every score is compared with the score table of the run.",
            (
                Listing("Largest difference of a score", ("equal",)),
                Listing("The first answer of a new process", ("start",)),
            ),
        ),
        Section(
            "What does an answer cost?",
            "serving",
            "One process of the service answers on loopback. The client is a socket of another process. Baselines "
            "answer the same requests in the same run.",
            (
                Listing("Time of one request, one after the other", ("time",)),
                Listing("Sixteen clients at a time", ("rate",), times_header="Times as many"),
                Listing("Eight live recordings at once", ("live",)),
            ),
        ),
        Section(
            "Does it last?",
            "serving_soak",
            "Clients ask at half of the highest measured rate, and every answer is written to the store.",
            (Listing("Errors, memory and the store", ("other",)),),
        ),
        Section(
            "Does any request make it fail?",
            "serving_fuzz",
            "schemathesis makes requests from the OpenAPI document of the service, valid and invalid ones.",
            (Listing("Answers", ("other",)),),
        ),
    ),
)
