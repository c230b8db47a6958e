"""`python -m servicemanager` and the command `servicemanager`."""

from servicemanager.cli.collector import resting_collector


def main() -> None:
    """Run the command line; exits with the status that `errors` lists."""
    with resting_collector():
        from servicemanager.cli.app import main as run

        run()


if __name__ == "__main__":
    main()
