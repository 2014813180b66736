"""Every night: labels, answers, monitoring, and a new model where a training is due.

Airflow only says when; each task is a process of the project's own environment. ``MEDANOMALY_PROJECT`` names the folder of
the checkout, ``MEDANOMALY_NIGHTLY`` that of cases, labels, models and pages. ``MEDANOMALY_BIN`` (programs of the project, by
default those of its .venv) and ``MEDANOMALY_ENV`` (by default ``nightly``) can be set too. A task can be repeated: it then
changes nothing. docs/operations.md says how to begin.
"""

import os

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, chain

# in order; DAY is the day whose cases are looked at. The exit code 99 says that there is nothing to do: the task is skipped.
TASKS = {
    "labels": '"$KEDRO" run --env "$ENVIRONMENT" --pipelines nightly_labels --params "nightly.day=$DAY"',
    "scoring": '"$KEDRO" run --env "$ENVIRONMENT" --pipelines nightly_scoring --params "nightly.day=$DAY"',
    "monitoring": '"$KEDRO" run --env "$ENVIRONMENT" --pipelines nightly_monitoring --params "nightly.day=$DAY"',
    # the monitoring says whether a training is due, on schedule or on a warning; what was judged is not trained again
    "training_table": 'test -e "$FOLDER/retrain.json" -a ! -e "$FOLDER/gate.json" || exit 99; '
    '"$KEDRO" run --env "$ENVIRONMENT" --pipelines nightly_training_table --params "nightly.day=$DAY"',
    "training": '"$KEDRO" run --env "$ENVIRONMENT" --params "training=$FOLDER/training.csv,outputs=$FOLDER/outputs"',
    "gate": '"$KEDRO" run --env "$ENVIRONMENT" --pipelines nightly_gate --params "nightly.day=$DAY"',
    "promotion": '"$KEDRO" run --env "$ENVIRONMENT" --pipelines nightly_promotion --params "nightly.day=$DAY"',
}

project = os.environ["MEDANOMALY_PROJECT"]
variables = {
    "DAY": "{{ ds }}",
    "FOLDER": os.environ["MEDANOMALY_NIGHTLY"] + "/days/{{ ds }}",
    "ENVIRONMENT": os.environ.get("MEDANOMALY_ENV", "nightly"),
    "KEDRO": os.environ.get("MEDANOMALY_BIN", f"{project}/.venv/bin") + "/kedro",
}
with DAG(
    "medanomaly_nightly",
    # soon after midnight, and {{ ds }} is the day that has ended
    schedule=CronDataIntervalTimetable("30 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # a day begins with the models and labels that the day before has left
    max_active_runs=1,
    doc_md=__doc__,
):
    chain(
        *(
            BashOperator(
                task_id=name,
                bash_command=command,
                env=variables,
                append_env=True,
                cwd=project,
                skip_on_exit_code=99,
            )
            for name, command in TASKS.items()
        )
    )
