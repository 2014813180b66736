"""The application as a function of AWS Lambda, behind API Gateway, a function URL or a load balancer.

Lambda starts the function, gives it one event at a time, and freezes it between events. So the models are opened and warmed
while it starts, and nothing is left to a background task: an answer that goes into a store is given once it is there.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from mangum import Mangum

from medanomaly.core.errors import ConfigurationError
from medanomaly.scoring.models import open_models
from medanomaly.service.app import create_app
from medanomaly.service.settings import Settings

MODELS, KEYS, STORE = "MEDANOMALY_MODELS", "MEDANOMALY_KEYS", "MEDANOMALY_STORE"
KEEP_RECORDS, BASE_PATH = "MEDANOMALY_KEEP_RECORDS", "MEDANOMALY_BASE_PATH"
# what is text to us; other answers go out as base64
TEXT_TYPES = ["text/", "application/json", "application/problem+json"]


def handler_of(environment: Mapping[str, str]) -> Mangum:
    """The handler that Lambda calls with an event and a context.

    Args:
        environment: ``MEDANOMALY_MODELS`` (folder of the models) and ``MEDANOMALY_KEYS`` (file of API keys) are needed.
            ``MEDANOMALY_STORE`` (URL of the store of predictions), ``MEDANOMALY_KEEP_RECORDS`` (``1``) and
            ``MEDANOMALY_BASE_PATH`` (what API Gateway puts before every path, such as ``/prod``) may be given.

    Raises:
        ConfigurationError: something of it is missing or does not fit.
        DataNotFoundError: there is no such folder, or no bundle in it.
        BundleError: a bundle was altered.
    """
    for name in (MODELS, KEYS):
        if not environment.get(name):
            raise ConfigurationError(
                f"the environment variable {name} is not set",
                remedy="Give the folder of the models."
                if name == MODELS
                else "Anybody could ask: give a file of API keys.",
            )
    settings = Settings(
        # not a loopback address: without keys it does not start
        host="0.0.0.0",
        keys=Path(environment[KEYS]),
        store=environment.get(STORE) or None,
        keep_records=environment.get(KEEP_RECORDS) == "1",
    )
    models = open_models(environment[MODELS])
    app = create_app(models, settings)
    app.state.service.warm(models)
    # it would log paths, which may hold anything
    logging.getLogger("mangum.http").disabled = True
    return Mangum(
        app,
        # the events of a start would open and close the service with each request
        lifespan="off",
        api_gateway_base_path=environment.get(BASE_PATH, "/"),
        text_mime_types=TEXT_TYPES,
    )
