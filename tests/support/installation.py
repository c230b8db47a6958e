"""`make install` into a folder of its own, with a program that costs nothing to make.

The environment that the real script builds out of packages takes a minute; here it is either one that borrows the
tests' own packages, or a script that tells how it was called. `make check-install` does it with the real one.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.docs import ROOT

PACKAGING = ROOT / "packaging"

_PACKAGES = [ROOT / "src", *(path for path in sys.path if path.endswith("site-packages"))]
_BORROWING = f"""#!/bin/sh
set -eu
'{sys.executable}' -m venv --without-pip "$1"
for folder in "$1"/lib/python*/site-packages; do
  printf '%s\\n' {" ".join(f"'{path}'" for path in _PACKAGES)} >"$folder/tests.pth"
done
"""

_TELLING = """#!/bin/sh
set -eu
mkdir -p "$1/bin"
cat >"$1/bin/python" <<'EOF'
#!/bin/sh
echo "user=$(id -un)"
echo "umask=$(umask)"
echo "folder=$(pwd)"
echo "arguments=$*"
env
EOF
chmod +x "$1/bin/python"
"""


@dataclass(frozen=True)
class Installation:
    """Where it lies, and what `make install` is told about that."""

    root: Path
    environ: dict[str, str]

    @property
    def command(self) -> Path:
        return self.root / "usr" / "bin" / "servicemanager"

    @property
    def config(self) -> Path:
        return self.root / "etc" / "servicemanager"

    @property
    def state(self) -> Path:
        return self.root / "var" / "servicemanager"

    @property
    def unit(self) -> Path:
        return self.root / "units" / "servicemanager.service"

    @property
    def releases(self) -> list[Path]:
        return sorted((self.root / "usr" / "lib" / "servicemanager").iterdir())

    def make(self, target: str, *, umask: int = 0o022, **variables: str) -> subprocess.CompletedProcess:
        """Run make; variables that it got when it was installed are given again."""
        words = [f"{name}={text}" for name, text in {**self.environ, **variables}.items()]
        command = ["make", "--no-print-directory", target, *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, umask=umask)

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if not path.is_dir() and path.parent != self.root)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        """The installed command, as somebody in a terminal would start it."""
        return self.start([str(self.command), *arguments], **variables)

    def told(self, *arguments: str, **variables: str) -> dict[str, str]:
        """What the telling program tells of its call; run by our own Python, since the program is none."""
        done = self.start([sys.executable, "-I", str(self.command), *arguments], **variables)
        assert (done.returncode, done.stderr) == (0, "")
        return dict(line.partition("=")[::2] for line in done.stdout.splitlines())

    def start(self, command: list[str], **variables: str) -> subprocess.CompletedProcess:
        environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **variables}
        return subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)


@contextmanager
def installation(*, telling: bool) -> Iterator[Installation]:
    """Where to install: a folder that any user may enter.

    The borrowing program runs as ourselves: another user may not be let into the tests' own packages.
    """
    with tempfile.TemporaryDirectory(prefix="sm-install-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        maker = root / "make-venv"
        maker.write_text(_TELLING if telling else _BORROWING)
        maker.chmod(0o755)
        user = "nobody" if telling and os.geteuid() == 0 else getpass.getuser()
        environ = {
            "PREFIX": f"{root}/usr",
            "SYSCONFDIR": f"{root}/etc",
            "STATEDIR": f"{root}/var",
            "UNITDIR": f"{root}/units",
            "SERVICE_USER": user,
            "MAKE_VENV": str(maker),
        }
        yield Installation(root, environ)


def assignments(text: str) -> dict[str, str | None]:
    """What the installed command reads in an environment file; None for what is no assignment."""
    specification = importlib.util.spec_from_file_location("as_service", PACKAGING / "as_service.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return dict(module.assignments(text))
