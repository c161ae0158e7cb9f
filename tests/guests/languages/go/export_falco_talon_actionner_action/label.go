// Package export_falco_talon_actionner_action is an actionner in Go: it labels the pod of the event. The bindings look
// for it under this name.
package export_falco_talon_actionner_action

import (
	"encoding/json"

	"go.bytecodealliance.org/pkg/wit/types"
	"wit_component/falco_talon_actionner_action"
	"wit_component/falco_talon_actionner_kubernetes_write"
	"wit_component/falco_talon_actionner_types"
)

type (
	outcome = falco_talon_actionner_action.Outcome
	failure = falco_talon_actionner_action.Failure
	objects = []types.Tuple2[string, string]
)

const description = `{
  "name": "acme:label-in-go",
  "version": "1.0.0",
  "summary": "Label the pod, from Go",
  "sources": ["syscall"],
  "example": "{action: Label it, actionner: 'acme:label-in-go', parameters: {value: go}}",
  "parameters_schema": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "properties": {"value": {"type": "string", "default": "go", "description": "value of the label suspicious"}}
  },
  "required_fields": [["k8s.pod.name", "k8s.ns.name"]],
  "reads": [],
  "repeatable": true
}`

// Describe says what the host must know.
func Describe() string { return description }

type event struct {
	OutputFields struct {
		Pod       string `json:"k8s.pod.name"`
		Namespace string `json:"k8s.ns.name"`
	} `json:"output_fields"`
}

type parameters struct {
	Value string `json:"value"`
}

// Run responds to an event.
func Run(invocation falco_talon_actionner_action.Invocation) types.Result[outcome, failure] {
	var event event
	var parameters parameters
	if err := json.Unmarshal([]byte(invocation.Event), &event); err != nil {
		return failed(falco_talon_actionner_action.FailureKindRejected, err.Error(), nil)
	}
	if err := json.Unmarshal([]byte(invocation.Parameters), &parameters); err != nil {
		return failed(falco_talon_actionner_action.FailureKindRejected, err.Error(), nil)
	}
	name, namespace := event.OutputFields.Pod, event.OutputFields.Namespace
	touched := objects{{F0: "pod", F1: name}, {F0: "namespace", F1: namespace}}
	pod := falco_talon_actionner_types.Object{
		Version: "v1", Resource: "pods", Namespace: types.Some(namespace), Name: name,
	}
	body := text(map[string]any{"metadata": map[string]any{"labels": map[string]any{"suspicious": parameters.Value}}})
	patched := falco_talon_actionner_kubernetes_write.Patch(
		pod, falco_talon_actionner_kubernetes_write.PatchTypeMerge, body,
		falco_talon_actionner_kubernetes_write.Preconditions{},
	)
	if patched.Tag() == types.ResultErr {
		kind, why := refusal(patched.Err())
		return failed(kind, "can't label the pod: "+why, touched)
	}
	return types.Ok[outcome, failure](falco_talon_actionner_action.MakeOutcomeDone(falco_talon_actionner_action.Report{
		Message: "the pod '" + name + "' in the namespace '" + namespace + "' has been labeled",
		Objects: touched,
		Details: types.Some(text(map[string]any{"uid": patched.Ok().Uid})),
	}))
}

// What a refusal means for the host, and its words.
func refusal(refused falco_talon_actionner_types.Error) (uint8, string) {
	const other = falco_talon_actionner_action.FailureKindOther
	switch refused.Tag() {
	case falco_talon_actionner_types.ErrorUnavailable:
		return falco_talon_actionner_action.FailureKindUnavailable, refused.Unavailable()
	case falco_talon_actionner_types.ErrorUnknown:
		return falco_talon_actionner_action.FailureKindUnknown, refused.Unknown()
	case falco_talon_actionner_types.ErrorDenied:
		return other, refused.Denied()
	case falco_talon_actionner_types.ErrorConflict:
		return other, refused.Conflict()
	case falco_talon_actionner_types.ErrorInvalid:
		return other, refused.Invalid()
	case falco_talon_actionner_types.ErrorOther:
		return other, refused.Other()
	case falco_talon_actionner_types.ErrorNotFound:
		return other, "it does not exist"
	case falco_talon_actionner_types.ErrorTooLarge:
		return other, "too large"
	default:
		return other, "the time ran out"
	}
}

func failed(kind uint8, message string, touched objects) types.Result[outcome, failure] {
	return types.Err[outcome](failure{Kind: kind, Message: message, Objects: touched})
}

// The JSON of texts in maps, which nothing can be wrong with.
func text(of map[string]any) string {
	written, _ := json.Marshal(of)
	return string(written)
}
