"""Derivatives as graphs, as power series, and checked by differences."""
