"""Refuse names of parameters that nothing reads, with the name that was probably meant.

A misspelt setting would otherwise be ignored, and the run would look as if it had been followed.
"""

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Union, get_args, get_origin

from omegaconf import OmegaConf
from pydantic import BaseModel

from medanomaly.core.errors import ConfigurationError, did_you_mean
from medanomaly.core.models import kind, kinds
from medanomaly.pipelines.environment import RENAMED, groups_of_models

_OF_THE_COMMAND_LINE = re.compile(r"runtime_params:\s*([\w.]+)")
COMMAND_LINE = "--params"


@dataclass(frozen=True)
class Written:
    """Parameters as they were written, before references are resolved.

    Attributes:
        base: of the files of ``base``.
        own: of the environment's own files.
        given: on the command line.
        named: the environment's own files, for messages.
        loader: the session's config loader.
    """

    base: Mapping[str, Any]
    own: Mapping[str, Any]
    given: Mapping[str, Any]
    named: str
    loader: Any

    @cached_property
    def files(self) -> dict[str, Any]:
        """What all files say."""
        return _merged(self.base, self.own)

    @cached_property
    def references(self) -> list[str]:
        """Names that files take from the command line: ``${runtime_params:outputs, ...}``."""
        files = [f for key in ("parameters", "catalog") for of in _files(self.loader, key) for f in of]
        return _OF_THE_COMMAND_LINE.findall(
            "\n".join(OmegaConf.to_yaml(file, resolve=False) for file in files)
        )


def read_written(loader: Any) -> Written:
    """Parameters of a session, as its config loader finds them."""
    # several files may hold parts of one block
    base, own = (
        _merged(*(OmegaConf.to_container(file, resolve=False) for file in files))
        for files in _files(loader, "parameters")
    )
    named = f"conf/{loader.env or loader.default_run_env}"
    return Written(base, own, loader.runtime_params or {}, named, loader)


def _files(loader: Any, key: str) -> list[list[Any]]:
    """Contents of the files of ``base``, and of the environment's own; from a folder or an archive alike."""
    return [list(files.values()) for files in loader._read_raw_config(key)[:2]]


def check_names(written: Written, modalities: Iterable[str]) -> None:
    """Refuse unknown blocks, modalities, models and tables, on the command line and in the environment's own files.

    A file may hold blocks of its own, which other values refer to. One is taken for misspelt only if its name is nearly
    that of a known block.

    Args:
        written: parameters of a session.
        modalities: that models can be of; each has supervised models too.

    Raises:
        ConfigurationError: a name is read by nothing; the remedy says the nearest one.
    """
    # environments say where these belong now
    renamed = {name.partition(".")[0] for name in RENAMED}
    for name in written.own:
        if name not in (*written.base, *renamed) and did_you_mean(name, written.base):
            raise _unknown(name, [], written.base, written.named)
    known, given = written.files, written.given
    for name in given:
        if name not in known and name not in written.references:
            raise _unknown(name, [], [*known, *written.references], COMMAND_LINE)
    tables = _mapping(_at(known, "data_processing.tables"))
    for name in _mapping(_at(given, "data_processing.tables")):
        if name not in tables:
            raise _unknown(name, ["data_processing", "tables"], tables, COMMAND_LINE)
    models = groups_of_models(modalities)
    for modality, blocks in _mapping(given.get("models")).items():
        if modality not in models:
            raise _unknown(modality, ["models"], models, COMMAND_LINE)
        described = _mapping(_at(known, f"models.{modality}"))
        for name, block in _mapping(blocks).items():
            further = _mapping(block).get("kind") or (block is not None and name in kinds())
            if name not in described and not further:
                raise _unknown(name, ["models", modality], described, COMMAND_LINE)


def check_settings(written: Written, typed: Mapping[str, Any]) -> None:
    """Refuse unknown settings inside blocks, on the command line and in the environment's own files.

    Args:
        written: parameters of a session.
        typed: path of a block of parameters -> its class.

    Raises:
        ConfigurationError: a setting does not exist; the remedy says the nearest one.
    """
    classes = dict(typed) | _classes_of_models(_merged(written.files, written.given))
    for tree, source in ((written.own, written.named), (written.given, COMMAND_LINE)):
        for path, of in classes.items():
            _check(_at(tree, path), path.split("."), of, source)
    _check_untyped(written.given, written.files, [], classes)


def typed_blocks(pipelines: Mapping[str, Any]) -> dict[str, Any]:
    """Path of each block of parameters that pipelines read -> its class."""
    from kedro.validation.type_extractor import TypeExtractor

    return TypeExtractor(dict(pipelines)).extract_types_from_pipelines()


def _classes_of_models(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Path of each block of a model -> the class of its kind; a model that is not trained has one too."""
    found, known = {}, kinds()
    for modality, blocks in _mapping(tree.get("models")).items():
        for name, block in _mapping(blocks).items():
            of = _mapping(block).get("kind") or name
            if of in known:
                found[f"models.{modality}.{name}"] = kind(of).params
    return found


def _check(value: Any, path: Sequence[str], of: Any, source: str) -> None:
    """Walk a value along the class that it is to become."""
    of = _inner(of)
    arguments = get_args(of)
    if isinstance(of, type) and issubclass(of, BaseModel) and isinstance(value, Mapping):
        for name, below in value.items():
            if name not in of.model_fields:
                raise _unknown(name, path, of.model_fields, source)
            _check(below, [*path, name], of.model_fields[name].annotation, source)
    elif isinstance(value, Mapping) and len(arguments) == 2 and issubclass(get_origin(of), Mapping):
        for name, below in value.items():
            _check(below, [*path, str(name)], arguments[1], source)
    elif isinstance(value, list) and arguments and get_origin(of) in (list, tuple):
        for i, below in enumerate(value):
            _check(below, [*path, str(i)], arguments[0], source)


def _inner(of: Any) -> Any:
    """What is not None in an optional class; None where there are several."""
    if get_origin(of) in (Union, types.UnionType):
        others = [one for one in get_args(of) if one is not type(None)]
        return others[0] if len(others) == 1 else None
    return of


def _check_untyped(given: Any, known: Any, path: list[str], typed: Mapping[str, Any]) -> None:
    """Of a block that this environment's pipelines do not read, the files say which settings there are."""
    if (
        ".".join(path) in typed
        or not isinstance(given, Mapping)
        or not isinstance(known, Mapping)
        or not known
    ):
        return
    for name, below in given.items():
        # the names of blocks and of models were checked before
        if name in known:
            _check_untyped(below, known[name], [*path, name], typed)
        elif path and path[0] != "models":
            raise _unknown(name, path, known, COMMAND_LINE)


def _unknown(name: str, path: Sequence[str], known: Iterable[str], source: str) -> ConfigurationError:
    where = ".".join([*path, str(name)])
    near = did_you_mean(str(name), map(str, known))
    return ConfigurationError(
        f"{where}: there is no setting of this name",
        source=source,
        remedy=f"{near}Known are {', '.join(sorted(map(str, known)))}.",
    )


def _merged(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """Trees in which later values replace earlier ones, block by block."""
    out: dict[str, Any] = {}
    for tree in trees:
        for name, value in tree.items():
            both = isinstance(value, Mapping) and isinstance(out.get(name), Mapping)
            out[name] = _merged(out[name], value) if both else value
    return out


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = _mapping(tree).get(name)
    return tree
