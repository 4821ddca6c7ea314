"""What is checked: a copy of the repository, its manifests as they come out, and what its programs read."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import yaml

PROGRAMS = ("post", "offer", "deal", "mypage", "notification", "gateway")
OVERLAYS = ("local", "production")
# Read by the PostgreSQL client (sqlx) where DATABASE_URL does not say them.
OF_POSTGRESQL = ("PGUSER", "PGPASSWORD")


class Unusable(Exception):
    """A tool could not make anything of a file; its own words."""


def run(*command, cwd=None, env=None):
    """The output of a command that has to succeed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        raise Unusable((done.stderr + done.stdout).strip())
    return done.stdout


@dataclass(frozen=True)
class Variable:
    """An environment variable as a program's --help shows it."""

    name: str
    help: str
    default: str | None
    required: bool


def built():
    """Where cargo has put the programs."""
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "debug"


@cache
def variables(program):
    """Every environment variable that a program reads, by name."""
    path = built() / program
    if not path.exists():
        raise Unusable(f"{path} is missing: cargo build --workspace --bins")
    # Without an environment, so that no value of ours stands in it.
    text = run(path, "--help", env={})
    usage = re.search(r"^Usage: .*$", text, re.M).group()
    found = {}
    for block in re.split(r"\n(?= {2,6}-)", text):
        if name := re.search(r"\[env: (\w+)=?\]", block):
            option = re.search(r"--[\w-]+", block.splitlines()[0])
            lines = [line.strip() for line in block[: name.start()].splitlines()]
            help_ = next(line for line in lines if line and not line.startswith("-"))
            default = re.search(r"\[default: (.*?)\]\n", block + "\n")
            found[name[1]] = Variable(
                name[1],
                help_,
                default and default[1],
                option is not None and re.search(rf"{option.group()}\b(?![^\[]*\])", usage) is not None,
            )
    return found


class Tree:
    """A repository at a path."""

    def __init__(self, root):
        self.root = Path(root)
        self._rendered = {}

    def read(self, path):
        return (self.root / path).read_text()

    def rendered(self, overlay):
        """An overlay's manifests, as a cluster would get them."""
        if overlay not in self._rendered:
            text = run("kubectl", "kustomize", self.root / "k8s/overlays" / overlay)
            self._rendered[overlay] = [document for document in yaml.safe_load_all(text) if document]
        return self._rendered[overlay]

    @cached_property
    def compose(self):
        """The compose file with everything resolved, of all profiles."""
        return json.loads(run("docker-compose", "--profile", "*", "config", "--format", "json", cwd=self.root))

    @cached_property
    def image_environment(self):
        """What the Dockerfile's last stage sets."""
        last = self.read("Dockerfile").split("\nFROM ")[-1]
        text = " ".join(re.findall(r"^ENV ((?:.*\\\n)*.*)$", last, re.M)).replace("\\\n", " ")
        return dict(pair.split("=", 1) for pair in text.split())


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def title(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def pod_of(document):
    """The pod template of a workload."""
    return document["spec"]["template"]


def workloads(documents):
    return of_kind(documents, "Deployment", "StatefulSet", "Job")


def program_of(image):
    """Which of our programs an image is; None for everybody else's."""
    name = re.search(r"(?:^|/)secondhandtrading/(\w+)(?::|@|$)", image)
    return name[1] if name else None
