"""What the outputs of a folder were made with, so that outputs of different settings are never mixed.

Beside the report lies ``.made.json``: for every output the hash of each block of parameters, and the state of the raw
files, that it depends on. It is written once the output is complete. A run that reads such outputs under other settings is
refused. ``--only-missing-outputs`` makes again what was made with other settings or was not written to the end. A lock
keeps a second run out of the folder.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from kedro.framework.hooks import hook_impl

from medanomaly.core.errors import ConfigurationError

logger = logging.getLogger(__name__)

RECORD, LOCK = ".made.json", ".lock"
# what changes no output, and where the folder lies; what a night writes has its day in its name
_IGNORED = ("params:tracking", "params:nightly")
_IGNORED_KEYS = {"params:run": ("checkpoints",)}
# more files of a raw folder are not looked at
MOST_FILES = 20_000


@dataclass
class Outputs:
    """The outputs of one data set while a run writes them.

    Attributes:
        folder: of the report.
        now: hash or state of every block of parameters and raw dataset of the run.
        made: dataset -> the same, as it was when the dataset was made.
        since: when the first record of the folder was written, s; older outputs without an entry are of unknown settings.
        lock: held while the run goes on.
    """

    folder: Path
    now: dict[str, str] = field(default_factory=dict)
    made: dict[str, dict[str, str]] = field(default_factory=dict)
    since: float = field(default_factory=time.time)
    lock: FileLock | None = None

    def differs(self, dataset: str) -> list[str]:
        """What the dataset was made with that is different now."""
        return sorted(name for name, was in self.made[dataset].items() if self.now.get(name, was) != was)

    def save(self) -> None:
        """Write the record, whole or not at all."""
        path = self.folder / RECORD
        beside = path.with_suffix(".tmp")
        beside.write_text(json.dumps({"since": self.since, "made": self.made}, indent=0, sort_keys=True))
        os.replace(beside, path)


class RunRecordHooks:
    """Keep the record of the running session."""

    def __init__(self):
        self._parameters: ContextVar[Mapping[str, Any]] = ContextVar("parameters")
        # a runner with threads of its own starts them without the context of the session
        self._latest: Outputs | None = None
        self._current: ContextVar[Outputs | None] = ContextVar("outputs", default=None)

    @hook_impl
    def after_context_created(self, context):
        """Keep the parameters as they are written: whether a run validates a block, and so fills in defaults, varies."""
        self._parameters.set(context.config_loader["parameters"])

    @hook_impl
    def before_pipeline_run(self, run_params, pipeline, catalog):
        """Lock the folder; refuse inputs that were made with other settings, remove outputs that were."""
        folder = Path(catalog["metrics"]._filepath).parent
        folder.mkdir(parents=True, exist_ok=True)
        outputs = Outputs(folder, lock=FileLock(folder / LOCK))
        try:
            outputs.lock.acquire(timeout=0)
        except Timeout:
            raise ConfigurationError(
                "another run writes to this folder",
                source=folder,
                remedy="Wait for it, or give this one a folder of its own: --params outputs=...",
            ) from None
        self._latest = outputs
        self._current.set(outputs)
        try:
            known = _read(folder / RECORD)
            if known is not None:
                outputs.made, outputs.since = known
            outputs.now = {name: self._state(name, catalog) for name in _settings_of(pipeline, outputs.made)}
            if known is None and _inputs(pipeline, catalog):
                logger.warning(
                    "Nothing says with which settings the outputs in %s were made; they are taken as they are.",
                    folder,
                )
            elif known is not None:
                _check_inputs(outputs, pipeline, catalog)
            if run_params.get("only_missing_outputs"):
                _remove_stale(outputs, pipeline, catalog)
        except BaseException:
            outputs.lock.release()
            raise

    @hook_impl
    def before_dataset_saved(self, dataset_name):
        """Forget how the file was made before: until it is complete again, it is none of a run's."""
        outputs = self._current.get() or self._latest
        if outputs is not None and outputs.made.pop(dataset_name, None) is not None:
            outputs.save()

    @hook_impl
    def after_dataset_saved(self, dataset_name, node):
        """Note what it was made with."""
        outputs = self._current.get() or self._latest
        if outputs is None:
            return
        made: dict[str, str] = {}
        for name in node.inputs:
            if name in outputs.now:
                made[name] = outputs.now[name]
            else:
                made |= outputs.made.get(name, {})
        outputs.made[dataset_name] = made
        outputs.save()

    @hook_impl
    def after_pipeline_run(self):
        """Let others in."""
        self._release()

    @hook_impl
    def on_pipeline_error(self):
        """Let others in."""
        self._release()

    def _state(self, name: str, catalog: Any) -> str:
        if not name.startswith("params:"):
            return _file_state(catalog[name]) if name in catalog else ""
        value: Any = self._parameters.get()
        for key in name.removeprefix("params:").split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, Mapping):
            value = {key: of for key, of in value.items() if key not in _IGNORED_KEYS.get(name, ())}
        return _hash(json.dumps(value, sort_keys=True, default=str))

    def _release(self):
        outputs = self._current.get() or self._latest
        if outputs is not None and outputs.lock is not None:
            outputs.lock.release()


