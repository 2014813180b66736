"""Kedro project settings."""

import gc

from omegaconf.resolvers import oc

from medanomaly import plain_errors
from medanomaly.config_loader import ConfigLoader
from medanomaly.hooks import EnvironmentHooks, ProgressHooks, SummaryHooks, TrackingHooks
from medanomaly.object_storage_hooks import ObjectStorageHooks
from medanomaly.parameters import dataset_key
from medanomaly.run_record import RunRecordHooks

plain_errors.install()

# the collector looks at all objects after 700 new ones, and imports make many that stay: a tenth of a short run
gc.set_threshold(50_000, 20, 100)

HOOKS = (
    EnvironmentHooks(),
    RunRecordHooks(),
    ProgressHooks(),
    SummaryHooks(),
    TrackingHooks(),
    ObjectStorageHooks(),
)

CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # an environment changes single values; it never wipes the block they stand in. A catalog entry is replaced whole:
    # merged, it would keep arguments that belong to another type.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    "custom_resolvers": {
        "oc.env": oc.env,
        "dataset_key": dataset_key,
    },
}
