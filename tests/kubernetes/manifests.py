"""What Kubernetes' schemas do not see: whether the objects of one namespace fit together. `problems(objects)` gives what is
wrong, a sentence each."""

import re
from urllib.parse import urlsplit

import yaml

PODS = ("Deployment", "StatefulSet", "Job")
# Services of gRPC's health service on the port of --http (crates/coordinator/src/observe/health.rs).
HEALTH_SERVICES = {None, "", "taugrid.v1.Dispatch"}
# As the kubelet expands them in command lines.
REFERENCE = re.compile(r"\$\(([A-Z_]+)\)")


def load(text):
    """The objects of a stream of YAML documents."""
    return [document for document in yaml.safe_load_all(text) if document]


def name_of(thing):
    return f"{thing['kind']}/{thing['metadata']['name']}"


def pods(objects):
    """The pods that these objects make: (owner, metadata, spec)."""
    for thing in objects:
        if thing["kind"] == "Pod":
            yield thing, thing["metadata"], thing["spec"]
        elif thing["kind"] in PODS:
            template = thing["spec"]["template"]
            yield thing, template["metadata"], template["spec"]


def container_of(spec):
    (container,) = spec["containers"]
    return container


def options(container):
    """The options among a container's arguments: {'--out': '/results'}."""
    pairs = (argument.partition("=") for argument in container.get("args", []) if argument.startswith("--"))
    return {name: value for name, _, value in pairs}


def environment(container, objects):
    """What is known of a container's environment. What the kubelet fills in is filled in."""
    known = {}
    for source in container.get("envFrom", []):
        wanted = source.get("configMapRef", {}).get("name")
        for thing in objects:
            if thing["kind"] == "ConfigMap" and thing["metadata"]["name"] == wanted:
                known |= thing["data"]
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if "value" in variable:
            known[variable["name"]] = variable["value"]
        elif source.get("resourceFieldRef", {}).get("resource") == "requests.cpu":
            known[variable["name"]] = str(container["resources"]["requests"]["cpu"])
        elif "fieldRef" in source:
            known[variable["name"]] = "pod-0"
    return known


def expand(text, known):
    """A text with `$(NAME)` in it. A name that is not known is left as it is."""
    return REFERENCE.sub(lambda found: known.get(found[1], found[0]), text)


def is_selected(labels, selector):
    return all(labels.get(key) == value for key, value in selector.items())


def port_of(value):
    """The port of IP:PORT."""
    return int(value.rpartition(":")[2])


def problems(objects, external=()):
    """What is wrong. `external`: Secrets and ConfigMaps that the documentation has made before, by `kind/name`."""
    wrong = []
    wrong += references(objects, external)
    wrong += selectors(objects)
    wrong += ports(objects)
    wrong += commands(objects)
    wrong += policies(objects)
    wrong += security(objects)
    wrong += scaling(objects)
    names = [name_of(thing) for thing in objects]
    wrong += [f"{name} is there twice" for name in set(names) if names.count(name) > 1]
    return wrong


def references(objects, external):
    """Whatever a pod names is there."""
    there = {name_of(thing) for thing in objects} | set(external)
    for owner, _, spec in pods(objects):
        where, container = name_of(owner), container_of(spec)
        wanted = [
            (f"ConfigMap/{volume['configMap']['name']}", volume["configMap"].get("optional"))
            for volume in spec.get("volumes", [])
            if "configMap" in volume
        ]
        wanted += [
            (f"Secret/{volume['secret']['secretName']}", volume["secret"].get("optional"))
            for volume in spec.get("volumes", [])
            if "secret" in volume
        ]
        for source in container.get("envFrom", []):
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in source:
                    wanted.append((f"{kind}/{source[key]['name']}", source[key].get("optional")))
        if "priorityClassName" in spec:
            wanted.append((f"PriorityClass/{spec['priorityClassName']}", False))
        for name, is_optional in wanted:
            if name not in there and not is_optional:
                yield f"{where} refers to {name}, which is not there"
        claims = {claim["metadata"]["name"] for claim in owner.get("spec", {}).get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in spec.get("volumes", [])} | claims
        mounted = [mount["name"] for mount in container["volumeMounts"]]
        yield from (f"{where} mounts {name}, which is no volume" for name in mounted if name not in volumes)
        yield from (f"{where} has a volume {name} that nobody mounts" for name in volumes if name not in mounted)
        known = environment(container, objects)
        for text in container.get("args", []):
            yield from (f"{where}: {name} of {text} is not known" for name in REFERENCE.findall(text) if name not in known)
        for variable in container.get("env", []):
            field = variable.get("valueFrom", {}).get("resourceFieldRef")
            if field and field["containerName"] != container["name"]:
                yield f"{where}: {variable['name']} is of a container {field['containerName']}, which is not there"


