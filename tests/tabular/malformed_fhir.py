"""FHIR that is not as it should be: a name, the resources, and the one clear answer to each."""

import json

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1960-05"}
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "finished",
    "class": {"code": "IMP"},
    "subject": {"reference": "Patient/p"},
    "period": {"start": "2026-03-05T08:00:00Z", "end": "2026-03-09T08:00:00Z"},
}
POTASSIUM = {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]}


def potassium(**change):
    """An Observation of 4.2 mmol/L, with changes; None takes a field away."""
    whole = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": POTASSIUM,
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-03-05T10:00:00Z",
        "valueQuantity": {"value": 4.2, "unit": "mmol/L", "code": "mmol/L"},
    }
    return {key: value for key, value in (whole | change).items() if value is not None}


def quantity(**change):
    whole = {"value": 4.2, "unit": "mmol/L", "code": "mmol/L"} | change
    return potassium(valueQuantity={key: value for key, value in whole.items() if value is not None})


# name -> resources beside the patient and the encounter, what becomes of the event, and why
CORPUS = {
    "as it should be": ([potassium()], "used", ""),
    "dangling reference": ([potassium(subject={"reference": "Patient/nobody"})], "quarantined",
                           "the patient is not among those given"),
    "no subject": ([potassium(subject=None)], "quarantined", "it names no patient"),
    "subject without a reference": ([potassium(subject={"display": "Ann"})], "quarantined", "it names no patient"),
    "contained patient": ([potassium(subject={"reference": "#c"}, contained=[{"resourceType": "Patient", "id": "c"}])],
                          "quarantined", "the patient stands inside the resource and has no id outside of it"),
    "absolute and versioned reference": (
        [potassium(subject={"reference": "https://ward.example/fhir/Patient/p/_history/2"})], "used", ""),
    "partial date, a month": ([potassium(effectiveDateTime="2026-03")], "quarantined",
                              "the time is known only to the month or the year"),
    "partial date, a year": ([potassium(effectiveDateTime="2026")], "quarantined",
                             "the time is known only to the month or the year"),
    "a day without a time": ([potassium(effectiveDateTime="2026-03-05")], "used", ""),
    "another zone": ([potassium(effectiveDateTime="2026-03-05T10:00:00+02:00")], "used", ""),
    "a zone that makes it another day": ([potassium(effectiveDateTime="2026-03-04T23:30:00-10:00")], "used", ""),
    "no time": ([potassium(effectiveDateTime=None)], "quarantined", "no time"),
    "a time that is none": ([potassium(effectiveDateTime="soon after noon")], "quarantined",
                            "the time cannot be read"),
    "a day that does not exist": ([potassium(effectiveDateTime="2026-02-31")], "quarantined",
                                  "the time cannot be read"),
    "before the visit": ([potassium(effectiveDateTime="2026-03-04T08:00:00Z")], "not asked for",
                         "outside of every window"),
    "a period": ([potassium(effectiveDateTime=None, effectivePeriod={"start": "2026-03-05T10:00:00Z"})], "used", ""),
    "comparator below": ([quantity(comparator="<")], "quarantined", "the value is only a bound (<)"),
    "comparator above": ([quantity(comparator=">=")], "quarantined", "the value is only a bound (>=)"),
    "no unit": ([quantity(unit=None, code=None)], "quarantined", "no unit"),
    "an unknown unit": ([quantity(unit="mg/L", code="mg/L")], "quarantined", "'mg/L' cannot be converted to mmol/L"),
    "a unit of words": ([quantity(unit="millimoles", code=None)], "quarantined",
                        "'millimoles' cannot be converted to mmol/L"),
    "milliequivalents": ([quantity(unit="mEq/L", code="meq/L")], "used", ""),
    "a negative value": ([quantity(value=-4.2)], "quarantined", "below what is plausible"),
    "a huge value": ([quantity(value=1e30)], "quarantined", "above what is plausible"),
    "zero": ([quantity(value=0)], "quarantined", "below what is plausible"),
    "no value": ([potassium(valueQuantity=None)], "quarantined", "no value"),
    "an empty quantity": ([potassium(valueQuantity={})], "quarantined", "no value"),
    "the value is absent": ([potassium(valueQuantity=None, dataAbsentReason={"text": "lost"})], "quarantined",
                            "the value is absent"),
    "text in place of a value": ([potassium(valueQuantity=None, valueString="4.2 mmol/L")], "quarantined",
                                 "the value is text"),
    "text in place of a number": ([quantity(value="4.2")], "quarantined", "the value is text"),
    "a truth value": ([quantity(value=True)], "quarantined", "the value is text"),
    "no code": ([potassium(code={"text": "potassium"})], "quarantined", "no code"),
    "no code at all": ([potassium(code=None)], "quarantined", "no code"),
    "another code": ([potassium(code={"coding": [{"system": "http://loinc.org", "code": "1-8"}]})], "not asked for",
                     "no feature names its code"),
    "a second coding": (
        [potassium(code={"coding": [{"system": "urn:ward", "code": "K"}, *POTASSIUM["coding"]]})], "used", ""),
    "entered in error": ([potassium(status="entered-in-error")], "quarantined",
                         "entered in error, cancelled or refuted"),
    "only registered": ([potassium(status="registered")], "quarantined", "only planned or proposed"),
    "the code is a list": ([potassium(code=[POTASSIUM])], "quarantined",
                           "the resource does not have the form of FHIR R4"),
    "the quantity is a number": ([potassium(valueQuantity=4.2)], "quarantined",
                                 "the resource does not have the form of FHIR R4"),
    "a component": (
        [potassium(valueQuantity=None, code={"text": "panel"},
                   component=[{"code": POTASSIUM, "valueQuantity": {"value": 4.2, "unit": "mmol/L"}}])], "used", ""),
    "inside a report": (
        [{"resourceType": "DiagnosticReport", "id": "r", "status": "final", "subject": {"reference": "Patient/p"},
          "code": {"text": "blood"}, "effectiveDateTime": "2026-03-05T10:00:00Z",
          "contained": [potassium(subject=None, effectiveDateTime=None)]}], "used", ""),
}  # fmt: skip


def of_patient(name, resources):
    """Patient, visit and resources of a case of the corpus, under the name of a patient of their own."""
    text = json.dumps([PATIENT, ENCOUNTER, *resources]).replace('"Patient/p', f'"Patient/{name}')
    text = text.replace("/fhir/Patient/p/", f"/fhir/Patient/{name}/").replace('"id": "p"', f'"id": "{name}"')
    for kind in "eor":
        text = text.replace(f'"id": "{kind}"', f'"id": "{kind}{name}"')
    return json.loads(text)
