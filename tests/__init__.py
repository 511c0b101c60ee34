"""The tests: `unit` needs no R, network or AWS; `integration` uses the real thing."""
