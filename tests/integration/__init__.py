"""Tests with real R, the real S3 protocol and the real Lambda emulator."""
