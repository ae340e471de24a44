"""``python -m poolkit``: the command line."""

from poolkit.cli import main

if __name__ == "__main__":
    main()
