"""Try layers/r/fortran.c on every short input: `python concatenation.py LIBRARY`, where it is compiled."""

import ctypes
import itertools
import sys

concatenate = getattr(ctypes.CDLL(sys.argv[1]), "_gfortran_concat_string")  # noqa: B009  # its name is given
SIZE = ctypes.c_size_t
tried = 0
for length, from_a, from_b in itertools.product(range(9), range(6), range(6)):
    a, b = b"abcde"[:from_a], b"vwxyz"[:from_b]
    target = ctypes.create_string_buffer(b"?" * 9, 10)
    concatenate(SIZE(length), target, SIZE(len(a)), a, SIZE(len(b)), b)
    expected = (a + b)[:length].ljust(length) + b"?" * (9 - length)
    if target.value != expected:
        sys.exit(f"{a!r} // {b!r} in {length}: {target.value!r}, not {expected!r}")
    tried += 1
print(tried)  # noqa: T201
