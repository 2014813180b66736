"""Diseases of a case in order: frequencies of symptoms, likelihood ratios, similarity, explanation."""
