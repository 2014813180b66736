"""Medical appointments and no-shows: a table whose copies differ in file and column names."""

from pathlib import Path

import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found
from medanomaly.datasets.table import CSVDataset

FILES = ("KaggleV2-May-2016.csv", "noshowappointments*.csv")
ORIGINAL_NAMES = (
    "PatientId",
    "AppointmentID",
    "Gender",
    "ScheduledDay",
    "AppointmentDay",
    "Age",
    "Neighbourhood",
    "Scholarship",
    "Hipertension",
    "Diabetes",
    "Alcoholism",
    "Handcap",
    "SMS_received",
    "No_show",
)
# corrected spellings in copies of the table
_SPELLINGS = {"hypertension": "Hipertension", "handicap": "Handcap", "neighborhood": "Neighbourhood"}


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


class AppointmentsDataset(RawDataset[pd.DataFrame]):
    """The table under the column names ``PatientId`` .. ``No_show``, as text and numbers.

    Reads ``KaggleV2-May-2016.csv`` if it exists, else ``noshowappointments*.csv``. Column names may differ in case, hyphens,
    underscores and corrected spellings. Patient ids are text without the ``.0`` that some copies add.

    Args:
        folder: that holds the file.
    """

    def __init__(self, *, folder: str, metadata: dict | None = None):
        self.folder, self.metadata = Path(folder), metadata

    def _path(self) -> Path:
        for pattern in FILES:
            if found := sorted(self.folder.glob(pattern)):
                return found[0]
        raise not_found(self.folder / FILES[0])

    def load(self) -> pd.DataFrame:
        """Read the table."""
        path = self._path()
        table = CSVDataset(filepath=path.as_posix()).load()
        wanted = {_key(name): name for name in ORIGINAL_NAMES} | _SPELLINGS
        table = table.rename(columns={name: wanted[_key(name)] for name in table if _key(name) in wanted})
        if (twice := table.columns[table.columns.duplicated()]).size:
            raise InputError(
                f"two columns mean '{twice[0]}'", remedy="Keep one of the two spellings.", source=path
            )
        missing = [name for name in ORIGINAL_NAMES if name not in table]
        if missing:
            raise InputError(
                f"columns {missing} are missing", remedy=f"The table has {list(table.columns)}.", source=path
            )
        for name in ("PatientId", "AppointmentID"):
            table[name] = table[name].str.replace(r"\.0+$", "", regex=True)
        # a column becomes numbers only if every value is one, so a broken value stays visible as text
        for name in table.columns.drop(["PatientId", "AppointmentID"]):
            number = pd.to_numeric(table[name], errors="coerce")
            if number.notna().eq(table[name].notna()).all() and number.notna().any():
                table[name] = number
        return table

    def _exists(self) -> bool:
        return any(any(self.folder.glob(pattern)) for pattern in FILES)

    def _describe(self) -> dict:
        return {"folder": self.folder.as_posix()}
