"""The compose file's environment on this machine: a PostgreSQL, the Job's script, and the programs as they were built.

Not Kafka, which nobody needs to become ready; what the image of Kafka makes of its environment is checked by the image's own
program, where scripts/kafka has fetched it."""

import contextlib
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tree import PROGRAMS, Unusable, built, run

PATIENCE = 60


def free_port():
    """Below those that the system gives to connections, one of which could take it before the program does."""
    while True:
        port = random.randrange(10_000, 20_000)
        with socket.socket() as it, contextlib.suppress(OSError):
            it.bind(("127.0.0.1", port))
            return port


def postgres_programs():
    """Where initdb is; Debian keeps it out of the PATH."""
    places = [os.path.dirname(shutil.which("initdb") or "")] + sorted(
        glob.glob("/usr/lib/postgresql/*/bin"), reverse=True
    )
    found = [place for place in places if place and os.path.exists(f"{place}/postgres")]
    # The wrappers of Debian in /usr/bin find psql and pg_isready; the others lie beside.
    if not found:
        raise Unusable("PostgreSQL is not installed")
    return found[0]


@contextlib.contextmanager
def postgres(password):
    """A server with passwords, as the image is; yields its port."""
    programs, port = postgres_programs(), free_port()
    # It refuses to run as root.
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as home:
        Path(home, "password").write_text(password)
        if user:
            for path in (home, f"{home}/password"):
                shutil.chown(path, "nobody", "nogroup")
        options = {"cwd": home, "capture_output": True, "text": True, **user}
        done = subprocess.run(
            [f"{programs}/initdb", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile", "password", "-N"],
            **options,
        )
        if done.returncode:
            raise Unusable(done.stderr)
        command = [f"{programs}/postgres", "-D", f"{home}/data", "-p", str(port), "-k", home, "-h", "127.0.0.1", "-F"]
        with open(f"{home}/log", "w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, **user)
        try:
            yield port
        finally:
            # Immediate: its data goes with it.
            server.send_signal(signal.SIGQUIT)
            server.wait()


def check(tree):
    services = tree.compose["services"]
    ports = {program: free_port() for program in PROGRAMS}
    with postgres(services["postgres"]["environment"]["POSTGRES_PASSWORD"]) as port:

        def here(service):
            """A service's environment, with the addresses of this machine."""
            said = {}
            for name, value in services[service]["environment"].items():
                value = (
                    (value or "")
                    .replace("//postgres:5432/marketplace", f"//127.0.0.1:{port}/postgres")
                    .replace("kafka:9092", "127.0.0.1:9")
                )
                for program, at in ports.items():
                    value = value.replace(f"//{program}:8080", f"//127.0.0.1:{at}")
                said[name] = value
            return said | {"PATH": f"{postgres_programs()}:{os.environ['PATH']}"}

        # Twice: it has to be repeatable.
        for _ in range(2):
            run("sh", tree.root / "k8s/base/roles.sh", env=here("roles"))
        environments = {
            program: here(program) | {"HOST": "127.0.0.1", "PORT": str(ports[program])} for program in PROGRAMS
        }
        running = {
            program: subprocess.Popen(
                [built() / program],
                env=environments[program],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for program in PROGRAMS
        }
        try:
            yield from ready(running, environments)
            yield from answers(ports["gateway"])
        finally:
            for program in running.values():
                program.terminate()
            codes = {name: program.wait(timeout=20) for name, program in running.items()}
        for name, code in codes.items():
            if code:
                yield f"{name} ends with {code}: {running[name].stderr.read().strip()}"
        if health("post", environments) == 0:
            yield "post is stopped, and calls itself healthy"


def health(program, environments):
    """What the image's health check asks."""
    return subprocess.run([built() / program, "--health"], env=environments[program], capture_output=True).returncode


def ready(running, environments):
    deadline = time.monotonic() + PATIENCE
    for name, program in running.items():
        while health(name, environments) != 0 and program.poll() is None:
            if time.monotonic() > deadline:
                yield f"{name} is not ready after {PATIENCE} s"
                return
            time.sleep(0.1)


def answers(port):
    """Through the gateway everybody may read posts, and only who proves who they are may write."""
    for path, data, wanted in (("/posts", None, 200), ("/posts", b'{"userId":"s","goods":"g","price":1}', 401)):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"})
        try:
            status = urllib.request.urlopen(request, timeout=10).status
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError as error:
            status = error
        if status != wanted:
            yield f"{'POST' if data else 'GET'} {path} through the gateway: {status}, not {wanted}"


def kafka(tree):
    """What the image makes of kafka.env: its own program writes the configuration and formats the directory."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    libraries = sorted(glob.glob(f"{cache}/secondhandtrading/kafka-*/libs"))
    if not libraries or not shutil.which("java"):
        print("!!!!  scripts/kafka has not fetched Kafka, so that its settings were not checked  !!!!")
        return
    image = tree.compose["services"]["kafka"]["image"]
    if image.rpartition(":")[2] != Path(libraries[-1]).parent.name.partition("-")[2]:
        yield f"{image} is not the version of scripts/kafka, {Path(libraries[-1]).parent.name}"
    lines = tree.read("k8s/overlays/local/kafka.env").splitlines()
    said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    with tempfile.TemporaryDirectory() as home:
        for name in ("default", "mounted", "final"):
            os.mkdir(f"{home}/{name}")
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            Path(home, "default", name).touch()
        directories = [f"--{kind}-configs-dir={home}/{kind}" for kind in ("default", "mounted", "final")]
        said |= {"KAFKA_LOG_DIRS": f"{home}/log", "PATH": os.environ["PATH"]}
        run(
            "java",
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            f"{libraries[-1]}/*",
            "kafka.docker.KafkaDockerWrapper",
            "setup",
            *directories,
            env=said,
        )
        if not os.path.exists(f"{home}/log/meta.properties"):
            yield "the image would not format its directory"
