"""Every variable that a program reads is set or has a default, and none is set that nobody reads."""

from urllib.parse import urlsplit

import yaml

from tree import OF_POSTGRESQL, PROGRAMS, Unusable, built, of_kind, pod_of, program_of, run, title, variables, workloads

BEGIN, END = "<!-- begin: written by scripts/check-deploy --write -->\n", "<!-- end -->\n"


def of_compose(tree):
    for name in tree.image_environment:
        if not any(name in variables(program) for program in PROGRAMS):
            yield f"the Dockerfile sets {name}, and nobody reads it"
    services = tree.compose["services"]
    ports = {
        name: {tree.image_environment["PORT"]} if program_of(it["image"]) else None for name, it in services.items()
    }
    for name, service in services.items():
        if program := program_of(service["image"]):
            said = {key: value or "" for key, value in service["environment"].items()}
            yield from of_program(name, program, said, tree.image_environment)
            yield from addresses(name, said, ports)


def environment(tree, overlay):
    documents = tree.rendered(overlay)
    values = {}
    for document in documents + secrets_elsewhere(tree, overlay):
        if document["kind"] in ("ConfigMap", "Secret"):
            values[document["kind"], document["metadata"]["name"]] = document.get("data") or document["stringData"]
    ports = {
        service["metadata"]["name"]: {str(port["port"]) for port in service["spec"]["ports"]}
        for service in of_kind(documents, "Service")
    }
    for workload in workloads(documents):
        for container in pod_of(workload)["spec"]["containers"]:
            if program := program_of(container["image"]):
                said = container_environment(container, values)
                where = title(workload)
                yield from of_program(where, program, said, tree.image_environment)
                yield from addresses(where, said, ports)


def secrets_elsewhere(tree, overlay):
    """The Secrets that an overlay wants to find in the cluster."""
    path = tree.root / "k8s/overlays" / overlay / "secrets.yaml"
    return list(yaml.safe_load_all(path.read_text())) if path.exists() else []


def container_environment(container, values):
    """What a container's environment comes to; what is missing is another check's affair."""
    said = {}
    for source in container.get("envFrom", []):
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in source:
                said |= values.get((kind, source[key]["name"]), {})
    for variable in container.get("env", []):
        if "value" in variable:
            said[variable["name"]] = variable["value"]
        else:
            for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                if reference := variable["valueFrom"].get(key):
                    said[variable["name"]] = values.get((kind, reference["name"]), {}).get(reference["key"], "")
    return said


def of_program(where, program, said, image):
    read = variables(program)
    for name in said:
        if name not in read and not (name in OF_POSTGRESQL and "DATABASE_URL" in read):
            yield f"{where}: {name} is set, and nobody reads it"
    said = image | said
    for name, variable in read.items():
        if variable.required and not said.get(name):
            yield f"{where}: {name} is not set, and has no default"
    if "DATABASE_URL" in read:
        for name in OF_POSTGRESQL:
            if not said.get(name):
                yield f"{where}: {name} is not set, so PostgreSQL would not let it in"
    if said.get("AUTH") != "jwt" or bool(said.get("AUTH_HS256_SECRET")) == bool(said.get("AUTH_JWKS_URL")):
        yield f"{where}: not AUTH=jwt with one key"
    # Whether the values make sense only the program knows. It says so with 2; that nobody answers on this port is a 1.
    try:
        run("sh", "-c", '"$0" --health; test $? -le 1', built() / program, env=said | {"PORT": "1"})
    except Unusable as unusable:
        yield f"{where}: {unusable}"


def addresses(where, said, ports):
    """Who is named without a dot is in here, and has that port. `ports` has None for whoever is not ours."""
    for name, value in said.items():
        if not value:
            continue
        if name.endswith(("_URL", "_ENDPOINT")):
            url = urlsplit(value)
            hosts = [(url.hostname, str(url.port or {"http": 80, "https": 443, "postgres": 5432}[url.scheme]))]
        elif name == "KAFKA_BOOTSTRAP_SERVERS":
            hosts = [tuple(broker.split(":")) for broker in value.split(",")]
        else:
            continue
        for host, port in hosts:
            if "." not in host and host not in ports:
                yield f"{where}: {name} leads to {host}, which does not exist"
            elif "." not in host and ports[host] and port not in ports[host]:
                yield f"{where}: {name} leads to port {port} of {host}, which has {', '.join(ports[host])}"


def table():
    """The configuration table of docs/OPERATIONS.md, as the programs' --help has it."""
    rows = {}
    for program in PROGRAMS:
        for variable in variables(program).values():
            # Each listens on a port of its own; the Dockerfile has them all on one.
            default = None if variable.name == "PORT" else variable.default
            rows.setdefault((variable.name, default, variable.required), (variable.help, []))[1].append(program)
    services = list(PROGRAMS[:-1])
    lines = ["| variable | of | default | is |", "|---|---|---|---|"]
    for (name, default, required), (help_, programs) in rows.items():
        of = "all" if programs == list(PROGRAMS) else "services" if programs == services else ", ".join(programs)
        default = "**has to be set**" if required else f"`{default}`" if default not in (None, '""') else ""
        lines.append(f"| `{name}` | {of} | {default} | {help_} |")
    return "\n".join(lines) + "\n"


def table_is_current(tree):
    text = tree.read("docs/OPERATIONS.md")
    if BEGIN not in text or text.split(BEGIN)[1].split(END)[0] != table():
        yield "docs/OPERATIONS.md is not what the programs' --help says: scripts/check-deploy --write"


def write_table(root):
    path = root / "docs/OPERATIONS.md"
    before, _, rest = path.read_text().partition(BEGIN)
    path.write_text(before + BEGIN + table() + END + rest.partition(END)[2])
