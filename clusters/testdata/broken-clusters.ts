import { cniTraits } from '../supported.ts'
import { broken, oneOf } from './edit.ts'
import type { Broken, Lines } from './edit.ts'

const encapsulations = [...new Set(Object.values(cniTraits).flatMap((traits) => traits.encapsulations))]
const cniNames = Object.keys(cniTraits)
const noRange = 'expected an address range such as 10.244.0.0/16 or fd00:10:244::/56'
const oneRange = 'expected one range, or one IPv4 and one IPv6 range with a comma between'
const checkShape = 'expected the id of a check or a glob over ids, such as "dns/*"'
const verdicts =
  'expected one of reached, timed-out, refused, unreachable, no-such-name, wrong-peer, wrong-answer'

const network = (fields: string): Lines => ({ 5: `network: { ${fields} }` })
const expectation = (fields: string): Lines => ({ 8: `expect:\n  - { ${fields} }` })

/** Clusters that cannot be, or cannot be made. */
export const clusters: readonly Broken[] = [
  broken(
    'no workers',
    { 4: 'nodes: { workers: 0 }' },
    '4:19: nodes.workers: at least 2 workers: the checks between nodes need a pod on each of two workers, got the number 0',
  ),
  broken(
    'one worker, no control plane',
    { 4: 'nodes: { controlPlane: 0, workers: 1 }' },
    '4:24: nodes.controlPlane: a cluster needs a control-plane node, got the number 0',
    '4:36: nodes.workers: at least 2 workers: the checks between nodes need a pod on each of two workers, got the number 1',
  ),
  broken(
    'three control planes',
    { 4: 'nodes: { controlPlane: 3 }' },
    '4:24: nodes.controlPlane: more than one control-plane node needs a load balancer, which is not supported, got the number 3',
  ),
  broken(
    'an unknown Kubernetes version',
    { 3: 'kubernetes: v1.37.9' },
    '3:13: kubernetes: unknown Kubernetes version; did you mean "v1.37.0"?',
  ),
  broken(
    'an unknown CNI version',
    { 6: 'cni: { name: flannel, version: v2.0.0 }' },
    '6:32: cni.version: unknown version of flannel; known are v0.28.9',
  ),
  broken(
    'an unknown CNI',
    { 6: 'cni: { name: flanel, version: v0.28.9 }' },
    `6:14: cni.name: ${oneOf(cniNames)}, got "flanel"; did you mean "flannel"?`,
  ),
  broken(
    'an unknown encapsulation',
    { 6: 'cni: { name: flannel, version: v0.28.9, encapsulation: vxlna }' },
    `6:56: cni.encapsulation: ${oneOf(encapsulations)}, got "vxlna"`,
  ),
  broken(
    'an unknown mode of kube-proxy',
    network('kubeProxy: iptable'),
    '5:23: network.kubeProxy: expected one of iptables, nftables, ipvs, none, got "iptable"; did you mean "iptables"?',
  ),
  broken(
    'nobody serves Services',
    network('kubeProxy: none'),
    '5:23: network.kubeProxy: flannel does not serve Services itself; it needs kube-proxy',
  ),
  broken(
    'a family that the CNI is not set up for',
    network('ipFamily: dual'),
    '5:22: network.ipFamily: flannel is set up for ipv4, not dual',
  ),
  broken(
    'a feature twice, and two of another family',
    { 7: 'features: [sctp, sctp, ipv6, dual-stack]' },
    '7:18: features[1]: sctp is listed twice',
    '7:24: features[2]: ipv6 does not go with ipFamily ipv4',
    '7:30: features[3]: dual-stack does not go with ipFamily ipv4',
  ),
]