def selectors(objects):
    """Whatever selects pods selects the ones that it is meant for."""
    labels = {name_of(owner): metadata["labels"] for owner, metadata, _ in pods(objects)}
    for thing in objects:
        where, spec = name_of(thing), thing.get("spec", {})
        if thing["kind"] in ("Deployment", "StatefulSet"):
            if not is_selected(labels[where], spec["selector"]["matchLabels"]):
                yield f"{where} does not select its own pods"
            continue
        selector = {
            "Service": lambda: spec["selector"],
            "PodDisruptionBudget": lambda: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"],
        }.get(thing["kind"], dict)()
        if selector:
            found = [owner for owner, there in labels.items() if is_selected(there, selector)]
            if len(found) != 1:
                yield f"{where} selects {found}"
    for thing in objects:
        if thing["kind"] == "StatefulSet":
            services = [other["metadata"]["name"] for other in objects if other["kind"] == "Service"]
            if thing["spec"]["serviceName"] not in services:
                yield f"{name_of(thing)} is of the Service {thing['spec']['serviceName']}, which is not there"


def ports(objects):
    """Ports are those that the program listens on, and whoever names one names one of them."""
    listened = {"--listen": "dispatch", "--http": "http", "--scaler": "scaler"}
    for owner, metadata, spec in pods(objects):
        where, container = name_of(owner), container_of(spec)
        said = options(container)
        opened = {name: port_of(said[option]) for option, name in listened.items() if option in said}
        declared = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        if opened != declared:
            yield f"{where} listens on {opened} and declares {declared}"
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            grpc = container.get(probe, {}).get("grpc")
            if grpc and grpc["port"] != declared.get("http"):
                yield f"{where}: its {probe} asks port {grpc['port']}, where there is no health service in plain text"
            if grpc and grpc.get("service") not in HEALTH_SERVICES:
                yield f"{where}: its {probe} asks for {grpc['service']}, of which nobody knows"
        scraped = metadata.get("annotations", {}).get("prometheus.io/port")
        if scraped and int(scraped) != declared.get("http"):
            yield f"{where} is scraped on port {scraped}"
        for thing in objects:
            if thing["kind"] == "Service" and is_selected(metadata["labels"], thing["spec"]["selector"]):
                for port in thing["spec"]["ports"]:
                    if declared.get(port["targetPort"]) != port["port"]:
                        yield f"{name_of(thing)}: port {port['port']} goes to {port['targetPort']}, which is {declared}"


def commands(objects):
    """Workers dial a Service that is there, and have the time to go that they are promised."""
    services = {thing["metadata"]["name"]: thing["spec"]["ports"] for thing in objects if thing["kind"] == "Service"}
    for owner, _, spec in pods(objects):
        where, container = name_of(owner), container_of(spec)
        said = options(container)
        if "--coordinator" in said:
            url = urlsplit(said["--coordinator"])
            if url.port not in [port["port"] for port in services.get(url.hostname, [])]:
                yield f"{where} dials {said['--coordinator']}, where there is no Service"
        if spec["terminationGracePeriodSeconds"] <= int(said.get("--grace", 0)):
            yield f"{where} is killed within its --grace"
        ends = owner["kind"] in ("Job", "Pod")
        if ("--stay" in said) == ends:
            yield f"{where} {'stays, and never ends' if ends else 'ends, and is started again for ever'}"


