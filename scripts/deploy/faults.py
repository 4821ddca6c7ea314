"""Faults to plant, one at a time, and what has to be said of each."""

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tree import Tree, Unusable

# What the checks read; the rest of the repository need not be copied.
READ = (
    ".dockerignore",
    ".github",
    "Cargo.toml",
    "Dockerfile",
    "docker-compose.yml",
    "docs",
    "k8s",
    "observability",
    "services",
)


@dataclass(frozen=True)
class Fault:
    """In `file`, `old` becomes `new`; `check` has to complain in these words."""

    check: str
    file: str
    old: str
    new: str
    complaint: str


@contextmanager
def planted(root, fault):
    """A copy of the repository with the fault in it."""
    with tempfile.TemporaryDirectory() as copy:
        for name in READ:
            source, to = Path(root) / name, Path(copy) / name
            if source.is_dir():
                shutil.copytree(source, to)
            else:
                shutil.copy(source, to)
        path = Path(copy) / fault.file
        text = path.read_text()
        if fault.old not in text:
            raise Unusable(f"{fault.file} has no {fault.old!r} any more: plant this fault elsewhere")
        path.write_text(text.replace(fault.old, fault.new))
        yield Tree(copy)


PROGRAM, SERVICE = "k8s/program/deployment.yaml", "k8s/service/kustomization.yaml"
NETWORK, LOCAL = "k8s/base/network.yaml", "k8s/overlays/local"
PRODUCTION, IMAGES = "k8s/overlays/production", ".github/workflows/images.yml"
COMPOSE, DOCKERFILE = "docker-compose.yml", "Dockerfile"

