"""medanomaly: find what is unusual in medical data, and say how sure one can be."""

__version__ = "0.1.0"
