"""Measurements of speed: claims about it are measured here, never asserted in a test."""
