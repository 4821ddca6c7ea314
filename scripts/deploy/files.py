"""Files that have a checker of their own: the Dockerfile, the compose file, the workflows."""

import os
import re
from urllib.parse import urlsplit

import yaml

from tree import PROGRAMS, Unusable, program_of, run


def complaint(*command, cwd):
    """What a checker has to say, if anything."""
    try:
        run(*command, cwd=cwd)
    except Unusable as unusable:
        yield str(unusable)


def dockerfile(tree):
    yield from complaint("hadolint", "--failure-threshold", "style", "Dockerfile", cwd=tree.root)
    text = tree.read("Dockerfile")
    for image in re.findall(r"^FROM (\S+)", text, re.M):
        if not re.search(r":\d|@sha256:[0-9a-f]{64}$", image) and f" AS {image}\n" not in text:
            yield f"{image} is not pinned"
    # The tools stage installs cargo-chef; everything else is built as Cargo.lock says.
    for command in re.findall(r"cargo (?:build|chef cook|install).*", text):
        if "--locked" not in command:
            yield f"not --locked: {command}"
    wanted = re.search(r'^rust-version = "(.*)"', tree.read("Cargo.toml"), re.M)[1]
    if not re.search(rf"^FROM rust:{re.escape(wanted)}\.", text, re.M):
        yield f"Cargo.toml wants Rust {wanted}, the image has another"
    if "--health" not in re.search(r"^HEALTHCHECK.*", text, re.M)[0]:
        yield "the health check does not ask the program"
    members = re.search(r"^members = \[(.*)\]", tree.read("Cargo.toml"), re.M)[1]
    for name in ["Cargo.toml", "Cargo.lock"] + re.findall(r'"([\w-]+)', members):
        if f"!{name}\n" not in tree.read(".dockerignore"):
            yield f"{name} does not get into the build"


def compose(tree):
    yield from complaint(
        "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml", cwd=tree.root
    )
    services = tree.compose["services"]
    for name, service in services.items():
        program = program_of(service["image"])
        if program and service.get("build", {}).get("args", {}).get("BIN") != program:
            yield f"{name}: the image {service['image']} is not built of {program}"
        if not program and not re.search(r":v?\d+\.\d+", service["image"]):
            yield f"{name}: {service['image']} is not pinned"
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                yield f"{name}: port {port['target']} is open to other machines, with secrets that all can read"
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and not os.path.exists(volume["source"]):
                yield f"{name}: {volume['source']} does not exist"
        for other, how in service.get("depends_on", {}).items():
            healthy = "healthcheck" in services[other] or program_of(services[other]["image"])
            if how["condition"] == "service_healthy" and not healthy:
                yield f"{name} waits for {other} to be healthy, which has no health check"
    for program in set(PROGRAMS) - {program_of(service["image"]) for service in services.values()}:
        yield f"{program} is missing"


def observability(tree):
    """Who is scraped and asked is in the compose file, and the dashboards ask who is there."""
    services, home = tree.compose["services"], tree.root / "observability"
    prometheus = yaml.safe_load((home / "prometheus/prometheus.yml").read_text())
    for config in prometheus["scrape_configs"]:
        targets = {target for group in config["static_configs"] for target in group["targets"]}
        wanted = {
            f"{name}:{tree.image_environment['PORT']}" for name, it in services.items() if program_of(it["image"])
        }
        for target in sorted(targets ^ wanted):
            yield f"Prometheus {'scrapes' if target in targets else 'does not scrape'} {target}"
    for name in prometheus["rule_files"]:
        if not (home / "prometheus" / name).exists():
            yield f"prometheus.yml reads {name}, which does not exist"
    sources = yaml.safe_load((home / "grafana/provisioning/datasources/datasources.yml").read_text())["datasources"]
    for source in sources:
        if (host := urlsplit(source["url"]).hostname) not in services:
            yield f"Grafana asks {host}, which does not exist"
    for path in sorted((home / "grafana/dashboards").glob("*.json")):
        for uid in set(re.findall(r'"datasource": *\{[^}]*"uid": *"([^"$]+)"', path.read_text())):
            if uid not in {source["uid"] for source in sources} | {"-- Grafana --"}:
                yield f"{path.name} asks {uid}, which is not provisioned"


def workflows(tree):
    # The loader takes the key `on` for true.
    for path in sorted((tree.root / ".github/workflows").glob("*.yml")):
        yield from complaint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path, cwd=tree.root)
        workflow = yaml.safe_load(path.read_text())
        if "permissions" not in workflow:
            yield f"{path.name}: no permissions, which means all of them"
        for line in path.read_text().splitlines():
            if "uses:" in line and not re.search(r"uses: (\./|\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)", line):
                yield f"{path.name}: not pinned by commit, with its version beside: {line.strip()}"
    yield from complaint(
        "check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml", cwd=tree.root
    )
    # Without shellcheck, which is not everywhere; its verdict must not depend on the machine.
    files = sorted((tree.root / ".github/workflows").glob("*.yml"))
    yield from complaint(os.environ["ACTIONLINT"], "-no-color", "-shellcheck=", "-pyflakes=", *files, cwd=tree.root)
