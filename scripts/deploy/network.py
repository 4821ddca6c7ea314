"""The network policies let through what the code calls, and nothing else."""

import ipaddress
import re
from dataclasses import dataclass, field
from itertools import product

from tree import PROGRAMS, of_kind, pod_of, variables, workloads

OURS = {"kubernetes.io/metadata.name": "secondhandtrading"}


@dataclass(frozen=True)
class Peer:
    """Who can be at one end of a connection: a pod, or an address outside of the cluster."""

    name: str
    labels: dict = field(default_factory=dict, hash=False)
    namespace: dict = field(default_factory=dict, hash=False)
    address: str | None = None

    @property
    def ours(self):
        return self.namespace == OURS


def matches(selector, labels):
    """Whether a label selector chooses these labels; an empty one chooses all."""
    operators = {
        "In": lambda it: labels.get(it["key"]) in it["values"],
        "NotIn": lambda it: labels.get(it["key"]) not in it["values"],
        "Exists": lambda it: it["key"] in labels,
        "DoesNotExist": lambda it: it["key"] not in labels,
    }
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        operators[it["operator"]](it) for it in selector.get("matchExpressions", [])
    )


def is_peer(rule, peer):
    """Whether an entry of `from` or `to` means this peer."""
    if "ipBlock" in rule:

        def inside(block):
            return ipaddress.ip_address(peer.address) in ipaddress.ip_network(block)

        return (
            bool(peer.address)
            and inside(rule["ipBlock"]["cidr"])
            and not any(map(inside, rule["ipBlock"].get("except", [])))
        )
    if peer.address:
        return False
    namespace = matches(rule["namespaceSelector"], peer.namespace) if "namespaceSelector" in rule else peer.ours
    return namespace and matches(rule.get("podSelector", {}), peer.labels)


def lets(policies, direction, peer, other, protocol, port):
    """Whether the policies of `peer` let a connection with `other` through, as Kubernetes reads them."""
    if not peer.ours:
        return True
    mine = [
        it["spec"]
        for it in policies
        if matches(it["spec"]["podSelector"], peer.labels) and direction in it["spec"]["policyTypes"]
    ]
    side, end = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}[direction]
    return not mine or any(
        (not rule.get(end) or any(is_peer(it, other) for it in rule[end]))
        and (
            not rule.get("ports")
            or any((it.get("protocol", "TCP"), it["port"]) == (protocol, port) for it in rule["ports"])
        )
        for spec in mine
        for rule in spec.get(side, [])
    )


def askers(tree):
    """The services whose code asks others, which they do through the gateway."""
    return [
        program
        for program in PROGRAMS
        for source in sorted((tree.root / "services" / program / "src").rglob("*.rs"))
        if re.search(r"upstream\s*\.(get|post)\b", source.read_text())
    ]


def calls(tree, overlay, internal):
    """Every (from, to, port) that there is, from the programs themselves."""

    def port(name, default):
        values = [it["data"][name] for it in of_kind(tree.rendered(overlay), "ConfigMap") if name in it.get("data", {})]
        return int((re.search(r":(\d+)(?:[/,]|$)", values[0].partition("://")[2] or values[0]) or [0, default])[1])

    told = {name for it in of_kind(tree.rendered(overlay), "ConfigMap") for name in it.get("data", {})}
    postgres, kafka = port("DATABASE_URL", 5432), port("KAFKA_BOOTSTRAP_SERVERS", 9092)
    yield "ingress", "gateway", 8080
    yield "roles", "postgres", postgres
    for program in PROGRAMS:
        read = variables(program)
        yield "monitoring", program, 8080
        if "DATABASE_URL" in read:
            yield program, "postgres", postgres
        if "KAFKA_BOOTSTRAP_SERVERS" in read:
            yield program, "kafka", kafka
        if f"{program.upper()}_URL" in variables("gateway"):
            yield "gateway", program, 8080
        if "AUTH_JWKS_URL" in told and "AUTH_JWKS_URL" in read:
            yield program, "anywhere", 443
        if "OTEL_EXPORTER_OTLP_ENDPOINT" in told and "OTEL_EXPORTER_OTLP_ENDPOINT" in read:
            yield program, "monitoring", 4318
    for program in askers(tree):
        yield program, "gateway", 8080
    for pod in internal:
        yield pod, "names", 53


def policies(tree, overlay):
    documents = tree.rendered(overlay)
    rules = of_kind(documents, "NetworkPolicy")
    pods = [Peer(it["metadata"]["name"], pod_of(it)["metadata"]["labels"], OURS) for it in workloads(documents)]
    internal = {pod.name for pod in pods}
    blocks = {
        it["ipBlock"]["cidr"]: rule["ports"][0]["port"]
        for policy in rules
        for rule in policy["spec"].get("egress", [])
        for it in rule.get("to", [])
        if "ipBlock" in it
    }
    expected = set(calls(tree, overlay, internal))
    peers = pods + [
        Peer("ingress", {}, {"marketplace/access": "ingress"}),
        Peer("monitoring", {}, {"marketplace/access": "monitoring"}),
        Peer("names", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"}),
        # Of another namespace, in ours, and out in the world.
        Peer("stranger", {"app.kubernetes.io/name": "gateway"}, {"kubernetes.io/metadata.name": "default"}),
        Peer("intruder", {}, OURS),
        Peer("anywhere", address="203.0.113.7"),
    ]
    # What is not in the cluster is where a policy says it is, by its port.
    for name in {"postgres", "kafka"} - internal:
        port = next(port for _, to, port in expected if to == name)
        peers += [Peer(name, address=str(ipaddress.ip_network(block)[1])) for block, of in blocks.items() if of == port]
    expected |= {("intruder", "names", 53)}
    tried = {(protocol, port) for *_, port in expected for protocol in ("TCP", "UDP")} | {("TCP", 22)}
    tried |= {
        (port.get("protocol", "TCP"), port["port"])
        for policy in rules
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", [])
        for port in rule.get("ports", [])
    }
    found = {
        (one.name, other.name, port)
        for one, other, (protocol, port) in product(peers, peers, tried)
        if one is not other
        and (one.ours or other.ours)
        and lets(rules, "Egress", one, other, protocol, port)
        and lets(rules, "Ingress", other, one, protocol, port)
    }
    for one, other, port in sorted(expected - found):
        yield f"{one} calls {other}:{port}, and the policies do not let it"
    for one, other, port in sorted(found - expected):
        yield f"{one} may call {other}:{port}, and has no reason to"
