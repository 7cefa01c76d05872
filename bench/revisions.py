"""What is measured: this checkout, and another revision of it in a worktree with a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKTREES = ROOT / "var" / "bench"


@dataclass(frozen=True)
class Revision:
    """Code in a folder that has its `.venv`; `label` names it in the tables. `schema`: instead of its `migrate`."""

    label: str
    root: Path
    schema: Path | None = None

    @property
    def python(self) -> str:
        return _output([str(self.root / ".venv" / "bin" / "python"), "--version"]).removeprefix("Python ")


def this_checkout() -> Revision:
    if not (ROOT / ".venv" / "bin" / "python").exists():
        sys.exit("there is no .venv in this checkout: run `make install`")
    return Revision(f"here ({_git('describe', '--always', '--dirty')})", ROOT)


def built(name: str) -> Revision:
    """A commit, in a worktree below `var`, installed; both stay there for the next time."""
    commit = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    root = WORKTREES / commit[:12]
    if not (root / ".git").is_file():
        _say(f"making a worktree of {name} in {root}")
        _git("worktree", "add", "--quiet", "--force", "--detach", str(root), commit)
    _say(f"installing what {name} needs, unless it is there")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", "--silent", "-C", str(root), "install"], env=environment, stdout=sys.stderr, check=True)
    return Revision(_git("rev-parse", "--short", commit), root)


def _git(*arguments: str) -> str:
    return _output(["git", "-C", str(ROOT), *arguments])


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
