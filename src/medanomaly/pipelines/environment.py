"""What an environment wants: a frozen object that pipelines are built from.

It is read from the configuration of one session and belongs to that session, so that sessions of different environments can
run side by side in one process.
"""

import importlib
import keyword
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medanomaly.core.errors import ConfigurationError, did_you_mean
from medanomaly.core.models import ModelKind, kind, kinds

if TYPE_CHECKING:
    from medanomaly.pipelines.modality import Modality

# only these run on the embedded cohort without a raw entry of their own
EMBEDDED = ("base", "local")
# readers of tables that the project has in a form that leaves ids as they are written
READ_AS_WRITTEN = ("CSVDataset", "ExcelDataset", "ParquetDataset", "SQLTableDataset", "SQLQueryDataset")
RENAMED = {
    "tabular_models": "models.tabular",
    "signal_models": "models.signals",
    "imaging_models": "models.imaging",
    "risk_models": "models.tabular_risk",
    "film_risk_models": "models.imaging_risk",
    "data_processing.split": "split",
}


@dataclass(frozen=True)
class Model:
    """One model of an environment.

    Attributes:
        name: of its block, of its bundle and in every table.
        kind: what it is.
        described: whether a block of parameters describes it; otherwise it takes the kind's defaults.
    """

    name: str
    kind: ModelKind
    described: bool = True


# compared by identity: each session has its own
@dataclass(frozen=True, eq=False)
class Environment:
    """What pipelines are built for.

    Attributes:
        modalities: in the order of the report.
        cases: modality -> what its cases are: records, beats, cut_beats, windows or images.
        models: modality -> its anomaly models; ``<modality>_risk``, ``<modality>_classes`` and ``<modality>_boxes`` -> its
            supervised models.
        tuning_target: ``<modality>.<model>``; empty where none is named.
    """

    modalities: tuple[str, ...]
    cases: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, tuple[Model, ...]] = field(default_factory=dict)
    tuning_target: str = ""


# what supervised models of a modality learn; their blocks stand under models.<modality>_<this>
SUPERVISED = ("risk", "classes", "boxes")
# the environment of the session that runs in this thread or task; set when its context is made
current: ContextVar[Environment | None] = ContextVar("environment", default=None)
# the configuration of the session that was begun last in this thread or task
session_loader: ContextVar[Any] = ContextVar("session_loader", default=None)


def known_modalities() -> "dict[str, Modality]":
    """Every modality of the project by name, in the order of the report."""
    # they are built of models of an environment
    from medanomaly.pipelines.modalities import ALL

    return ALL


def read_environment(loader: Any) -> Environment:
    """The environment of a session's config loader.

    Raises:
        ConfigurationError: it names no known raw data, an unknown modality, model or kind, or a model that cannot read its
            cases.
    """
    named = loader.env or loader.default_run_env
    chosen, parameters = loader["globals"], loader["parameters"]
    own_catalog, own_parameters = _own(loader, "catalog"), _own(loader, "parameters")
    for old, new in RENAMED.items():
        block, _, key = old.partition(".")
        if block in parameters and (not key or key in (parameters[block] or {})):
            raise ConfigurationError(
                f"parameters under '{old}' are read by nothing",
                source=f"conf/{named}",
                remedy=f"Write them under {new}.",
            )
    modalities = _modalities(named, chosen.get("modalities"), own_catalog)
    catalog = loader["catalog"]
    cases = {m: _cases(m, catalog.get(f"{m}.raw") or {}) for m in modalities}
    listed, blocks = chosen.get("models") or {}, parameters.get("models") or {}
    _check_lists(listed, f"conf/{named}/globals.yml")
    own_blocks = own_parameters.get("models") or {}
    known = known_modalities()
    unknown = sorted({*listed, *blocks} - set(groups_of_models(known)))
    if unknown:
        raise ConfigurationError(
            f"models of unknown modalities {unknown}",
            source=f"conf/{named}",
            remedy=f"Known are {', '.join(known)}.",
        )
    for modality, named_blocks in blocks.items():
        _check_names(modality, named_blocks or {}, f"conf/{named}")
    models = {
        m: _models(m, cases[m], blocks.get(m) or {}, listed.get(m), own_blocks.get(m) or {}, f"conf/{named}")
        for m in modalities
    }
    models |= {
        group: tuple(Model(n, kind(_kind_name(n, b))) for n, b in blocks[group].items() if b is not None)
        for group in groups_of_models(modalities)
        if group not in models and blocks.get(group)
    }
    target = (parameters.get("tuning") or {}).get("target") or ""
    return Environment(modalities, cases, models, target)


def groups_of_models(modalities: Iterable[str]) -> list[str]:
    """Names under ``models``: each modality, and its supervised models."""
    return [group for m in modalities for group in (m, *(f"{m}_{what}" for what in SUPERVISED))]


def _check_lists(listed: Any, source: str) -> None:
    """Refuse a list of models that does not say of which modality they are."""
    lists = listed.values() if isinstance(listed, Mapping) else [None]
    if not all(isinstance(names, list) for names in lists):
        first = next(iter(known_modalities()))
        raise ConfigurationError(
            f"models is {listed!r}",
            source=source,
            remedy=f"Give a list per modality, such as models: {{{first}: [ecdf]}}.",
        )


