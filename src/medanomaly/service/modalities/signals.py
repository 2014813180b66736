"""Recordings: EDF, CSV, npz or WFDB files, or one recording as numbers; and live ECGs."""

import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.core.recipe import Recipe
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.models import Models
from medanomaly.service.bodies import Body, File, Options, checked, is_form, numbers, read_form, read_json
from medanomaly.service.fhir_answers import answer_response, only_json, wants_fhir
from medanomaly.service.live import add_live
from medanomaly.service.persistence import CASE, PATIENT
from medanomaly.service.problems import Problem, invalid, log, too_large, where
from medanomaly.service.routes import Routes, add_verbs, form_body, json_body, json_response
from medanomaly.service.service import Service, shown
from medanomaly.service.settings import Limits

SINGLE = (".edf", ".bdf", ".csv", ".tsv", ".txt", ".npz")
# as many values of a strip as a screen can show
STRIP_HZ, STRIP_VALUES = 125.0, 60_000
WARM_S = 30.0
Samples = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1},
                {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1},
                    "minItems": 1,
                },
            ]
        }
    ),
]
EXAMPLE = {"signal": [[0.01, 0.02], [0.03, 0.01]], "fs": 360, "leads": ["MLII", "V1"], "units": "mV"}


class SignalOptions(Options):
    """What may be asked of recordings."""

    fs: float | None = Field(None, gt=0, le=1e6, description="Samples per second, where the data do not say.")
    leads: list[str] | None = Field(None, max_length=64, description="Names of the leads.")
    units: str | None = Field(None, max_length=20, description="Unit of the leads, such as mV.")
    normal_until: int | None = Field(
        None, gt=0, le=10**12, description="Sample at which the normal beginning of a long series ends."
    )
    strip: bool = Field(False, description="Whether the first lead comes with the answer, to draw it.")


class SignalBody(SignalOptions):
    """One recording as numbers."""

    signal: Samples
    record: str | None = Field(None, max_length=100, description="Name of the recording in the answer.")


class SignalsModality:
    """Routes of recordings, and the live ECG."""

    name = "signals"

    def add_routes(self, routes: Routes, service: Service) -> None:
        """``/v1/signals/score``, ``/v1/signals/explain`` and ``/v1/signals/live``."""
        body = form_body(
            SignalOptions,
            {"file": ["100.hea", "100.dat"], "strip": "true"},
            "Recordings: EDF, BDF, CSV, npz, or .hea with .dat.",
        ) | json_body(SignalBody, EXAMPLE)
        summary = "the beats or windows of recordings: files, or numbers."
        add_verbs(routes, self.name, partial(_handler, service), body, summary)
        add_live(routes, service)

    def warm(self, models: Models) -> None:
        """A regular ECG, or a sine."""
        if self.name not in models.modalities:
            return
        recipe = models.recipe(modality=self.name)
        kind = recipe.bundle.manifest.kind
        if kind == "beat_recipe":
            models.score(regular_ecg(360.0, WARM_S), modality=self.name, fs=360.0)
        elif kind == "cut_beat_recipe":
            models.score(np.sin(np.linspace(0, 6, 2 * recipe.n_points)).reshape(2, -1), modality=self.name)
        else:
            wave = np.sin(np.arange(4000) / 10)
            models.score(wave, modality=self.name, normal_until=2000)


def regular_ecg(fs: float, seconds: float) -> np.ndarray:
    """(n,) an R peak and a T wave every 0.8 s, in mV."""
    t = np.arange(round(fs * seconds)) / fs % 0.8
    return np.exp(-(((t - 0.2) / 0.012) ** 2)) + 0.25 * np.exp(-(((t - 0.45) / 0.05) ** 2))


