"""Reads metrics as others would: `openmetrics` by Prometheus's reference parser of OpenMetrics 1.0, `text` by that of the older text format.

Usage: check_open_metrics.py openmetrics|text < metrics. Prints its families as one JSON document; exits 1 where they are not valid.
"""

import json
import sys

from prometheus_client import parser as text_format
from prometheus_client.openmetrics import parser as open_metrics

parse = {"openmetrics": open_metrics, "text": text_format}[sys.argv[1]].text_string_to_metric_families
# As bytes, since Python would take a carriage return for the end of a line.
text = sys.stdin.buffer.read().decode()
try:
    families = list(parse(text))
except ValueError as error:
    sys.exit(str(error))
print(
    json.dumps(
        [
            {
                "name": family.name,
                "type": family.type,
                "unit": family.unit,
                "samples": [
                    {"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in family.samples
                ],
            }
            for family in families
        ]
    )
)
