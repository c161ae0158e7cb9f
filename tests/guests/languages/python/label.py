"""An actionner in Python: labels the pod of the event."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.action import Failure, FailureKind, Invocation, Outcome, Outcome_Done, Report
from wit_world.imports import types
from wit_world.imports.kubernetes_write import PatchType, Preconditions, patch

DESCRIPTION = {
    "name": "acme:label-in-python",
    "version": "1.0.0",
    "summary": "Label the pod, from Python",
    "sources": ["syscall"],
    "example": "{action: Label it, actionner: 'acme:label-in-python', parameters: {value: python}}",
    "parameters_schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "value": {"type": "string", "default": "python", "description": "value of the label `suspicious`"}
        },
    },
    "required_fields": [["k8s.pod.name", "k8s.ns.name"]],
    "reads": [],
    "repeatable": True,
}

KINDS = {
    types.Error_Unavailable: FailureKind.UNAVAILABLE,
    types.Error_Unknown: FailureKind.UNKNOWN,
}


class Action(exports.Action):
    def describe(self) -> str:
        return json.dumps(DESCRIPTION)

    def run(self, invocation: Invocation) -> Outcome:
        fields = json.loads(invocation.event)["output_fields"]
        name, namespace = fields["k8s.pod.name"], fields["k8s.ns.name"]
        objects = [("pod", name), ("namespace", namespace)]
        pod = types.Object("", "v1", "pods", namespace, name)
        body = {"metadata": {"labels": {"suspicious": json.loads(invocation.parameters)["value"]}}}
        try:
            written = patch(pod, PatchType.MERGE, json.dumps(body), Preconditions(None, None))
        except Err as error:
            kind = KINDS.get(type(error.value), FailureKind.OTHER)
            raise Err(Failure(kind, f"can't label the pod: {error.value}", objects, None)) from error
        message = f"the pod '{name}' in the namespace '{namespace}' has been labeled"
        return Outcome_Done(Report(message, objects, json.dumps({"uid": written.uid})))