def _handler(service: Service, explain: bool):
    async def handle(request: Request) -> Response:
        service.need("signals")
        as_fhir = wants_fhir(request)
        if is_form(request):
            options, given = await read_form(request, SignalOptions, service.settings.limits)
        else:
            options = given = checked(SignalBody, await read_json(request))
            if not explain and not as_fhir and _one_beat(service, given.signal):
                quick = await service.quick("signals", numbers(given.signal, "signal"), given)
                if quick is not None:
                    return json_response(quick | ({"strips": []} if given.strip else {}))
        only_json(as_fhir, strip=options.strip)
        found = await service.workers.run(_scored, service, given, options, explain, as_fhir)
        return answer_response(found, as_fhir)

    return handle


def _one_beat(service: Service, signal: Any) -> bool:
    """Whether this is one beat that was cut out."""
    n_points = getattr(service.models.recipe(modality="signals"), "n_points", None)
    return isinstance(signal, list) and len(signal) == n_points


def _scored(service: Service, given: Any, options: SignalOptions, explain: bool, as_fhir: bool) -> Any:
    if isinstance(given, Body):
        found = score_array(service, given, explain)
    else:
        with tempfile.TemporaryDirectory(prefix="medanomaly-") as folder:
            found = score_files(service, given, options, explain, Path(folder))
    beats = set(found.read.names)
    # uploads go by names of our own
    named = isinstance(given, SignalBody) and given.record is not None
    found = replace(found, read=replace(found.read, named=named))
    out = shown(found, lambda case: case not in beats and ":" not in case, as_fhir)
    if options.strip:
        out["strips"] = _strips(found)
    return out


def score_array(service: Service, body: SignalBody, explain: bool) -> Answers:
    """Answers to a recording that came as numbers."""
    signal, limits = numbers(body.signal, "signal"), service.settings.limits
    if signal.ndim > 2:
        raise invalid("signal has to be a list of samples, or of lists with one value per lead.")
    kind = service.need("signals").recipe(modality="signals").bundle.manifest.kind
    # of beats that were cut out, each is a row
    leads = signal.shape[1] if signal.ndim == 2 and kind != "cut_beat_recipe" else 1
    if signal.size > limits.samples or leads > limits.leads:
        raise too_large(f"Give at most {limits.samples:,} values and {limits.leads} leads.")
    if kind == "cut_beat_recipe":
        return service.score("signals", signal, body, explain)
    named = {"record": body.record or "recording"}
    own = () if body.record is None else (CASE, PATIENT)
    return service.score("signals", signal, body, explain, _reading(kind, body) | named, own)


def _reading(kind: str, options: SignalOptions) -> dict[str, Any]:
    """Options of the recipe that were given."""
    names = ["fs", "leads", "units"] + (["normal_until"] if kind == "series_recipe" else [])
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def score_files(
    service: Service, files: list[File], options: SignalOptions, explain: bool, folder: Path
) -> Answers:
    """Answers to recordings that came as files; ``folder`` is empty, and holds them meanwhile."""
    from medanomaly.signals.recordings.recording_set import RecordingSet

    recipe = service.need("signals").recipe(modality="signals")
    kind = recipe.bundle.manifest.kind
    if kind == "cut_beat_recipe":
        raise invalid("These models take beats that were cut out, as JSON, and no files.")
    paths = stored(files, folder, service.settings.limits)
    reading = _reading(kind, options)
    until = {"normal_until": reading.pop("normal_until")} if "normal_until" in reading else {}
    readers = {
        name: _reader(recipe, path, name, reading, service.settings.limits) for name, path in paths.items()
    }
    patients = {name: name for name in readers}
    return service.score("signals", RecordingSet("upload", readers, patients), options, explain, until)


def _reader(recipe: Recipe, path: Path, name: str, reading: dict, limits: Limits) -> Callable[[], Any]:
    def read() -> Any:
        try:
            (found,) = [recording for _, recording in recipe.recordings(path, **reading).each()]
            if isinstance(found, MedanomalyError):
                raise found
            if found.signal.size > limits.samples or found.signal.shape[1] > limits.leads:
                raise InputError("too many samples or leads")
        except MedanomalyError:
            raise
        # a damaged file costs only itself
        except Exception as error:
            log.warning("a recording failed: %s", where(error))
            raise InputError("the file is damaged") from None
        return replace(found, record=name, patient_id=name, attributes=_without_comments(found.attributes))

    return read


