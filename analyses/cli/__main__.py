"""`python -m analyses.cli` is `mesa`."""

from analyses.cli.entry import main

if __name__ == "__main__":
    main()
