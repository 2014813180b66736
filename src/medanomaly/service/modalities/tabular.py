"""Records of tables: as JSON, as a CSV file, or as FHIR resources where the models were trained on events; answers also
as FHIR."""

import tempfile
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.scoring.answers import Answers
from medanomaly.scoring.models import Models
from medanomaly.service.bodies import File, Options, checked, is_form, read_form, read_json, records
from medanomaly.service.fhir_answers import answer_response, wants_fhir
from medanomaly.service.persistence import CASE, PATIENT
from medanomaly.service.problems import invalid, too_large
from medanomaly.service.routes import Routes, add_verbs, form_body, json_body, json_response
from medanomaly.service.service import Service, shown
from medanomaly.service.settings import Limits
from medanomaly.tabular.recipe import as_table

SUFFIXES = (".csv", ".tsv", ".txt")
_RECORD = {"type": "object", "additionalProperties": {"type": ["number", "string", "boolean", "null"]}}
Records = Annotated[
    Any, WithJsonSchema({"anyOf": [_RECORD, {"type": "array", "items": _RECORD, "minItems": 1}]})
]
EXAMPLE = {"records": [{"age": 57, "sex": "F", "potassium": 7.9}], "alpha": 0.05}


class TableBody(Options):
    """Records to score, with earlier records of the same patients where the model reads them."""

    records: Records
    history: Records | None = None


class TabularModality:
    """Routes of records."""

    name = "tabular"

    def add_routes(self, routes: Routes, service: Service) -> None:
        """``/v1/tabular/score`` and ``/v1/tabular/explain``."""
        body = json_body(TableBody, EXAMPLE) | form_body(
            Options, {"file": ["records.csv"], "alpha": "0.05"}, "One CSV file with a header."
        )
        add_verbs(
            routes,
            self.name,
            partial(_handler, service),
            body,
            "records: JSON, a CSV file, or a FHIR Bundle.",
        )

    def warm(self, models: Models) -> None:
        """A record in which everything is missing but one number."""
        if self.name not in models.modalities:
            return
        columns = models.recipe(modality=self.name).learned.columns
        numbers = [name for name, read in columns.items() if read.column.kind == "number"]
        models.score([dict.fromkeys(numbers[:1] or list(columns)[:1], 1.0)] * 2, modality=self.name)


def _handler(service: Service, explain: bool):
    async def handle(request: Request) -> Response:
        service.need("tabular")
        limits, as_fhir = service.settings.limits, wants_fhir(request)
        if is_form(request):
            options, files = await read_form(request, Options, limits)
            found = await service.workers.run(_scored_file, service, files, options, explain, as_fhir)
            return answer_response(found, as_fhir)
        given = await read_json(request)
        if isinstance(given, dict) and "resourceType" in given:
            found = await service.workers.run(_scored_resources, service, given, explain, as_fhir)
            return answer_response(found, as_fhir)
        body = checked(TableBody, given)
        rows = records(body.records, limits)
        if not explain and not as_fhir and len(rows) == 1 and body.history is None:
            own = () if service.persistence is None else _own_ids(service, rows[0])
            quick = await service.quick("tabular", rows[0], body, own)
            if quick is not None:
                return json_response(quick)
        reading = {} if body.history is None else {"history": records(body.history, limits, "history")}
        found = await service.workers.run(_scored, service, rows, body, explain, reading, as_fhir)
        return answer_response(found, as_fhir)

    return handle


def _shown(found: Answers, as_fhir: bool) -> Any:
    # a refused record keeps its reason and its findings: they say what was probably meant
    return shown(found, lambda case: False, as_fhir)


def _own_ids(service: Service, columns: Collection[str]) -> list[str]:
    """Which ids of records and of their patients were given."""
    spec = service.need("tabular").recipe(modality="tabular").spec
    given = {CASE: spec.case_id, PATIENT: spec.patient_id}
    return [what for what, name in given.items() if name is not None and name in columns]


def _scored_resources(service: Service, given: dict, explain: bool, as_fhir: bool) -> Any:
    """Answers to a Bundle or a single resource of FHIR."""
    if service.need("tabular").recipe(modality="tabular").spec.events is None:
        raise invalid("These models read records, and no events of FHIR. Give records.")
    return _shown(service.score("tabular", given, Options(), explain, {}, [CASE, PATIENT]), as_fhir)


def _scored(
    service: Service, rows: Any, options: Options, explain: bool, reading: dict, as_fhir: bool
) -> Any:
    if service.persistence is None:
        return _shown(service.score("tabular", rows, options, explain, reading), as_fhir)
    with service.readable(anything=True):
        of_file = {name: value for name, value in reading.items() if name != "history"}
        table = as_table(rows, of_file)[0].rename(columns=lambda name: str(name).strip())
    kept = service.kept_records("tabular")
    given = {name: reading[name] for name in ("history",) if name in reading}
    # what a request says of the past is taken as it is
    earlier = None if given else service.persistence.earlier(kept, table)
    if earlier is not None:
        given = {"history": earlier}
    found = service.score(
        "tabular", table, options, explain, given, _own_ids(service, table), keep=partial(kept.keep, table)
    )
    if earlier is not None:
        note = f"{len(earlier)} earlier records of these patients came from the store"
        found = replace(found, read=replace(found.read, notes=(*found.read.notes, note)))
    return _shown(found, as_fhir)


def _scored_file(service: Service, files: list[File], options: Options, explain: bool, as_fhir: bool) -> Any:
    with tempfile.TemporaryDirectory(prefix="medanomaly-") as folder:
        path, reading = stored_table(files, Path(folder), service.settings.limits)
        return _scored(service, path, options, explain, reading, as_fhir)


def stored_table(files: list[File], folder: Path, limits: Limits) -> tuple[str, dict[str, str]]:
    """Write the one uploaded table under a name of our own: its path, and how its cells are divided.

    Raises:
        Problem: there are several files, it is no table, or it is too large.
    """
    if len(files) != 1 or files[0].suffix not in SUFFIXES:
        raise invalid(f"Give one file that ends in {', '.join(SUFFIXES)}.")
    content = files[0].content
    if content.count(b"\n") > limits.records + 1 or content.count(b"\r") > 2 * limits.records + 2:
        raise too_large(f"Give at most {limits.records:,} records.")
    head = (content[:10_000_000].splitlines() or [b""])[0]
    mark = max((b",", b";", b"\t", b"|"), key=head.count)
    if head.count(mark) >= limits.columns:
        raise too_large(f"Give at most {limits.columns:,} columns.")
    path = folder / f"records{files[0].suffix}"
    path.write_bytes(content)
    return str(path), {"sep": mark.decode()}


MODALITY = TabularModality()
