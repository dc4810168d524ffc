"""The parts of custom resources that the chart uses, as narrow JSON schemas.

They follow the published definitions of Gateway API v1 and of the Prometheus operator's
monitoring.coreos.com/v1. Anything that is not named here is an error, so that a misspelled or a
new field is noticed.
"""

from __future__ import annotations

from typing import Any


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


_TEXT = {"type": "string", "minLength": 1}
_NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_HOSTNAME = {"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9-]+)*$"}
_GATEWAY_DURATION = {"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
_PROMETHEUS_DURATION = {"type": "string", "pattern": r"^(([0-9]+)(ms|s|m|h|d|w|y))+$"}
_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}

_PARENT = _object("name", name=_NAME, namespace=_NAME, sectionName=_NAME, port=_PORT)
_LISTENER = _object(
    "name port protocol",
    name=_NAME,
    port=_PORT,
    protocol={"enum": ["HTTP", "HTTPS", "TLS", "TCP", "UDP"]},
    hostname=_HOSTNAME,
    tls=_object(
        mode={"enum": ["Terminate", "Passthrough"]},
        certificateRefs=_list(_object("name", name=_NAME, namespace=_NAME)),
    ),
)
_RULE = _object(
    matches=_list(_object(path=_object(type={"enum": ["PathPrefix", "Exact"]}, value=_TEXT))),
    timeouts=_object(request=_GATEWAY_DURATION, backendRequest=_GATEWAY_DURATION),
    backendRefs=_list(_object("name port", name=_NAME, port=_PORT)),
    filters=_list(
        _object(
            "type requestRedirect",
            type={"const": "RequestRedirect"},
            requestRedirect=_object(
                scheme={"enum": ["http", "https"]}, statusCode={"enum": [301, 302]}
            ),
        )
    ),
)
_SPECS = {
    ("gateway.networking.k8s.io/v1", "Gateway"): _object(
        "gatewayClassName listeners", gatewayClassName=_NAME, listeners=_list(_LISTENER)
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _object(
        "parentRefs rules",
        parentRefs=_list(_PARENT),
        hostnames=_list(_HOSTNAME),
        rules=_list(_RULE),
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _object(
        "selector endpoints",
        jobLabel=_TEXT,
        selector=_object(matchLabels=_LABELS),
        endpoints=_list(
            _object(
                port=_TEXT,
                path=_TEXT,
                interval=_PROMETHEUS_DURATION,
                authorization=_object(
                    credentials=_object("key", name=_NAME, key=_TEXT), type=_TEXT
                ),
            )
        ),
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _object(
        "groups",
        groups=_list(
            _object(
                "name rules",
                name=_TEXT,
                rules=_list(
                    _object(
                        "alert expr",
                        alert=_TEXT,
                        expr=_TEXT,
                        labels=_LABELS,
                        annotations=_LABELS,
                        **{"for": _PROMETHEUS_DURATION},
                    )
                ),
            )
        ),
    ),
}


def schema_of(thing: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a custom resource. Raises KeyError for one that is not known here."""
    spec = _SPECS[thing["apiVersion"], thing["kind"]]
    about = _object(
        "name namespace labels", name=_NAME, namespace=_NAME, labels=_LABELS, annotations=_LABELS
    )
    return _object("spec metadata", apiVersion=_TEXT, kind=_TEXT, metadata=about, spec=spec)
