"""Which modalities a run is wired for.

An environment names them in ``globals.yml``; a hook passes them on before any pipeline is built, so that an environment of
signals alone needs neither tables nor images.
"""

from collections.abc import Mapping, Sequence

from medanomaly.core.errors import ConfigurationError

# what a case is called in a sentence
NOUNS = {"tabular": "record", "signals": "beat", "imaging": "image"}
MODALITIES = ("tabular", "signals", "imaging")

_active = MODALITIES
_target = ""
_models: dict[str, tuple[str, ...]] = {}


def active_modalities() -> tuple[str, ...]:
    """Names of the modalities that pipelines are built for, in the order of the report."""
    return _active


def tuning_target() -> str:
    """``<modality>.<model>`` that the tuning pipeline is built for; empty before an environment was read."""
    return _target


def tune(target: str) -> bool:
    """Build the tuning pipeline for this target from now on; returns whether anything changed."""
    global _target
    before, _target = _target, target
    return _target != before


def active_models(
    modality: str, known: tuple[str, ...], usual: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """Models of a modality that pipelines are built for: those that the environment names, else the usual ones, else all.

    Raises:
        ConfigurationError: a name is unknown.
    """
    names = _models.get(modality, known if usual is None else usual)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigurationError(
            f"unknown models {unknown} of {modality}",
            source="globals.yml",
            remedy=f"Known are {list(known)}.",
        )
    return names


def choose_models(names: Mapping[str, Sequence[str]] | None) -> bool:
    """Build pipelines for these models of each modality from now on; returns whether anything changed."""
    global _models
    before, _models = _models, {modality: tuple(models) for modality, models in (names or {}).items()}
    return _models != before


def activate(names: list[str] | tuple[str, ...] | None) -> bool:
    """Build pipelines for these modalities from now on; None: for all.

    Returns:
        Whether anything changed, so that pipelines that were built must be built anew.

    Raises:
        ConfigurationError: a name is unknown, or there is none.
    """
    global _active
    names = MODALITIES if names is None else tuple(names)
    unknown = sorted(set(names) - set(MODALITIES))
    if unknown or not names:
        raise ConfigurationError(
            f"modalities are {list(names)}" if not unknown else f"unknown modalities {unknown}",
            source="globals.yml",
            remedy=f"Name one or more of {', '.join(MODALITIES)}.",
        )
    before, _active = _active, tuple(name for name in MODALITIES if name in names)
    return _active != before
