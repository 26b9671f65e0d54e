"""Checks deploy/kubernetes, deploy/helm, deploy/prometheus and deploy/grafana: check.py ROOT BIN WORK.

ROOT is the repository, BIN has the programs, WORK is an empty folder. kubectl is on the PATH; helm and promtool are or what
needs them is skipped. Prints a line per claim, and last "N passed, N failed"; exits 1 if one failed.
"""

import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

import metrics
import programs
from claims import claim, conclude, skip
from manifests import container_of, load, name_of, options, pods, problems

# The Kubernetes that deploy/ is for, oldest and newest (docs/kubernetes.md).
VERSIONS = ("1.31", "1.37")
KUBERNETES_KNOWS_NOT = {"ScaledObject"}
# What is made by hand before `kubectl apply -f` of a pod on its own, or `helm install`.
BY_HAND = {"Secret/taugrid-coordinator-tls", "Secret/taugrid-worker-tls"}


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)


def render(folder):
    """What kustomize makes of a folder."""
    done = run("kubectl", "kustomize", folder)
    claim(f"{folder.name} is rendered", done.returncode == 0, done.stderr)
    return load(done.stdout)


def schema_errors(objects, version):
    for thing in objects:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError as error:
            if thing["kind"] not in KUBERNETES_KNOWS_NOT:
                yield f"{name_of(thing)}: {error}"
        except kubernetes_validate.ValidationError as error:
            yield f"{name_of(thing)}: {error.message}"


def check_objects(name, objects, external=()):
    for version in VERSIONS:
        wrong = list(schema_errors(objects, version))
        claim(f"{name}: {len(objects)} objects of Kubernetes {version}, by its strict schemas", not wrong, wrong)
    wrong = problems(objects, external)
    claim(f"{name}: the objects fit together", not wrong, wrong)


# --- the checks themselves: of each of these the own checks must find something
def spoil(kind, name, *path, to):
    """A change of one value; `to` may be a function of the old one."""

    def change(objects):
        (place,) = [thing for thing in objects if thing["kind"] == kind and thing["metadata"]["name"] == name]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return change


def drop(kind):
    def change(objects):
        objects[:] = [thing for thing in objects if thing["kind"] != kind]

    return change


COORDINATOR = ("StatefulSet", "taugrid-coordinator", "spec", "template", "spec")
WORKER = ("Deployment", "taugrid-worker", "spec", "template", "spec")
CONTAINER = ("containers", 0)
SPOILED = {
    "a selector": spoil("Service", "taugrid-coordinator", "spec", "selector", to={"app.kubernetes.io/name": "other"}),
    "a selector of too much": spoil("Service", "taugrid-coordinator", "spec", "selector", to={"app.kubernetes.io/name": "taugrid"}),
    "a Deployment's selector": spoil("Deployment", "taugrid-worker", "spec", "selector", to={"matchLabels": {"a": "b"}}),
    "a budget": spoil("PodDisruptionBudget", "taugrid-worker", "spec", "selector", "matchLabels", to={"a": "b"}),
    "the governing Service": spoil("StatefulSet", "taugrid-coordinator", "spec", "serviceName", to="other"),
    "a Secret": spoil(*WORKER, "volumes", 1, "secret", "secretName", to="other"),
    "all ConfigMaps": drop("ConfigMap"),
    "the PriorityClass": drop("PriorityClass"),
    "a mount": spoil(*WORKER, *CONTAINER, "volumeMounts", 0, "name", to="other"),
    "a volume": spoil("StatefulSet", "taugrid-coordinator", "spec", "volumeClaimTemplates", to=[]),
    "a probe's port": spoil(*COORDINATOR, *CONTAINER, "livenessProbe", "grpc", "port", to=7000),
    "a probe's service": spoil(*COORDINATOR, *CONTAINER, "readinessProbe", "grpc", "service", to="taugrid.v2.Dispatch"),
    "a port": spoil(*COORDINATOR, *CONTAINER, "ports", 0, "containerPort", to=8000),
    "a Service's port": spoil("Service", "taugrid-coordinator", "spec", "ports", 0, "targetPort", to="http"),
    "the coordinator's address": spoil(*WORKER, *CONTAINER, "args", 0, to="--coordinator=https://coordinator:7000"),
    "a variable": spoil(*WORKER, *CONTAINER, "env", to=lambda env: env[:1]),
    "the grace": spoil(*WORKER, "terminationGracePeriodSeconds", to=25),
    "a worker that ends": spoil(*WORKER, *CONTAINER, "args", to=lambda args: args[:-1]),
    "root": spoil(*WORKER, "securityContext", to={}),
    "a writable image": spoil(*COORDINATOR, *CONTAINER, "securityContext", "readOnlyRootFilesystem", to=False),
    "a policy's port": spoil("NetworkPolicy", "taugrid-coordinator", "spec", "ingress", 0, "ports", 0, "port", to="grpc"),
    "a policy's pods": spoil("NetworkPolicy", "taugrid-worker", "spec", "podSelector", "matchLabels", to={"a": "b"}),
    "a policy without KEDA": spoil("NetworkPolicy", "taugrid-coordinator", "spec", "ingress", to=lambda rules: rules[:2]),
    "the scaler's namespace": spoil(
        "ScaledObject", "taugrid-worker", "spec", "triggers", 0, "metadata", "scalerAddress", to="taugrid-coordinator.x.svc:7002"
    ),
    "the scaler's port": spoil(
        "ScaledObject", "taugrid-worker", "spec", "triggers", 0, "metadata", "scalerAddress", to="taugrid-coordinator.taugrid.svc:7001"
    ),
    "the scaler's slots": spoil("ScaledObject", "taugrid-worker", "spec", "triggers", 0, "metadata", "slotsPerWorker", to="8"),
    "replicas that are KEDA's": spoil("Deployment", "taugrid-worker", "spec", to=lambda spec: spec | {"replicas": 1}),
}