def policies(objects):
    """Policies of the network name ports and pods that are there, and let each through to whom it dials."""
    templates = {name_of(owner): (metadata["labels"], container_of(spec)) for owner, metadata, spec in pods(objects)}
    declared = {port["name"]: port["containerPort"] for _, c in templates.values() for port in c.get("ports", [])}
    let_in = set()
    for thing in objects:
        if thing["kind"] != "NetworkPolicy":
            continue
        where = name_of(thing)
        for rule in thing["spec"]["ingress"]:
            for port in rule["ports"]:
                if port["port"] not in declared:
                    yield f"{where} lets in to {port['port']}, which is no port"
                let_in.add(port["port"])
        for rule in thing["spec"]["ingress"] + thing["spec"]["egress"]:
            for peer in rule.get("from", []) + rule.get("to", []):
                selector = peer.get("podSelector", {}).get("matchLabels")
                if selector and not any(is_selected(labels, selector) for labels, _ in templates.values()):
                    yield f"{where} lets through {selector}, which nobody is"
        for rule in thing["spec"]["egress"]:
            for port in rule["ports"] if any("podSelector" in peer for peer in rule.get("to", [])) else []:
                if port["port"] not in declared.values():
                    yield f"{where} lets out to port {port['port']} of a pod that has none such"
    covered = {
        owner
        for thing in objects
        if thing["kind"] == "NetworkPolicy"
        for owner, (labels, _) in templates.items()
        if is_selected(labels, thing["spec"]["podSelector"]["matchLabels"])
    }
    yield from (f"{owner} has no NetworkPolicy" for owner in templates if owner not in covered and owner[:4] != "Pod/")
    if let_in:
        yield from (f"nobody is let in to {port}" for port in declared if port not in let_in)


def security(objects):
    """Pods are as Kubernetes' restricted profile wants them, and write nowhere but to their volumes."""
    for owner, _, spec in pods(objects):
        where, container = name_of(owner), container_of(spec)
        pod, own = spec.get("securityContext", {}), container.get("securityContext", {})
        for holds, what in [
            (pod.get("runAsNonRoot") is True and pod.get("runAsUser", 0) > 0, "may be root"),
            (pod.get("seccompProfile", {}).get("type") == "RuntimeDefault", "has no seccomp profile"),
            (own.get("allowPrivilegeEscalation") is False, "may gain privileges"),
            (own.get("readOnlyRootFilesystem") is True, "may write to its image"),
            (own.get("capabilities", {}).get("drop") == ["ALL"], "has capabilities"),
            (spec.get("automountServiceAccountToken") is False, "is given a token of the API's"),
            ("memory" in container.get("resources", {}).get("limits", {}), "has no bound on its memory"),
            ("cpu" in container.get("resources", {}).get("requests", {}), "asks for no processor"),
        ]:
            if not holds:
                yield f"{where} {what}"


def scaling(objects):
    """A ScaledObject scales what is there, asks the scaler that is there, and counts in workers of the size they have."""
    by_name = {name_of(thing): thing for thing in objects}
    for thing in objects:
        if thing["kind"] != "ScaledObject":
            continue
        where, spec = name_of(thing), thing["spec"]
        target = by_name.get(f"Deployment/{spec['scaleTargetRef']['name']}")
        if not target:
            yield f"{where} scales {spec['scaleTargetRef']}, which is not there"
            continue
        if "replicas" in target["spec"]:
            yield f"{name_of(target)} has replicas, which are {where}'s to say"
        if spec["minReplicaCount"] != 0:
            yield f"{where} never scales to zero"
        for trigger in spec["triggers"]:
            known, metadata = {"scalerAddress", "slotsPerWorker", "worthSeconds"}, trigger["metadata"]
            if trigger["type"] not in ("external", "external-push") or set(metadata) - known:
                yield f"{where}: a trigger {trigger['type']} with {sorted(metadata)}"
            if not all(isinstance(value, str) for value in metadata.values()):
                yield f"{where}: its metadata must be texts"
            host, _, port = metadata["scalerAddress"].partition(":")
            service, namespace, *rest = host.split(".")
            own = thing["metadata"].get("namespace", namespace)
            found = by_name.get(f"Service/{service}", {"spec": {"ports": []}})
            scalers = [str(port["port"]) for port in found["spec"]["ports"] if port["targetPort"] == "scaler"]
            if port not in scalers or namespace != own or rest != ["svc"]:
                yield f"{where} asks {metadata['scalerAddress']}, where there is no scaler"
            container = container_of(target["spec"]["template"]["spec"])
            threads = expand(options(container)["--threads"], environment(container, objects))
            if metadata["slotsPerWorker"] != threads:
                yield f"{where} takes a worker for {metadata['slotsPerWorker']} slots, which has {threads}"
