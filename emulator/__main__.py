"""`python -m emulator`: Ctrl-C ends it at any moment, also while its imports are still being read."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)

from emulator.commands import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
