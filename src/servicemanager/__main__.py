"""`python -m servicemanager` and the command `servicemanager`."""

from servicemanager.cli.app import main

if __name__ == "__main__":
    main()
