"""Answers as files; the ending of the name says which."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.spreadsheet_text import quoted


def write_answers(
    path: Path | str, what: str, table: Callable[[], pd.DataFrame], texts: Mapping[str, Callable[[], str]]
) -> None:
    """Write a table as CSV or Parquet, or a text as it is. A spreadsheet runs nothing that stands in the CSV.

    Args:
        path: of the file; its folder is made where it is not there.
        what: is written, in the plural, for the error.
        table: makes the table.
        texts: ending -> what makes the text of such a file.

    Raises:
        ConfigurationError: another ending.
    """
    path = Path(path)
    ending, endings = path.suffix.lower(), (".csv", ".parquet", *texts)
    if ending not in endings:
        raise ConfigurationError(
            f"{what} cannot be written as '{ending}'",
            source=path,
            remedy=f"End the name in {', '.join(sorted(endings))}.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending == ".csv":
        quoted(table()).to_csv(path, index=False)
    elif ending == ".parquet":
        table().to_parquet(path, index=False)
    else:
        path.write_text(texts[ending](), encoding="utf-8")
