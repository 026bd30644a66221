"""What operators deploy is valid, safe by default, and speaks of settings and metrics that exist."""

import argparse
import dataclasses
import json
import re
import runpy
import shlex
import shutil
import subprocess
import zoneinfo
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from flask import Flask

from app import operations
from app.config import Config
from app.observability import Metrics
from app.problems import PROBLEMS
from app.uploads import FORM_S
from model_store.arguments import parser

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
GUIDE = ROOT / "docs" / "operate"
MONITORING = DEPLOY / "monitoring"
MANIFESTS = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
ALERTS = [rule for rule in RULES if "alert" in rule]
DASHBOARD = json.loads((MONITORING / "grafana" / "skin-check.json").read_text(encoding="utf-8"))
PODS = [manifest for manifest in MANIFESTS if manifest["kind"] == "Deployment"]
VARIABLES = {field.metadata["variable"] for field in dataclasses.fields(Config)}


def name_of(manifest: dict) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def manifest(kind: str, name: str = "site") -> dict:
    (found,) = [m for m in MANIFESTS if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("manifest", MANIFESTS, ids=name_of)
def test_a_manifest_fits_the_schema_of_the_kubernetes_api(manifest):
    kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_the_job_of_the_guide_takes_statuses_that_no_repetition_mends_and_is_a_command_of_ours():
    guide = (GUIDE / "running.md").read_text(encoding="utf-8")
    (job,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL))
    kubernetes_validate.validate(job, "1.31", strict=True)
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailIndex", [1, 2])
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # Kubernetes takes a policy for failures with no other
    # A new volume is root's, and the image's user could write nothing there.
    assert f"USER {pod['securityContext']['fsGroup']}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (container,) = pod["containers"]
    words = [word.replace("$(JOB_COMPLETION_INDEX)", "7") for word in container["command"] + container["args"]]
    assert words[:3] == ["python", "-m", "model_store"]
    options = parser().parse_args(words[3:])
    assert options.shard == (7, job["spec"]["completions"])
    assert (str(options.paths[0]), str(options.output)) == ("/archive", "/scores/part-7.csv")


@pytest.mark.parametrize("deployment", PODS, ids=name_of)
def test_no_container_runs_as_root_writes_its_root_or_gains_rights(deployment):
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    # Kubernetes would name its Services in variables that begin like our settings.
    assert pod["enableServiceLinks"] is False
    for volume in pod["volumes"]:
        assert volume["emptyDir"]["medium"] == "Memory"
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert {"readinessProbe", "livenessProbe"} <= container.keys()
        assert {"requests", "limits"} <= container["resources"].keys()


def test_the_pods_are_those_that_service_budget_policy_and_autoscaler_mean():
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "site"


def test_the_probes_are_addresses_of_the_site():
    site = Flask(__name__)
    site.register_blueprint(operations.blueprint)
    addresses = {rule.rule for rule in site.url_map.iter_rules()}
    (container,) = manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in addresses


def test_every_setting_that_a_deployment_names_exists():
    named = set(manifest("ConfigMap")["data"]) - {"TZ"} | set(COMPOSE["services"]["site"]["environment"])
    example = (DEPLOY / "compose" / "site.env.example").read_text(encoding="utf-8")
    named |= set(re.findall(r"^(SKIN_\w+)=", example, re.MULTILINE))
    assert named <= VARIABLES


def test_the_settings_of_both_deployments_are_accepted():
    for values in (manifest("ConfigMap")["data"], COMPOSE["services"]["site"]["environment"]):
        assert Config.from_environment(values).proxies == 1


