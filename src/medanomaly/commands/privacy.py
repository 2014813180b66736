"""``medanomaly privacy``: what software can see of HIPAA and the GDPR."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medanomaly.commands.terminal import as_json, printable
from medanomaly.core.errors import DataNotFoundError, InputError

if TYPE_CHECKING:
    from medanomaly.privacy.check import Item, Store, Table

SAID = (
    "This list is no legal advice and no certificate. It holds what software can see; the rest is yours to say. "
    "What nothing was given for is never done."
)


@click.group("privacy")
def command() -> None:
    """Look at what a project gives away.

    \b
    medanomaly privacy check --models data/06_models/visits --store predictions.db --data shared/visits.csv
    """


@command.command("check")
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    help="Folder of trained models: 06_models/<data set> of a run.",
)
@click.option(
    "--store", metavar="URL", help="Store of predictions: a file of SQLite, or the URL of a database."
)
@click.option(
    "--data",
    "tables",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Table to be passed on (.csv, .parquet); may be given again.",
)
@click.option("--keys", type=click.Path(path_type=Path), help="File of API keys of the service.")
@click.option(
    "--conf",
    type=click.Path(path_type=Path),
    default=Path("conf"),
    show_default=True,
    help="Folder of the configuration: trackers, and secrets in conf/local.",
)
@as_json
def check(
    models: Path | None,
    store: str | None,
    tables: tuple[Path, ...],
    keys: Path | None,
    conf: Path,
    as_json: bool,
) -> None:
    """List rules of HIPAA and the GDPR as done, not done, or yours to say.

    Each line says what was looked at, and what would help. The exit code is 1 where something is not done, so that a release
    can wait for it.

    \b
    medanomaly privacy check --models data/06_models/visits
    medanomaly privacy check --store predictions.db --data shared/visits.csv --json
    """
    from medanomaly.privacy.check import DONE, NOT_DONE, YOURS, Facts, items

    facts = Facts(
        rows_kept=None if models is None else _rows_kept(models),
        tables=tuple(_table(path) for path in tables),
        store=None if store is None else _store(store),
        key_files=dict(_key_files(conf, keys)),
        service_keys=None if keys is None else _service_keys(keys),
        sent=_sent(conf),
    )
    found = items(facts)
    counts = {status: sum(item.status == status for item in found) for status in (DONE, NOT_DONE, YOURS)}
    if as_json:
        click.echo(
            json.dumps({"items": [asdict(item) for item in found], "counts": counts, "note": SAID}, indent=1)
        )
    else:
        for item in found:
            click.echo(_line(item))
        click.echo(", ".join(f"{n} {status}" for status, n in counts.items()) + ".")
        click.echo(SAID)
    if counts[NOT_DONE]:
        click.get_current_context().exit(1)


def _line(item: "Item") -> str:
    remedy = f"\n    {item.remedy}" if item.remedy else ""
    return (
        printable(f"[{item.status}] {item.law} {item.rule}: {item.title}.")
        + f"\n    {printable(item.why)}{remedy}"
    )


def _rows_kept(folder: Path) -> dict[str, int]:
    from medanomaly.core.bundle import ALARM, RECIPE, REFERENCE, bundles_of
    from medanomaly.privacy.check import rows_kept

    kept = {
        f"{bundle.manifest.modality}.{bundle.manifest.name}": rows_kept(bundle.manifest)
        for bundle in bundles_of(folder)
        if bundle.manifest.name not in (ALARM, RECIPE, REFERENCE)
    }
    if not kept:
        raise DataNotFoundError(
            "there is no model in it", source=folder, remedy="Give a folder of 06_models."
        )
    return kept


def _table(path: Path) -> "Table":
    import pandas as pd

    from medanomaly.privacy.check import Table
    from medanomaly.privacy.groups import anonymity
    from medanomaly.privacy.identifiers_in_tables import identifiers_in
    from medanomaly.privacy.tables import quasi_identifiers

    if not path.is_file():
        raise DataNotFoundError("there is no such file", source=path, remedy="Give a .csv or .parquet file.")
    try:
        table = (
            pd.read_parquet(path)
            if path.suffix.lower() == ".parquet"
            else pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
        )
    except (ValueError, OSError) as error:
        raise InputError(
            f"the file cannot be read as a table: {type(error).__name__}", source=path
        ) from error
    quasi = quasi_identifiers(table)
    return Table(path.name, identifiers_in(table), anonymity(table, quasi), quasi)


def _store(url: str) -> "Store":
    import sqlalchemy as sa

    from medanomaly.privacy.check import Store
    from medanomaly.store.database import database_url, open_engine, revision_of
    from medanomaly.store.keys import SUBJECT_KEY
    from medanomaly.store.schema import prediction, raw_record
    from medanomaly.store.store import Store as Predictions

    address = database_url(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise DataNotFoundError(
            "there is no such store", source=address.database, remedy="Give the file of a store."
        )
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            if revision_of(connection) is None:
                raise InputError("the database holds no store of predictions", source=engine.url.database)
            count = sa.select(sa.func.count())
            subjects = connection.scalars(sa.select(prediction.c.subject_key).distinct())
            cases = connection.scalars(sa.select(prediction.c.case_key).distinct())
            plain = sum(not _is_hash(key) for keys in (subjects, cases) for key in keys)
            n, raw = (connection.scalar(count.select_from(table)) for table in (prediction, raw_record))
    finally:
        engine.dispose()
    chain = None
    # a secret that is made now would fit no store
    if SUBJECT_KEY.exists():
        with Predictions.open(url, make_tables=False) as opened:
            verdict = opened.verify()
            chain = "" if verdict.whole else verdict.reason
    return Store(n, plain, raw, chain)


def _is_hash(text: str) -> bool:
    from medanomaly.store.keys import KEY_LENGTH

    return len(text) == KEY_LENGTH and set(text) <= set("0123456789abcdef")


def _service_keys(path: Path) -> int:
    from medanomaly.service.keys import read_keys

    return read_keys(path).count


def _key_files(conf: Path, keys: Path | None) -> Iterator[tuple[str, str]]:
    for path in [*sorted((conf / "local").glob("*.key")), *([] if keys is None else [keys])]:
        if path.is_file():
            # groups and others
            yield (
                path.name,
                "can be read by others" if os.name == "posix" and path.stat().st_mode & 0o077 else "",
            )


def _sent(conf: Path) -> tuple[str, ...] | None:
    """What trackers send away, by the configuration and the environment variables that go before it.

    None where neither sets a tracker.
    """
    import yaml

    forced, uri = os.environ.get("WANDB_MODE"), os.environ.get("MLFLOW_TRACKING_URI")
    found, said = forced is not None or uri is not None, []
    if forced == "online":
        said.append("WANDB_MODE is online")
    if uri is not None and _is_remote(uri):
        said.append("MLFLOW_TRACKING_URI is a server")
    for path in sorted(conf.rglob("*.yml")):
        try:
            settings = yaml.safe_load(path.read_text("utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            # credentials.yml may be a template; what Kedro cannot read stops a run, not this list
            continue
        wandb, server = _inside(settings, "tracking", "wandb"), _inside(settings, "server")
        where = path.relative_to(conf)
        found = found or bool(wandb) or "mlflow_tracking_uri" in server
        if forced is None and wandb.get("mode") == "online":
            said.append(f"tracking.wandb.mode is online in {where}")
        if wandb.get("bundles") == "upload" and forced not in ("offline", "disabled"):
            said.append(f"tracking.wandb.bundles is upload in {where}")
        if _is_remote(str(server.get("mlflow_tracking_uri", ""))):
            said.append(f"server.mlflow_tracking_uri is a server in {where}")
    return tuple(said) if found else None


def _inside(said: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        said = said.get(name) if isinstance(said, Mapping) else None
    return said if isinstance(said, Mapping) else {}


def _is_remote(uri: str) -> bool:
    return uri.startswith(("http://", "https://", "databricks"))
