"""LangGraph and our engine make the same of every case."""

import copy
import difflib
import importlib.metadata
import json
import pathlib
from typing import Any

import pytest

import generate
from conftest import ROOT
from normalise import normalise
from reference import outcome

HERE = pathlib.Path(__file__).parent
CASES = sorted([*(HERE / "cases").glob("*.json"), *(HERE / "cases" / "random").glob("*.json")])
DOCUMENT = ROOT / "docs" / "langgraph.md"
# What a failure shows: enough to see the first mistake, not so much that it is lost.
PATHS_SHOWN = 12
LINES_SHOWN = 120


def load(path: pathlib.Path) -> dict[str, Any]:
    """A case."""
    return json.loads(path.read_text())


def without(value: Any, path: list[str]) -> None:
    """Takes the part at a path out of an outcome, also where only the other outcome has it."""
    if not path or not isinstance(value, (dict, list)):
        return
    if len(path) == 1 and path[0] != "*" and isinstance(value, dict):
        value[path[0]] = "differs"
        return
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    for key in keys:
        if path[0] not in ("*", str(key)):
            continue
        if len(path) == 1:
            value[key] = "differs"
        else:
            without(value[key], path[1:])


def compared(case: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """An outcome normalised, without the parts that are meant to differ."""
    result = copy.deepcopy(normalise(raw, "functional" in case))
    for path in case.get("differs", {}):
        without(result, path.split("."))
    return result


def different(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where two outcomes differ, outermost first."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [*expected, *(key for key in found if key not in expected)]
        return [
            line
            for key in keys
            for line in (
                different(expected[key], found[key], f"{path}.{key}")
                if key in expected and key in found
                else [f"{path}.{key}: only {'LangGraph' if key in expected else 'the engine'} has it"]
            )
        ]
    if isinstance(expected, list) and isinstance(found, list):
        both = zip(expected, found, strict=False)
        lines = [line for index, (one, two) in enumerate(both) for line in different(one, two, f"{path}.{index}")]
        if len(expected) != len(found):
            lines.insert(0, f"{path}: {len(expected)} expected, {len(found)} found")
        return lines
    if type(expected) is type(found) and expected == found:
        return []
    return [f"{path}: {json.dumps(expected)[:200]} expected, {json.dumps(found)[:200]} found"]


def report(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """A difference for people."""
    paths = different(expected, found)
    sides = [json.dumps(side, indent=1, sort_keys=True).splitlines() for side in (expected, found)]
    diff = list(difflib.unified_diff(*sides, "LangGraph", "the engine", n=6, lineterm=""))
    shown = [*paths[:PATHS_SHOWN], *([f"… {len(paths)} places in all"] if len(paths) > PATHS_SHOWN else [])]
    return "\n".join([*shown, "", *diff[:LINES_SHOWN], *(["…"] if len(diff) > LINES_SHOWN else [])])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_engine_and_langgraph_agree(path, program):
    case = load(path)
    expected = compared(case, outcome(case))
    answer = program.outcome(case)
    assert "unsupported" not in answer, answer["unsupported"]
    found = compared(case, answer)
    if found != expected:
        pytest.fail(report(expected, found), pytrace=False)


def test_the_reference_is_the_pinned_version():
    (pinned,) = [
        line for line in (HERE / "requirements.txt").read_text().splitlines() if line.startswith("langgraph==")
    ]
    assert pinned == f"langgraph=={importlib.metadata.version('langgraph')}"


def test_cases_are_named_after_their_files_and_are_enough():
    assert [load(path)["name"] for path in CASES] == [path.stem for path in CASES]
    assert len([path for path in CASES if path.parent.name == "random"]) >= generate.COUNT


@pytest.mark.parametrize("index", range(generate.COUNT))
def test_random_cases_are_what_their_seed_makes(index):
    attempt = 0
    while (case := generate.draw(index, attempt)) is None:
        attempt += 1
    path = generate.FOLDER / f"{case['name']}.json"
    assert {**case, "differs": None} == {**load(path), "differs": None}


def test_every_meant_difference_has_its_reason_in_the_documentation():
    reasons = {reason for path in CASES for reason in load(path).get("differs", {}).values()}
    text = " ".join(DOCUMENT.read_text().split()) if reasons else ""
    assert [reason for reason in sorted(reasons) if " ".join(reason.split()) not in text] == []
