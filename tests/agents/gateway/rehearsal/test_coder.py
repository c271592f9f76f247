"""The coder: looks, writes its part, runs, mends what a message names; within the platform's stop rules."""

import json
from fnmatch import fnmatch
from itertools import pairwise
from typing import Any

import pytest

from agents.gateway.adapters.rehearsal.cores import CORES
from agents.gateway.adapters.rehearsal.cores.frame import files, final, typed
from agents.gateway.adapters.rehearsal.cores.product import Product
from agents.gateway.adapters.rehearsal.reading import as_product
from tests.agents.gateway.rehearsal.asks import (
    CRONPILOT,
    IDEAS,
    Workspace,
    anthropic_body,
    blueprint_of,
    said,
    work,
)

Json = dict[str, Any]
SKELETON = {
    "product/domain.py": '"""The apps."""\n\nAPPS: list[str] = []\n',
    "product/copy.json": "{}",
    "product/plans.json": "[]",
    "manage.py": "",
}
GLOBS = {
    "core": "{app}/** product/domain.py",
    "api": "{app}/api.py {app}/tests/test_api.py",
    "pages": "{app}/pages.py {app}/tests/test_pages.py templates/{app}/**",
    "integration": "product/copy.json product/plans.json {app}/tests/test_flow.py",
    "mend": "**",
}


def product_of(blueprint: Json) -> Product:
    product = as_product(blueprint)
    assert product
    return product


def brief(blueprint: Json, part: str, *findings: Json) -> str:
    shown = {**blueprint, "criteria": blueprint["criteria"][::2]}
    globs = GLOBS[part].format(app=blueprint["core_function"]["app"])
    told = "\n".join(f"<finding>{json.dumps(finding)}</finding>" for finding in findings)
    return f"Task: {part}\nPart: {part}\nYou may write: {globs}\n<blueprint>{json.dumps(shown)}</blueprint>\n{told}"


def finding(file: str, line: int, **more: Any) -> Json:
    facts = {
        "file": file,
        "line": line,
        "severity": "high",
        "method": "GET",
        "path": "/x/",
        "expected": 200,
        "seen": 500,
    }
    return {**facts, **more}


def written(kind: str, *, seed: str = "7:clean") -> tuple[Json, Workspace]:
    """A product whose parts were all written in memory."""
    blueprint = blueprint_of(IDEAS[kind])
    workspace = Workspace(SKELETON)
    for part in ("core", "api", "pages", "integration"):
        work(brief(blueprint, part), workspace, seed=seed)
    return blueprint, workspace


@pytest.mark.parametrize("idea", [*IDEAS.values(), CRONPILOT])
@pytest.mark.parametrize("seed", ["1", "3:broken=3", "5:broken=2"])
def test_each_part_writes_its_files_and_no_others_within_the_stop_rules(idea: str, seed: str) -> None:
    blueprint = blueprint_of(idea)
    app, workspace = blueprint["core_function"]["app"], Workspace(SKELETON)
    wanted = files(product_of(blueprint), CORES[blueprint["core_function"]["kind"]])

    for part in ("core", "api", "pages", "integration"):
        workspace.written.clear()
        turns, sizes, closing = work(brief(blueprint, part), workspace, seed=seed)

        assert set(workspace.written) == {*wanted[part], *(["product/domain.py"] if part == "core" else [])}
        assert all(any(fnmatch(p, g) for g in GLOBS[part].format(app=app).split()) for p in workspace.written)
        assert sum(map(len, turns)) <= 20
        steps = [after > 1.2 * before for before, after in pairwise(sizes)]
        assert not any(all(steps[n : n + 3]) for n in range(len(steps) - 2))
        assert turns[-1][-1] == "run"
        assert closing.startswith("Done: ")
        assert closing.endswith("own tests pass.")


def test_api_and_pages_are_written_without_the_sister() -> None:
    blueprint = blueprint_of(IDEAS["register"])
    core = Workspace(SKELETON)
    work(brief(blueprint, "core"), core)

    api, pages = Workspace(core.files), Workspace(core.files)
    work(brief(blueprint, "api"), api)
    work(brief(blueprint, "pages"), pages)

    assert not {*api.written} & {*pages.written}
    assert api.files["software_licences/pages.py"] == core.files["software_licences/pages.py"]


@pytest.mark.parametrize("kind", CORES)
def test_what_is_written_is_what_the_blueprint_says_after_the_owner_edited_it(kind: str) -> None:
    blueprint = blueprint_of(IDEAS[kind])
    blueprint["core_function"] |= {"label": "Big boats", "app": "boats", "entity": "Boat"}
    blueprint["prices"][0] |= {"limit": 3}
    workspace = Workspace(SKELETON)

    for part in ("core", "integration"):
        work(brief(blueprint, part), workspace)

    assert 'APPS: list[str] = ["boats"]' in workspace.files["product/domain.py"]
    assert "class Boat(" in workspace.files["boats/models.py"]
    assert json.loads(workspace.files["product/plans.json"])[0]["limit"] == 3


def test_a_planted_mistake_stands_in_one_file_of_the_part_that_writes_it() -> None:
    blueprint, workspace = written("register", seed="7:defect=export_of_all")
    wanted = final(product_of(blueprint), CORES["register"])

    differing = [path for path, text in wanted.items() if workspace.files[path] != text]

    assert differing == ["software_licences/pages.py"]