def check_the_checks(objects):
    missed = []
    for what, change in SPOILED.items():
        spoiled = copy.deepcopy(objects)
        change(spoiled)
        if not problems(spoiled):
            missed.append(what)
    claim(f"of {len(SPOILED)} mistakes none goes unseen", not missed, missed)
    misspelt = copy.deepcopy(objects)
    spoil(*WORKER, to=lambda spec: spec | {"tolerationz": []})(misspelt)
    claim("and a misspelt key is none of Kubernetes'", all(list(schema_errors(misspelt, version)) for version in VERSIONS))


# --- kustomize
def check_kustomize(root, bin, work):
    folder = work / "kubernetes"
    shutil.copytree(root / "deploy/kubernetes", folder, ignore=shutil.ignore_patterns("tls"))
    made = run(bin / "taugrid", "certificates", folder / "base/tls", "--name", "taugrid-coordinator")
    claim("taugrid certificates makes what the base needs", made.returncode == 0, made.stderr)
    namespaced = {}
    for name in ("base", "overlays/job"):
        place = folder / f"namespaced-{Path(name).name}"
        place.mkdir()
        content = {"resources": [f"../{name}"], "components": ["../components/namespaced"]}
        (place / "kustomization.yaml").write_text(yaml.safe_dump(content))
        namespaced[place.name] = render(place)
    rendered = {name: render(folder / name) for name in ("base", "overlays/keda", "overlays/job", "overlays/s3")}
    for name, objects in (rendered | namespaced).items():
        check_objects(name, objects)
        wrong = programs.wrong_command_lines(objects, bin, work)
        claim(f"{name}: the command lines are right, say the programs", not wrong, wrong)
    check_the_checks(rendered["overlays/keda"])
    claim(
        "components/namespaced leaves what belongs to a namespace",
        all(thing["kind"] != "PriorityClass" for objects in namespaced.values() for thing in objects),
    )
    claim(
        "overlays/s3 has no volume for results, and the coordinator its store",
        "volumeClaimTemplates" not in yaml.safe_dump(rendered["overlays/s3"]) and "s3://" in yaml.safe_dump(rendered["overlays/s3"]),
    )
    claim("overlays/keda is in one namespace", {thing["metadata"].get("namespace") for thing in rendered["overlays/keda"]} == {"taugrid", None})

    workers = {name: worker_of(rendered[name]) for name in ("base", "overlays/job")}
    job = workers["overlays/job"]
    claim("the Job's pods are never restarted in place", job.pop("restartPolicy") == "Never")
    for spec in workers.values():
        container = container_of(spec)
        container["args"] = [argument for argument in container["args"] if argument != "--stay"]
    claim("but for --stay they are the Deployment's", job == workers["base"])

    base = {thing["kind"] + thing["metadata"]["name"].rsplit("-", 1)[0]: thing for thing in rendered["base"]}
    server, client = (base[f"Secrettaugrid-{who}-tls"]["data"] for who in ("coordinator", "worker"))
    (host,) = {options(container_of(worker_of(rendered[name])))["--coordinator"].split("//")[1].split(":")[0] for name in workers}
    wrong = programs.handshake(server, client, host, work)
    claim(f"by the base's Secrets a worker that dials {host} is let in", wrong is None, wrong)
    wrong = programs.handshake(server, client, "other", work)
    claim("and one that dials another name trusts nobody", wrong is not None and "mismatch" in wrong.lower(), wrong)
    claim("and one with the coordinator's own is not let in", programs.handshake(server, server, host, work) is not None)

    check_documented(root, folder)
    reader = load((folder / "reader.yaml").read_text())
    claim_name = reader[0]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    (stateful,) = [thing for thing in rendered["base"] if thing["kind"] == "StatefulSet"]
    made = f"{stateful['spec']['volumeClaimTemplates'][0]['metadata']['name']}-{stateful['metadata']['name']}-0"
    check_objects("reader.yaml", reader)
    claim("reader.yaml reads the coordinator's volume", claim_name == made, claim_name)
    return rendered


