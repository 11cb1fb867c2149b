"""Dagster-shaped handles on the outside world."""
