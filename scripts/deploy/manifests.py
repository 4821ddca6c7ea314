"""What schemas miss: that the parts of the rendered manifests fit together."""

import re
from decimal import Decimal, InvalidOperation

import kubernetes_validate

from environment import secrets_elsewhere
from tree import of_kind, pod_of, program_of, title, variables, workloads

KUBERNETES = "1.37"
UNITS = {
    "": 1,
    "m": Decimal("0.001"),
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
# A program takes 10 s to stop (services/chassis/src/server.rs).
STOPS_WITHIN = 10


def schemas(tree, overlay):
    """Strictly: a field that Kubernetes does not know is an error, and so is a kind without a schema."""
    for document in tree.rendered(overlay):
        try:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{title(document)}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{title(document)}: no schema of {error.kind} {error.api_version}"


def names(tree, overlay):
    seen = set()
    for document in tree.rendered(overlay):
        if title(document) in seen:
            yield f"{title(document)} is there twice"
        seen.add(title(document))
        if document["kind"] != "Namespace" and "namespace" not in document["metadata"]:
            yield f"{title(document)} has no namespace"


def selected(selector, labels):
    """Whether a selector's matchLabels (or a Service's selector) choose these labels."""
    return selector.items() <= labels.items()


def selectors(tree, overlay):
    documents = tree.rendered(overlay)
    pods = {title(workload): pod_of(workload)["metadata"]["labels"] for workload in workloads(documents)}
    for workload in of_kind(documents, "Deployment", "StatefulSet"):
        if not selected(workload["spec"]["selector"]["matchLabels"], pods[title(workload)]):
            yield f"{title(workload)} does not select its own pods"
        for spread in pod_of(workload)["spec"].get("topologySpreadConstraints", []):
            if not selected(spread["labelSelector"]["matchLabels"], pods[title(workload)]):
                yield f"{title(workload)} spreads other pods than its own"
    for document in of_kind(documents, "Service", "PodDisruptionBudget"):
        selector = document["spec"]["selector"]
        chosen = [name for name, labels in pods.items() if selected(selector.get("matchLabels", selector), labels)]
        if [name.partition("/")[2] for name in chosen] != [document["metadata"]["name"]]:
            yield f"{title(document)} selects {', '.join(chosen) or 'nobody'}"
    for document in of_kind(documents, "HorizontalPodAutoscaler"):
        target = document["spec"]["scaleTargetRef"]
        found = [it for it in documents if title(it) == f"{target['kind']}/{target['name']}"]
        if not found:
            yield f"{title(document)} scales {target['name']}, which does not exist"
        for workload in found:
            if "replicas" in workload["spec"]:
                yield f"{title(workload)} has replicas, which every apply would put back"
            if any("cpu" not in it["resources"]["requests"] for it in pod_of(workload)["spec"]["containers"]):
                yield f"{title(document)} needs a CPU request to measure by"
    budgets, scalers = (
        {it["metadata"]["name"] for it in of_kind(documents, kind)}
        for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler")
    )
    for workload in of_kind(documents, "Deployment"):
        if workload["metadata"]["name"] not in budgets & scalers:
            yield f"{title(workload)} is without a PodDisruptionBudget or a HorizontalPodAutoscaler"


def ports(tree, overlay):
    documents = tree.rendered(overlay)
    config = {it["metadata"]["name"]: it["data"] for it in of_kind(documents, "ConfigMap")}
    for workload in workloads(documents):
        for container in pod_of(workload)["spec"]["containers"]:
            open_ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                check = container.get(probe, {})
                asked = check.get("httpGet") or check.get("tcpSocket")
                if asked and asked["port"] not in open_ports:
                    yield f"{title(workload)}: the {probe} asks port {asked['port']}, which does not exist"
            if program_of(container["image"]):
                port = next(config[it["configMapRef"]["name"]]["PORT"] for it in container["envFrom"])
                if str(open_ports["http"]) != port:
                    yield f"{title(workload)} listens on {port} and opens {open_ports['http']}"
    services = {service["metadata"]["name"]: service for service in of_kind(documents, "Service")}
    for name, service in services.items():
        targets = [
            it for it in workloads(documents) if selected(service["spec"]["selector"], pod_of(it)["metadata"]["labels"])
        ]
        for port in service["spec"]["ports"]:
            for workload in targets:
                if not any(
                    port["targetPort"] == it["name"]
                    for container in pod_of(workload)["spec"]["containers"]
                    for it in container["ports"]
                ):
                    yield f"Service/{name} leads to port {port['targetPort']} of {title(workload)}, which does not exist"
    for ingress in of_kind(documents, "Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            service = services.get(backend["name"])
            if not service or backend["port"]["name"] not in [port["name"] for port in service["spec"]["ports"]]:
                yield f"{title(ingress)} leads to {backend['name']}:{backend['port']['name']}, which does not exist"


def references(tree, overlay):
    documents = tree.rendered(overlay)
    keys = {
        (it["kind"], it["metadata"]["name"]): set(it.get("data") or it.get("stringData") or ())
        for it in documents + secrets_elsewhere(tree, overlay)
    }
    for workload in workloads(documents):
        where, spec = title(workload), pod_of(workload)["spec"]
        if spec.get("serviceAccountName") and ("ServiceAccount", spec["serviceAccountName"]) not in keys:
            yield f"{where}: ServiceAccount {spec['serviceAccountName']} does not exist"
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        wanted = [("ConfigMap", it["configMap"], "name") for it in spec.get("volumes", []) if "configMap" in it]
        for container in spec["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{where}: volume {mount['name']} does not exist"
            for source in container.get("envFrom", []) + [it.get("valueFrom", {}) for it in container.get("env", [])]:
                wanted += [
                    ("ConfigMap" if "configMap" in key else "Secret", it, "name")
                    for key, it in source.items()
                    if key != "fieldRef"
                ]
        for kind, reference, name in wanted:
            if (kind, reference[name]) not in keys:
                if not reference.get("optional"):
                    yield f"{where}: {kind} {reference[name]} does not exist"
            elif "key" in reference and reference["key"] not in keys[kind, reference[name]]:
                yield f"{where}: {kind} {reference[name]} has no {reference['key']}"
    for ingress in of_kind(documents, "Ingress"):
        for tls in ingress["spec"].get("tls", []):
            if ("Secret", tls["secretName"]) not in keys:
                yield f"{title(ingress)}: Secret {tls['secretName']} does not exist"


def quantity(text):
    """A Kubernetes quantity as a number."""
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text)).groups()
    return Decimal(number) * UNITS[unit]


def resources(tree, overlay):
    for workload in workloads(tree.rendered(overlay)):
        for container in pod_of(workload)["spec"]["containers"]:
            for what in ("cpu", "memory"):
                try:
                    least, most = (quantity(container["resources"][kind][what]) for kind in ("requests", "limits"))
                except (AttributeError, InvalidOperation, KeyError) as error:
                    yield f"{title(workload)}: {what} is missing or no quantity ({error})"
                    continue
                if least > most:
                    yield f"{title(workload)} requests more {what} than its limit"
        for claim in workload["spec"].get("volumeClaimTemplates", []):
            try:
                quantity(claim["spec"]["resources"]["requests"]["storage"])
            except (AttributeError, InvalidOperation, KeyError) as error:
                yield f"{title(workload)}: storage is missing or no quantity ({error})"


def safety(tree, overlay):
    """Pods that the restricted Pod Security Standard takes, and that have no token of the cluster."""
    for workload in workloads(tree.rendered(overlay)):
        where, spec = title(workload), pod_of(workload)["spec"]
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{where} has a token of the cluster"
        if spec.get("enableServiceLinks") is not False:
            yield f"{where} has variables after every Service"
        pod = spec.get("securityContext", {})
        if pod.get("runAsNonRoot") is not True or pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{where} may run as root, or without seccomp"
        for container in spec["containers"]:
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities", {}).get("drop") != ["ALL"]:
                yield f"{where} may gain privileges"
            if program_of(container["image"]) and own.get("readOnlyRootFilesystem") is not True:
                yield f"{where} can write to its image"
            if not re.search(r":[\w.-]+$", container["image"]) or container["image"].endswith(":latest"):
                yield f"{where}: {container['image']} is not pinned"


def updates(tree, overlay):
    """A rolling update and the end of a pod lose no request."""
    for workload in of_kind(tree.rendered(overlay), "Deployment"):
        where, spec = title(workload), pod_of(workload)["spec"]
        if workload["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
            yield f"{where} is updated with less than it has"
        for container in spec["containers"]:
            paths = {
                probe: container.get(f"{probe}Probe", {}).get("httpGet", {}).get("path")
                for probe in ("startup", "readiness", "liveness")
            }
            if paths != {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}:
                yield f"{where} is probed at {paths}"
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if pause < 2:
                yield f"{where} stops listening while it is still sent requests"
            if spec["terminationGracePeriodSeconds"] < pause + STOPS_WITHIN:
                yield f"{where} is killed before it can stop"


def limits(tree, overlay):
    """What one PostgreSQL and one topic can take, when everything is scaled out and updated at once."""
    documents = tree.rendered(overlay)
    partitions = int(re.search(r"PARTITIONS: i32 = (\d+);", tree.read("services/chassis/src/bus/kafka.rs"))[1])
    pool = next(
        (
            it["data"]["DATABASE_POOL"]
            for it in of_kind(documents, "ConfigMap")
            if "DATABASE_POOL" in it.get("data", {})
        ),
        variables("post")["DATABASE_POOL"].default,
    )
    connections = 0
    for scaler in of_kind(documents, "HorizontalPodAutoscaler"):
        name, replicas = scaler["metadata"]["name"], scaler["spec"]["maxReplicas"]
        if name != "gateway":
            # The pool, and the relay's own connection.
            connections += (replicas + 1) * (int(pool) + 1)
            if replicas > partitions:
                yield f"{name} grows to {replicas} replicas, of which {partitions} get a partition"
    for server in (it for it in of_kind(documents, "StatefulSet") if it["metadata"]["name"] == "postgres"):
        most = int(re.search(r"max_connections=(\d+)", " ".join(pod_of(server)["spec"]["containers"][0]["args"]))[1])
        if connections > most - 3:
            yield f"{connections} connections are wanted, and PostgreSQL takes {most}"


CHECKS = (schemas, names, selectors, ports, references, resources, safety, updates, limits)
