"""Reads and writes sealed model files, after docs/file-format.md and nothing else."""
