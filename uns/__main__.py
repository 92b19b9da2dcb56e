"""`python -m uns` is `uns`."""

from uns.cli.main import main

if __name__ == "__main__":
    main()
