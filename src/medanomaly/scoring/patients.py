"""One answer for a new patient: every case of every modality is scored, and the p-values of the patient become one."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.conformal import checked_alpha
from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError, MedanomalyError
from medanomaly.fusion.patient_fusion import FusedPatients, approximation
from medanomaly.fusion.sealed import SealedFusion
from medanomaly.scoring.answers import NOTICE, REFUSED, SCORED, Answers
from medanomaly.scoring.written import write_answers

if TYPE_CHECKING:
    from medanomaly.scoring.models import Models
    from medanomaly.scoring.rankings import Rankings

# files that belong to a header of the same name, and are read with it
_WITH_HEADER = ".hea"
# of the table of patients; p-values of the modalities follow
TABLE_COLUMNS = (
    "patient_id", "status", "p_value", "flagged", "alpha", "speaks", "pattern", "not_given", "basis", "n_joint",
    "approximation", "p_values_hold", "diseases", "refused",
)  # fmt: skip
# modality whose models rank diseases; so many of them are listed, with what each finding says of so many
DIAGNOSIS, LISTED, EXPLAINED = "diagnosis", 10, 5


@dataclass(frozen=True)
class Part:
    """What is given of a patient in one modality.

    Attributes:
        modality: of the cases.
        name: for a reader: of the file, or of the modality.
        raw: what the recipe reads.
        options: of the recipe.
    """

    modality: str
    name: str
    raw: Any
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PatientAnswer:
    """The answer about one patient.

    Attributes:
        patient_id: as it was given.
        answers: of each part that could be read, with its modality.
        smallest: modality -> smallest p-value of the patient's cases by the model that is fused.
        refused: name of a part or of a case -> why it could not be used.
        fusion: that the patient is compared with.
        alpha: false-alarm rate at which the patient is flagged.
        rankings: name of a part with symptoms -> the diseases that would explain it.
    """

    patient_id: str
    answers: Sequence[tuple[str, Answers]]
    smallest: Mapping[str, float]
    refused: Mapping[str, str]
    fusion: SealedFusion
    alpha: float
    rankings: Mapping[str, "Rankings"] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether anything of the patient could be scored."""
        return bool(self.smallest)

    @cached_property
    def _fused(self) -> FusedPatients:
        row = [self.smallest.get(modality, np.nan) for modality in self.fusion.modalities]
        return self.fusion.fusion.fuse(np.array([row]))

    @property
    def p_value(self) -> float | None:
        """Of the patient; None where nothing could be scored."""
        return float(self._fused.p_value[0]) if self.scored else None

    @property
    def flagged(self) -> bool:
        """Whether the patient is unusual at alpha."""
        return self.scored and bool(self._fused.p_value[0] <= self.alpha + 1e-12)

    @property
    def speaks(self) -> tuple[str, ...]:
        """The modalities that speak; none where the patient is not flagged."""
        return self._fused.speaking(self.alpha)[0] if self.scored else ()

    @property
    def not_given(self) -> tuple[str, ...]:
        """Modalities that could be fused and of which nothing could be scored."""
        return tuple(modality for modality in self.fusion.modalities if modality not in self.smallest)

    @cached_property
    def p_values_hold(self) -> dict[str, str]:
        """Verdict and reason over all parts: ``broken`` where those of any modality are, ``holds`` where all hold."""
        checks = [
            (check.verdict, f"{model}: {check.reason}")
            for _, answers in self.answers
            for model, check in answers.shift.items()
        ]
        checks += [
            (answers.stream["verdict"], f"{modality}: {answers.stream['reason']}")
            for modality, answers in self.answers
            if answers.stream is not None and answers.stream["verdict"] == "broken"
        ]
        for verdict in ("broken", "unknown", "holds"):
            found = [reason for of, reason in checks if of == verdict]
            if found:
                return {"verdict": verdict, "reason": "; ".join(found)}
        return {"verdict": "unknown", "reason": "cases of one patient say nothing of other patients"}

    def to_dict(self) -> dict[str, Any]:
        """JSON types: the answer, and the most unusual case of each modality with its reasons."""
        out: dict[str, Any] = {
            "patient_id": self.patient_id,
            "status": SCORED if self.scored else REFUSED,
            "not_given": list(self.not_given),
            "refused": [{"part": part, "reason": reason} for part, reason in self.refused.items()],
            "rankings": [self._ranking(part) for part in self.rankings],
            "alpha": self.alpha,
            "bundle": self.fusion.bundle.bundle_hash,
            "notice": NOTICE,
        }
        if not self.scored:
            return out
        basis, n_joint = str(self._fused.basis[0]), int(self._fused.n_joint[0])
        by_modality = dict(zip(self.fusion.modalities, self._fused.by_modality[0], strict=True))
        return out | {
            "p_value": self.p_value,
            "flagged": self.flagged,
            "speaks": list(self.speaks),
            "pattern": [modality for modality in self.fusion.modalities if modality in self.smallest],
            "basis": basis,
            "n_joint": n_joint,
            "approximation": approximation(basis, n_joint),
            "p_values_hold": self.p_values_hold,
            "modalities": [
                {
                    "modality": modality,
                    "model": self.fusion.models[modality],
                    "p_value": float(by_modality[modality]),
                    # what no patient can be below
                    "smallest_possible": self.fusion.floors[modality],
                    "n_cases": sum(len(of.read.cases) for m, of in self.answers if m == modality),
                    "most_unusual": self._most_unusual(modality),
                    "findings": self._findings(modality),
                }
                for modality in self.fusion.modalities
                if modality in self.smallest
            ],
        }

    def _ranking(self, part: str) -> dict[str, Any]:
        """The diseases that would explain the symptoms of a part."""
        told = self.rankings[part].to_dict()
        return {"part": part} | {
            name: told[name] for name in told if name not in ("modality", "notes", "notice")
        }

    def likely_diseases(self, most: int = 3) -> list[str]:
        """The first diseases of each list of symptoms, in words, with their probability where there is one."""
        said = []
        for found in self.rankings.values():
            for row in found.rankings.groupby("case_id", sort=False).head(most).itertuples():
                sure = "" if pd.isna(row.probability) else f" ({row.probability:.2g})"
                said.append(f"{row.disease_name}{sure}")
        return said

    def _most_unusual(self, modality: str) -> dict[str, Any]:
        """The case with the smallest p-value by the model that is fused."""
        model = self.fusion.models[modality]
        found: list[tuple[float, Any, Answers]] = []
        for _, answers in ((m, of) for m, of in self.answers if m == modality):
            rows = answers.scores[answers.scores["model"].eq(model) & answers.scores["p_value"].notna()]
            if len(rows):
                row = rows.loc[rows["score"].astype(float).idxmax()]
                found.append((float(row["p_value"]), row["case_id"], answers))
        _, case_id, answers = min(found, key=lambda of: of[0])
        case = next(of for of in answers.to_dict()["cases"] if of["case_id"] == case_id)
        answer = next(of for of in case["answers"] if of["model"] == model)
        kept = ("score", "p_value", "reasons")
        return {name: case[name] for name in ("case_id", "case", "missing")} | {
            name: answer[name] for name in kept if name in answer
        }

    def _findings(self, modality: str) -> list[dict[str, Any]]:
        """What looks wrong in the patient's data of a modality."""
        found = []
        for _, answers in ((m, of) for m, of in self.answers if m == modality):
            told = answers.to_dict()
            found += told["findings"]
            found += [{"source": case["case"]} | one for case in told["cases"] for one in case["findings"]]
        return found

    def row(self) -> dict[str, Any]:
        """One row of a table of patients."""
        told = self.to_dict()
        told |= {
            "speaks": " + ".join(told.get("speaks", ())),
            "pattern": " + ".join(told.get("pattern", ())),
            "not_given": ", ".join(told["not_given"]),
            "p_values_hold": self.p_values_hold["verdict"] if self.scored else "",
            "diseases": "; ".join(self.likely_diseases()),
            "refused": "; ".join(f"{part}: {reason}" for part, reason in self.refused.items()),
        }
        by_modality = {f"p_{of['modality']}": of["p_value"] for of in told.get("modalities", ())}
        return {name: told.get(name) for name in TABLE_COLUMNS} | {
            f"p_{m}": by_modality.get(m) for m in self.fusion.modalities
        }


