"""Figures as SVG text: one module a question, all in the style of ``figures.style``."""
