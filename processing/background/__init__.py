"""Drives the engine by the clock: rescues what was left waiting, passes the gaps of files, strips old events."""