FAULTS = [
    Fault("dockerfile", DOCKERFILE, "--no-install-recommends ", "", "DL3015"),
    Fault("dockerfile", DOCKERFILE, "USER 65532:65532", "USER 65532:65532\nRUN sudo true", "DL3004"),
    Fault("dockerfile", DOCKERFILE, "@sha256:", "# ", "is not pinned"),
    Fault("dockerfile", DOCKERFILE, "cargo build --locked", "cargo build", "not --locked"),
    Fault("dockerfile", DOCKERFILE, "FROM rust:1.95.", "FROM rust:1.85.", "wants Rust 1.95"),
    Fault("dockerfile", ".dockerignore", "!shared-events\n", "", "shared-events does not get into the build"),
    Fault("observability", "observability/prometheus/prometheus.yml", "post:8080", "post:8082", "scrapes post:8082"),
    Fault(
        "observability",
        "observability/grafana/provisioning/datasources/datasources.yml",
        "http://jaeger:",
        "http://tempo:",
        "asks tempo, which does not exist",
    ),
    Fault("compose", COMPOSE, "restart: unless-stopped", "restarts: unless-stopped", "restarts"),
    Fault("compose", COMPOSE, "volumes:\n  postgres:\n", "volumes:\n", "undefined volume postgres"),
    Fault("compose", COMPOSE, "args: { BIN: deal }", "args: { BIN: post }", "is not built of deal"),
    Fault("compose", COMPOSE, "127.0.0.1:8088:", "8088:", "open to other machines"),
    Fault("compose", COMPOSE, "./k8s/base/roles.sh", "./roles.sh", "does not exist"),
    Fault(
        "compose",
        COMPOSE,
        "kafka: { condition: service_healthy }",
        "tools: { condition: service_healthy }",
        "has no health check",
    ),
    Fault("workflows", IMAGES, "runs-on:", "run-on:", "run-on"),
    Fault("workflows", IMAGES, "permissions: {}\n", "", "means all of them"),
    Fault("workflows", IMAGES, "263435318d21b8e681c14492fe198d362a7d2c83 # v6.18.0", "v6", "not pinned by commit"),
    Fault("workflows", IMAGES, "steps.push.outputs", "steps.pushed.outputs", 'property "pushed" is not defined'),
    Fault("workflows", ".github/dependabot.yml", "interval: weekly", "interval: often", "often"),
    Fault(
        "local: environment", "k8s/base/services.env", "GATEWAY_URL=", "GATEWAY=", "GATEWAY is set, and nobody reads it"
    ),
    Fault(
        "local: environment",
        "k8s/base/common.env",
        "HOST=",
        "KAFKA_TOPIC=t\nHOST=",
        "Deployment/gateway: KAFKA_TOPIC is set, and nobody reads it",
    ),
    Fault(
        "local: environment",
        "k8s/base/services.env",
        "DATABASE_URL=postgres://postgres:5432/marketplace\n",
        "",
        "Deployment/post: DATABASE_URL is not set",
    ),
    Fault(
        "local: environment",
        "k8s/base/services.env",
        "//postgres:5432",
        "//postgres:5433",
        "leads to port 5433 of postgres",
    ),
    Fault(
        "local: environment", "k8s/base/gateway.env", "//mypage", "//mypages", "leads to mypages, which does not exist"
    ),
    Fault("local: environment", "k8s/base/gateway.env", "//deal", "//deal/api", "expected http://host:port"),
    Fault("environment of compose", COMPOSE, ", PGUSER: mypage", "", "mypage: PGUSER is not set"),
    Fault(
        "production: environment",
        f"{PRODUCTION}/services.env",
        "DATABASE_POOL=8",
        "DATABASE_POOL=eight",
        "Deployment/post: error: invalid value",
    ),
    Fault(
        "production: environment",
        f"{PRODUCTION}/common.env",
        "AUTH_JWKS_URL=",
        "RUST_LOG=",
        "not AUTH=jwt with one key",
    ),
    Fault(
        "environment of compose",
        COMPOSE,
        "GATEWAY_URL: http://gateway:8080",
        "GATEWAY_URL: http://gateway:8088",
        "leads to port 8088 of gateway",
    ),
    Fault("environment of compose", COMPOSE, "POST_URL:", "POSTS_URL:", "gateway: POSTS_URL is set"),
    Fault(
        "environment of compose",
        DOCKERFILE,
        "LOG_FORMAT=json",
        "LOG=json",
        "the Dockerfile sets LOG, and nobody reads it",
    ),
    Fault("table", "docs/OPERATIONS.md", "`DATABASE_POOL` |", "`DATABASE_POOLS` |", "--write"),
    Fault("boot", "k8s/base/roles.sh", "login password %L", "login password 'other' %L", "syntax error"),
    Fault("boot", COMPOSE, "      mypage: development", "      mypage: another", "mypage ends with 1"),
    Fault(
        "boot",
        COMPOSE,
        "POST_URL: http://post:8080",
        "POST_URL: http://offer:8080",
        "GET /posts through the gateway: 404, not 200",
    ),
    Fault("kafka", f"{LOCAL}/kafka.env", "KAFKA_NODE_ID=1", "KAFKA_NODE_ID=2", "must be included in the set of voters"),
    Fault("kafka", COMPOSE, "apache/kafka:4.1.1", "apache/kafka:3.9.0", "not the version"),
    Fault("local: schemas", PROGRAM, "periodSeconds: 5", "periodSecond: 5", "periodSecond"),
    Fault("local: schemas", "k8s/base/ingress.yaml", "networking.k8s.io/v1", "networking.k8s.io/v1beta1", "no schema"),
    Fault("local: names", f"{LOCAL}/kustomization.yaml", "namespace: secondhandtrading\n", "", "has no namespace"),
    Fault(
        "local: selectors",
        "k8s/program/kustomization.yaml",
        "          - spec.template.metadata.labels.[app.kubernetes.io/name]\n",
        "",
        "does not select its own pods",
    ),
    Fault(
        "local: selectors",
        "k8s/program/kustomization.yaml",
        "          - spec.scaleTargetRef.name",
        "          - spec.scaleTargetRef.kind",
        "which does not exist",
    ),
    Fault(
        "local: selectors",
        "k8s/program/scaling.yaml",
        "  selector:\n    matchLabels:\n      app.kubernetes.io/name: program",
        "  selector:\n    matchLabels:\n      app.kubernetes.io/name: program\n      is: no",
        "selects nobody",
    ),
    Fault("production: selectors", PROGRAM, "  revisionHistoryLimit: 5", "  replicas: 2", "every apply would put back"),
    Fault(
        "local: ports",
        PROGRAM,
        "path: /readyz\n              port: http",
        "path: /readyz\n              port: web",
        "asks port web",
    ),
    Fault("local: ports", "k8s/program/service.yaml", "targetPort: http", "targetPort: web", "leads to port web"),
    Fault("local: ports", "k8s/base/common.env", "PORT=8080", "PORT=8081", "listens on 8081 and opens 8080"),
    Fault("production: ports", f"{PRODUCTION}/ingress.yaml", "name: http", "name: https", "leads to gateway:https"),
    Fault("local: references", SERVICE, "name: database\n", "name: databases\n", "Secret databases does not exist"),
    Fault("production: references", f"{PRODUCTION}/secrets.yaml", "  mypage:", "  myPage:", "has no mypage"),
    Fault(
        "production: references",
        "k8s/program/kustomization.yaml",
        "          - spec.template.spec.serviceAccountName\n",
        "",
        "ServiceAccount program does not exist",
    ),
    Fault(
        "local: references",
        "k8s/base/roles.yaml",
        "configMap:\n            name: roles",
        "configMap:\n            name: role",
        "ConfigMap role does not exist",
    ),
    Fault("local: resources", PROGRAM, "memory: 64Mi", "memory: 64MB", "no quantity"),
    Fault("local: resources", PROGRAM, "cpu: 100m", "cpu: 100", "requests more cpu"),
    Fault(
        "production: safety",
        PROGRAM,
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "can write to its image",
    ),
    Fault("production: safety", PROGRAM, "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
    Fault(
        "local: safety",
        f"{LOCAL}/kustomization.yaml",
        "secondhandtrading/deal\n    newTag: local",
        "secondhandtrading/deal\n    newTag: latest",
        "is not pinned",
    ),
    Fault("local: updates", PROGRAM, "maxUnavailable: 0", "maxUnavailable: 1", "less than it has"),
    Fault(
        "local: updates",
        PROGRAM,
        "terminationGracePeriodSeconds: 30",
        "terminationGracePeriodSeconds: 12",
        "killed before it can stop",
    ),
    Fault("local: updates", PROGRAM, "path: /livez", "path: /readyz", "is probed at"),
    Fault(
        "local: limits",
        f"{LOCAL}/postgres.yaml",
        "max_connections=250",
        "max_connections=100",
        "connections are wanted",
    ),
    Fault(
        "production: limits", f"{PRODUCTION}/kustomization.yaml", "value: 6", "value: 16", "of which 12 get a partition"
    ),
    Fault(
        "local: policies",
        NETWORK,
        "values: [offer, deal]",
        "values: [offer]",
        "deal calls gateway:8080, and the policies do not let it",
    ),
    Fault(
        "local: policies",
        NETWORK,
        "values: [offer, deal]",
        "values: [offer, deal, mypage]",
        "mypage may call gateway:8080",
    ),
    Fault(
        "local: policies",
        NETWORK,
        "  policyTypes: [Ingress, Egress]\n---",
        "  policyTypes: [Egress]\n---",
        "stranger may call roles:",
    ),
    Fault(
        "local: policies",
        NETWORK,
        "marketplace/access: monitoring",
        "marketplace/access: other",
        "monitoring calls deal:8080",
    ),
    Fault(
        "local: policies",
        NETWORK,
        "  podSelector: {}\n  policyTypes: [Egress]",
        "  podSelector:\n    matchLabels:\n      is: no\n  policyTypes: [Egress]",
        "post calls names:53",
    ),
    Fault(
        "production: policies", f"{PRODUCTION}/network.yaml", "10.20.1.0/24", "0.0.0.0/0", "post may call anywhere:9092"
    ),
    Fault("production: policies", f"{PRODUCTION}/services.env", ":9092", ":9094", "calls kafka:9094"),
    # A service that begins to ask another has to be let out.
    Fault("local: policies", "services/post/src/api.rs", "use ", "// upstream.get(\nuse ", "post calls gateway:8080"),
]
