"""Normalising drops what is no part of the contract, and nothing else."""

import copy
import json
import pathlib

from normalise import normalise
from reference import outcome

FAN = json.loads((pathlib.Path(__file__).parent / "cases" / "fan.json").read_text())


def events(case_outcome):
    """The events of the first run."""
    return case_outcome["steps"][0]["events"]


def finished(event):
    """Whether an event says that a worker finished."""
    if event["mode"] == "updates":
        return "worker" in event["data"]
    return event["mode"] == "tasks" and event["data"]["name"] == "worker" and "result" in event["data"]


def test_two_runs_of_a_case_are_equal():
    assert normalise(outcome(FAN)) == normalise(outcome(FAN))


def test_the_order_in_which_tasks_finish_does_not_count():
    first = outcome(FAN)
    second = copy.deepcopy(first)
    places = [index for index, event in enumerate(events(second)) if finished(event)]
    turned = [events(second)[index] for index in reversed(places)]
    for index, event in zip(places, turned, strict=True):
        events(second)[index] = event
    assert events(first) != events(second)
    assert normalise(first) == normalise(second)


def test_the_order_in_which_tasks_start_counts():
    first = outcome(FAN)
    second = copy.deepcopy(first)
    starts = [
        index for index, event in enumerate(events(second)) if event["mode"] == "tasks" and "triggers" in event["data"]
    ]
    one, two = starts[1:3]
    events(second)[one], events(second)[two] = events(second)[two], events(second)[one]
    assert normalise(first) != normalise(second)


def test_an_event_that_is_missing_or_in_another_step_counts():
    first = outcome(FAN)
    missing, moved = copy.deepcopy(first), copy.deepcopy(first)
    del events(missing)[next(index for index, event in enumerate(events(missing)) if finished(event))]
    values = [index for index, event in enumerate(events(moved)) if event["mode"] == "values"]
    events(moved)[values[0]], events(moved)[values[1]] = events(moved)[values[1]], events(moved)[values[0]]
    assert normalise(first) != normalise(missing)
    assert normalise(first) != normalise(moved)


def test_one_id_in_place_of_another_counts():
    first = outcome(FAN)
    checkpoints = [event["data"]["checkpoint"]["id"] for event in events(first) if event["mode"] == "checkpoints"]
    second = json.loads(json.dumps(first))
    second["steps"][0]["state"]["parent"]["id"] = checkpoints[0]
    assert normalise(first) != normalise(second)
