"""The metrics of a real coordinator, and what alerts, the dashboard and the documentation make of them."""

import json
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import yaml

NAME = re.compile(r"\b(?:taugrid|process)_[a-z_]+[a-z]\b")
# Grafana's own, put in before a query is sent.
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$job": ".*", "$instance": ".*"}


def get(url):
    """Status, content type and text."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read().decode()


def served(root, bin, work):
    """What a coordinator serves that has finished a small sweep: (its pages, its exit code)."""
    access = work / "access.json"
    coordinator = subprocess.Popen(
        [
            *(bin / "taugrid-coordinator", root / "tests/kubernetes/sweep.yaml", "--out", work / "out"),
            *("--access-file", access, "--http", "127.0.0.1:0", "--stay"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        base, pages = None, {}
        for line in coordinator.stderr:
            if line.startswith("metrics on "):
                base = line.split()[-1].removesuffix("/metrics")
            if line.startswith("listening on "):
                pages["before"] = get(f"{base}/metrics")
                worker = [bin / "taugrid-worker", "--access-file", access, "--threads", "1", "--cache", work / "cache"]
                subprocess.run(worker, check=True, capture_output=True)
            if line.startswith("staying"):
                break
        for page in ("metrics", "healthz", "readyz", "other"):
            pages[page] = get(f"{base}/{page}")
        coordinator.send_signal(signal.SIGTERM)
        return pages, coordinator.wait(timeout=30)
    finally:
        coordinator.kill()
        coordinator.wait()


def names(page):
    """The names of a page's samples, and those of their families' descriptions."""
    lines = page.splitlines()
    samples = {re.match(r"[a-z_:]+", line)[0] for line in lines if line and line[0] != "#"}
    described = {line.split()[2] for line in lines if line.startswith("# HELP ")}
    return samples, described


def check(root, bin, work, claim, skip):
    pages, code = served(root, bin, work)
    claim("a complete coordinator that is asked to go ends with exit code 0", code == 0, code)
    for page, wanted in (("metrics", 200), ("healthz", 200), ("readyz", 200), ("other", 404)):
        claim(f"/{page} answers {wanted}", pages[page][0] == wanted, pages[page])
    text = pages["metrics"][2]
    # The time that is left is known only while there is some.
    samples, described = (a | b for a, b in zip(names(text), names(pages["before"][2])))
    samples |= {"taugrid_remaining_thread_seconds"} & set(NAME.findall((root / "docs/metrics.md").read_text()))
    claim("every metric says what it is", samples - {"taugrid_remaining_thread_seconds"} == described - {"taugrid_remaining_thread_seconds"})

    rules = (root / "deploy/prometheus/rules.yaml").read_text()
    expressions = [rule["expr"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
    asked = {name for expression in expressions for name in NAME.findall(expression)}
    claim(f"the {len(expressions)} alerts ask for metrics that are served", asked and asked <= samples, asked - samples)

    for path in sorted((root / "deploy/grafana").glob("*.json")):
        queries = list(find_queries(json.loads(path.read_text())))
        asked = {name for query in queries for name in NAME.findall(query)}
        claim(f"the {len(queries)} queries of {path.name} ask for metrics that are served", asked and asked <= samples, asked - samples)
        unused = {name for name in samples if name.startswith("taugrid_")} - asked
        claim(f"and {path.name} shows all but a few", len(unused) <= 2, unused)
        check_queries(queries, work, claim, skip, path.name)

    table = set(re.findall(r"^\| `([a-z_]+)", (root / "docs/metrics.md").read_text(), re.MULTILINE))
    claim("docs/metrics.md has them, and no others", table == samples, table ^ samples)

    if not shutil.which("promtool"):
        return skip("deploy/prometheus: there is no promtool here; --install fetches it")
    for what, command, given in (
        ("promtool finds nothing wrong with the metrics", ["check", "metrics"], text),
        ("promtool check rules", ["check", "rules", root / "deploy/prometheus/rules.yaml"], None),
        ("promtool test rules", ["test", "rules", root / "deploy/prometheus/rules-test.yaml"], None),
    ):
        done = subprocess.run(["promtool", *command], input=given, capture_output=True, text=True)
        claim(what, done.returncode == 0, done.stdout + done.stderr)


def find_queries(thing):
    """The expressions of a dashboard, wherever they are."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key in ("expr", "definition") and isinstance(value, str):
                yield value
            else:
                yield from find_queries(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from find_queries(value)


def check_queries(queries, work, claim, skip, name):
    """The queries are PromQL."""
    if not shutil.which("promtool"):
        return skip(f"{name}: there is no promtool here to read its queries")
    rules = []
    for index, query in enumerate(query for query in queries if not query.startswith("label_values(")):
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        rules.append({"record": f"query:{index}", "expr": query})
    file = work / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    claim(f"the queries of {name} are PromQL", done.returncode == 0, done.stdout + done.stderr)
