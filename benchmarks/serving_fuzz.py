"""Does any request make the service fail? Thousands of requests, drawn from its own description, and none may answer 5xx."""

import os
import tempfile
from pathlib import Path

from benchmarks import served_models
from benchmarks.record import Result, write

CASES = int(os.environ.get("MEDANOMALY_FUZZ_CASES", "150"))


def main() -> None:
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    from medanomaly.scoring.models import open_models
    from medanomaly.service.app import create_app
    from medanomaly.service.settings import Settings

    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        served_models.table(folder)
        served_models.images(folder)
        served_models.beats(folder)
        schema = schemathesis.openapi.from_asgi(
            "/openapi.json", create_app(open_models(folder), Settings(hosts=("*",)))
        )
        statuses: list[int] = []
        for found in schema.get_all_operations():

            def ask(case) -> None:
                statuses.append(case.call(base_url="http://127.0.0.1").status_code)

            quiet = settings(
                max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
            )
            quiet(given(case=found.ok().as_strategy())(ask))()
    failed = sum(status >= 500 for status in statuses)
    write(
        "serving_fuzz",
        [
            Result("requests", len(statuses), "", target=">= 2000", reached=len(statuses) >= 2000),
            Result("answers of 5xx", failed, "", target="0", reached=failed == 0),
            Result("answers of 2xx", sum(200 <= status < 300 for status in statuses), ""),
        ],
        command="make bench NAME=serving_fuzz",
    )


if __name__ == "__main__":
    main()