def _check_names(modality: str, blocks: Mapping[Any, Any], source: str) -> None:
    """Refuse a model whose name cannot be that of files, parameters and arguments."""
    for name in blocks:
        if not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
            raise ConfigurationError(
                f"'{name}' is no name of a model",
                source=f"models.{modality} in {source}",
                remedy="Use letters, digits and '_', and begin with a letter.",
            )


def _own(loader: Any, key: str) -> dict[str, Any]:
    """What the files of the environment itself say, nothing of ``base``; from a folder or an archive alike."""
    from omegaconf import OmegaConf

    # several files may hold parts of one block
    merged = OmegaConf.merge({}, *loader._read_raw_config(key)[1].values())
    return OmegaConf.to_container(merged, resolve=False)


def _modalities(named: str, chosen: list[str] | None, catalog: Mapping[str, Any]) -> tuple[str, ...]:
    known = known_modalities()
    if chosen is not None:
        unknown = sorted(set(chosen) - set(known))
        if unknown or not chosen:
            raise ConfigurationError(
                f"unknown modalities {unknown}" if unknown else "modalities is an empty list",
                source=f"conf/{named}/globals.yml",
                remedy=f"Name one or more of {', '.join(known)}.",
            )
        return tuple(m for m in known if m in chosen)
    found = tuple(m for m in known if f"{m}.raw" in catalog)
    if found:
        return found
    if named in EMBEDDED:
        return tuple(known)
    keys = sorted(key for key in catalog if not key.startswith("_"))
    raise ConfigurationError(
        f"the catalog of this environment names no raw data; its keys are {keys}" if keys
        else "the catalog of this environment names no raw data: it has no entry at all",
        source=f"conf/{named}",
        remedy=f"Name one or more of {', '.join(f'{m}.raw' for m in known)}. To run on the embedded cohort with other "
        "settings, list modalities in globals.yml.",
    )  # fmt: skip


def _cases(modality: str, entry: Mapping[str, Any]) -> str:
    """What the cases are: as the entry's metadata says, else its dataset, else the first that the modality knows."""
    written = str(entry.get("type", ""))
    if written.removeprefix("kedro_datasets.") in (f"pandas.{name}" for name in READ_AS_WRITTEN):
        name = written.rpartition(".")[2]
        raise ConfigurationError(
            f"{written} reads ids as numbers, so 0012 becomes 12 and long ids lose their last digits",
            source=f"{modality}.raw",
            remedy=f"Set type: medanomaly.datasets.table.{name}; its other options are the same.",
        )
    said = (entry.get("metadata") or {}).get("cases") or _declared_by(written)
    known = known_modalities()[modality].cases
    cases = said or next(iter(known))
    if cases not in known:
        raise ConfigurationError(
            f"cases are '{cases}'",
            source=f"{modality}.raw",
            remedy=f"Known are {', '.join(known)}.",
        )
    return cases


def _declared_by(dataset: str) -> str | None:
    module, _, name = dataset.rpartition(".")
    if not module.startswith("medanomaly."):
        return None
    return getattr(getattr(importlib.import_module(module), name, None), "cases", None)


def _kind_name(name: str, block: Mapping[str, Any]) -> str:
    return block.get("kind") or name


def _models(
    modality: str,
    cases: str,
    blocks: Mapping[str, Any],
    listed: list[str] | None,
    own: Mapping[str, Any],
    source: str,
) -> tuple[Model, ...]:
    """Models of a modality: those that are listed, else every block whose kind can read the cases."""
    for name, block in blocks.items():
        if block is not None and not isinstance(block, Mapping):
            raise ConfigurationError(
                f"models.{modality}.{name} is {block!r}",
                source=source,
                remedy="Give a block, or null to leave it out.",
            )
    readable = tuple(known_modalities()[modality].cases[cases].views)
    described = {name: block for name, block in blocks.items() if block is not None}
    if listed is not None:
        known = kinds()
        unknown = [name for name in listed if name not in described and name not in known]
        if unknown:
            raise ConfigurationError(
                f"unknown models {unknown} of {modality}",
                source=f"{source}/globals.yml",
                remedy=f"{did_you_mean(unknown[0], [*described, *known])}Blocks are {sorted(described)}; a kind can be "
                f"named too: {', '.join(sorted(known))}.",
            )
        made = [
            Model(name, kind(_kind_name(name, described.get(name, {}))), name in described) for name in listed
        ]
        wrong = [model for model in made if model.kind.reads not in readable]
    else:
        made = [Model(name, kind(_kind_name(name, block))) for name, block in described.items()]
        wrong = [m for m in made if m.name in own and m.kind.reads not in readable]
        made = [model for model in made if model.kind.reads in readable]
    if wrong:
        raise ConfigurationError(
            f"'{wrong[0].name}' reads {wrong[0].kind.reads}, and cases are {cases.replace('_', ' ')}, which can be read as "
            f"{', '.join(readable)}",
            source=source,
            remedy="Leave it out, or say in the metadata of the raw entry what its cases are (cases: beats, windows, ...).",
        )
    if not made:
        raise ConfigurationError(
            f"no model of {modality} is left", source=source, remedy=f"Describe one under models.{modality}."
        )
    return tuple(made)
