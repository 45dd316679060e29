"""Experiments: models that differ in one thing, trained and judged alike."""