@pytest.mark.parametrize("file", ["docs/operate/install.md", "deploy/compose/site.env.example"])
def test_an_environment_file_means_what_it_says(file):
    """Docker reads all behind = as the value, a comment too."""
    text = (ROOT / file).read_text(encoding="utf-8")
    (block,) = [block for block in re.split(r"^```(?:sh)?$", text, flags=re.MULTILINE) if "\nSKIN_SECRET_KEY=" in block]
    lines = [line for line in block.splitlines() if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    assert values.pop("TZ") in zoneinfo.available_timezones()
    assert Config.from_environment(values | {"SKIN_SECRET_KEY": "x" * 32}).hosts == ("skin.example.org",)


def test_with_compose_the_site_is_reached_through_the_proxy_alone_and_writes_nothing():
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy", "grafana"]
    assert all(port.startswith("127.0.0.1:") for port in services["grafana"]["ports"])
    assert services["site"]["read_only"] is True
    assert "volumes" not in services["site"]
    assert services["site"]["cap_drop"] == ["ALL"]


def test_with_compose_nothing_leaves_the_site_s_network():
    services, networks = COMPOSE["services"], COMPOSE["networks"]
    for name in ("site", "redis", "prometheus"):
        assert [networks[network]["internal"] for network in services[name]["networks"]] == [True], name
    for name in ("proxy", "grafana"):  # Docker publishes no port from an internal network
        assert "outside" in services[name]["networks"]
    assert not networks["outside"].get("internal")


def test_with_compose_a_visitor_over_ipv6_keeps_an_address():
    assert COMPOSE["networks"]["outside"]["enable_ipv6"] is True


def test_with_compose_uploads_take_a_bounded_part_of_the_machine_s_memory():
    assert {"mem_limit"} <= COMPOSE["services"]["site"].keys() & COMPOSE["services"]["proxy"].keys()


@pytest.mark.parametrize("name", ["site", "proxy"])
def test_with_compose_no_photo_is_swapped_to_a_disk(name):
    """The limit is of memory and swap together."""
    assert COMPOSE["services"][name]["memswap_limit"] == COMPOSE["services"][name]["mem_limit"]


def test_with_compose_the_proxy_s_log_names_no_client():
    caddyfile = (DEPLOY / "compose" / "Caddyfile").read_text(encoding="utf-8")
    pattern = re.search(
        r'^\tlog \{\n\t\tformat filter \{\n\t+request delete\n\t+error regexp "([^"]+)"', caddyfile, re.MULTILINE
    )
    error = "writing: write tcp 172.30.0.4:443->198.51.100.7:47828: write: connection reset by peer"
    assert "198.51.100.7" not in re.sub(pattern.group(1), "", error)


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_with_compose_no_log_fills_the_disk(name):
    assert {"max-size", "max-file"} <= COMPOSE["services"][name]["logging"]["options"].keys()


def test_with_compose_the_proxy_has_no_rights_but_to_its_ports():
    proxy = COMPOSE["services"]["proxy"]
    assert (proxy["cap_drop"], proxy["cap_add"]) == (["ALL"], ["NET_BIND_SERVICE"])
    assert proxy["security_opt"] == ["no-new-privileges:true"]


def test_with_compose_visitors_wait_while_the_site_restarts_and_are_told_when_it_stays_away():
    caddyfile = (DEPLOY / "compose" / "Caddyfile").read_text(encoding="utf-8")
    assert re.search(r"^\t\tlb_try_duration \d+s$", caddyfile, re.MULTILINE)
    assert re.search(r"handle_errors 502 503 504 \{.*Сайт қазір.*Сайт сейчас.*This site", caddyfile, re.DOTALL)


def test_with_compose_a_password_of_grafana_outlives_its_container():
    kept = [mount.split(":") for mount in COMPOSE["services"]["grafana"]["volumes"]]
    assert [source in COMPOSE["volumes"] for source, target, *_ in kept if target == "/var/lib/grafana"] == [True]


def test_every_deployment_asks_who_runs_the_site_and_where_people_turn_to():
    example = (DEPLOY / "compose" / "site.env.example").read_text(encoding="utf-8")
    asked = {"SKIN_OPERATOR", *(f"SKIN_WHERE_TO_TURN_{language}" for language in ("KK", "RU", "EN"))}
    assert asked <= manifest("ConfigMap")["data"].keys()
    assert asked <= set(re.findall(r"^(SKIN_\w+)=", example, re.MULTILINE))


def test_every_deployment_says_whose_day_answers_are_dated_by():
    example = (DEPLOY / "compose" / "site.env.example").read_text(encoding="utf-8")
    zones = {manifest("ConfigMap")["data"]["TZ"], *re.findall(r"^TZ=(.*)$", example, re.MULTILINE)}
    assert zones == {"Asia/Almaty"}
    assert "/usr/share/zoneinfo/Asia/Almaty" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def container_of_the_guide() -> argparse.Namespace:
    guide = (GUIDE / "install.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^docker run (.*?[^\\\\])$", guide, re.MULTILINE | re.DOTALL)
    parser = argparse.ArgumentParser()
    for option in (
        "name",
        "restart",
        "env-file",
        "publish",
        "tmpfs",
        "cap-drop",
        "security-opt",
        "memory",
        "memory-swap",
        "cpus",
    ):
        parser.add_argument(f"--{option}")
    parser.add_argument("--stop-timeout", type=int)
    parser.add_argument("--log-opt", action="append")
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("image")
    return parser.parse_args(shlex.split(command.replace("\\\n", " ")))


def test_the_container_of_the_guide_is_reached_from_its_machine_alone():
    """Whoever reaches it otherwise than through the proxy is believed which address they have."""
    assert container_of_the_guide().publish == "127.0.0.1:8000:8000"


def test_the_container_of_the_guide_is_as_confined_as_with_compose():
    container, site = container_of_the_guide(), COMPOSE["services"]["site"]
    assert container.read_only is site["read_only"] is True
    assert [container.tmpfs] == site["tmpfs"]
    assert [container.cap_drop] == site["cap_drop"]
    assert site["security_opt"] == [f"{container.security_opt}:true"]
    assert container.memory == site["mem_limit"]
    assert container.memory_swap == site["memswap_limit"]
    options = site["logging"]["options"]
    assert container.log_opt == [f"max-size={options['max-size']}", f"max-file={options['max-file']}"]


def test_whoever_stops_a_container_leaves_uploads_the_time_that_the_site_gives_them():
    gives_s = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["graceful_timeout"]
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    compose_s = int(COMPOSE["services"]["site"]["stop_grace_period"].removesuffix("s"))
    for waits_s in (container_of_the_guide().stop_timeout, compose_s, pod["terminationGracePeriodSeconds"]):
        assert waits_s > gives_s


def kubernetes_guide() -> str:
    guide = (GUIDE / "install.md").read_text(encoding="utf-8")
    return re.search(r"^## With Kubernetes\n(.*?)^## ", guide, re.MULTILINE | re.DOTALL).group(1)


def test_the_guide_makes_every_namespace_secret_and_chart_s_repository_before_it_is_used():
    guide = kubernetes_guide()
    made = set(re.findall(r"create namespace (\S+)", guide)) | set(
        re.findall(r"--namespace (\S+) --create-namespace", guide)
    )
    needed = {m["metadata"]["namespace"] for m in MANIFESTS} | set(re.findall(r"--namespace (\S+)", guide))
    admitted = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in manifest("NetworkPolicy")["spec"]["ingress"]
        for peer in rule["from"]
    }
    assert needed | admitted <= made
    secrets = {tls["secretName"] for tls in manifest("Ingress")["spec"]["tls"]} | {"site"}
    assert secrets == set(re.findall(r"create secret \w+ (\S+)", guide))
    charts = set(re.findall(r"upgrade --install \S+ ([\w-]+)/", guide))
    assert charts == set(re.findall(r"helm repo add (\S+) https://", guide))


