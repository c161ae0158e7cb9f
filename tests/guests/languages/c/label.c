// An actionner in C: labels the pod of the event.
//
// It finds the few texts that it needs without a JSON library: the names of pods and namespaces, and values that fit
// the schema of its parameters, have neither quotes nor backslashes in them.
#include "bindings/actionner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef actionner_string_t text_t;

#define JSON(...) #__VA_ARGS__

static const char DESCRIPTION[] = JSON({
  "name": "acme:label-in-c",
  "version": "1.0.0",
  "summary": "Label the pod, from C",
  "sources": ["syscall"],
  "example": "{action: Label it, actionner: 'acme:label-in-c', parameters: {value: c}}",
  "parameters_schema": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "value": {
        "type": "string",
        "pattern": "^[A-Za-z0-9._-]{0,63}$",
        "default": "c",
        "description": "value of the label `suspicious`"
      }
    }
  },
  "required_fields": [["k8s.pod.name", "k8s.ns.name"]],
  "reads": [],
  "repeatable": true
});

void exports_falco_talon_actionner_action_describe(text_t *description) {
  actionner_string_dup(description, DESCRIPTION);
}

// The text of `key` in an object of JSON; empty where it is missing. A text with escapes ends before the first.
static text_t text_of(const text_t *json, const char *key) {
  const size_t length = strlen(key);
  const uint8_t *const end = json->ptr + json->len;
  for (const uint8_t *at = json->ptr; at + length + 2 < end; at++) {
    if (*at != '"' || memcmp(at + 1, key, length) != 0 || at[length + 1] != '"') continue;
    at += length + 2;
    while (at < end && (*at == ' ' || *at == ':')) at++;
    if (at == end || *at++ != '"') break;
    const uint8_t *to = at;
    while (to < end && *to != '"' && *to != '\\') to++;
    return (text_t){(uint8_t *)at, (size_t)(to - at)};
  }
  return (text_t){NULL, 0};
}

// A new text of `format`, which has `%.*s` twice at most.
static text_t filled(const char *format, text_t first, text_t second) {
  const size_t size = strlen(format) + first.len + second.len;
  char *text = malloc(size);
  const int length = snprintf(text, size, format, (int)first.len, first.ptr, (int)second.len, second.ptr);
  return (text_t){(uint8_t *)text, (size_t)length};
}

static text_t text(const char *constant) {
  return (text_t){(uint8_t *)constant, strlen(constant)};
}

static text_t copy(text_t of) {
  actionner_string_dup_n(&of, (const char *)of.ptr, of.len);
  return of;
}

static actionner_list_tuple2_string_string_t touched(text_t pod, text_t namespace) {
  actionner_tuple2_string_string_t *objects = calloc(2, sizeof *objects);
  objects[0] = (actionner_tuple2_string_string_t){copy(text("pod")), copy(pod)};
  objects[1] = (actionner_tuple2_string_string_t){copy(text("namespace")), copy(namespace)};
  return (actionner_list_tuple2_string_string_t){objects, 2};
}

// What a refusal means for the host, and its words where it has any.
static exports_falco_talon_actionner_action_failure_t failure_of(const falco_talon_actionner_types_error_t *error) {
  exports_falco_talon_actionner_action_failure_t failure = {
      .kind = EXPORTS_FALCO_TALON_ACTIONNER_ACTION_FAILURE_KIND_OTHER};
  text_t why = {NULL, 0};
  switch (error->tag) {
    case FALCO_TALON_ACTIONNER_TYPES_ERROR_NOT_FOUND: why = text("it does not exist"); break;
    case FALCO_TALON_ACTIONNER_TYPES_ERROR_TOO_LARGE: why = text("too large"); break;
    case FALCO_TALON_ACTIONNER_TYPES_ERROR_TIMEOUT: why = text("the time ran out"); break;
    case FALCO_TALON_ACTIONNER_TYPES_ERROR_UNAVAILABLE:
      failure.kind = EXPORTS_FALCO_TALON_ACTIONNER_ACTION_FAILURE_KIND_UNAVAILABLE;
      why = error->val.unavailable;
      break;
    case FALCO_TALON_ACTIONNER_TYPES_ERROR_UNKNOWN:
      failure.kind = EXPORTS_FALCO_TALON_ACTIONNER_ACTION_FAILURE_KIND_UNKNOWN;
      why = error->val.unknown;
      break;
    default: why = error->val.other; // The words of each other case are at the same place.
  }
  failure.message = filled("can't label the pod: %.*s%.*s", why, text(""));
  return failure;
}

// What is allocated here and not returned is never freed: the host drops the instance after the call.
bool exports_falco_talon_actionner_action_run(exports_falco_talon_actionner_action_invocation_t *invocation,
                                              exports_falco_talon_actionner_action_outcome_t *outcome,
                                              exports_falco_talon_actionner_action_failure_t *failure) {
  const text_t name = text_of(&invocation->event, "k8s.pod.name");
  const text_t namespace = text_of(&invocation->event, "k8s.ns.name");
  falco_talon_actionner_types_object_t pod = {
      .version = text("v1"), .resource = text("pods"), .namespace_ = {true, namespace}, .name = name};
  text_t body = filled(JSON({"metadata": {"labels": {"suspicious": "%.*s%.*s"}}}),
                       text_of(&invocation->parameters, "value"), text(""));
  falco_talon_actionner_kubernetes_write_preconditions_t none = {0};
  falco_talon_actionner_kubernetes_write_written_t written;
  falco_talon_actionner_types_error_t error;
  if (!falco_talon_actionner_kubernetes_write_patch(&pod, FALCO_TALON_ACTIONNER_KUBERNETES_WRITE_PATCH_TYPE_MERGE,
                                                    &body, &none, &written, &error)) {
    *failure = failure_of(&error);
    failure->objects = touched(name, namespace);
    return false;
  }
  outcome->tag = EXPORTS_FALCO_TALON_ACTIONNER_ACTION_OUTCOME_DONE;
  outcome->val.done = (exports_falco_talon_actionner_action_report_t){
      .message = filled("the pod '%.*s' in the namespace '%.*s' has been labeled", name, namespace),
      .objects = touched(name, namespace),
      .details = {true, filled(JSON({"uid": "%.*s%.*s"}), written.uid, text(""))}};
  return true;
}

// The bindings ask for it, so that an object file with the types of the world is linked. They are added to the module
// afterwards, by `wasm-tools component embed`.
void __component_type_object_force_link_actionner(void) {}
