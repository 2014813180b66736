"""Configuration that is read and resolved once per session."""

from copy import deepcopy
from typing import Any

from kedro.config import OmegaConfigLoader

from medanomaly.pipelines.environment import current, session_loader


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, which remembers what it read.

    A session asks for the catalog and the parameters several times: to find out what the environment wants, to make the
    context, and to record what a run was made with. Reading and resolving the files takes longer than a small run's models.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        self._files: dict[str, tuple] = {}
        self._resolved: dict[str, dict[str, Any]] = {}
        # reads the globals
        super().__init__(*args, **kwargs)
        # a new session: its environment is read from here where no hook says it, as in Kedro-Viz, which leaves hooks out
        session_loader.set(self)
        current.set(None)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The configuration of a kind, such as ``catalog``; whoever asks gets a copy."""
        # what was set by hand is Kedro's to find, and so is what has resolvers of its own
        if key in self or key not in ("catalog", "parameters"):
            return super().__getitem__(key)
        if key not in self._resolved:
            self._resolved[key] = super().__getitem__(key)
        return deepcopy(self._resolved[key])

    def _read_raw_config(self, key: str) -> tuple:
        if key not in self._files:
            self._files[key] = super()._read_raw_config(key)
        return self._files[key]