@dataclass(frozen=True)
class PatientAnswers:
    """Answers about several patients, in the order in which they were given."""

    patients: Sequence[PatientAnswer]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per patient, the most unusual first, those who were refused last."""
        table = pd.DataFrame([patient.row() for patient in self.patients])
        return table.sort_values(
            ["p_value", "patient_id"], kind="stable", na_position="last", ignore_index=True
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {"patients": [patient.to_dict() for patient in self.patients], "notice": NOTICE}

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def save(self, path: Path | str) -> None:
        """Write the table as CSV or Parquet, or all of :meth:`to_dict` as JSON; the ending of the path says which.

        Raises:
            ConfigurationError: another ending.
        """
        write_answers(path, "answers", lambda: self.table, {".json": lambda: self.to_json(indent=1) + "\n"})


def answer_patient(
    models: "Models",
    parts: Sequence[Part],
    patient_id: str,
    alpha: float | None = None,
    explain: bool = True,
    refused: Mapping[str, str] | None = None,
    score: Callable[[Part, str, bool], Answers] | None = None,
) -> PatientAnswer:
    """Score what is given of a patient, and fuse it.

    Args:
        models: of a run.
        parts: what is given.
        patient_id: of the answer.
        alpha: false-alarm rate at which the patient is flagged; None takes that of the run.
        explain: whether the most unusual case of each part comes with reasons.
        refused: parts that were refused before.
        score: part, name of the model, whether reasons are wanted -> answers; None asks the models.

    Raises:
        ConfigurationError: the models come with no fusion, or alpha is no share.
    """
    fusion = models.fusion
    if fusion is None:
        raise ConfigurationError(
            "these models come with no fusion, so a patient has no p-value of all modalities",
            remedy="Give the folder of a run of several modalities (06_models/<data set>), made with kedro run.",
        )
    alpha = checked_alpha(fusion.alpha if alpha is None else alpha)
    answered: list[tuple[str, Answers]] = []
    smallest: dict[str, float] = {}
    rankings: dict[str, Rankings] = {}
    out = dict(refused or {})
    for part in parts:
        if part.modality == DIAGNOSIS and (ranking := _ranked(models, part, explain)) is not None:
            rankings[part.name] = ranking
        if part.modality not in fusion.models:
            why = fusion.bundle.manifest["left_out"].get(
                part.modality, "no model of this run compares patients by it"
            )
            out[part.name] = f"{part.modality} is not fused: {why}"
            continue
        model = fusion.models[part.modality]
        try:
            found = (score or _scorer(models))(part, model, explain)
        except MedanomalyError as error:
            # a part that cannot be read costs only itself
            out[part.name] = str(error)
            continue
        answered.append((part.modality, found))
        out |= _refused_cases(part.name, found)
        p = found.scores.loc[found.scores["model"].eq(model), "p_value"].dropna()
        if len(p):
            smallest[part.modality] = min(float(p.min()), smallest.get(part.modality, 1.0))
    return PatientAnswer(patient_id, answered, smallest, out, fusion, alpha, rankings)


def _ranked(models: "Models", part: Part, explain: bool) -> "Rankings | None":
    """The diseases that would explain the symptoms of a part; None where it cannot be read, or no model ranks."""
    try:
        found = models.rank(part.raw, top=LISTED, explain=EXPLAINED if explain else 0, **part.options)
    except MedanomalyError:
        # the score of the part says what is wrong with it
        return None
    return found if len(found.rankings) else None


def _refused_cases(part: str, found: Answers) -> dict[str, str]:
    """Cases of a part that were refused -> why; those with one reason together."""
    refused = found.read.refused
    out = {}
    for reason, cases in refused.groupby("reason", sort=False)["case_id"]:
        first = found.read.names.get(cases.iloc[0], cases.iloc[0])
        more = f" and {len(cases) - 1:,} more" if len(cases) > 1 else ""
        # an image goes by the name of its file
        out[f"{part}{more}" if part.endswith(first) else f"{part}: {first}{more}"] = reason
    return out


def _scorer(models: "Models") -> Callable[[Part, str, bool], Answers]:
    def score(part: Part, model: str, explain: bool) -> Answers:
        name = f"{part.modality}.{model}"
        return models.score(
            part.raw, modality=part.modality, models=[name], explain=int(explain), **part.options
        )

    return score


def parts_of(
    models: "Models", raw: Any, options: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Part], dict[str, str]]:
    """What is given of a patient, by modality.

    Args:
        models: that say what a file is.
        raw: a folder with files of any modality, or modality -> raw data.
        options: modality -> options of its recipe.

    Returns:
        Parts, and name -> why something was refused.

    Raises:
        DataNotFoundError: there is no such folder.
        InputError: it is neither a folder nor a mapping of modalities.
    """
    known = models.modalities
    if strange := [modality for modality in options if modality not in known]:
        raise ConfigurationError(
            f"there is no modality '{strange[0]}' among these models",
            remedy=f"There are {', '.join(known)}.",
        )
    if isinstance(raw, Mapping):
        named = {modality: of for modality, of in raw.items() if modality != "patient_id"}
        if strange := [modality for modality in named if modality not in known]:
            raise InputError(
                f"'{strange[0]}' is no modality of these models",
                remedy=f"Give what there is of {', '.join(known)}.",
            )
        return [Part(m, m, of, options.get(m, {})) for m, of in named.items()], {}
    if not isinstance(raw, (str, Path)):
        raise InputError(
            f"a {type(raw).__name__} is no patient",
            remedy="Give a folder, or a mapping of modality to raw data.",
        )
    folder = Path(raw)
    if not folder.is_dir():
        raise DataNotFoundError(
            "there is no such folder", source=folder, remedy="Give the folder with the files of one patient."
        )
    parts, refused = [], {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            modality = _modality(models, path, folder)
        except MedanomalyError as error:
            refused[name] = error.problem
            continue
        parts.append(Part(modality, name, path, options.get(modality, {})))
    if not parts and not refused:
        refused[folder.name] = "the folder is empty"
    return parts, refused


def patient_folders(folder: Path, modalities: Collection[str]) -> list[Path]:
    """The folder of each patient: those in a folder, or the folder itself where it holds files or folders of modalities.

    Args:
        folder: of one patient, or of several.
        modalities: names that a folder of a single modality has.

    Raises:
        DataNotFoundError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise DataNotFoundError(
            "there is no such folder", source=folder, remedy="Give a folder with one folder per patient."
        )
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    if not entries:
        raise DataNotFoundError(
            "the folder is empty", source=folder, remedy="Give a folder with one folder per patient."
        )
    of_one = len(folders) < len(entries) or not {entry.name for entry in folders}.isdisjoint(modalities)
    return [folder] if of_one else folders


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder, without those that are read with their header."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    headers = {path.with_suffix("") for path in files if path.suffix.lower() == _WITH_HEADER}
    for path in files:
        if path.suffix.lower() == _WITH_HEADER or path.with_suffix("") not in headers:
            yield path


def _modality(models: "Models", path: Path, folder: Path) -> str:
    """What a file is: as its folder or its name says (``signals/a.csv``, ``tabular.csv``), else by its content."""
    for word in (*path.relative_to(folder).parts[:-1], path.stem):
        if word in models.modalities:
            return word
    return models.recipe(path).bundle.manifest.modality
