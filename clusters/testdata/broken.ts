import { cniTraits } from '../supported.ts'
import { clusters, deviations, ranges } from './broken-clusters.ts'
import { notOurYaml, notYaml } from './broken-yaml.ts'
import { broken, oneOf } from './edit.ts'
import type { Broken } from './edit.ts'

const nameShape =
  'expected a name of at most 30 lower-case letters, digits and dashes, a letter first and no dash last'
const versionShape = 'expected a full version with a leading v, such as v1.37.0'
const features =
  'expected one of network-policy, network-policy-refuses, host-port, ipv6, dual-stack, sctp, icmp'

const missingTop = [
  '1:1: apiVersion: missing, expected cni-conformance/v1',
  `1:1: name: missing, ${nameShape}`,
  `1:1: kubernetes: missing, ${versionShape}`,
  '1:1: cni: missing, expected a mapping',
]

const shapes: readonly Broken[] = [
  { name: 'nothing that is needed', yaml: 'features: []\n', expected: missingTop },
  broken(
    'another format',
    { 1: 'apiVersion: cni-conformance/v2' },
    '1:13: apiVersion: expected cni-conformance/v1, got "cni-conformance/v2"; did you mean "cni-conformance/v1"?',
  ),
  broken('an unknown field', { 7: 'featurs: []' }, '7:1: featurs: unknown field; did you mean "features"?'),
  broken(
    'an unknown field of a field',
    { 4: 'nodes: { worker: 3, masters: 1 }' },
    '4:10: nodes.worker: unknown field; did you mean "workers"?',
    '4:21: nodes.masters: unknown field; known are controlPlane, workers',
  ),
  broken(
    'an unknown field that would move the cursor',
    { 7: '"\\x1b[2J\\u202e": 1' },
    '7:1: ["\\u001b[2J\\u202e"]: unknown field; known are apiVersion, name, kubernetes, nodes, network, cni, features, expect',
  ),
  broken('a number for a mapping', { 4: 'nodes: 3' }, '4:8: nodes: expected a mapping, got the number 3'),
  broken('nothing for a mapping', { 6: 'cni:' }, '6:1: cni: expected a mapping, got nothing'),
  broken(
    'text for a number',
    { 4: 'nodes: { workers: two }' },
    '4:19: nodes.workers: expected a whole number, got "two"',
  ),
  broken(
    'half a worker',
    { 4: 'nodes: { workers: 2.5 }' },
    '4:19: nodes.workers: expected a whole number, got the number 2.5',
  ),
  broken(
    'a number for text',
    { 3: 'kubernetes: 1.37' },
    `3:13: kubernetes: ${versionShape}, got the number 1.37`,
  ),
  broken(
    'a version without its v',
    { 6: 'cni: { name: flannel, version: 0.28.9 }' },
    `6:32: cni.version: ${versionShape}, got "0.28.9"`,
  ),
  broken(
    'shell characters in the name',
    { 2: 'name: "$(reboot); rm -rf /"' },
    `2:7: name: ${nameShape}, got "$(reboot); rm -rf /"`,
  ),
  broken(
    'an address for a name',
    { 2: 'name: https://example.com/../x' },
    `2:7: name: ${nameShape}, got "https://example.com/../x"`,
  ),
  broken('capital letters in the name', { 2: 'name: Mine' }, `2:7: name: ${nameShape}, got "Mine"`),
  broken(
    'a name of 31 letters',
    { 2: `name: ${'a'.repeat(31)}` },
    `2:7: name: ${nameShape}, got "${'a'.repeat(31)}"`,
  ),
  broken('a dash at the end of the name', { 2: 'name: mine-' }, `2:7: name: ${nameShape}, got "mine-"`),
  broken('text for a list', { 7: 'features: sctp' }, '7:11: features: expected a list, got "sctp"'),
  broken(
    'an unknown feature',
    { 7: 'features: [sctp, network-polices]' },
    `7:18: features[1]: ${features}, got "network-polices"; did you mean "network-policy"?`,
  ),
]

const many = broken(
  'a bit of everything',
  {
    1: 'apiversion: cni-conformance/v1',
    2: 'name: a b',
    3: 'kubernetes: v1.3.0',
    4: 'nodes: { workers: 0 }',
    5: 'network: { podSubnet: 10.96.0.0/16 }',
    6: 'cni: { version: v0.28.9 }',
    7: 'features: [all]',
  },
  '1:1: apiVersion: missing, expected cni-conformance/v1',
  '1:1: apiversion: unknown field; did you mean "apiVersion"?',
  `2:7: name: ${nameShape}, got "a b"`,
  '3:13: kubernetes: unknown Kubernetes version; did you mean "v1.37.0"?',
  '4:19: nodes.workers: at least 2 workers: the checks between nodes need a pod on each of two workers, got the number 0',
  '5:23: network.podSubnet: 10.96.0.0/16 overlaps serviceSubnet 10.96.0.0/16',
  `6:1: cni.name: missing, ${oneOf(Object.keys(cniTraits))}`,
  `7:12: features[0]: ${features}, got "all"`,
)

/** Every broken definition, with what is said about it. */
export const brokenDefinitions: readonly Broken[] = [
  ...notYaml,
  ...notOurYaml,
  ...shapes,
  ...clusters,
  ...ranges,
  ...deviations,
  many,
]
