"""Predict single-cell drug response from bulk cell lines: the helper package of the book."""

__version__ = "0.1.0"
