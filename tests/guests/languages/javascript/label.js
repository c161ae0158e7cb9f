// An actionner in JavaScript: labels the pod of the event.
import { patch } from 'falco-talon:actionner/kubernetes-write@1.0.0';

const DESCRIPTION = {
  name: 'acme:label-in-javascript',
  version: '1.0.0',
  summary: 'Label the pod, from JavaScript',
  sources: ['syscall'],
  example: "{action: Label it, actionner: 'acme:label-in-javascript', parameters: {value: javascript}}",
  parameters_schema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    additionalProperties: false,
    properties: { value: { type: 'string', default: 'javascript', description: 'value of the label `suspicious`' } },
  },
  required_fields: [['k8s.pod.name', 'k8s.ns.name']],
  reads: [],
  repeatable: true,
};

export const action = {
  describe: () => JSON.stringify(DESCRIPTION),

  run({ event, parameters }) {
    const fields = JSON.parse(event).output_fields;
    const [name, namespace] = [fields['k8s.pod.name'], fields['k8s.ns.name']];
    const objects = [['pod', name], ['namespace', namespace]];
    const pod = { group: '', version: 'v1', resource: 'pods', namespace, name };
    const body = { metadata: { labels: { suspicious: JSON.parse(parameters).value } } };
    const any = { uid: null, resourceVersion: null };
    try {
      const written = patch(pod, 'merge', JSON.stringify(body), any);
      const message = `the pod '${name}' in the namespace '${namespace}' has been labeled`;
      return { tag: 'done', val: { message, objects, details: JSON.stringify({ uid: written.uid }) } };
    } catch (error) {
      throw failure(error.payload ?? error, objects);
    }
  },
};

// What a refusal means for the host; an error that is not one of the host's has no tag.
function failure({ tag = 'other', val, message }, objects) {
  const kind = ['unavailable', 'unknown'].includes(tag) ? tag : 'other';
  return { kind, message: `can't label the pod: ${val ?? message ?? tag}`, objects, details: null };
}