/** Address ranges that do not fit. */
export const ranges: readonly Broken[] = [
  broken(
    'ranges that overlap',
    network('podSubnet: 10.0.0.0/8'),
    '5:23: network.podSubnet: 10.0.0.0/8 overlaps serviceSubnet 10.96.0.0/16',
  ),
  broken(
    'bits behind the prefix',
    network('podSubnet: 10.244.3.0/16'),
    '5:23: network.podSubnet: 10.244.3.0/16 has bits set behind its prefix; the range is 10.244.0.0/16',
  ),
  broken(
    'no prefix, and no address',
    network('podSubnet: 10.244.0.0, serviceSubnet: 10.96.0.256/16'),
    '5:23: network.podSubnet: 10.244.0.0 has no prefix length, such as /16',
    `5:50: network.serviceSubnet: ${noRange}, got "10.96.0.256/16"`,
  ),
  broken(
    'the wrong family',
    network('podSubnet: fd00:10:244::/56'),
    '5:23: network.podSubnet: expected one ipv4 range, as ipFamily is ipv4, got fd00:10:244::/56',
  ),
  broken(
    'two ranges of one family',
    network('podSubnet: "10.244.0.0/16,10.245.0.0/16"'),
    `5:23: network.podSubnet: ${oneRange}`,
  ),
  broken(
    'a pod range that is too small for the nodes',
    { 4: 'nodes: { workers: 4 }', 5: 'network: { podSubnet: 10.244.0.0/22 }' },
    '5:23: network.podSubnet: 10.244.0.0/22 is too small: 5 nodes need a /24 for each, it holds 4',
  ),
  broken(
    'a Service range that is too small',
    network('serviceSubnet: 10.96.0.0/29'),
    '5:27: network.serviceSubnet: 10.96.0.0/29 is too small: kubeadm takes /28 at least',
  ),
  broken(
    'ranges that are too large',
    network('podSubnet: 32.0.0.0/7, serviceSubnet: 11.0.0.0/8'),
    '5:23: network.podSubnet: 32.0.0.0/7 is too large: kubeadm takes /8 at most',
    '5:50: network.serviceSubnet: 11.0.0.0/8 is too large: kubeadm takes /12 at most',
  ),
  broken(
    'ranges that are never routed',
    network('podSubnet: 127.0.0.0/8, serviceSubnet: 224.0.0.0/16'),
    '5:23: network.podSubnet: 127.0.0.0/8 is the loopback range; take a private range',
    '5:51: network.serviceSubnet: 224.0.0.0/16 is a multicast range; take a private range',
  ),
]

const issue = 'issue: "https://example.com/issues/1"'
const reason = 'reason: no route until the fix is out'

/** Deviations that hide more than they say. */
export const deviations: readonly Broken[] = [
  broken(
    'a deviation without anything',
    expectation(''),
    `9:5: expect[0].check: missing, ${checkShape}`,
    `9:5: expect[0].verdict: missing, ${verdicts}`,
    '9:5: expect[0].reason: missing, expected a sentence that says why',
    '9:5: expect[0].issue: missing, expected the https address of an issue',
    '9:5: expect[0].until: missing, expected a day, such as 2027-03-01',
  ),
  broken(
    'a deviation with everything wrong',
    expectation('check: "dns/$(x)", verdict: unknown, reason: x, issue: "42", until: 2027-02-30'),
    `9:14: expect[0].check: ${checkShape}, got "dns/$(x)"`,
    `9:35: expect[0].verdict: ${verdicts}, got "unknown"`,
    '9:52: expect[0].reason: expected a sentence that says why, got "x"',
    '9:62: expect[0].issue: expected the https address of an issue, got "42"',
    '9:75: expect[0].until: expected a day, such as 2027-03-01, got "2027-02-30"',
  ),
  broken(
    'a deviation that is over',
    expectation(`check: dns/*, verdict: refused, ${reason}, ${issue}, until: 2026-11-20`),
    '9:124: expect[0].until: the deviation ended on 2026-11-20; remove it, or look at its issue and renew it',
  ),
  broken(
    'a deviation listed twice',
    expectation(
      `check: dns/*, verdict: refused, ${reason}, ${issue}, until: 2027-01-01 }\n  - { check: dns/*, verdict: reached, ${reason}, ${issue}, until: 2027-01-01`,
    ),
    '10:14: expect[1].check: dns/* is listed twice',
  ),
]
