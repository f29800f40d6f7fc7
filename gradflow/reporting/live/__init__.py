"""Figures that answer to a reader: one a file, a frame in, a Vega-Lite specification and its rows out."""
