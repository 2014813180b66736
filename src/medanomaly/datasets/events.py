"""Events of a hospital format as raw data: OMOP, FHIR, MEDS, or CSV; or the embedded cohort written as OMOP."""

from medanomaly.core.errors import ConfigurationError
from medanomaly.datasets.raw import RawDataset
from medanomaly.tabular.events.readers.any_form import READERS, EventSource

EMBEDDED = "embedded"


class EventsDataset(RawDataset[EventSource]):
    """Where events are; ``data_processing.tables.<data set>.events`` says which of them are read and what they become.

    Args:
        folder: a folder, a file, or the URL of a database (see ``medanomaly.tabular.events.readers``); ``embedded`` is the
            embedded cohort, written as OMOP.
        form: ``omop``, ``fhir``, ``meds`` or ``csv``; None finds out.
        n_patients, seed: of the embedded cohort.
    """

    # what its cases are, where the catalog entry does not say
    cases = "events"

    def __init__(
        self,
        *,
        folder: str,
        form: str | None = None,
        n_patients: int = 1000,
        seed: int = 0,
        metadata: dict | None = None,
    ):
        if form is not None and form not in READERS:
            raise ConfigurationError(
                f"there is no format '{form}'", remedy=f"There are {', '.join(READERS)}."
            )
        self.folder, self.form, self.metadata = folder, form, metadata
        self.n_patients, self.seed = n_patients, seed

    def load(self) -> EventSource:
        """Say where the events are; they are read once the recipe is known."""
        if self.folder != EMBEDDED:
            return EventSource(self.folder, self.form)
        from medanomaly.synthetic.hospital import as_omop, hospital_events

        return EventSource(as_omop(*hospital_events(self.n_patients, self.seed)), "omop")

    def _describe(self) -> dict:
        about = {"folder": self.folder, "form": self.form}
        return about | ({"n_patients": self.n_patients, "seed": self.seed} if self.folder == EMBEDDED else {})