def test_every_file_that_compose_mounts_exists():
    for service in COMPOSE["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).exists(), mount


def exposed() -> set[str]:
    """Every name that the site's metrics have in an expression."""
    metrics = Metrics()
    names = {"up"}
    for family in metrics.registry.collect():
        names |= {family.name, *(sample.name for sample in family.samples)}
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
        names |= {family.name + suffix for suffix in suffixes.get(family.type, [])}
    return names


def expressions() -> dict[str, str]:
    panels = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }
    return {rule.get("alert") or rule["record"]: rule["expr"] for rule in RULES} | panels


@pytest.mark.parametrize("name", expressions())
def test_alerts_and_dashboard_ask_for_metrics_that_the_site_has(name):
    asked = set(re.findall(r"\b(?:skin_\w+|process_\w+|up)\b", expressions()[name]))
    assert asked
    assert asked <= exposed()


def test_the_autoscaler_s_metric_exists():
    (metric,) = manifest("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] in exposed()
    adapter = yaml.safe_load((MONITORING / "prometheus-adapter.yml").read_text(encoding="utf-8"))
    assert [rule["name"]["as"] for rule in adapter["rules"]["custom"]] == [metric["pods"]["metric"]["name"]]


def test_every_outcome_that_an_alert_names_is_a_problem():
    for expression in expressions().values():
        for outcomes in re.findall(r'outcome=~?"([^"]+)"', expression):
            assert set(outcomes.split("|")) <= PROBLEMS.keys()


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_the_guide_says_what_to_do_when_an_alert_fires(rule):
    guide = (GUIDE / "troubleshooting.md").read_text(encoding="utf-8")
    name = rule["alert"]
    assert f"| [`{name}`](#{name.lower()}) | {rule['labels']['severity']} |" in guide
    (section,) = re.findall(rf"^### {name}\n(.*?)^##", guide, re.MULTILINE | re.DOTALL)
    assert re.search(r"^(?:1\.|-) \S", section, re.MULTILINE)


def test_the_guide_says_what_to_do_about_no_alert_that_never_fires():
    guide = (GUIDE / "troubleshooting.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (SkinCheck\w+)$", guide, re.MULTILINE) == [rule["alert"] for rule in ALERTS]


def test_an_ingress_keeps_every_upload_in_memory():
    annotations = manifest("Ingress")["metadata"]["annotations"]
    sizes = {
        annotations[f"nginx.ingress.kubernetes.io/{name}"] for name in ("proxy-body-size", "client-body-buffer-size")
    }
    assert len(sizes) == 1


def test_neither_an_ingress_nor_the_nginx_of_the_guide_writes_an_answer_to_a_disk():
    assert manifest("Ingress")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-max-temp-file-size"] == "0"
    assert "`proxy_max_temp_file_size 0`" in (GUIDE / "running.md").read_text(encoding="utf-8")


def test_an_ingress_waits_for_the_longest_form():
    annotations = manifest("Ingress")["metadata"]["annotations"]
    waits_s = int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"])
    assert waits_s >= FORM_S + 2 * Config(secret_key="x" * 32).deadline_s


def test_an_ingress_limits_what_one_address_may_hold():
    annotations = manifest("Ingress")["metadata"]["annotations"]
    assert 0 < int(annotations["nginx.ingress.kubernetes.io/limit-connections"]) <= 50


def scraped_in_kubernetes() -> list[dict]:
    values = yaml.safe_load((MONITORING / "prometheus-kubernetes.yml").read_text(encoding="utf-8"))
    return yaml.safe_load(values["extraScrapeConfigs"])


def test_in_kubernetes_the_pods_are_scraped_under_the_name_that_the_alerts_ask_for():
    (job,) = scraped_in_kubernetes()
    assert {name for text in expressions().values() for name in re.findall(r'job="([^"]+)"', text)} == {job["job_name"]}
    kept = next(rule["regex"] for rule in job["relabel_configs"] if rule.get("action") == "keep")
    (container,) = manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert kept == f"{labels['app']};{container['ports'][0]['name']}"
    assert {"namespace", "pod"} <= {rule.get("target_label") for rule in job["relabel_configs"]}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
def test_prometheus_accepts_what_is_scraped_in_kubernetes(tmp_path):
    jobs = scraped_in_kubernetes()
    for job in jobs:  # Debian's promtool is built without it
        assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["skin-check"]}}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
    command = ["promtool", "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_alerts_have_a_receiver():
    settings = yaml.safe_load((MONITORING / "alertmanager.yml").read_text(encoding="utf-8"))
    assert settings["route"]["receiver"] in [receiver["name"] for receiver in settings["receivers"]]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
        ["test", "rules", "alerts_weeks_test.yml"],
    ],
    ids=" ".join,
)
def test_prometheus_itself_accepts_configuration_and_alerts_and_fires_them(arguments):
    result = subprocess.run(["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("fires", [True, False])
def test_a_test_of_the_alerts_lets_each_fire_and_each_be_quiet(fires):
    tried = [
        case
        for path in MONITORING.glob("alerts_*test.yml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in group["alert_rule_test"]
    ]
    assert {case["alertname"] for case in tried if bool(case["exp_alerts"]) is fires} == {
        rule["alert"] for rule in ALERTS
    }


def test_every_panel_of_the_dashboard_has_its_own_place():
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
