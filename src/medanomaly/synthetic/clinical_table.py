"""The clinical table: one row per hospital visit, drawn from the latent state of the patients.

A generative model with parameters set by hand, in three layers: constants of a patient (set point of each variable,
comorbidities), events of a visit (planned or acute, infection, dehydration), and the calibration of the laboratory of
the site. Correlated variables share a cause: haematocrit depends on haemoglobin, creatinine and urea on kidney function,
glucose and HbA1c on mean glucose; CRP, white cells and temperature on infection. No row is an anomaly;
:mod:`medanomaly.synthetic.table_anomalies` plants them.
"""

import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd

from medanomaly.synthetic.patients import COHORT_START, own_draws
from medanomaly.synthetic.variables import VARIABLES
from medanomaly.synthetic.visits import (
    MAX_VISITS,
    VISIT_NORMALS,
    VISIT_TYPES,
    VISIT_UNIFORMS,
    appointment_history,
    episodes,
    visit_times,
)

# calibration of the analysers of each site, relative to the mean of all sites
SITE_CALIBRATION = {
    "Northgate": {},
    "Riverside": {"creatinine": 1.04, "tsh": 0.96, "alt": 1.03, "haemoglobin": 1.006, "haematocrit": 1.006},
    "Hillside": {"creatinine": 0.97, "tsh": 1.05, "crp": 1.04, "glucose": 1.01, "albumin": 0.99},
}

# values of a panel are ordered together, and missing together
PANELS = {
    "blood count": ("haemoglobin", "haematocrit", "white_cells", "platelets"),
    "renal": ("sodium", "potassium", "creatinine", "urea"),
    "liver": ("alt", "albumin"),
    "inflammation": ("crp",),
    "sugar": ("glucose",),
    "long-term sugar": ("hba1c",),
    "thyroid": ("tsh",),
}

# share of the variance of a variable that is between patients
_BETWEEN_PATIENTS = 0.64
# drawn from their causes, without a set point of their own
_DERIVED = ("height", "haematocrit", "urea", "glucose", "hba1c")
_SET_POINTS = tuple(name for name in VARIABLES if name not in _DERIVED)
_NOISE = (*_DERIVED, "crp_peak")


def _vitals(
    z: dict, noise: dict, patient: SimpleNamespace, episode: SimpleNamespace
) -> dict[str, np.ndarray]:
    """Vital signs, (n, MAX_VISITS) each, from set points ``z`` of unit variance and noise of the visit."""
    age, copd, heart_failure, infection = patient.age, patient.copd, patient.heart_failure, episode.infection
    systolic = 120 + 9 * z["systolic"] + 0.2 * (age - 50) + 15 * patient.hypertension - 7 * infection
    systolic = np.clip(systolic, 72, 235)
    diastolic = 76 + 0.5 * (systolic - 120) - 0.12 * (age - 50) + 5 * z["diastolic"]
    heart_rate = 71 + 8 * z["heart_rate"] + 10 * infection + 4 * copd + 5 * heart_failure + 4 * episode.acute
    respiratory_rate = 15.2 + 1.5 * z["respiratory_rate"] + 2.3 * infection + 2.2 * copd
    # 100 % minus the saturation is log-normal
    desaturation = np.exp(0.7 + 0.33 * z["spo2"] + 0.65 * copd + 0.3 * infection + 0.2 * heart_failure)
    drift = 1 + 0.012 * z["weight"] * np.sqrt(1 + np.arange(MAX_VISITS))
    return {
        "heart_rate": np.clip(heart_rate, 35, 180),
        "systolic": systolic,
        "diastolic": np.clip(diastolic, 38, systolic - 16),
        "temperature": np.clip(36.7 + 0.26 * z["temperature"] + 0.8 * infection, 34.8, 41.2),
        "respiratory_rate": np.clip(respiratory_rate, 8, 45),
        "spo2": np.clip(100 - desaturation, 72, 100),
        "height": patient.height + 0.4 * noise["height"],
        "weight": patient.bmi * (patient.height / 100) ** 2 * drift + 2 * heart_failure,
    }


