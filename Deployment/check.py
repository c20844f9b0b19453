"""Checks the files that a deployment starts from. Run by Scripts/check-deployment, which says what it needs."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
MONITORING = HERE / "monitoring"
KUBERNETES = HERE / "kubernetes"
SYSTEMD = HERE / "systemd"

# The oldest and the newest Kubernetes that the manifests are for.
KUBERNETES_VERSIONS = ["1.27", "1.37"]
# Of systemd-analyze security: tenths, from 0 (nothing exposed) to 100.
MOST_EXPOSURE = 20
# The default deadline, 3 s more to be done in, 5 s to be cancelled in.
DRAIN_SECONDS = 29 + 3 + 5
# What Prometheus itself adds to every series.
SCRAPE_LABELS = {"job", "instance", "namespace"}
PROCESS_METRICS = ["start_time_seconds", "resident_memory_bytes", "cpu_seconds_total", "open_fds"]

problems = []


def expect(holds, problem):
    if not holds:
        problems.append(problem)


def run(*command, cwd=None):
    """Runs a command; what it prints when it fails is a problem."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    output = (done.stdout + done.stderr).strip()
    expect(done.returncode == 0, f"{' '.join(map(str, command))}\n{output}")
    return output


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


# ---------------------------------------------------------------------------------------------------- systemd


def check_systemd():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        units = root / "etc/systemd/system"
        units.mkdir(parents=True)
        for program in ["usr/local/bin/rejoinder", "usr/local/bin/product-price-worker", "bin/kill"]:
            path = root / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        for unit in SYSTEMD.glob("*.service"):
            shutil.copy(unit, units)
        verify_units(root)
        # Once more with the drop-in.
        drop_ins = units / "rejoinder-ingress.service.d"
        drop_ins.mkdir()
        shutil.copy(SYSTEMD / "rotating-secret.conf", drop_ins)
        verify_units(root)
    for unit in SYSTEMD.glob("*.service"):
        run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSURE}", unit)
        timeout = re.search(r"^TimeoutStopSec=(\d+)s$", unit.read_text(), re.MULTILINE)
        expect(timeout and int(timeout[1]) >= DRAIN_SECONDS, f"{unit.name}: TimeoutStopSec is below {DRAIN_SECONDS} s")


def verify_units(root):
    for unit in ["rejoinder-ingress.service", "rejoinder-worker@product-price-worker.service"]:
        output = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", unit)
        # What it only warns of, such as a key that it doesn't know, makes it no less successful.
        expect(output == "", f"systemd-analyze verify {unit}\n{output}")


# ------------------------------------------------------------------------------------------------- Kubernetes


def check_kubernetes():
    manifests = []
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name in ("kustomization.yaml", "prometheus-adapter.values.yaml"):
            documents(path)
            continue
        for manifest in documents(path):
            manifests.append(manifest)
            for version in KUBERNETES_VERSIONS:
                validate(path, manifest, version)
    check_references(manifests)
    check_availability(manifests)
    check_operator(manifests)
    for resource in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]:
        expect((KUBERNETES / resource).exists(), f"kustomization.yaml: there is no {resource}")
    if shutil.which("kubectl"):
        run("kubectl", "kustomize", KUBERNETES)


def validate(path, manifest, version):
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except Exception as error:  # of many types, one for each way of being wrong
        problems.append(f"{path.name}, {manifest.get('kind')}, Kubernetes {version}: {error}")


def check_references(manifests):
    secrets = {m["metadata"]["name"]: set(m["stringData"]) for m in manifests if m["kind"] == "Secret"}
    templates = [m["spec"]["template"] for m in manifests if m["kind"] in ("Deployment", "Job")]
    for template in templates:
        check_pod(template, secrets)
    pods = [template["metadata"]["labels"] for template in templates]
    for manifest in manifests:
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        labels = selector.get("matchLabels", selector)
        expect(any(labels.items() <= pod.items() for pod in pods), f"{name}: no pod has the labels {labels}")


