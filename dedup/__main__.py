"""The command `dedup`, which `python -m dedup` is too: signals are heard before anything heavy is loaded."""

from __future__ import annotations

import sys

from dedup import endings, signals


def main() -> None:
    """Run the command line; the entry point of `dedup`."""
    endings.begin(sys.argv[1:])
    try:
        signals.install()  # inside: a signal may come the moment it is heard
        from dedup import cli  # noqa: PLC0415 - a tenth of a second, in which a signal may come

        cli.main()
    except SystemExit as error:
        if signals.code() and isinstance(error.code, int):
            endings.fail(error.code, signals.word(error.code))  # where that was not said yet
        raise


if __name__ == "__main__":
    main()
