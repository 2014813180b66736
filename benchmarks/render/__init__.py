"""Writes ``docs/results`` and the headlines of the README from ``benchmarks/results``: figures are never typed."""