def _read(path: Path) -> tuple[dict[str, dict[str, str]], float] | None:
    try:
        found = json.loads(path.read_text())
        return found["made"], found["since"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _settings_of(pipeline: Any, made: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Blocks of parameters and raw datasets of a run, and those that earlier outputs depend on."""
    of_run = {name for name in pipeline.inputs() if name.startswith("params:") or _is_raw(name)}
    return {name for name in of_run.union(*made.values()) if name not in _IGNORED}


def _is_raw(name: str) -> bool:
    # what a study found is read like raw data: its content counts, and not how the study was set
    return name.endswith((".raw", ".knowledge", ".best_parameters"))


def _file_state(dataset: Any) -> str:
    """How a raw dataset is read, and names, sizes and times of its files, wherever they lie."""
    options, files = {}, []
    for key, value in dataset._describe().items():
        path = Path(str(value)) if key in ("filepath", "folder", "url") else None
        if path is None:
            options[key] = value
        elif getattr(dataset, "_protocol", "file") != "file":
            # in object storage: its address, size and time or entity tag
            known = dataset._fs.exists(str(value))
            options[key] = [str(value), dataset._fs.ukey(str(value)) if known else None]
        elif path.is_file():
            files.append(path)
        elif path.is_dir():
            files += sorted(p for p in path.rglob("*") if p.is_file())[:MOST_FILES]
    seen = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return _hash(json.dumps([options, seen], sort_keys=True, default=str))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _inputs(pipeline: Any, catalog: Any) -> list[str]:
    """Outputs of earlier runs that a run reads."""
    inputs = sorted(pipeline.inputs())
    return [n for n in inputs if not n.startswith("params:") and not _is_raw(n) and n in catalog]


def _check_inputs(outputs: Outputs, pipeline: Any, catalog: Any) -> None:
    for name in _inputs(pipeline, catalog):
        if name not in outputs.made:
            path = path_of(catalog[name])
            if catalog[name].exists() and path is not None and path.stat().st_mtime > outputs.since:
                raise ConfigurationError(
                    f"'{name}' was not written to the end, or not by a run",
                    source=outputs.folder,
                    remedy="Run the pipeline that makes it, or add --only-missing-outputs to a whole run.",
                )
            continue
        if differs := outputs.differs(name):
            raise ConfigurationError(
                f"'{name}' was made with other {_words(differs)} than this run has",
                source=outputs.folder,
                remedy="Run the whole pipeline, or give this run a folder of its own: --params outputs=...",
            )


def _remove_stale(outputs: Outputs, pipeline: Any, catalog: Any) -> None:
    # two levels up: outputs, 08_reporting, the data set
    whole, again, why = outputs.folder.parents[1].resolve(), [], set()
    for name in sorted(pipeline.all_outputs()):
        if name not in catalog or not catalog[name].exists():
            continue
        differs = outputs.differs(name) if name in outputs.made else ["the process that stopped"]
        path = path_of(catalog[name])
        if not differs or path is None or not path.resolve().is_relative_to(whole):
            continue
        again.append(name)
        why |= set(differs)
        outputs.made.pop(name, None)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if again:
        outputs.save()
        logger.info("%d outputs are made again, because of %s", len(again), _words(sorted(why)))


def path_of(dataset: Any) -> Path | None:
    """The file or folder of a dataset; None where it has none."""
    path = getattr(dataset, "_filepath", None) or getattr(dataset, "folder", None)
    return None if path is None else Path(path)


def _words(names: list[str]) -> str:
    return ", ".join(name.removeprefix("params:") for name in names)
