"""``medanomaly deidentify``: DICOM files without what identifies people."""

from pathlib import Path

import click

from medanomaly.core.errors import DataNotFoundError

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
def command(source: Path, out: Path, options: tuple[str, ...], without_pixel_check: bool) -> None:
    """Write the DICOM files of SOURCE without what identifies people, by the table of DICOM PS3.15.

    Text in the pixels is found by OCR and covered. A file for which anything fails is not written. deidentified.json says
    what was done to each file, and the output is read again and checked before the command ends.

    \b
    medanomaly deidentify films -o shared
    medanomaly deidentify films -o shared --option modified_dates --option device
    """
    from medanomaly.core.project_key import ProjectKey
    from medanomaly.privacy.burned_in import text_reader
    from medanomaly.privacy.dicom import Deidentifier
    from medanomaly.privacy.dicom_files import RECORD, counts, deidentify_files, dicom_files, faults
    from medanomaly.privacy.profile import profile

    key = ProjectKey(
        purpose="deidentified files",
        variable="MEDANOMALY_DEIDENTIFY_KEY",
        file=Path("conf/local/deidentify.key"),
        kept_because="with another key the same patient gets another pseudonym",
    )
    chosen = profile(options)
    files = dicom_files(source)
    if not files:
        raise DataNotFoundError(
            "the folder holds no file", source=source, remedy="Give a folder of DICOM files."
        )
    read = None if without_pixel_check else text_reader()
    outcome = deidentify_files(files, out, Deidentifier(chosen, key.read()), read)
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