def check_documented(root, folder):
    """The folder of one's own that docs/kubernetes.md has as an example."""
    blocks = re.findall(r"```yaml\n# deploy/kubernetes/(\S+)\n(.*?)```", (root / "docs/kubernetes.md").read_text(), re.DOTALL)
    claim("docs/kubernetes.md has an example of a folder of one's own", [path for path, _ in blocks] == ["mine/kustomization.yaml"])
    for path, text in blocks:
        file = folder / path
        file.parent.mkdir()
        file.write_text(text)
        sweep = (folder / "base/sweep.yaml").read_text().replace("name: first", "name: mine")
        (file.parent / "sweep.yaml").write_text(sweep)
        objects = render(file.parent)
        check_objects("the example", objects)
        spec = {thing["kind"]: thing for thing in objects}["Job"]["spec"]
        claim("it has the example's workers", spec["parallelism"] == spec["completions"] == 50)
        text = yaml.safe_dump(objects)
        claim("its sweep and its image", "name: mine" in text and "REGISTRY/taugrid" in text and "example.com" not in text)


def worker_of(objects):
    """The spec of a worker's pod, to be changed at will."""
    (spec,) = [spec for owner, _, spec in pods(objects) if owner["metadata"]["name"] == "taugrid-worker"]
    return copy.deepcopy(spec)


# --- helm
SETS = {
    "base": [],
    "overlays/keda": ["keda.enabled=true"],
    "overlays/job": ["workers.kind=Job"],
    "overlays/s3": ["s3.out=s3://my-bucket/sweeps/first", "s3.environment.AWS_REGION=us-east-1"],
}


def check_helm(root, bin, work, rendered):
    chart = root / "deploy/helm/taugrid"
    if not shutil.which("helm"):
        return skip("deploy/helm: there is no helm here")
    for name, values in SETS.items():
        sets = [word for value in values for word in ("--set", value)]
        sets += ["--set-file", f"sweep={root / 'deploy/kubernetes/base/sweep.yaml'}"]
        lint = run("helm", "lint", "--strict", chart, *sets)
        claim(f"helm lint --strict, as {name}", lint.returncode == 0, lint.stdout + lint.stderr)
        made = run("helm", "template", "taugrid", chart, "--namespace", "taugrid", *sets)
        if not claim(f"helm renders {name}", made.returncode == 0, made.stderr):
            continue
        objects = load(made.stdout)
        check_objects(f"helm, as {name}", objects, BY_HAND)
        ours, theirs = comparable(rendered[name]), comparable(objects)
        differ = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        claim(f"its objects are those of {name}", not differ, differ)
    bare = run("helm", "template", "taugrid", chart)
    claim("without a sweep the chart makes no ConfigMap", bare.returncode == 0 and "kind: ConfigMap" not in bare.stdout, bare.stderr)
    for value in ("workers.kind=DaemonSet", "worker.replicas=3", "workers.cpu=500m", "s3.out=bucket/prefix"):
        wrong = run("helm", "template", "taugrid", chart, "--set", value)
        claim(f"the chart refuses {value}", wrong.returncode != 0)
    both = run("helm", "template", "taugrid", chart, "--set", "workers.kind=Job,keda.enabled=true")
    claim("and keda with a Job", both.returncode != 0 and "Deployment" in both.stderr, both.stderr)


def comparable(objects):
    """Objects by kind and name, without what helm and kustomize have each their own way for: names by a hash or checksums,
    the namespace, and Secrets, which the chart does not make."""
    hashed = {
        thing["metadata"]["name"]: thing["metadata"]["name"].rsplit("-", 1)[0]
        for thing in objects
        if thing["kind"] in ("ConfigMap", "Secret") and len(thing["metadata"]["name"].rsplit("-", 1)[1]) == 10
    }
    text = yaml.safe_dump(objects)
    for name, short in hashed.items():
        text = text.replace(name, short)
    result = {}
    for thing in yaml.safe_load(text):
        if thing["kind"] == "Secret":
            continue
        thing["metadata"].pop("namespace", None)
        template = thing.get("spec", {}).get("template", {}).get("metadata", {})
        template.get("annotations", {}).pop("checksum/configuration", None)
        for _, _, spec in pods([thing]):
            # In no order: kustomize adds at the end.
            container_of(spec).get("args", [])[1:] = sorted(container_of(spec)["args"][1:])
        result[name_of(thing)] = thing
    return result


def main():
    root, bin, work = map(Path, sys.argv[1:])
    rendered = check_kustomize(root, bin, work)
    check_helm(root, bin, work, rendered)
    metrics.check(root, bin, work, claim, skip)
    return conclude()


if __name__ == "__main__":
    sys.exit(main())
