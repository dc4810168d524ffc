"""Measurements: what is claimed about speed is measured here, never asserted in a test."""
