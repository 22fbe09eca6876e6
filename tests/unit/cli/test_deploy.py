"""The files for containers, systemd and Kubernetes can be read, agree with the guide, and run commands that exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from octoffm_async.cli import main

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "examples" / "deploy"
GUIDE = ROOT / "octoffm_async" / "guide"
UNITS = {
    "octoffm-worker.service": "many-machines",
    "octoffm-orders.service": "nightly-job",
    "octoffm-orders.timer": "nightly-job",
}
SHARED = UNITS | {"alerts.yaml": "observability"}
VERIFIER = shutil.which("systemd-analyze")


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


@cache
def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all(text(name)))


def kubernetes(kind: str) -> Any:
    (found,) = [document for document in documents("kubernetes.yaml") if document["kind"] == kind]
    return found


def pods() -> list[Any]:
    return [
        kubernetes("Deployment")["spec"]["template"]["spec"],
        kubernetes("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"],
    ]


def dockerfile(instruction: str) -> str:
    (found,) = re.findall(rf"^{instruction} (.*)$", text("Dockerfile"), flags=re.MULTILINE)
    return found


def commands() -> list[list[str]]:
    """Each command of ours that one of the files runs."""
    units = [
        shlex.split(line)[1:]
        for name in UNITS
        for line in re.findall(r"^ExecStart=(.*)$", text(name), flags=re.MULTILINE)
    ]
    containers = [container["args"] for pod in pods() for container in pod["containers"]]
    image, worker = yaml.safe_load(dockerfile("CMD")), documents("compose.yaml")[0]["services"]["worker"]["command"]
    named = [image, worker, *containers]
    assert {each[0] for each in named} == {"octoffm"}
    return [*units, *(each[1:] for each in named)]


def test_every_command_exists_with_its_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(commands()) == 6
    for words in commands():
        names = [word for word in words[:3] if re.fullmatch("[a-z]+", word)]
        monkeypatch.setattr("sys.argv", ["octoffm", *names, "--help"])
        with pytest.raises(SystemExit) as ended:
            main()
        help_text = capsys.readouterr().out
        assert not ended.value.code, words
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", help_text), (words, option)


@pytest.mark.parametrize(("name", "page"), SHARED.items())
def test_a_unit_or_alert_is_the_one_of_the_guide(name: str, page: str) -> None:
    language = "yaml" if name.endswith(".yaml") else "ini"
    assert f"```{language} {name}\n{text(name)}```" in (GUIDE / f"{page}.md").read_text(encoding="utf-8")


def test_the_nightly_job_is_the_one_of_the_guide() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (GUIDE / "nightly-job.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert yaml.safe_load(block) == kubernetes("CronJob")


@pytest.mark.skipif(VERIFIER is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name in UNITS:
        unit = text(name).replace("/opt/octoffm/bin/octoffm", sys.executable)
        (tmp_path / name).write_text(unit, encoding="utf-8")
    verified = subprocess.run(
        [VERIFIER, "verify", "--man=no", "--recursive-errors=no", *(tmp_path / name for name in UNITS)],
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    ours = [line for line in verified.stderr.splitlines() if "octoffm" in line]
    assert (verified.returncode, ours) == (0, [])


def test_nothing_runs_as_root_or_may_write_outside_its_volumes() -> None:
    assert dockerfile("USER") == "10001"
    worker = documents("compose.yaml")[0]["services"]["worker"]
    assert worker["read_only"] is True
    assert worker["cap_drop"] == ["ALL"]
    for pod in pods():
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    (container,) = pods()[0]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_port_of_the_metrics_is_the_same_everywhere() -> None:
    (config,) = documents("prometheus.yaml")
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert all(f"./{name}:/etc/prometheus/{name}:ro" in text("compose.yaml") for name in config["rule_files"])
    (container,) = pods()[0]["containers"]
    ports = {words[words.index("--metrics-port") + 1] for words in commands() if "--metrics-port" in words}
    assert ports == {str(found["port"]), str(container["ports"][0]["containerPort"])} == {"9464"}
    assert ":9464/metrics" in text("Dockerfile")


def test_no_secret_stands_in_a_file_and_each_that_compose_wants_is_named() -> None:
    wanted = set(re.findall(r"\$\{(\w+)[:}]", text("compose.yaml")))
    assert wanted == set(re.findall(r"^(\w+)=$", text("settings.env.example"), flags=re.MULTILINE))
    assert ".env\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_the_image_is_built_from_what_is_not_ignored() -> None:
    kept = {line[1:] for line in text("Dockerfile.dockerignore").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", text("Dockerfile"), flags=re.MULTILINE)
    named = {word for line in copied for word in line.split()}
    assert named == kept
    assert all((ROOT / name).exists() for name in named)