def _labs(z: dict, noise: dict, patient: SimpleNamespace, episode: SimpleNamespace) -> dict[str, np.ndarray]:
    """Laboratory values before the calibration of the site, (n, MAX_VISITS) each."""
    male, ckd, severity = patient.male, patient.ckd, patient.severity
    infection, dehydration = episode.infection, episode.dehydration
    years_over_50, bmi_over_26 = patient.age - 50, patient.bmi - 26

    haemoglobin = np.where(male, 15.5, 14.0) + np.where(male, 0.9, 0.78) * z["haemoglobin"]
    haemoglobin = haemoglobin - 1.6 * ckd - 0.5 * patient.heart_failure - 0.4 * infection + 0.15 * dehydration
    haemoglobin = np.clip(haemoglobin - 0.02 * np.maximum(years_over_50 - 20, 0), 6.0, 21.0)

    # kidney function moves creatinine and urea together; dehydration moves urea more
    kidney = 0.002 * years_over_50 + ckd * (0.5 + 0.35 * np.abs(patient.ckd_stage)) + 0.1 * dehydration
    creatinine = np.where(male, 79.0, 62.0) * np.exp(0.115 * z["creatinine"] + kidney)
    urea = 4.8 * np.exp(1.1 * kidney + 0.12 * z["creatinine"] + 0.12 * dehydration + 0.14 * noise["urea"])

    # HbA1c by the equation of ADAG (Nathan et al., Diabetes Care 2008): mean glucose = 1.59 HbA1c - 2.59
    mean_glucose = np.where(
        patient.diabetes,
        8.8 * np.exp(0.24 * patient.mean_glucose),
        5.5 * np.exp(0.06 * patient.mean_glucose + 0.004 * bmi_over_26),
    )
    glucose = mean_glucose * np.exp(
        np.where(patient.diabetes, 0.2, 0.11) * noise["glucose"] + 0.1 * infection
    )

    resting_crp = 0.9 * np.exp(
        0.6 * z["crp"]
        + 0.03 * bmi_over_26
        + 0.2 * patient.current_smoker
        + 0.4 * patient.copd
        + 0.5 * severity
    )
    crp = resting_crp + 45 * infection**1.5 * np.exp(0.5 * noise["crp_peak"])
    white_cells = 6.7 * np.exp(0.19 * z["white_cells"] + 0.42 * infection + 0.1 * patient.current_smoker)
    sodium = 139.8 + 2 * z["sodium"] - 1.5 * patient.heart_failure - 1.2 * severity
    potassium = 4.35 + 0.32 * z["potassium"] + ckd * (0.35 + 0.25 * dehydration) - 0.1 * patient.hypertension
    alt = np.where(male, 23.0, 17.0) * np.exp(0.29 * z["alt"] + 0.012 * bmi_over_26 + 0.2 * infection)
    return {
        "haemoglobin": haemoglobin,
        "haematocrit": 3.0 * haemoglobin + 0.8 * noise["haematocrit"],
        "white_cells": np.minimum(white_cells, 60),
        "platelets": 252.0 * np.exp(0.18 * z["platelets"] + 0.1 * infection),
        "sodium": sodium - 1.2 * infection + 0.8 * dehydration,
        "potassium": potassium,
        "creatinine": creatinine,
        "urea": urea,
        "glucose": glucose,
        "hba1c": (mean_glucose + 2.59) / 1.59 + 0.14 * noise["hba1c"],
        "crp": np.minimum(crp, 450),
        "alt": alt,
        "albumin": 42.8 + 2.6 * z["albumin"] - 4 * severity - 2.8 * infection - ckd - 0.03 * years_over_50,
        "tsh": 1.55 * np.exp(0.39 * z["tsh"] + 0.002 * years_over_50),
    }


def _missing(v: dict, patient: SimpleNamespace, episode: SimpleNamespace) -> dict[str, np.ndarray]:
    """Where a value is missing: panels that were not ordered (rarely in severely ill patients), and single losses."""
    well = np.where(episode.acute, 0.3, 1.0) * (1 - 0.6 * patient.severity)
    unmonitored = np.where(patient.diabetes, 0.3, 1.0)
    not_ordered = {
        "blood count": 0.05 * well,
        "renal": 0.05 * well,
        "liver": 0.09 * well,
        "inflammation": 0.13 * well,
        "sugar": 0.05 * well * unmonitored,
        "long-term sugar": 0.17 * unmonitored,
        "thyroid": 0.17 * well,
    }
    missing = {name: v[f"lost {name}"] < 0.01 for name in VARIABLES}
    for panel, share in not_ordered.items():
        for name in PANELS[panel]:
            missing[name] = missing[name] | (v[f"panel {panel}"] < share)
    return missing


