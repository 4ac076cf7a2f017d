"""Reads exported records as others would: `ocsf` by the published OCSF schema, `otel` by OpenTelemetry's own protobuf types.

Usage: check_formats.py ocsf|otel < lines. Prints one JSON document per line that was read; exits 1 at the first that is not valid.
"""

import json
import sys

from google.protobuf.json_format import MessageToDict, Parse
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData


def ocsf_reader():
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
    validators = {}

    def read(line):
        event = json.loads(line)
        profiles = tuple(event["metadata"].get("profiles", []))
        if profiles not in validators:
            validators[profiles] = Draft202012Validator(schema.get_class_schema("api_activity", list(profiles)))
        for error in validators[profiles].iter_errors(event):
            raise ValueError(f"{error.json_path}: {error.message}")
        return event

    return read


def read_otel(line):
    spans = Parse(line, TracesData())  # refuses unknown members and wrong types
    for resource in spans.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                if span.end_time_unix_nano < span.start_time_unix_nano:
                    raise ValueError(f"{span.name}: ends before it starts")
    return MessageToDict(spans)


read = {"ocsf": ocsf_reader, "otel": lambda: read_otel}[sys.argv[1]]()
for number, line in enumerate(sys.stdin, 1):
    try:
        print(json.dumps(read(line)))
    except Exception as error:
        sys.exit(f"line {number}: {error}")
