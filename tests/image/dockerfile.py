"""A Dockerfile's instructions, and what plays them without a container engine: an overlay of this machine, and chroot.

The stand-in for the base image is this machine's own root with its own Python, so this shows that the instructions work
one after the other, and what the result does as another user on a root that cannot be written; not how large it is.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass
class Stage:
    """From one FROM to the next."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def read(path: Path) -> list[Stage]:
    """The stages. Comments and ARGs before the first are left out."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name or str(len(stages))))
        elif word and stages:
            stages[-1].steps.append((word, rest.strip()))
    return stages


def visible(context: Path) -> set[str]:
    """The files that a build sees: what .dockerignore, a list of exceptions from `*`, lets through."""
    lines = [line for line in (context / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*", "all is left out but what is named"
    tracked = subprocess.run(["git", "ls-files"], cwd=context, check=True, capture_output=True, text=True).stdout
    named = [line[1:] for line in lines if line.startswith("!")]
    return {path for path in tracked.splitlines() if any(path == n or path.startswith(n) for n in named)}


OUTSIDE = {"HOME": "/tmp", "TINI_SUBREAPER": "1"}
"""What is otherwise than in a container: tini is not the first process here, and says so."""


class Player:
    """Plays stages in folders of their own; needs root, overlayfs and `chroot`. A context manager: it unmounts."""

    def __init__(self, scratch: Path, context: Path) -> None:
        self._scratch, self._context = scratch, context
        self._mounts: list[Path] = []
        self.roots: dict[str, Path] = {}
        self.env: dict[str, str] = {}
        self.user = "0:0"
        self.folder = "/"
        self.entry: list[str] = []

    def __enter__(self) -> Self:
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", "size=4g", "mailgap-image", self._scratch)
        return self

    def __exit__(self, *_: object) -> None:
        for path in reversed(self._mounts):
            subprocess.run(["umount", "--lazy", path], check=True)

    def _mount(self, *words: object) -> None:
        subprocess.run(["mount", *map(str, words)], check=True, capture_output=True, text=True)
        self._mounts.append(Path(str(words[-1])))

    def play(self, stage: Stage) -> Path:
        """Its root, as it is in the end."""
        home = self._scratch / stage.name
        for name in ("upper", "work", "root"):
            (home / name).mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={home / 'upper'},workdir={home / 'work'}"
        root = home / "root"
        self._mount("-t", "overlay", "-o", layers, "overlay", root)
        self.roots[stage.name] = root
        self._mount("--bind", "/dev", root / "dev")
        self._mount("-t", "proc", "proc", root / "proc")
        (root / "root").chmod(0o755)  # pyenv keeps this machine's Python there; the image's is in /usr
        path = f"{sys.base_prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.env = {"PATH": path, "HOME": "/root"}
        self.env |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}  # build arguments
        self.user, self.folder = "0:0", "/"
        for word, rest in stage.steps:
            getattr(self, f"_{word.lower()}", self._nothing)(root, rest)
        return root

    def _nothing(self, _root: Path, _rest: str) -> None:
        """LABEL, EXPOSE, ARG, …: nothing to play."""

    def _env(self, _root: Path, rest: str) -> None:
        for part in shlex.split(rest):
            name, _, value = part.partition("=")
            self.env[name] = value.replace("$PATH", self.env["PATH"])

    def _workdir(self, root: Path, rest: str) -> None:
        self.folder = rest
        (root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _user(self, _root: Path, rest: str) -> None:
        self.user = rest

    def _entrypoint(self, _root: Path, rest: str) -> None:
        self.entry = json.loads(rest)

    def _copy(self, root: Path, rest: str) -> None:
        words = rest.split()
        origin = self._context
        if words[0].startswith("--from="):
            origin = self.roots[words.pop(0).removeprefix("--from=")]
        *sources, target = words
        goal = root / (target if target.startswith("/") else f"{self.folder}/{target}").lstrip("/")
        for source in sources:
            found = origin / source.lstrip("/")
            if found.is_dir():
                shutil.copytree(found, goal, symlinks=True, dirs_exist_ok=True, ignore=self._unseen)
            else:
                place = goal / found.name if target.endswith("/") else goal
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, place)

    def _unseen(self, folder: str, names: list[str]) -> set[str]:
        """As .dockerignore has it; between stages everything is copied."""
        return {"__pycache__"} & set(names) if Path(folder).is_relative_to(self._context) else set()

    def _run(self, root: Path, rest: str) -> None:
        command = re.sub(r"--mount=\S+\s+", "", rest)
        done = subprocess.run(
            ["chroot", str(root), "/bin/sh", "-c", f"cd {self.folder} && {command}"],
            env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"

    def seal(self, root: Path) -> None:
        """From now on the root cannot be written, but for a /tmp of its own."""
        self._mount("-t", "tmpfs", "-o", "mode=1777,size=64m", "tmp", root / "tmp")
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)

    def command(self, root: Path, *words: str) -> list[str]:
        """What runs `docker run … words` with no capability, no new privilege, and the image's own user."""
        user, _, group = self.user.partition(":")
        drop = ["--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        return [
            "chroot", str(root), "/usr/bin/setpriv", *drop, "--inh-caps=-all", "--",
            "/usr/bin/env", "-C", self.folder, *self.entry, *words,
        ]  # fmt: skip

    def run(self, root: Path, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        env = self.env | OUTSIDE | extra
        command = self.command(root, *words)
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