def _without_comments(attributes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if name in ("sex", "age", "train_end")}


def stored(files: list[File], folder: Path, limits: Limits) -> dict[str, Path]:
    """Write uploads under names of our own.

    Args:
        files: recordings; a header comes with the files that it names.
        folder: empty.
        limits: of an upload.

    Returns:
        Name of each recording -> its file.

    Raises:
        Problem: a file is of no known kind, a header names a file that is not there, or an npz file is a bomb.
    """
    found: dict[str, Path] = {}
    data = {file.name: file for file in files if file.suffix == ".dat"}
    for file in files:
        if file.suffix == ".dat":
            continue
        number = len(found) + 1
        name = "recording" if number == 1 else f"recording {number}"
        stem = name.replace(" ", "_")
        if file.suffix == ".hea":
            _store_wfdb(file, data, folder, stem)
        elif file.suffix in SINGLE:
            if file.suffix == ".npz":
                _refuse_bomb(file.content, limits)
            (folder / f"{stem}{file.suffix}").write_bytes(file.content)
        else:
            raise invalid(f"Recordings end in {', '.join(SINGLE)}, or are a .hea file with its .dat files.")
        found[name] = folder / f"{stem}{file.suffix}"
    if not found:
        raise invalid("A .dat file needs the .hea file that describes it.")
    return found


def _store_wfdb(header: File, data: dict[str, File], folder: Path, stem: str) -> None:
    """Write a header in which the names of record and files are our own, and the files."""
    if len(header.content) > 2**20:
        raise too_large("A header has at most 1 MiB.")
    lines = header.content.decode("utf-8", errors="replace").splitlines()
    at = [i for i, line in enumerate(lines) if line.split() and not line.startswith("#")]
    words = lines[at[0]].split() if at else []
    if len(words) < 2 or "/" in words[0]:
        raise invalid(
            "The header has no record line, or is that of a record in segments, which is not supported."
        )
    out, names = [" ".join([stem, *words[1:]])], {}
    for i in at[1:]:
        name, _, rest = lines[i].strip().partition(" ")
        if name not in data or not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
            raise invalid("The header names a file that was not sent with it.")
        own = names.setdefault(name, f"{stem}_{len(names) + 1}.dat")
        out.append(f"{own} {rest}")
    # comments may hold age and sex, and the name of a person: the models read none of them
    (folder / f"{stem}.hea").write_text("\n".join(out) + "\n", "utf-8")
    for name, own in names.items():
        (folder / own).write_bytes(data[name].content)


def _refuse_bomb(content: bytes, limits: Limits) -> None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Problem(
            422, "unreadable-data", "The data cannot be used: it is no readable npz file."
        ) from error
    if size > 8 * limits.samples:
        raise too_large(f"The arrays of an npz file may hold {limits.samples:,} values.")


def _strips(found: Answers) -> list[dict[str, Any]]:
    """The first lead of each recording, with fewer samples where it has many, and where its beats are."""
    for reads in ("recordings", "series"):
        if reads in found.read.inputs:
            raw = found.read.inputs[reads].inputs.raw
            break
    else:
        return []
    strips = []
    for name in list(raw)[:8]:
        recording = raw[name]
        step = max(1, int(recording.fs // STRIP_HZ), -(-recording.n_samples // STRIP_VALUES))
        lead = np.asarray(recording.signal[:, 0], dtype=np.float64)[::step]
        strips.append(
            {
                "record": name,
                "lead": recording.leads[0],
                "unit": recording.units[0],
                "fs": recording.fs,
                "step": step,
                "samples": [round(x, 4) if np.isfinite(x) else None for x in lead.tolist()],
            }
        )
    return strips


MODALITY = SignalsModality()
