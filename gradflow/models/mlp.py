"""Fully connected networks of constant width, with a chosen activation, initialisation, norm and skip."""
