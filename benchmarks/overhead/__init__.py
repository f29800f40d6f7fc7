"""Overhead of recording: a recorded training step over a bare one; `__main__` has the commands."""
