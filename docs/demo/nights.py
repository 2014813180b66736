"""Write the ward that docs/how_to/every_night.md tells of: ``python docs/demo/nights.py FOLDER``.

``past.csv`` has 600 visits whose outcome is known. Then come three nights of 150 new visits each, without an outcome, and
what became of the first night's visits. On the third night another laboratory measures potassium 0.8 mmol/L too high.
"""

import csv
import sys
from pathlib import Path

from visits import COLUMNS, visits

NIGHTS = ("2026-03-01", "2026-03-02", "2026-03-03")
KNOWN, TOO_HIGH = "2026-03-01", "2026-03-03"


def main(folder: Path) -> None:
    """One file per night, and one of labels."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "past.csv", COLUMNS, visits(600))
    for number, night in enumerate(NIGHTS, 1):
        rows = visits(150, seed=number)
        for row in rows:
            # other visits of other patients than those of the past
            row[0], row[1] = f"{night} {row[0]}", f"{night} {row[1]}"
            row[10] = round(row[10] + 0.8 * (night == TOO_HIGH), 1)
        _write(folder / f"{night}.csv", COLUMNS[:-1], [row[:-1] for row in rows])
        if night == KNOWN:
            labels = [[row[0], row[1], int(row[-1] != "well"), row[-1]] for row in rows]
            _write(folder / f"labels-{night}.csv", ("case_id", "patient_id", "label", "outcome"), labels)


def _write(path: Path, columns: tuple, rows: list[list]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
