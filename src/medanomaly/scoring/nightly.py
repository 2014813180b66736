"""What happens every night, step by step: labels, answers, monitoring, and a new model where one is due.

Each step can be repeated, today or in a year, and changes nothing then. So everything that could be another later is written
down in the folder of the day when it is first done: which version answered, whether a training was due, what the gate said.
Labels are looked at as they were known at the end of the day.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.core.plain_text import plain_text
from medanomaly.core.splits import patient_position
from medanomaly.monitoring.params import MonitoringParams
from medanomaly.scoring.moments import moment_of
from medanomaly.scoring.params import NightlyParams, ScoringParams
from medanomaly.scoring.periods import changed_warnings, period_of, write_whole
from medanomaly.scoring.registry import Registry, is_registry, version_of

logger = logging.getLogger(__name__)

# files of a day; each is written once
CHAMPION, MONITORED, RETRAIN, GATE, PROMOTION = (
    f"{name}.json" for name in ("champion", "monitored", "retrain", "gate", "promotion")
)
ANSWERS, TRAINING, OUTPUTS = "answers.parquet", "training.csv", "outputs"
LABEL = "label"
# what only labels can tell; they come late, so it is looked for in the days of the window together
OF_LABELS = ("auroc", "false_alarms")
# the split hashes patients with its seed, which is never negative: who is held out is independent of it
_HELD_OUT_KEY = -1


@dataclass(frozen=True)
class Night:
    """One day, and the files of it.

    Attributes:
        params: of the nights.
        day: whose cases are looked at.
    """

    params: NightlyParams
    day: date

    @classmethod
    def of(cls, params: NightlyParams) -> "Night":
        """The night of the day that the parameters name.

        Raises:
            ConfigurationError: they name none.
        """
        if not params.day:
            return cls(params, period_of("", "")[0].date())
        try:
            return cls(params, date.fromisoformat(params.day))
        except ValueError as error:
            raise ConfigurationError(
                f"nightly.day is '{params.day}', which is no day", remedy="Give one such as 2026-11-03."
            ) from error

    @property
    def name(self) -> str:
        """Such as 2026-11-03."""
        return self.day.isoformat()

    @property
    def days(self) -> Path:
        """The folder with a folder per day."""
        return Path(self.params.folder) / "days"

    @property
    def folder(self) -> Path:
        """The folder of this day."""
        return self.days / self.name

    @property
    def ends(self) -> datetime:
        """The first moment after the day, in UTC."""
        return moment_of("day", (self.day + timedelta(days=1)).isoformat())

    @property
    def window(self) -> list[date]:
        """The days of the window, which ends with this day."""
        return [self.day - timedelta(days=back) for back in range(self.params.window - 1, -1, -1)]

    def read(self, name: str) -> dict[str, Any] | None:
        """A file of the day; None where it was not written yet."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def write(self, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Write a file of the day."""
        write_whole(self.folder / name, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
        return dict(said)

    def earlier(self, name: str) -> Iterator[tuple[date, dict[str, Any]]]:
        """This file of all days before, the last day first."""
        for path in sorted(self.days.glob(f"*/{name}"), reverse=True):
            if path.parent.name < self.name:
                yield date.fromisoformat(path.parent.name), json.loads(path.read_text(encoding="utf-8"))

    def cases(self, day: date) -> Path | None:
        """The raw cases of a day; None where there are none.

        Raises:
            InputError: there are several.
        """
        found = sorted(Path(self.params.cases).glob(f"{day.isoformat()}*"))
        found = [path for path in found if path.name.partition(".")[0] == day.isoformat()]
        if len(found) > 1:
            raise InputError(
                f"there are {' and '.join(path.name for path in found)}",
                source=self.params.cases,
                remedy="Keep one of them.",
            )
        return found[0] if found else None

    def models(self) -> Path:
        """Folder of the models that answer this day: the champion's at the first time that anybody asks.

        Raises:
            DataNotFoundError: the registry has no champion, or the version is gone.
        """
        registry = Registry(self.params.registry)
        said = self.read(CHAMPION)
        if said is None:
            champion = registry.aliases.champion if is_registry(registry.folder) else None
            if champion is None:
                raise DataNotFoundError(
                    "the registry has no champion yet",
                    source=registry.folder,
                    remedy="Promote the first version: medanomaly registry promote.",
                )
            said = self.write(CHAMPION, {"version": champion})
        return registry.models(said["version"])


def add_labels(params: NightlyParams) -> dict[str, Any]:
    """Bring the labels that became known on the day to the store; they are mostly of cases of earlier days.

    The other days of the window are looked at again, so that a night that was missed is made up for.

    Returns:
        ``day``, ``n`` (labels of the window) and ``n_new``.

    Raises:
        InputError: a file of labels cannot be read.
    """
    from medanomaly.scoring.labels import read_labels
    from medanomaly.store.store import Store

    night = Night.of(params)
    n = n_new = 0
    with Store.open(params.store) as store:
        for day in night.window:
            path = Path(params.labels) / f"{day}.csv"
            if not path.is_file():
                continue
            known = read_labels(path, ("case_id", "patient_id"))
            outcomes = known["outcome"].astype("string").fillna("").tolist() if "outcome" in known else None
            n += len(known)
            n_new += store.add_ground_truths(
                known["patient_id"],
                known["case_id"],
                known["label"].tolist(),
                outcomes,
                # the last second of that day, however late this runs
                known_at=moment_of("day", f"{day}T23:59:59"),
                actor="nightly",
            )
    return {"day": night.name, "n": n, "n_new": n_new}


def score_cases(params: NightlyParams, scoring: ScoringParams) -> dict[str, Any]:
    """Score the cases of the day with the champion; answers go to the folder of the day and to the store.

    Args:
        params: of the nights.
        scoring: how a batch is scored; its source, destination, models and store are those of the night.

    Returns:
        The summary of the batch, without the cases.

    Raises:
        DataNotFoundError: there are no cases, or no champion.
    """
    from medanomaly.scoring.batches import score_batch
    from medanomaly.scoring.models import open_models
    from medanomaly.store.store import Store

    night = Night.of(params)
    source = night.cases(night.day)
    if source is None:
        raise DataNotFoundError(
            f"there are no cases of {night.name}",
            source=params.cases,
            remedy=f"Put them there as {night.name}.csv, or as a table without rows if nobody came.",
        )
    models = open_models(night.models())
    with Store.open(params.store, keep_clinical_values=scoring.keep_clinical_values) as store:
        summary = score_batch(
            models,
            source,
            night.folder / ANSWERS,
            store=store,
            chunk_rows=scoring.chunk_rows,
            alpha=scoring.alpha,
            explain=scoring.explain,
            modality=scoring.modality,
            names=scoring.names,
            observed_at=moment_of("day", night.name),
            workers=scoring.workers,
        )
    return {name: value for name, value in summary.to_dict().items() if name != "refused"}


def monitor(params: NightlyParams, monitoring: MonitoringParams, dataset: str) -> dict[str, Any]:
    """Monitor the day, and the performance in the window whose labels are known by now; say whether a training is due.

    Pages lie in ``monitoring`` (the day) and ``labelled`` (the window) of the folder. Warnings of performance are those of
    the window, all others those of the day. Who has to know is told once.

    Args:
        params: of the nights.
        monitoring: limits, and who is told.
        dataset: name of the data set, for the pages.

    Returns:
        What is written to ``monitored.json`` of the day: ``warnings``, ``new`` and ``gone`` (sentences), ``performance`` of
        the models in the window, and ``retrain`` (why a training is due; empty where none is).
    """
    from medanomaly.monitoring.notices import send_notices
    from medanomaly.scoring.monitored import monitor_period

    night = Night.of(params)
    until = night.ends.date().isoformat()
    common = {
        "models": str(night.models()), "store": params.store, "until": until, "by": "observed", "known_by": until,
        "webhook": "", "mail": None,
    }  # fmt: skip
    source = night.cases(night.day)
    of_day = {
        "since": night.name, "source": "" if source is None else str(source),
        "destination": str(Path(params.folder) / "monitoring"),
    }  # fmt: skip
    of_window = {
        "since": night.window[0].isoformat(), "source": "", "destination": str(Path(params.folder) / "labelled"),
    }  # fmt: skip
    day, window = (
        json.loads(
            Path(monitor_period(monitoring.replaced(common | given), dataset)["figures"]).read_text(
                encoding="utf-8"
            )
        )
        for given in (of_day, of_window)
    )
    warnings = [one for one in day["warnings"] if _kind(one) not in OF_LABELS]
    warnings += [one for one in window["warnings"] if _kind(one) in OF_LABELS]
    before = next((said for _, said in night.earlier(MONITORED)), None)
    changes = changed_warnings({"warnings": warnings}, before)
    new, standing, gone = ([one["sentence"] for one in some] for some in changes)
    said = {
        "day": night.name,
        "warnings": warnings,
        "new": new,
        "gone": gone,
        "performance": _performance(window),
        "retrain": _why_train(night, warnings),
    }
    if night.read(MONITORED) != said:
        _, not_told = send_notices(monitoring, dataset, night.name, new, standing, gone)
        for who in not_told:
            logger.warning("Not told: %s", who)
    if said["retrain"]:
        night.write(RETRAIN, {"why": said["retrain"], "from": night.window[0].isoformat()})
    return night.write(MONITORED, said)


def _kind(warning: Mapping[str, str]) -> str:
    """What a warning is about: its key begins with the modality and the kind."""
    return warning["key"].split(".")[1]


def _performance(period: Mapping[str, Any]) -> dict[str, Any]:
    """``<modality>.<model>`` -> labelled cases, and AUROC with its interval where it could be measured."""
    out = {}
    for of in period["modalities"]:
        for model in of["models"]:
            whole = [
                row for row in model.get("measured", []) if row["metric"] == "auroc" and not row["subgroup"]
            ]
            auroc = {name: whole[0][name] for name in ("value", "ci_low", "ci_high")} if whole else None
            out[f"{of['modality']}.{model['model']}"] = {"n_labelled": model["n_labelled"], "auroc": auroc}
    return out


def _why_train(night: Night, warnings: list[Mapping[str, str]]) -> str:
    """Why models are to be trained this night; empty where they are not."""
    trained = next((day for day, _ in night.earlier(RETRAIN)), None)
    first = min((day for day, _ in night.earlier(MONITORED)), default=night.day)
    days = (night.day - (trained or first)).days
    if warnings and (trained is None or days >= night.params.retrain_on_warning_every):
        return f"warning: {warnings[0]['sentence']}"
    if days >= night.params.retrain_every:
        return (
            f"schedule: the last training was {days} days ago" if trained else f"schedule: night {days + 1}"
        )
    return ""


def gather_training(params: NightlyParams, case_id: str | None, patient_id: str | None) -> dict[str, Any]:
    """Write the cases of the window whose labels are known as one table, which a training reads; nobody held out is in it.

    Args:
        params: of the nights.
        case_id, patient_id: columns of the cases.

    Returns:
        ``day``, ``n`` (cases), ``n_abnormal`` and ``n_days``.

    Raises:
        ConfigurationError: cases have no ids.
        InputError: no label is known yet.
    """
    night = Night.of(params)
    table, held_out = _labelled(night, case_id, patient_id)
    table = table[~held_out]
    if table.empty:
        raise InputError(
            f"no case since {night.window[0]} has a label by now",
            source=params.cases,
            remedy="Wait for labels, or make nightly.window longer.",
        )
    days = table.pop("day")
    write_whole(night.folder / TRAINING, table.to_csv(index=False))
    n_abnormal = int(table[LABEL].eq(1).sum())
    return {"day": night.name, "n": len(table), "n_abnormal": n_abnormal, "n_days": int(days.nunique())}


def _labelled(night: Night, case_id: str | None, patient_id: str | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Raw cases of the window whose labels are known by the end of the day, with ``label`` and ``day``; who is held out."""
    from medanomaly.store.store import Store
    from medanomaly.tabular.table.files import read_table

    if case_id is None or patient_id is None:
        raise ConfigurationError(
            "labels cannot be joined to cases without ids",
            remedy="Name case_id and patient_id in the description of the table.",
        )
    found = []
    for day in night.window:
        path = night.cases(day)
        if path is None:
            continue
        if path.is_dir():
            raise ConfigurationError(
                "a training table can be made of tables only, and these cases are a folder",
                source=path,
                remedy="Train on recordings and images by hand, and add the models: medanomaly registry add.",
            )
        table = read_table(path)
        if absent := [name for name in (case_id, patient_id) if name not in table]:
            raise InputError(f"columns {absent} are missing", source=path)
        named = table[[case_id, patient_id]].notna().all(axis=1)
        # a case without an id was refused when it was scored
        found.append(table[named].assign(day=day.isoformat()))
    if not found:
        raise DataNotFoundError(
            f"there are no cases from {night.window[0]} to {night.name}", source=night.params.cases
        )
    table = pd.concat(found, ignore_index=True)
    # the same case may come again on a later day, corrected
    table = table[~plain_text(table[case_id]).duplicated(keep="last")]
    with Store.open(night.params.store) as store:
        known = store.ground_truths(table[patient_id], table[case_id], known_by=night.ends)
    label = pd.array([None if one is None else int(one) for one in known], dtype="Int8")
    table = table.assign(**{LABEL: label}).loc[~pd.isna(label)].reset_index(drop=True)
    position = patient_position(plain_text(table[patient_id]), _HELD_OUT_KEY)
    return table, position < night.params.held_out


def judge_challenger(
    params: NightlyParams, dataset: str, case_id: str | None, patient_id: str | None
) -> dict[str, Any]:
    """Add the models that were trained this night to the registry, and compare them with the champion on held-out patients.

    A day that was judged is not judged again.

    Args:
        params: of the nights.
        dataset: name of the data set, which is the folder of its models.
        case_id, patient_id: columns of the cases.

    Returns:
        What is written to ``gate.json`` of the day: ``challenger``, ``champion``, ``passed``, and ``why`` (sentences).

    Raises:
        DataNotFoundError: no models were trained this night.
    """
    from medanomaly.core.bundle import bundles_of
    from medanomaly.scoring.promotion import compare_versions

    night = Night.of(params)
    if (before := night.read(GATE)) is not None:
        return before
    registry = Registry(params.registry)
    made = night.folder / OUTPUTS / "06_models" / dataset
    champion = registry.aliases.champion if is_registry(registry.folder) else None
    version = version_of(bundles_of(made))
    said: dict[str, Any] = {"challenger": version, "champion": champion, "passed": False}
    if version == champion:
        return night.write(GATE, said | {"why": ["The training gave the champion again."]})
    registry.add(made)
    if champion is None:
        return night.write(GATE, said | {"passed": True, "why": ["There is no champion to compare with."]})
    table, held_out = _labelled(night, case_id, patient_id)
    table = table[held_out].reset_index(drop=True)
    labels = dict(zip(plain_text(table[case_id]), table.pop(LABEL).eq(1), strict=True))
    try:
        if table.empty:
            raise InputError("no held-out patient has a label yet")
        found = compare_versions(registry, table.drop(columns="day"), labels, params=params.gate)
    except InputError as error:
        # too few labels: the champion stays, and the next training is judged again
        return night.write(GATE, said | {"why": [str(error)]})
    why = [one["sentence"] for one in found["criteria"] if found["passed"] or not one["passed"]]
    return night.write(
        GATE,
        said | {"passed": found["passed"], "n": found["n"], "n_positive": found["n_positive"], "why": why},
    )


def promote_challenger(params: NightlyParams) -> dict[str, Any]:
    """Make the challenger of the night the champion where the gate let it pass; it answers from the next day on.

    Returns:
        What is written to ``promotion.json`` of the day: ``promoted`` and ``champion``.

    Raises:
        DataNotFoundError: the gate has not judged this night.
        ConfigurationError: the challenger is no longer that of the gate.
    """
    night = Night.of(params)
    if (before := night.read(PROMOTION)) is not None:
        return before
    gate = night.read(GATE)
    if gate is None:
        raise DataNotFoundError(
            "the challenger of this night was not judged",
            source=night.folder / GATE,
            remedy="Run the pipeline nightly_gate first.",
        )
    registry = Registry(params.registry)
    now = registry.aliases
    if not gate["passed"]:
        return night.write(PROMOTION, {"promoted": False, "champion": now.champion})
    # a process that was killed after the promotion has not written it down
    if now.champion != gate["challenger"]:
        if now.challenger != gate["challenger"]:
            raise ConfigurationError(
                f"the challenger is {now.challenger}, and the gate judged {gate['challenger']}",
                source=registry.folder,
                remedy="Promote by hand what is right: medanomaly registry compare, then promote.",
            )
        registry.promote()
    return night.write(PROMOTION, {"promoted": True, "champion": gate["challenger"]})
