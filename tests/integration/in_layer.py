"""Run an R script in the layer's R, started as the function starts it: `python in_layer.py SCRIPT`."""

import sys

from admission.engine import Engine

Engine()

from rpy2 import rinterface  # noqa: E402  # there is an R only now

rinterface.baseenv["source"](sys.argv[1])  # type: ignore[attr-defined]
