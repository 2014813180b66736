"""Patients: the answers of all modalities about one person become one."""
