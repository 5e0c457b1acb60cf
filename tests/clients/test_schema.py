"""Answers held to a JSON schema: valid every time, whatever the model would rather say."""

import asyncio
import json

import jsonschema
from mesh_socket import ask_together

# Every text and list is bounded, so every answer ends; 400 tokens hold the longest.
ORDER = {
    "type": "object",
    "properties": {
        "customer": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 16},
                "level": {"enum": ["bronze", "silver", "gold"]},
                "is_new": {"type": "boolean"},
            },
            "required": ["name", "level", "is_new"],
            "additionalProperties": False,
        },
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "product": {"type": "string", "maxLength": 12},
                    "count": {"type": "integer", "minimum": 1, "maximum": 99},
                    "size": {"enum": ["S", "M", "L", None]},
                },
                "required": ["product", "count", "size"],
                "additionalProperties": False,
            },
        },
        "tags": {"type": "array", "maxItems": 3, "items": {"enum": ["fragile", "express", "gift"]}},
    },
    "required": ["customer", "items", "tags"],
    "additionalProperties": False,
}


def test_a_hundred_answers_of_a_hundred_are_valid(server):
    # Temperature 1 makes the model stray as far as it can; 100 seeds make 100 different answers.
    asked = [
        {
            "prompt": "Write the order of a customer of a clothes shop as JSON.",
            "response_format": {"type": "json_schema", "json_schema": {"name": "order", "schema": ORDER}},
            "max_tokens": 400,
            "temperature": 1,
            "seed": seed,
        }
        for seed in range(100)
    ]
    answers = asyncio.run(ask_together(server.ws(), asked, at_once=8))
    validator = jsonschema.Draft202012Validator(ORDER)
    wrong = []
    for seed, answer in enumerate(answers):
        try:
            assert answer.finish_reason == "stop", answer.end
            validator.validate(json.loads(answer.text))
        except (AssertionError, ValueError, jsonschema.ValidationError) as error:
            wrong.append(f"seed {seed}: {answer.text!r}: {error}")
    assert not wrong, f"{len(wrong)} of {len(answers)} invalid:\n" + "\n".join(wrong)
    assert len({answer.text for answer in answers}) > 50, "the seeds make different answers"


def test_a_regex_and_a_grammar_are_kept_to(server):
    asked = [
        {"prompt": "Describe a cat.", "response_format": {"type": "regex", "regex": "(cat|dog) [0-9]{3}"}},
        {"prompt": "Say yes.", "response_format": {"type": "grammar", "lark": 'start: "yes" | "no"'}},
    ]
    asked = [{**request, "max_tokens": 40, "temperature": 1, "seed": 3} for request in asked]
    by_regex, by_grammar = asyncio.run(ask_together(server.ws(), asked))
    animal, _, number = by_regex.text.partition(" ")
    assert animal in ("cat", "dog") and len(number) == 3 and number.isdigit(), by_regex.text
    assert by_grammar.text in ("yes", "no")
