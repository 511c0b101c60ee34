"""Tests that need no R, network or AWS."""
