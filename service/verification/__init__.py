"""Holds what mailgap published against the truth of a simulated load. It shares no code with what it checks."""
