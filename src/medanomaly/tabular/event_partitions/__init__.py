"""Events of many patients (patient, time, code, value) as features of patients, in partitions of the patients."""
