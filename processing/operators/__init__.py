"""Drives the engine for people: replay, retry now, discard, and how the pipeline stands."""
