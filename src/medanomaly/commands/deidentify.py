"""``medanomaly deidentify``: DICOM files and tables without what identifies people."""

import json
from pathlib import Path

import click

from medanomaly.core.errors import ConfigurationError, DataNotFoundError

ACTIONS = {
    "X": "removed",
    "Z": "emptied",
    "D": "replaced by a dummy",
    "U": "given new UIDs",
    "C": "shifted in time",
    "K": "kept",
}


@click.command("deidentify")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="New folder for the files and the record.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    help="Keep more than the basic profile does: uids, device, institution, characteristics, full_dates, modified_dates.",
)
@click.option(
    "--without-pixel-check",
    is_flag=True,
    help="Do not look for text in the pixels. No file then says that identity was removed.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    help="Role of a column of a table, such as ward=keep: keep, remove, id, date, age, zip, note.",
)
@click.option(
    "--least-group",
    type=click.IntRange(0),
    default=0,
    help="Leave out rows of a table that fewer rows than this share age, years, ZIP and categories with.",
)
@click.option(
    "--generalise",
    is_flag=True,
    help="With --least-group: first make ages, years, ZIP codes and rare categories coarser: fewer rows are left out.",
)
@click.option(
    "--quasi",
    multiple=True,
    help="One more column of a table that outsiders may know of a person, such as a kept number.",
)
def command(
    source: Path,
    out: Path,
    options: tuple[str, ...],
    without_pixel_check: bool,
    columns: tuple[str, ...],
    least_group: int,
    generalise: bool,
    quasi: tuple[str, ...],
) -> None:
    """Write the DICOM files or the table of SOURCE without what identifies people.

    DICOM files: by the table of DICOM PS3.15; text in the pixels is found by OCR and covered; a file for which anything
    fails is not written; the output is read again and checked before the command ends. A table (.csv, .parquet): by the
    Safe Harbor rule of HIPAA; a column that is not known to be harmless is removed. deidentified.json says what was done.

    \b
    medanomaly deidentify films -o shared
    medanomaly deidentify films -o shared --option modified_dates --option device
    medanomaly deidentify visits.csv -o shared --column ward=keep --column report=note --least-group 5
    medanomaly deidentify visits.csv -o shared --least-group 5 --generalise --quasi height
    """
    if source.suffix.lower() in (".csv", ".parquet"):
        if generalise and not least_group:
            raise click.UsageError("--generalise needs --least-group, such as --least-group 5")
        asked = {"quasi": quasi, "least_group": least_group, "generalise": generalise}
        _table(source, out, dict(_pair(column) for column in columns), asked)
    else:
        _films(source, out, options, without_pixel_check)


def _key() -> bytes:
    from medanomaly.core.project_key import ProjectKey

    return ProjectKey(
        purpose="deidentified files",
        variable="MEDANOMALY_DEIDENTIFY_KEY",
        file=Path("conf/local/deidentify.key"),
        kept_because="with another key the same patient gets another pseudonym",
    ).read()


def _pair(column: str) -> tuple[str, str]:
    name, found, role = column.rpartition("=")
    if not found:
        raise click.UsageError(f"--column {column}: write it as name=role")
    return name, role


def _table(source: Path, out: Path, roles: dict[str, str], asked: dict) -> None:
    import pandas as pd

    from medanomaly.core.spreadsheet_text import quoted
    from medanomaly.privacy.dicom_files import RECORD
    from medanomaly.privacy.tables import ROLES, deidentify_table

    if out.exists() and any(out.iterdir()):
        raise ConfigurationError("the folder is not empty", source=out, remedy="Give a new folder.")
    csv = source.suffix.lower() == ".csv"
    table = (
        pd.read_csv(source, dtype="string", keep_default_na=False, na_values=[""])
        if csv
        else pd.read_parquet(source)
    )
    found = deidentify_table(table, _key(), roles, **asked)
    out.mkdir(parents=True, exist_ok=True)
    if csv:
        quoted(found.table).to_csv(out / source.name, index=False)
    else:
        found.table.to_parquet(out / source.name, index=False)
    record = {
        "rule": "HIPAA Safe Harbor, 45 CFR 164.514(b)(2)",
        "columns": found.roles,
        "rows": len(found.table),
        "quasi_identifiers": list(found.quasi),
        "smallest_group": found.smallest_group,
        "made_coarser": found.made_coarser,
        "rows_in_groups_under_5": found.in_small_groups,
        "rows_left_out": found.suppressed,
    }
    (out / RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    for role, meaning in ROLES.items():
        if names := [name for name, of in found.roles.items() if of == role]:
            click.echo(f"{meaning}: {', '.join(names)}")
    for name, became in found.made_coarser.items():
        click.echo(f"{name} was made coarser: {became}")
    click.echo(
        f"{len(found.table):,} of {len(table):,} rows written to {out}; smallest group: {found.smallest_group}."
    )
    if found.in_small_groups:
        click.echo(
            f"{found.in_small_groups:,} rows are in groups of fewer than 5: --least-group 5 leaves them out."
        )


def _films(source: Path, out: Path, options: tuple[str, ...], without_pixel_check: bool) -> None:
    from medanomaly.privacy.burned_in import text_reader
    from medanomaly.privacy.dicom import Deidentifier
    from medanomaly.privacy.dicom_files import RECORD, counts, deidentify_files, dicom_files, faults
    from medanomaly.privacy.profile import profile

    chosen = profile(options)
    files = dicom_files(source)
    if not files:
        raise DataNotFoundError(
            "the folder holds no file", source=source, remedy="Give a folder of DICOM files."
        )
    read = None if without_pixel_check else text_reader()
    outcome = deidentify_files(files, out, Deidentifier(chosen, _key()), read)
    for path, why in outcome.refused:
        click.echo(f"not written: {path}: {why}", err=True)
    wrong = list(faults(out, chosen))
    for fault in wrong:
        click.echo(f"wrong: {fault}", err=True)
    total = counts(outcome.written)
    click.echo(f"{len(outcome.written)} of {len(files)} files written to {out}.")
    for action, meaning in ACTIONS.items():
        if total[action]:
            click.echo(f"  {total[action]:,} attributes {meaning}")
    private = sum(entry["private_removed"] for entry in outcome.written)
    boxes = sum(entry["texts_covered"] for entry in outcome.written)
    click.echo(f"  {private:,} private attributes removed")
    if without_pixel_check:
        click.echo("  The pixels were not read for text: no file says that identity was removed.")
    else:
        click.echo(f"  {boxes:,} texts covered in the pixels")
    click.echo(f"Record: {out / RECORD}")
    if outcome.refused or wrong:
        raise SystemExit(1)