@pytest.mark.parametrize("kind", CORES)
def test_every_planted_mistake_is_mended_by_a_finding_that_names_its_file(kind: str) -> None:
    blueprint = blueprint_of(IDEAS[kind])
    product, core = product_of(blueprint), CORES[kind]
    clean = {**SKELETON, **final(product, core)}

    for defect in core.defects:
        right, wrong = typed(product, defect, noise="0f" * 16)
        path = next(p for p in clean if p.endswith(f"/{defect.file}") and right in clean[p])
        workspace = Workspace({**clean, path: clean[path].replace(right, wrong, 1)})
        turns, _, closing = work(brief(blueprint, "mend", finding(path, 5)), workspace)

        assert workspace.files == clean, defect.name
        assert sum(map(len, turns)) <= 6
        assert closing.startswith("Done: mended")


def test_a_page_s_mistake_is_found_when_the_finding_names_only_its_code() -> None:
    blueprint, workspace = written("watch", seed="7:defect=unescaped")

    work(brief(blueprint, "mend", finding("pages/pages.py", 20)), workspace)

    assert "|safe" not in workspace.files["templates/pages/index.html"]


def test_a_finding_that_names_no_file_leads_to_a_known_mistake() -> None:
    blueprint, workspace = written("heartbeat", seed="7:defect=grace_ignored")
    before = dict(workspace.files)

    work(brief(blueprint, "mend", finding("", 0)), workspace)

    changed = [path for path in before if before[path] != workspace.files[path]]
    assert changed == ["cron_jobs/models.py"]
    assert "self.period_minutes + self.grace_minutes" in workspace.files["cron_jobs/models.py"]


def test_only_the_place_nearest_to_the_finding_is_mended_and_the_owner_s_edit_stays() -> None:
    blueprint, workspace = written("register")
    path = "software_licences/pages.py"
    fault = (
        workspace.files[path]
        .replace("status=400)", "status=500)")
        .replace('order_by("-id")', 'order_by("id")')
    )
    workspace.files[path] = fault
    line = fault[: fault.index("status=500)")].count("\n") + 1

    work(brief(blueprint, "mend", finding(path, line)), workspace)

    assert 'order_by("id")' in workspace.files[path]
    assert "status=500)" not in workspace.files[path]


def test_several_findings_are_mended_in_one_task() -> None:
    blueprint, workspace = written("register")
    clean = dict(workspace.files)
    for path, right, wrong in (
        ("api.py", "status=401", "status=200"),
        ("rules.py", "return form, 402", "return form, 400"),
    ):
        full = f"software_licences/{path}"
        workspace.files[full] = workspace.files[full].replace(right, wrong)

    told = [finding("software_licences/api.py", 12), finding("software_licences/rules.py", 20)]
    work(brief(blueprint, "mend", *told), workspace)

    assert workspace.files == clean


def test_a_fault_of_the_skeleton_is_beyond_it_and_nothing_is_touched() -> None:
    blueprint, workspace = written("register")
    workspace.written.clear()

    _, _, closing = work(brief(blueprint, "mend", finding("house/plans.py", 40)), workspace)

    assert workspace.written == []
    assert closing.endswith("needs a real model.")


def test_a_slip_that_the_own_tests_show_is_mended_from_their_output() -> None:
    blueprint = blueprint_of(IDEAS["register"])
    workspace = Forgetful(SKELETON)

    turns, _, closing = work(brief(blueprint, "core"), workspace)

    assert "from house import clock\n" in workspace.files["software_licences/models.py"]
    assert workspace.written.count("software_licences/models.py") == 2
    assert turns[-1] == ["run", "run"]
    assert closing.endswith("own tests pass.")


class Forgetful(Workspace):
    """A workspace that loses an import at the first write of `models.py`, and runs as Python then would."""

    def use(self, name: str, given: Json) -> str:
        """Do one tool call."""
        if (
            name == "write_file"
            and given["path"].endswith("/models.py")
            and given["path"] not in self.written
        ):
            given["content"] = given["content"].replace("from house import clock\n", "")
        if name == "run" and not any(
            "import clock" in text for p, text in self.files.items() if p.endswith("/models.py")
        ):
            return "exit 1\nTraceback (most recent call last):\nNameError: name 'clock' is not defined"
        return super().use(name, given)


def test_tools_of_other_names_and_parameters_do_as_well() -> None:
    names = {"ls": ["dir_path"], "cat": ["file"], "put": ["file", "text"], "bash": ["cmd"]}
    tools = [
        {"name": n, "input_schema": {"type": "object", "properties": {k: {"type": "string"} for k in ks}}}
        for n, ks in names.items()
    ]
    body = anthropic_body(
        {"role": "user", "content": brief(blueprint_of(IDEAS["watch"]), "core")}, tools=tools
    )

    calls = [block for block in said(body, path="/v1/messages")["content"] if block["type"] == "tool_use"]

    assert [(call["name"], call["input"]) for call in calls] == [
        ("ls", {"dir_path": "."}),
        ("cat", {"file": "product/domain.py"}),
    ]


def test_without_a_blueprint_it_says_that_it_cannot() -> None:
    answered = said(
        anthropic_body({"role": "user", "content": "Part: core\nBuild something"}), path="/v1/messages"
    )

    assert "needs a real model" in answered["content"][0]["text"]
