#!@RELEASE@/bin/python -I
"""The command `servicemanager` of this machine: what a person starts by hand sees what the service sees.

As root it becomes the service's user, takes the settings in the environment file and nothing of root's own variables,
and works in the service's folder. Written by `make install`, which fills in the names between @ signs.
"""

import os
import pwd
import re
import sys
from collections.abc import Iterator

RELEASE = "@RELEASE@"
CONFIG = "@CONFIG@"
STATE = "@STATE@"
USER = "@USER@"
GROUP = "@GROUP@"

#: What belongs to the terminal and not to the settings.
PASSED_ON = re.compile(r"PATH|TERM|COLORTERM|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|LANG|LANGUAGE|LC_\w+")
#: What can be asked for without a setting.
WITHOUT_SETTINGS = ("demo", "--help", "--version")

# The grammar of systemd's EnvironmentFile (systemd.exec(5)), so that both read the same from one file.
_QUOTED = r"""'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\Z)"""
_LINE = re.compile(
    rf"""[ \t\n\r]*(?>
      [#;][^\n\r]*
    | (?P<name>(?:[^\n\r][^=\n\r]*)?)
      (?:=(?P<quoted>(?>(?:[ \t]*(?:{_QUOTED}))*))[ \t]*(?P<bare>(?:\\.|[^\n\r\\])*?)[ \t]*(?=[\n\r]|\\?\Z))?
    )(?:[\n\r]|\\?\Z)""",
    re.VERBOSE | re.DOTALL,
)


def assignments(text: str) -> Iterator[tuple[str, str | None]]:
    """Each name with its value, and what is no assignment with None."""
    at = 0
    while at < len(text) and (line := _LINE.match(text, at)):
        at = line.end()
        name = (line["name"] or "").rstrip()
        if name and line["bare"] is None:
            yield name, None
        elif name:
            bare = re.sub(r"\\(.)", _escaped, line["bare"], flags=re.DOTALL)
            value = "".join(_unquoted(piece) for piece in re.findall(_QUOTED, line["quoted"], re.DOTALL)) + bare
            yield name, value if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else None


def _escaped(found: re.Match[str]) -> str:
    return found[1].replace("\n", "")


def _unquoted(piece: str) -> str:
    inner = piece[1:].removesuffix(piece[0])
    return inner if piece[0] == "'" else re.sub(r'\\(["\\`$\n])', _escaped, inner)


def environment(text: str, own: dict[str, str]) -> dict[str, str]:
    """The variables of the service: the file's, and of our own those of the terminal."""
    environ = {name: value for name, value in own.items() if PASSED_ON.fullmatch(name)}
    environ |= {"HOME": STATE, "USER": USER, "LOGNAME": USER, "CONFIG_FILE": f"{CONFIG}/config.yml"}
    for name, value in assignments(text):
        if value is None:
            # Not the rest of the line: it may be a secret. The usual case is `export NAME=value` out of a shell's file.
            sys.stderr.write(f"note: {CONFIG}/environment: {name.split()[0]}: no NAME=value, and ignored.\n")
        else:
            environ[name] = value
    return environ


def become_the_service() -> None:
    """Give up root for good."""
    account = pwd.getpwnam(USER)
    os.initgroups(USER, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.umask(0o027)


def refusal() -> str:
    """Why somebody else can't use it; names the remedy."""
    return (
        f"servicemanager: the settings in {CONFIG} can be read by root and the group {GROUP} only:"
        " start the command with sudo.\n"
    )


def main() -> None:
    """Replace this process by the command; exit status 2 where its settings can't be read."""
    arguments = sys.argv[1:]
    environ = dict(os.environ)
    try:
        with open(f"{CONFIG}/environment", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 -- starts faster
            text = file.read()
        if os.geteuid() == 0:
            become_the_service()
        os.chdir(STATE)
        environ = environment(text, environ)
    except PermissionError:
        if arguments and not set(arguments) & set(WITHOUT_SETTINGS):
            sys.stderr.write(refusal())
            sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"servicemanager: {error.filename}: {error.strerror}: `make install` makes it anew.\n")
        sys.exit(2)
    python = f"{RELEASE}/bin/python"
    os.execve(python, [python, "-I", "-m", "servicemanager", *arguments], environ)  # noqa: S606 -- no shell wanted


if __name__ == "__main__":
    main()
