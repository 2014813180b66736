"""Unsupervised detector of abnormal heart beats that adapts to the patient."""
