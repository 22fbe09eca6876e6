"""Schemas that mean the same read the same, whatever the style; what cannot be followed is noted."""

from typing import Any

import pytest

from octoffm_async.contract.openapi.schema_reader import LIMITS, SchemaNode, SchemaReader

TEXT = {"type": "string"}
COMPONENTS = {
    "Text": TEXT,
    "Alias": {"$ref": "#/components/schemas/Text"},
    "a/b~c d": TEXT,
    "Loop": {"$ref": "#/components/schemas/Loop2"},
    "Loop2": {"$ref": "#/components/schemas/Loop"},
    "Tree": {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}},
    },
    "Self": {"allOf": [{"$ref": "#/components/schemas/Self"}, {"type": "object", "properties": {"a": TEXT}}]},
    "List": [TEXT],
    "7": TEXT,
    9: TEXT,
}
FIELDS = {"type": "object", "properties": {"a": TEXT, "b": {"type": "integer"}}, "required": ["a"]}


def reader() -> SchemaReader:
    return SchemaReader({"components": {"schemas": COMPONENTS}})


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def seen(node: SchemaNode) -> dict[str, Any]:
    """All that a node says, with its fields."""
    return {
        "types": node.types,
        "nullable": node.nullable,
        "values": node.values,
        "limits": dict(node.limits),
        "required": node.required,
        "fields": {name: seen(child) for name in sorted(node.names) if (child := node.child(name)) is not None},
        "items": seen(node.items()) if "array" in node.types else None,
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True}, {"anyOf": [TEXT, {"type": "null"}]}),
        ({"type": "string", "nullable": True}, {"oneOf": [{"type": "null"}, TEXT]}),
        ({"type": "string", "nullable": True}, {"allOf": [ref("Text")], "nullable": True}),
        ({"type": "string", "nullable": True}, {"$ref": "#/components/schemas/Text", "nullable": True}),
        ({"type": "string", "nullable": False}, TEXT),
        ({"type": "string", "enum": ["A"], "nullable": True}, {"enum": ["A", None]}),
        ({"type": "string", "enum": ["A"]}, {"const": "A"}),
        ({"type": "string", "enum": ["A", "B"]}, {"anyOf": [{"const": "A"}, {"const": "B"}]}),
        ({"type": "string", "enum": ["A"]}, {"type": "string", "x-known-values": ["A"]}),
        ({"type": "string", "enum": ["A"]}, {"anyOf": [TEXT, {"enum": ["A"]}]}),
        (TEXT, ref("Text")),
        (TEXT, ref("Alias")),
        (TEXT, ref("a~1b~0c%20d")),
        (TEXT, ref("7")),
        (TEXT, ref("9")),
        (TEXT, ref("List/0")),
        (TEXT, {"allOf": [{}, TEXT, {"description": "x"}]}),
        ({"type": "integer"}, {"allOf": [{"type": "number"}, {"type": "integer"}]}),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0, "exclusiveMinimum": True}),
        ({"type": "number", "minimum": 0}, {"type": "number", "minimum": 0, "exclusiveMinimum": False}),
        ({"type": "string", "maxLength": 5}, {"allOf": [{"type": "string", "maxLength": 9}, {"maxLength": 5}]}),
        ({"type": "string", "minLength": 5}, {"allOf": [{"type": "string", "minLength": 5}, {"minLength": 2}]}),
        ({"type": "string", "maxLength": 9}, {"anyOf": [{**TEXT, "maxLength": 9}, {**TEXT, "maxLength": 5}]}),
        (FIELDS, {"properties": FIELDS["properties"], "required": ["a"]}),
        (
            FIELDS,
            {"allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": {"type": "integer"}}, "required": ["a"]}]},
        ),
        (
            FIELDS,
            {
                "type": "object",
                "properties": {"b": {"type": "integer"}},
                "allOf": [{"properties": {"a": TEXT}, "required": ["a"]}],
            },
        ),
        ({"type": "array", "items": TEXT}, {"items": ref("Text")}),
        ({"type": "array", "items": True}, {"type": "array"}),
        ({"type": "object", "properties": {"a": TEXT}}, ref("Self")),
    ],
)
def test_the_same_meaning_reads_the_same(one, other) -> None:
    assert seen(reader().node(one)) == seen(reader().node(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TEXT, {}),
        (TEXT, {"type": "integer"}),
        (TEXT, {"type": ["string", "null"]}),
        (TEXT, {"type": ["string", "integer"]}),
        (TEXT, {"enum": ["A"]}),
        ({"type": "integer"}, {"type": "number"}),
        ({"type": "array", "items": TEXT}, {"type": "array"}),
        (FIELDS, {**FIELDS, "required": []}),
        *((TEXT, {**TEXT, limit: "1" if limit in ("pattern", "format") else 1}) for limit in LIMITS),
    ],
)
def test_another_meaning_reads_differently(one, other) -> None:
    assert seen(reader().node(one)) != seen(reader().node(other))