def _patient_state(patients: pd.DataFrame, seed: int) -> tuple[SimpleNamespace, dict[str, np.ndarray]]:
    """Latent state of each patient, and the set point of each variable: (n, 1) arrays."""
    traits = ("ckd_stage", "mean_glucose", "past_appointments", "past_no_shows")
    ids = patients["patient_id"].to_numpy()
    p = own_draws(ids, seed, "clinical patient", normals=(*_SET_POINTS, *traits), uniforms=("first_day",))
    p = {name: values[:, None] for name, values in p.items()}
    state = SimpleNamespace(**{name: patients[name].to_numpy()[:, None] for name in patients.columns})
    state.male, state.current_smoker = state.sex == "M", state.smoking == "current"
    for name in (*traits, "first_day"):
        setattr(state, name, p[name])
    return state, {name: p[name] for name in _SET_POINTS}


def clinical_table(patients: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw the hospital visits of the patients.

    Args:
        patients: patients table (:func:`medanomaly.synthetic.patients.draw_patients`), or some of its rows.
        seed: seed of the cohort.

    Returns:
        One row per visit, 1 to 6 per patient, in the order of recording: ``record_id``,
        ``patient_id``, ``sex``, ``age`` (whole years), ``site``, ``visit_type``, ``booked_at``,
        ``scheduled_for`` (NaT for unplanned visits), ``previous_appointments``, ``previous_no_shows``,
        ``admitted_at``, ``discharged_at``, ``recorded_at``, then vital signs and laboratory values in the
        units of :data:`medanomaly.synthetic.variables.UNITS`. The rows of a patient do not depend on
        other patients.
    """
    patient, set_points = _patient_state(patients, seed)
    v = own_draws(
        patients["patient_id"].to_numpy(),
        seed,
        "clinical visit",
        normals=(*VISIT_NORMALS, *(f"within {x}" for x in _SET_POINTS), *(f"noise {x}" for x in _NOISE)),
        uniforms=(*VISIT_UNIFORMS, *(f"panel {x}" for x in PANELS), *(f"lost {x}" for x in VARIABLES)),
        repeats=MAX_VISITS,
    )
    between, within = np.sqrt(_BETWEEN_PATIENTS), np.sqrt(1 - _BETWEEN_PATIENTS)
    z = {name: between * set_points[name] + within * v[f"within {name}"] for name in _SET_POINTS}
    noise = {name: v[f"noise {name}"] for name in _NOISE}
    episode = episodes(v, patient)
    history = appointment_history(v, patient, episode)
    times = visit_times(v, patient, episode)
    measured = _vitals(z, noise, patient, episode) | _labs(z, noise, patient, episode)
    missing = _missing(v, patient, episode)

    here = episode.here
    row, number = np.nonzero(here)
    who = patients.iloc[row].reset_index(drop=True)
    ids = [record_id(seed, f"{one} visit {i}") for one, i in zip(who["patient_id"], number, strict=True)]
    stamps = {
        name: (COHORT_START + pd.to_timedelta(minutes[here], unit="min")).as_unit("us")
        for name, minutes in times.items()
    }
    table = pd.DataFrame(
        {
            "record_id": ids,
            "patient_id": who["patient_id"],
            "sex": who["sex"],
            "age": np.floor((stamps["admitted_at"] - who["birth_date"]) / pd.Timedelta(days=365.25)).astype(
                int
            ),
            "site": who["site"],
            "visit_type": np.array(VISIT_TYPES)[episode.visit_type[here]],
            "booked_at": stamps["booked_at"],
            "scheduled_for": stamps["scheduled_for"],
            **{name: counts[here] for name, counts in history.items()},
            "admitted_at": stamps["admitted_at"],
            "discharged_at": stamps["discharged_at"],
            "recorded_at": stamps["recorded_at"],
        }
    )
    for name, variable in VARIABLES.items():
        factor = who["site"].map({site: bias.get(name, 1.0) for site, bias in SITE_CALIBRATION.items()})
        values = (measured[name][here] * factor).round(variable.decimals)
        table[name] = values.mask(missing[name][here])
    return in_recording_order(table)


def record_id(seed: int, what: str) -> str:
    """An id hashed from the identity of the record: it shows neither the order nor changes of the record."""
    return "R" + hashlib.blake2b(what.encode(), key=str(seed).encode(), digest_size=6).hexdigest()


def in_recording_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort by ``recorded_at``, ties by ``record_id``: the order in the database of a hospital."""
    return table.sort_values(["recorded_at", "record_id"], ignore_index=True)
