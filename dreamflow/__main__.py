"""`python -m dreamflow` is the same as `dreamflow`."""

from dreamflow.cli import main

if __name__ == "__main__":
    main()