def test_fields_of_alternatives_are_joined_and_required_only_if_all_require_them() -> None:
    schema = {
        "anyOf": [
            FIELDS,
            {"type": "object", "properties": {"a": {"type": "integer"}, "c": TEXT}, "required": ["a", "c"]},
        ]
    }
    node = reader().node(schema)
    assert node.names == ["a", "b", "c"]
    assert node.required == {"a"}
    child = node.child("a")
    assert child is not None
    assert child.types == {"string", "integer"}
    assert node.child("d") is None


def test_a_schema_that_contains_itself_has_no_end() -> None:
    node = reader().node(ref("Tree"))
    for _ in range(50):
        assert node.names == ["children"]
        children = node.child("children")
        assert children is not None
        node = children.items()


@pytest.mark.parametrize(
    ("reference", "note"),
    [
        ("#/components/schemas/Missing", "#/components/schemas/Missing is not in the document"),
        ("#/components/schemas/List/5", "#/components/schemas/List/5 is not in the document"),
        ("#/components/schemas/List/x", "#/components/schemas/List/x is not in the document"),
        ("#/components/schemas/Text/type/x", "#/components/schemas/Text/type/x is not in the document"),
        ("#/components/schemas/Text/type", "#/components/schemas/Text/type is not in the document"),
        ("#anchor", "#anchor is not in the document"),
        ("other.yaml#/Text", "other.yaml#/Text is in another file, which is not read"),
        ("https://other.example/x.json", "https://other.example/x.json is in another file, which is not read"),
        ("#/components/schemas/Loop", "#/components/schemas/Loop refers to itself"),
    ],
)
def test_what_cannot_be_followed_is_noted_once_and_says_nothing(reference, note) -> None:
    it = reader()
    for _ in range(2):
        node = it.node({"$ref": reference, "description": "x"})
        assert (node.types, node.names) == (frozenset(), [])
    assert note in it.notes
    assert len(it.notes) == 1


@pytest.mark.parametrize("first", ["Base", "Child", "Other"])
def test_a_base_that_lists_its_children_gives_them_its_fields(first) -> None:
    base = {"properties": {"a": TEXT}, "oneOf": [ref("Child"), ref("Other")]}
    schemas = {"Base": base} | {
        name: {"allOf": [ref("Base"), {"properties": {field: TEXT}}]}
        for name, field in (("Child", "b"), ("Other", "c"))
    }
    it = SchemaReader({"components": {"schemas": schemas}})
    it.node(ref(first))
    assert {"a", "b"} <= set(it.node(ref("Child")).names)
    assert {"a", "c"} <= set(it.node(ref("Other")).names)
    assert set(it.node(ref("Base")).names) == {"a", "b", "c"}


def test_schemas_that_all_refer_to_each_other_come_to_an_end() -> None:
    names = [f"S{number}" for number in range(40)]
    schemas = {name: {"allOf": [ref(other) for other in names], "properties": {name: TEXT}} for name in names}
    it = SchemaReader({"components": {"schemas": schemas}})
    assert "S0" in it.node(ref("S0")).names


def test_references_that_multiply_are_read_once_each() -> None:
    schemas: dict[str, Any] = {
        f"S{depth}": {"allOf": [ref(f"S{depth + 1}")] * 9, "anyOf": [ref(f"S{depth + 1}")] * 9} for depth in range(25)
    }
    it = SchemaReader({"components": {"schemas": {**schemas, "S25": FIELDS}}})
    assert it.node(ref("S0")).names == ["a", "b"]
    assert it.notes == {}


def test_schemas_too_deep_to_read_are_noted() -> None:
    schema: dict[str, Any] = TEXT
    for _ in range(5000):
        schema = {"allOf": [schema]}
    it = reader()
    assert it.node(schema).types == frozenset()
    assert list(it.notes) == ["schemas are nested too deeply"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 5},
        {"type": [None, 3]},
        {"allOf": "x"},
        {"anyOf": []},
        {"anyOf": [1, None]},
        {"properties": []},
        {"required": "a"},
        {"enum": "x"},
        {"enum": [[], {}]},
        {"$ref": 5},
        {"items": 3},
        {"minimum": []},
        True,
        None,
        [],
        "x",
    ],
    ids=repr,
)
def test_nonsense_says_little_and_fails_nothing(schema) -> None:
    assert seen(reader().node(schema))["required"] == frozenset()
