"""R inside this process: start it, load a model, predict. The only module that knows rpy2.

R's own code is in ``engine.R`` and ``describe.R``; what crosses the border are numbers, strings and raw bytes, never R
source.
"""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import os
import zlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admission.errors import ModelUnusable, PredictionFailed
from admission.inputs import Column, Input, Kind

logger = logging.getLogger(__name__)

_SOURCES = ("describe.R", "engine.R")

# How saveRDS() may have compressed the file, told by its first bytes as R itself does.
_DECOMPRESSORS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
}
_LONGEST_MESSAGE = 2000
_SAVE_FORMAT = (b"RDX", b"RDA", b"RDB")


@dataclass(frozen=True)
class Model:
    """A model that has shown that it can predict.

    Attributes
    ----------
    inputs
        Its variables, in the order `predict` takes their columns.
    response
        What a prediction is: ``probability`` for a binomial model, else ``prediction``.
    predict
        From the number of rows and one column for each input to one number for each row, on the scale of the response;
        a row R has no number for is NaN. Raises `PredictionFailed` with R's message.
    """

    inputs: tuple[Input, ...]
    response: str
    predict: Callable[[int, Sequence[Column]], list[float]]


class Engine:
    """The one R a process can have.

    ``R_HOME`` and ``LD_LIBRARY_PATH`` have to be right in the environment the process was started with: the dynamic
    linker looks at the latter only once.

    Raises
    ------
    RuntimeError
        If ``R_HOME`` is not set.
    """

    def __init__(self) -> None:
        self._console: list[str] = []
        self._r = _start_r(self._console)
        # R reads its own source files: no R code is ever built from a Python string.
        base = self._r.baseenv
        functions = base["new.env"](parent=base)
        for source in _SOURCES:
            base["sys.source"](str(Path(__file__).with_name(source)), envir=functions)
        self._load = functions["load_model"]

    def load(self, file: bytes) -> Model:
        """Read the content of an .rds file and have the model in it predict for two applicants.

        Raises
        ------
        ModelUnusable
            If the file is damaged, or holds no model that can predict; with the reason.
        """
        description = self._call(ModelUnusable, self._load, self._r.ByteSexpVector(_decompress(file)))
        fields = _named(description)
        inputs = tuple(_input(field) for field in fields["inputs"])
        return Model(inputs, fields["response"][0], self._predictor(fields["predict"], inputs))

    def _predictor(self, function: Any, inputs: Sequence[Input]) -> Callable[[int, Sequence[Column]], list[float]]:
        def predict(rows: int, columns: Sequence[Column]) -> list[float]:
            vectors = [self._vector(field.kind, column) for field, column in zip(inputs, columns, strict=True)]
            return list(self._call(PredictionFailed, function, rows, *vectors))

        return predict

    def _vector(self, kind: Kind, column: Any) -> Any:
        if kind in ("number", "date"):
            return self._r.FloatSexpVector(array("d", column))
        if kind in ("level", "logical"):
            return self._r.IntSexpVector(array("i", column))
        return self._r.StrSexpVector(column)

    def _call(self, failure: type[ModelUnusable | PredictionFailed], function: Any, *arguments: object) -> Any:
        """Call a function of engine.R: its value, or its error raised; what R printed goes to the log."""
        try:
            with self._r.openrlib.rlock:  # R is not thread-safe
                answer = function(*arguments)
        except self._r.embedded.RRuntimeError as error:  # R unwound past tryCatch
            raise failure(f"R: {error}") from error
        finally:
            if printed := "".join(self._console).strip():
                logger.warning("message from R", extra={"r": printed[:_LONGEST_MESSAGE]})
            self._console.clear()
        if answer.names[0] == "error":
            raise failure(f"R: {answer[0][0]}")
        return answer[0]


def _start_r(console: list[str]) -> Any:
    """Start R without the two R processes that rpy2 would start to ask for what the environment already says.

    Returns
    -------
    module
        ``rpy2.rinterface``.
    """
    if not os.environ.get("R_HOME"):
        raise RuntimeError("R_HOME must name R's home directory")
    logging.getLogger("rpy2").setLevel(logging.WARNING)  # before its modules tell what they find
    import rpy2.situation  # noqa: PLC0415  # looks for R as soon as it is imported

    # Private names of rpy2-rinterface 3.6.5, which is pinned; a test starts R and counts processes.
    _replace(rpy2.situation, "r_ld_library_path_from_subprocess", lambda _: os.environ.get("LD_LIBRARY_PATH", ""))
    from rpy2 import rinterface  # noqa: PLC0415
    from rpy2.rinterface_lib import callbacks, embedded  # noqa: PLC0415

    _replace(rinterface, "_getrenvvars", lambda: ())
    for callback in ("consolewrite_print", "consolewrite_warnerror"):
        setattr(callbacks, callback, console.append)
    embedded.set_initoptions(("rpy2", "--quiet", "--vanilla"))  # type: ignore[arg-type]  # any number of options
    rinterface.initr(interactive=False)
    return rinterface


def _replace(module: Any, name: str, function: Callable[..., object]) -> None:
    if not hasattr(module, name):
        logger.warning("rpy2 has no %s.%s any more; it will start R to ask for its environment", module.__name__, name)
    setattr(module, name, function)


def _decompress(file: bytes) -> bytes:
    try:
        for magic, decompress in _DECOMPRESSORS.items():
            if file.startswith(magic):
                file = decompress(file)
                break
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise ModelUnusable(f"the file is damaged or incomplete: {error}") from error
    if file.startswith(_SAVE_FORMAT):
        raise ModelUnusable("the file was written by save(); write it with saveRDS()")
    if not file.startswith((b"X\n", b"A\n", b"B\n")):
        raise ModelUnusable("the file is not an .rds file as saveRDS() writes it")
    return file


def _input(field: Any) -> Input:
    named = _named(field)
    return Input(named["name"][0], named["kind"][0], tuple(named["levels"]), *named["range"])


def _named(r_list: Any) -> dict[str, Any]:
    return dict(zip(r_list.names, r_list, strict=True))
