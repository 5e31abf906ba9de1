"""``python -m ockham`` is ``ockham``."""

from ockham.cli.commands import main

if __name__ == "__main__":
    main()
