"""Drives the engine for people: replay, retry now, discard, and the pipeline's state."""
