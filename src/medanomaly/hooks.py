"""Hooks: progress while a pipeline runs, a summary when it ends, and what trackers are sent."""

import logging
import sys
import time
from pathlib import Path

from kedro.framework.hooks import hook_impl

logger = logging.getLogger(__name__)


class EnvironmentHooks:
    """Say which environment the session runs in, before its pipelines are built."""

    @hook_impl
    def after_context_created(self, context):
        """Read it from the session's own configuration, after the names that are written there."""
        from medanomaly.pipeline_registry import register_pipelines
        from medanomaly.pipelines.environment import current, known_modalities, read_environment
        from medanomaly.pipelines.parameter_names import (
            check_names,
            check_settings,
            read_written,
            typed_blocks,
        )

        loader = context.config_loader
        written = read_written(loader)
        check_names(written, known_modalities())
        current.set(read_environment(loader))
        check_settings(written, typed_blocks(register_pipelines()))


class ProgressHooks:
    """One line a node: which of how many, and how long it took."""

    def __init__(self):
        self._total = self._done = 0
        self._started = 0.0

    @hook_impl
    def before_pipeline_run(self, pipeline):
        """Count the nodes."""
        self._total, self._done = len(pipeline.nodes), 0

    @hook_impl
    def before_node_run(self, node):
        """Say what starts."""
        self._started = time.perf_counter()
        logger.info("[%d/%d] %s ...", self._done + 1, self._total, node.name)

    @hook_impl
    def after_node_run(self, node):
        """Say how long it took."""
        self._done += 1
        elapsed = time.perf_counter() - self._started
        if elapsed >= 1:
            logger.info("[%d/%d] %s took %.1f s", self._done, self._total, node.name, elapsed)


class SummaryHooks:
    """A table of the models at the end, and where the report is."""

    @hook_impl
    def before_pipeline_run(self):
        """Let a terminal that lacks a letter or a dash show a question mark there: the run must not end because of it."""
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")

    @hook_impl
    def after_pipeline_run(self, pipeline, catalog):
        """Print what this run measured."""
        made = pipeline.all_outputs()
        parts = [
            "",
            *sorted(
                f"{name.partition('.')[0]}."
                for name in made
                if name.endswith(("_risk.metrics", "_classes.metrics", "_boxes.metrics"))
            ),
        ]
        for part in parts:
            title = part.strip(".").replace("_", " ").capitalize()
            if f"{part}metrics" in made:
                _print_summary(catalog, f"{part}metrics", f"{title}, test cases" if title else "Test cases")
            if f"{part}report" in made:
                page = Path(catalog[f"{part}report"]._filepath)
                sys.stdout.write(f"{title} report: {page}\n" if title else f"Report: {page}\n")
        if "patients.report" in made:
            sys.stdout.write(f"Patients: {Path(catalog['patients.report']._filepath)}\n")


class TrackingHooks:
    """Send what a run measured to W&B, and to MLflow where its plugin has started a run."""

    @hook_impl
    def after_node_run(self, inputs, outputs):
        """Metrics to MLflow while its run is open."""
        mlflow = sys.modules.get("mlflow")
        if "metrics" not in outputs or mlflow is None or mlflow.active_run() is None:
            return
        from medanomaly.tracking.results import git_commit, metric_values

        about = {"dataset": _plain(inputs["params:run"])["dataset"], "git_commit": git_commit(Path.cwd())}
        mlflow.set_tags({name: value for name, value in about.items() if value})
        mlflow.log_metrics(metric_values(outputs["metrics"]))

    @hook_impl
    def after_pipeline_run(self, run_params, pipeline, catalog):
        """Metrics, figures and bundles to W&B; a tracker that fails costs its own log, never the run."""
        if not {"metrics", "comparisons", "figures"} <= pipeline.all_outputs():
            return
        from medanomaly.tracking.params import TrackingParams
        from medanomaly.tracking.wandb_runs import active_mode

        params = TrackingParams.model_validate(_plain(catalog["params:tracking"].load())).wandb
        if active_mode(params) == "disabled":
            return
        try:
            _log_to_wandb(params, run_params, pipeline, catalog)
        except Exception as error:
            logger.warning("Nothing was logged to W&B: %s", error, exc_info=True)
        else:
            sys.stdout.write(f"W&B: {active_mode(params)}, {params.folder}\n")


def _log_to_wandb(params, run_params, pipeline, catalog):
    from medanomaly.tracking.results import git_commit
    from medanomaly.tracking.wandb_runs import log_results, wandb_run

    run = _plain(catalog["params:run"].load())
    entries = [catalog[name] for name in sorted(pipeline.datasets()) if name.endswith(".bundle")]
    bundles = {entry.folder: entry.load() for entry in entries}
    manifests = {f"{b.manifest['modality']}.{b.manifest['name']}": b.manifest for b in bundles.values()}
    about = {
        "name": run["dataset"],
        "job_type": "pipeline",
        "tags": [run["dataset"]],
        "config": {
            "run": run,
            "alarm": _plain(catalog["params:alarm"].load()),
            "environment": run_params.get("env"),
            "git_commit": git_commit(Path.cwd()),
            "training_data": {
                name: m.get("training_data", {}).get("fingerprint") for name, m in manifests.items()
            },
            "options": {name: m.get("options", {}) for name, m in manifests.items()},
        },
    }
    with wandb_run(params, **about) as tracked:
        log_results(
            tracked,
            params,
            catalog["metrics"].load(),
            catalog["comparisons"].load(),
            catalog["figures"].load(),
            bundles,
        )


def _plain(block):
    return block if isinstance(block, dict) else block.model_dump()


def _print_summary(catalog, name, title):
    """The best model and baseline of a metrics table, where the others are, and what the audit says of them."""
    from rich.console import Console
    from rich.table import Table

    from medanomaly.pipelines.environment import current
    from medanomaly.pipelines.modalities import leading_models
    from medanomaly.reporting.summary import audit_lines, summary_rows

    metrics = catalog[name].load()
    environment = current.get()
    defaults = leading_models(environment) if environment is not None else {}
    rows = summary_rows(metrics, catalog["params:alarm"].load().alpha, defaults)
    if not rows:
        return
    table = Table(title=title)
    for column in rows[0]:
        table.add_column(column, justify="left" if column in ("modality", "model") else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
    for line in audit_lines(catalog["audit"].load()) if name == "metrics" else ():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"All models and baselines: {Path(catalog[name]._filepath)}\n")
