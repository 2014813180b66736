"""A run whose outputs are in object storage: what it needs comes first, each output goes out once it is complete."""

from collections.abc import Mapping
from typing import Any

from kedro.framework.hooks import hook_impl

from medanomaly.core.object_storage import ObjectStorage, below
from medanomaly.run_record import path_of


class ObjectStorageHooks:
    """Outputs of the data set of a run, here and in ``globals.storage``; nothing where that is null."""

    def __init__(self):
        self._chosen: tuple[str, str] | None = None
        self._storage: ObjectStorage | None = None
        self._catalog: Any = None
        self._data_set = ""

    @hook_impl
    def after_context_created(self, context):
        """Read where the storage is."""
        chosen: Mapping[str, Any] = context.config_loader["globals"]
        given = context.config_loader.runtime_params or {}
        url = chosen.get("storage")
        self._chosen = (str(given.get("outputs") or chosen["outputs"]), str(url)) if url else None
        self._storage = None

    # before the record of the run is read, and after everything else has been written
    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params, pipeline, catalog):
        """Bring the outputs of earlier runs, of this machine or another one, that this run does not make itself."""
        if self._chosen is None:
            return
        self._storage, self._catalog = ObjectStorage(*self._chosen), catalog
        # outputs lie in <layer>/<data set>/<subset>
        report = self._relative("metrics")
        self._data_set = report.partition("/")[2].rpartition("/")[0]
        made = set()
        if not run_params.get("only_missing_outputs"):
            made = {p for name in pipeline.all_outputs() if (p := self._relative(name)) is not None}
        own = below(made)
        self._storage.pull(lambda path: self._of_data_set(path) and not own(path), within=self._data_set)

    @hook_impl
    def after_dataset_saved(self, dataset_name):
        """Send it, so that a run that is stopped goes on elsewhere."""
        if self._storage is not None and (path := self._relative(dataset_name)) is not None:
            self._storage.push(below([path]))

    @hook_impl(trylast=True)
    def after_pipeline_run(self):
        """Send what nodes wrote beside the catalog: pages, stores of images, the record of the run."""
        self._send()

    @hook_impl(trylast=True)
    def on_pipeline_error(self):
        """Send what is complete."""
        self._send()

    def _send(self) -> None:
        if self._storage is not None:
            self._storage.push(self._of_data_set)
            self._storage = None

    def _of_data_set(self, path: str) -> bool:
        return path.partition("/")[2].startswith(f"{self._data_set}/")

    def _relative(self, name: str) -> str | None:
        if name not in self._catalog:
            return None
        path = path_of(self._catalog[name])
        if path is None:
            return None
        try:
            return path.resolve().relative_to(self._storage.folder.resolve()).as_posix()
        except ValueError:
            return None
