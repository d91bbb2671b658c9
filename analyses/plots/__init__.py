"""Figures that several analyses share."""
