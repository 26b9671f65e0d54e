"""The containers' command lines, and the Secrets' certificates, in the hands of the real programs and of TLS."""

import base64
import itertools
import os
import ssl
import subprocess

from manifests import container_of, environment, expand, name_of, pods

numbers = itertools.count()


def mounted(owner, spec, objects, work):
    """The files that a container sees: {where it is mounted: where it is here}."""
    container, places = container_of(spec), {}
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    for mount in container["volumeMounts"]:
        place = work / f"mount-{next(numbers)}"
        place.mkdir()
        volume = volumes.get(mount["name"], {})
        wanted = {
            ("ConfigMap", volume.get("configMap", {}).get("name")),
            ("Secret", volume.get("secret", {}).get("secretName")),
        }
        for thing in objects:
            if (thing["kind"], thing["metadata"]["name"]) in wanted:
                for name, content in thing["data"].items():
                    content = base64.b64decode(content) if thing["kind"] == "Secret" else content.encode()
                    (place / name).write_bytes(content)
        places[mount["mountPath"]] = place
    return places


def here(argument, places):
    """An argument, with the paths of this machine for the container's."""
    option, equals, value = argument.rpartition("=")
    for path, place in places.items():
        if value == path or value.startswith(path + "/"):
            return f"{option}{equals}{place}{value[len(path):]}"
    return argument


def wrong_command_lines(objects, bin, work):
    """What the programs say against the command lines of these containers."""
    wrong = []
    for owner, _, spec in pods(objects):
        container = container_of(spec)
        known, places = environment(container, objects), mounted(owner, spec, objects, work)
        arguments = [here(expand(argument, known), places) for argument in container["args"]]
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            [bin / container["command"][0], *arguments, "--check"], capture_output=True, text=True, env=inherited | known
        )
        if done.returncode != 0:
            wrong.append(f"{name_of(owner)}: exit code {done.returncode}: {done.stderr.strip()}")
    return wrong


def handshake(server, client, host, work):
    """TLS between a coordinator and a worker with these Secrets, where the worker dials `host`: what is wrong, if it is."""
    files = {}
    for who, data in (("server", server), ("client", client)):
        files[who] = work / f"handshake-{next(numbers)}"
        files[who].mkdir()
        for name, content in data.items():
            (files[who] / name).write_bytes(base64.b64decode(content))
    contexts = {}
    for who, purpose in (("server", ssl.Purpose.CLIENT_AUTH), ("client", ssl.Purpose.SERVER_AUTH)):
        contexts[who] = ssl.create_default_context(purpose, cafile=files[who] / "ca.crt")
        contexts[who].load_cert_chain(files[who] / "tls.crt", files[who] / "tls.key")
    contexts["server"].verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        contexts["client"].wrap_bio(to_client, to_server, server_hostname=host),
        contexts["server"].wrap_bio(to_server, to_client, server_side=True),
    ]
    done = [False, False]
    try:
        for _ in range(10):
            for index, end in enumerate(ends):
                try:
                    end.do_handshake()
                    done[index] = True
                except ssl.SSLWantReadError:
                    pass
    except ssl.SSLError as error:
        return str(error)
    return None if all(done) else "no end of it"
