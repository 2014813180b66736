"""The synthetic patients: one latent state per patient, from which every modality is generated.

Each patient has separate random streams, keyed by the seed, the purpose and the id of the patient. So a cohort of 5,000
starts with exactly the patients of a cohort of 1,000, and a new modality does not change the others.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from medanomaly.core.errors import ConfigurationError

COHORT_START = pd.Timestamp("2020-01-01")
SITES = {"Northgate": 0.5, "Riverside": 0.3, "Hillside": 0.2}
SMOKING = ("never", "former", "current")
COMORBIDITIES = ("hypertension", "diabetes", "ckd", "heart_failure", "copd")

_NORMALS = ("height", "bmi", "severity")
_UNIFORMS = ("sex", "age", "smoking", "site", *COMORBIDITIES)


def own_streams(ids: Sequence[str], seed: int, purpose: str) -> Iterator[np.random.Generator]:
    """One independent random generator per id; it does not depend on the other ids.

    Args:
        ids: (n,) patient or record ids.
        seed: seed of the cohort.
        purpose: name of the use, for example "clinical"; another purpose gives another, independent stream.

    Yields:
        A generator for each id, in order.
    """
    key = f"{seed}:{purpose}".encode()
    for one in ids:
        digest = hashlib.blake2b(str(one).encode(), key=key, digest_size=16).digest()
        yield np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def own_draws(
    ids: Sequence[str],
    seed: int,
    purpose: str,
    *,
    normals: Sequence[str] = (),
    uniforms: Sequence[str] = (),
    repeats: int | None = None,
) -> dict[str, np.ndarray]:
    """Named random numbers for every id, each id from its own stream (:func:`own_streams`).

    Args:
        ids: (n,) patient or record ids.
        seed: seed of the cohort.
        purpose: name of the use.
        normals: names of standard normal variables.
        uniforms: names of variables uniform on [0, 1).
        repeats: how many of each per id, for example visits; None gives one.

    Returns:
        name -> (n,) or (n, repeats) float64. A name may be in only one of the lists.
    """
    count = 1 if repeats is None else repeats
    n = len(ids)
    normal, uniform = np.empty((n, len(normals), count)), np.empty((n, len(uniforms), count))
    for i, stream in enumerate(own_streams(ids, seed, purpose)):
        normal[i] = stream.standard_normal((len(normals), count))
        uniform[i] = stream.random((len(uniforms), count))
    draws = {name: normal[:, j] for j, name in enumerate(normals)}
    draws |= {name: uniform[:, j] for j, name in enumerate(uniforms)}
    return {name: values[:, 0] if repeats is None else values for name, values in draws.items()}


def draw_patients(n_patients: int, seed: int) -> pd.DataFrame:
    """Draw the latent state of ``n_patients`` adults.

    Comorbidities depend on each other: age and BMI raise the risk of hypertension and diabetes, these raise that of chronic
    kidney disease and heart failure, and smoking that of COPD. The logits are set by hand for prevalences as in a
    hospital; they are not fitted to data.

    Args:
        n_patients: number of patients, >= 1.
        seed: seed of the cohort.

    Returns:
        One row per patient: ``patient_id``, ``sex`` (F, M), ``birth_date``, ``age`` (years at the start of the
        cohort), ``height`` (cm), ``bmi`` (kg/m²), ``smoking`` (never, former, current), one boolean per
        comorbidity, ``site``, ``severity`` (0 to 1, how ill overall).
    """
    if n_patients < 1:
        raise ConfigurationError(f"a cohort of {n_patients} patients", remedy="Ask for 1 or more.")
    patient_id = np.array([f"P{number:06d}" for number in range(1, n_patients + 1)])
    z = own_draws(patient_id, seed, "patient", normals=_NORMALS, uniforms=_UNIFORMS)

    male = z["sex"] < 0.48
    # Kumaraswamy's distribution: beta-like, with a quantile function in closed form; median about 56 years
    age = 18 + 77 * (1 - (1 - z["age"]) ** (1 / 1.7)) ** (1 / 1.6)
    height = np.where(male, 176.0 + 7.0 * z["height"], 163.0 + 6.5 * z["height"]) - 0.06 * np.maximum(
        age - 50, 0
    )
    bmi = np.clip(26.0 * np.exp(0.17 * z["bmi"]), 16.0, 55.0)
    smoking = np.searchsorted([0.5, 0.8], z["smoking"], side="right")

    def has(name: str, logit: np.ndarray) -> np.ndarray:
        return z[name] < expit(logit)

    hypertension = has("hypertension", -1.1 + 0.055 * (age - 55) + 0.08 * (bmi - 26))
    diabetes = has("diabetes", -2.5 + 0.03 * (age - 55) + 0.11 * (bmi - 26) + 0.5 * hypertension)
    ckd = has("ckd", -3.0 + 0.055 * (age - 60) + 0.8 * diabetes + 0.6 * hypertension)
    heart_failure = has(
        "heart_failure", -3.9 + 0.06 * (age - 60) + 0.7 * hypertension + 0.5 * diabetes + 0.9 * ckd
    )
    copd = has("copd", -3.9 + 0.035 * (age - 55) + np.array([0.0, 1.4, 2.2])[smoking])
    burden = hypertension * 0.3 + diabetes * 0.5 + ckd * 0.8 + heart_failure * 0.9 + copd * 0.7
    severity = expit(-2.2 + 0.015 * (age - 55) + burden + 0.7 * z["severity"])

    return pd.DataFrame(
        {
            "patient_id": patient_id,
            "sex": np.where(male, "M", "F"),
            "birth_date": (COHORT_START - pd.to_timedelta(np.floor(age * 365.25), unit="D")).as_unit("us"),
            "age": age,
            "height": height,
            "bmi": bmi,
            "smoking": np.array(SMOKING)[smoking],
            "hypertension": hypertension,
            "diabetes": diabetes,
            "ckd": ckd,
            "heart_failure": heart_failure,
            "copd": copd,
            "site": np.array(list(SITES))[
                np.searchsorted(np.cumsum(list(SITES.values()))[:-1], z["site"], "right")
            ],
            "severity": severity,
        }
    )