def check_availability(manifests):
    """What keeps calls from failing while pods come and go."""
    deployments = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "Deployment"}
    scaled = {m["spec"]["scaleTargetRef"]["name"] for m in manifests if m["kind"] == "HorizontalPodAutoscaler"}
    for name, deployment in deployments.items():
        template = deployment["spec"]["template"]
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        for container in template["spec"]["containers"]:
            check_probes(name, container)
            stops = container.get("lifecycle", {}).get("preStop")
            expect(stops or component != "ingress", f"{name}: has no preStop: proxies hear late that a pod goes")
        budgets = [m for m in manifests if m["kind"] == "PodDisruptionBudget"
                   and m["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()]
        expect(len(budgets) == 1, f"{name}: has {len(budgets)} disruption budgets, expected one")
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        expect(rolling.get("maxUnavailable") == 0, f"{name}: a rolling update takes pods away before others are ready")
        if component == "worker":
            expect(name in scaled, f"{name}: has no autoscaler")
            expect("replicas" not in deployment["spec"], f"{name}: replicas are the autoscaler's to say")
        else:
            expect(deployment["spec"].get("replicas", 0) >= 2, f"{name}: one pod is none while it is restarted")
    expect(scaled <= set(deployments), f"an autoscaler scales what there is not: {scaled - set(deployments)}")


def check_probes(name, container):
    ports = {port["name"] for port in container.get("ports", [])}
    for probe, path in (("readinessProbe", "/health/ready"), ("livenessProbe", "/health/live")):
        asked = container.get(probe, {}).get("httpGet", {})
        expect(asked.get("path") == path, f"{name}: its {probe} does not ask {path}")
        expect(asked.get("port") in ports, f"{name}: its {probe} asks a port that it does not name")


def check_operator(manifests):
    """Who may sign in to the dashboard may act there: with a login of the operator's, wherever there is a token."""
    variables = {"REJOINDER_OPERATOR_TOKEN", "REJOINDER_OPERATOR_DATABASE_URL"}
    ingress = next(m for m in manifests if m["kind"] == "Deployment" and m["metadata"]["name"] == "rejoinder-ingress")
    given = {v["name"] for v in ingress["spec"]["template"]["spec"]["containers"][0]["env"]}
    expect(variables <= given, f"ingress.yaml: lacks {variables - given}")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["ingress"]["environment"]
    expect(variables <= set(compose), f"docker-compose.yml: the ingress lacks {variables - set(compose)}")
    written = set(re.findall(r"^#?(REJOINDER_OPERATOR_\w+)=", (SYSTEMD / "ingress.env").read_text(), re.MULTILINE))
    expect(variables <= written, f"ingress.env: lacks {variables - written}")


def check_pod(template, secrets):
    spec = template["spec"]
    expect(spec["securityContext"].get("runAsNonRoot"), f"{template['metadata']['labels']}: may run as root")
    for container in spec["containers"]:
        name = container["name"]
        security = container["securityContext"]
        expect(security.get("readOnlyRootFilesystem"), f"{name}: may write to its image")
        expect(security.get("allowPrivilegeEscalation") is False, f"{name}: may gain privileges")
        expect(security.get("capabilities", {}).get("drop") == ["ALL"], f"{name}: keeps capabilities")
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                known = secrets.get(reference["name"], set())
                expect(reference["key"] in known, f"{name}: {variable['name']} names a secret that there is not")
        if "containerPort" in str(container):
            before = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", "0"])
            needed = DRAIN_SECONDS + int(before[1])
            given = spec["terminationGracePeriodSeconds"]
            expect(given >= needed, f"{name}: terminationGracePeriodSeconds is {given}, expected {needed} or more")


# ---------------------------------------------------------------------------------------------------- Compose


def check_compose():
    path = ROOT / "docker-compose.yml"
    compose = yaml.safe_load(path.read_text())
    services = compose["services"]
    for name, service in services.items():
        expect("image" in service, f"compose: {name} has no image")
        for other in service.get("depends_on", []):
            expect(other in services, f"compose: {name} depends on {other}, which there is not")
        for config in service.get("configs", []):
            expect(config["source"] in compose["configs"], f"compose: {name} names the config {config['source']}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            exists = (ROOT / source).exists() if source.startswith(".") else source in compose["volumes"]
            expect(exists, f"compose: {name} mounts {source}, which there is not")
    check_passwords(services, compose["configs"]["logins"]["content"])
    jobs = {job["job_name"]: job for job in documents(MONITORING / "prometheus.yml")[0]["scrape_configs"]}
    for job in jobs.values():
        for name in job["dns_sd_configs"][0]["names"]:
            expect(name in services, f"prometheus.yml: there is no service {name} in docker-compose.yml")
    has_docker = shutil.which("docker") is not None
    if has_docker and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        run("env", "REJOINDER_SECRET=x", "docker", "compose", "--profile", "monitoring", "config", "--quiet", cwd=ROOT)


def check_passwords(services, logins):
    """Each container knows its own login's alone; the server makes the logins with those that it is given."""
    for name, variable in {"migrate": "POSTGRES_PASSWORD", "ingress": "INGRESS_PASSWORD", "worker": "WORKER_PASSWORD"}.items():
        given = services[name]["environment"]["PGPASSWORD"]
        expect(given.startswith("${" + variable + ":-"), f"compose: the password of {name} is not {variable}")
    for variable in re.findall(r"^\\getenv \w+ (\w+)$", logins, re.MULTILINE):
        given = services["postgres"]["environment"].get(variable, "")
        expect(given.startswith("${" + variable + ":-"), f"compose: postgres is not given {variable}")


def check_dockerfiles():
    """A worker's image is made as ours are: from the same images, with the same libraries, and not as root."""
    shipped, example = ((ROOT / path).read_text() for path in ("Dockerfile", "Examples/order-worker/Dockerfile"))
    for pattern in (r"^FROM (\S+:\S+)", r"--no-install-recommends (.+) \\$", r"^ +&& (useradd .+)$", r"^USER (\d+)$"):
        expected, found = (re.findall(pattern, text, re.MULTILINE) for text in (shipped, example))
        expect(expected and found == expected, f"Examples/order-worker/Dockerfile: has {found}, expected {expected}")


# ------------------------------------------------------------------------------------------------- monitoring


def known_metrics():
    """The labels of each series, by its name; as the programs' own table of metrics has them."""
    series = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}
    series |= {f"process_{name}": set() for name in PROCESS_METRICS}
    table = (ROOT / "Sources/RejoinderMetrics/Metric+table.swift").read_text()
    entries = re.findall(r'Metric\(\s*"(\w+)",\s*\.(\w+),\s*(?:\[((?:"\w+"(?:, )?)*)\])?', table)
    expect(len(entries) == table.count("= Metric("), "Metric+table.swift: not every metric could be read")
    for name, kind, labels in entries:
        labels = set(re.findall(r"\w+", labels))
        if kind == "histogram":
            series |= {name + "_sum": labels, name + "_count": labels, name + "_bucket": labels | {"le"}}
        else:
            series[name] = labels
    return series


def check_names(where, expression, series):
    """Each series that the expression names is one that there is, and has the labels that it is asked for."""
    found = re.findall(r"\b(rejoinder_\w+|process_\w+|up|ALERTS)\b(?!\s*\()(?:\{([^}]*)\})?", re.sub(r"=~?\"[^\"]*\"", "=", expression))
    expect(found, f"{where}: names no metric: {expression}")
    labels = set(SCRAPE_LABELS)
    for name, matchers in found:
        expect(name in series, f"{where}: there is no metric {name}")
        own = series.get(name, set()) | SCRAPE_LABELS
        labels |= own
        for label in re.findall(r"(\w+)\s*!?=", matchers):
            expect(label in own, f"{where}: {name} has no label {label}")
    for listed in re.findall(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)", expression):
        for label in filter(None, map(str.strip, listed.split(","))):
            expect(label in labels, f"{where}: groups by {label}, which none of its metrics has")


def anchors(path):
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_alerts(series):
    rules = [rule for group in documents(MONITORING / "rejoinder-alerts.yml")[0]["groups"] for rule in group["rules"]]
    tests = documents(MONITORING / "rejoinder-alerts.test.yml")[0]["tests"]
    tested = [test for group in tests for test in group["promql_expr_test"]]
    for rule in rules:
        name = rule["alert"]
        check_names(name, rule["expr"], series)
        expect(rule["labels"].get("severity") in ("warning", "critical"), f"{name}: has no severity")
        for annotation in ("summary", "description", "runbook"):
            expect(rule["annotations"].get(annotation), f"{name}: has no {annotation}")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        expect(anchor in anchors(ROOT / page), f"{name}: {page} has no section #{anchor}")
        expression = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
        outcomes = {bool(test["exp_samples"]) for test in tested if test["expr"] == expression}
        expect(outcomes == {True, False}, f"{name}: must be tested both firing and not firing")
    for group in tests:
        for given in group["input_series"]:
            check_names(f"test \"{group['name']}\"", given["series"], series)


def check_dashboard(series):
    dashboard = json.loads((MONITORING / "rejoinder-dashboard.json").read_text())
    panels = dashboard["panels"]
    expect(len({panel["id"] for panel in panels}) == len(panels), "dashboard: two panels have the same id")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    expect({"datasource", "node"} <= variables, "dashboard: lacks the variables datasource and node")
    taken = {}
    rules = []
    for panel in panels:
        title = panel["title"]
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                expect(x < 24 and (x, y) not in taken, f"dashboard: \"{title}\" covers \"{taken.get((x, y))}\"")
                taken[x, y] = title
        for target in panel.get("targets", []):
            check_names(f"dashboard, \"{title}\"", target["expr"], series)
            rules.append({"record": f"panel:{panel['id']}:{target['refId']}", "expr": concrete(target["expr"], variables)})
    return rules


def concrete(expression, variables):
    """What Grafana makes of the expression, for somebody who has chosen."""
    expression = expression.replace("$__rate_interval", "1m")
    for used in re.findall(r"\$(\w+)", expression):
        expect(used in variables, f"dashboard: there is no variable ${used}")
    return re.sub(r"\$\w+", ".*", expression)


def check_adapter(series):
    """The queries of the autoscaler's metrics, as Prometheus gets them, and that the autoscaler asks for these."""
    rules = documents(KUBERNETES / "prometheus-adapter.values.yaml")[0]["rules"]["external"]
    queries = []
    for rule in rules:
        query = rule["metricsQuery"].replace("<<.LabelMatchers>>", 'namespace="rejoinder"')
        for expression in (query, rule["seriesQuery"]):
            check_names("prometheus-adapter.values.yaml", expression, series)
            queries.append({"record": f"adapter:{len(queries)}", "expr": expression})
    offered = {rule["name"]["as"] for rule in rules}
    for manifest in documents(KUBERNETES / "worker.yaml"):
        for metric in manifest["spec"].get("metrics", []):
            name = metric["external"]["metric"]["name"]
            expect(name in offered, f"worker.yaml: prometheus-adapter.values.yaml doesn't offer {name}")
    return queries


def check_monitoring():
    series = known_metrics()
    check_alerts(series)
    expressions = check_dashboard(series) + check_adapter(series)
    with tempfile.TemporaryDirectory() as folder:
        # The parser of expressions is only had by way of rules.
        path = pathlib.Path(folder) / "expressions.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": expressions}]}))
        run("promtool", "check", "rules", path)
        # Debian's promtool doesn't know how pods are found: the rest of that file is checked with another way to find them.
        shutil.copy(MONITORING / "rejoinder-alerts.yml", folder)
        kubernetes = (MONITORING / "prometheus-kubernetes.yml").read_text()
        found = "kubernetes_sd_configs:\n      - role: pod\n"
        expect(found in kubernetes, "prometheus-kubernetes.yml: finds no pods")
        path = pathlib.Path(folder) / "prometheus.yml"
        path.write_text(kubernetes.replace(found, "static_configs:\n      - targets: [127.0.0.1:9090]\n"))
        run("promtool", "check", "config", path)
    for name in ("prometheus.yml", "prometheus-hosts.yml"):
        run("promtool", "check", "config", MONITORING / name)
    run("promtool", "check", "rules", MONITORING / "rejoinder-alerts.yml")
    run("promtool", "test", "rules", "rejoinder-alerts.test.yml", cwd=MONITORING)
    for path in (MONITORING / "grafana").glob("*.yml"):
        expect(documents(path)[0]["apiVersion"] == 1, f"{path.name}: is no provisioning file")
    json.loads((SYSTEMD / "ingress.json").read_text())


check_systemd()
check_kubernetes()
check_compose()
check_dockerfiles()
check_monitoring()
for problem in problems:
    print(f"check-deployment: {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
