import { expect, test } from 'vitest'
import { captureLimits } from '../budgets.ts'
import { defineCheck } from '../check.ts'
import { makePlan } from '../plan/plan.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import { healthyWorld } from '../world.testdata.ts'
import { pairOf } from './pairs.ts'

const world = healthyWorld()

const check = defineCheck({
  id: 'x/all',
  level: 'extended',
  covers: ['P3'],
  requirement: 'It MUST answer.',
  features: ['host-network', 'host-port', 'outside'],
  pods: {
    a: { node: 'worker1' },
    b: { node: 'worker2' },
    host: { node: 'worker1', network: 'host' },
    mapped: { node: 'worker1', hostPort: true },
  },
  probes: [
    { from: 'a', to: 'b', via: 'pod-ip', protocol: 'tcp' },
    { from: 'host', to: 'b', via: 'pod-ip', protocol: 'tcp' },
    { from: 'b', to: 'host', via: 'node-ip', protocol: 'tcp' },
    { from: 'a', service: 'echo', via: 'cluster-ip', protocol: 'tcp', answeredBy: 'every-endpoint' },
    { from: 'a', service: 'echo-alias', via: 'fqdn', protocol: 'tcp', answeredBy: 'any-endpoint' },
    { from: 'a', resolve: 'service', at: 'service-ip', protocol: 'udp' },
    { from: 'a', outside: 'tcp' },
    {
      from: 'outside',
      service: 'echo-node-port',
      via: 'node-port',
      protocol: 'tcp',
      answeredBy: 'any-endpoint',
    },
    { from: 'a', to: 'a', via: 'loopback', protocol: 'http' },
    { from: 'b', to: 'mapped', via: 'host-port', protocol: 'tcp' },
    { from: 'outside', to: 'mapped', via: 'host-port', protocol: 'tcp' },
    { from: 'outside', service: 'echo-node-port', via: 'node-port', protocol: 'tcp' },
  ],
})

const planned = makePlan([check], world).probes
const pairFor = (isIt: (probe: PlannedProbe['probe']) => boolean) => {
  const [found] = planned.filter(({ probe }) => isIt(probe))
  return found === undefined ? undefined : pairOf(found, world)
}

test('both ends of each kind of path are known, by the addresses that their packets have', () => {
  const pods = pairFor((probe) => 'to' in probe && probe.from === 'a' && probe.to === 'b')
  expect(pods?.pair).toMatchObject({
    client: { node: 'worker' },
    ends: [{ node: 'worker2' }],
    alsoKnownAs: [],
  })
  expect(pods?.nodeAddresses).toEqual(['172.18.0.3', '172.18.0.4'])
  const fromNode = pairFor((probe) => 'to' in probe && probe.from === 'host')
  expect(fromNode?.pair.client).toMatchObject({ isNode: true })
  // A pod that asks a node may be masked by its own.
  const toNode = pairFor((probe) => 'to' in probe && probe.to === 'host')
  expect(toNode?.pair).toMatchObject({ asked: { ips: ['172.18.0.3'] }, alsoKnownAs: ['172.18.0.4'] })
  const service = pairFor((probe) => 'service' in probe && probe.service === 'echo')
  expect(service?.pair.asked.ips).toEqual(world.services.get('echo')?.ips)
  expect(service?.pair.ends.length).toBeGreaterThan(2)
  expect(service?.planned.questions).toHaveLength(captureLimits.questions)
  const alias = pairFor((probe) => 'service' in probe && probe.service === 'echo-alias')
  expect(alias?.pair.asked.ips).toEqual(service?.pair.asked.ips)
  const dns = pairFor((probe) => 'resolve' in probe)
  expect(dns?.pair.asked.ips).toEqual([world.dns.serviceIp])
  expect(dns?.pair.ends.map(({ node }) => node)).toEqual(['control-plane', 'worker2'])
})

test('what goes inside one pod, to a port of a node, or out of the cluster, is no pair', () => {
  expect(pairFor((probe) => 'to' in probe && probe.to === 'mapped' && probe.from === 'b')).toBeUndefined()
  expect(pairFor((probe) => 'from' in probe && probe.from === 'outside')).toBeUndefined()
  expect(pairFor((probe) => 'service' in probe && probe.from === 'outside')).toBeUndefined()
  expect(pairFor((probe) => 'outside' in probe)).toBeUndefined()
  expect(pairFor((probe) => 'via' in probe && probe.via === 'loopback')).toBeUndefined()
})
