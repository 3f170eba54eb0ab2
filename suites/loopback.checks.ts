import { defineCheck, type Check } from '../helpers/check.ts'

const pods = { first: { node: 'worker1' }, second: { node: 'worker2' } } as const

/** Inside one pod: its containers share one network namespace and reach each other on 127.0.0.1. */
export const loopbackChecks: readonly Check[] = [
  defineCheck({
    id: 'loopback/between-containers/http',
    level: 'core',
    covers: ['K1'],
    rung: 'loopback',
    requirement:
      'A server in one container of a pod MUST answer another container of that pod on 127.0.0.1 over HTTP.',
    pods,
    probes: [
      { from: 'first', to: 'first', via: 'loopback', protocol: 'http' },
      { from: 'second', to: 'second', via: 'loopback', protocol: 'http' },
    ],
  }),
  defineCheck({
    id: 'loopback/between-containers/udp',
    level: 'core',
    covers: ['K1'],
    rung: 'loopback',
    requirement:
      'A server in one container of a pod MUST answer another container of that pod on 127.0.0.1 over UDP.',
    pods,
    probes: [
      { from: 'first', to: 'first', via: 'loopback', protocol: 'udp' },
      { from: 'second', to: 'second', via: 'loopback', protocol: 'udp' },
    ],
  }),
  defineCheck({
    id: 'loopback/shared-namespace',
    level: 'core',
    covers: ['K1'],
    requirement: 'Every container of a pod MUST be in the same network namespace.',
    pods,
    probes: [
      { in: 'first', inspect: 'shared-network-namespace' },
      { in: 'second', inspect: 'shared-network-namespace' },
    ],
  }),
  defineCheck({
    id: 'loopback/shared-ports',
    level: 'core',
    covers: ['K2'],
    requirement:
      'A container that binds a port which another container of its pod holds MUST get EADDRINUSE.',
    pods,
    probes: [
      { in: 'first', inspect: 'port-in-use' },
      // The control: binding works at all, so that EADDRINUSE means what it says.
      { in: 'first', inspect: 'port-free' },
      { in: 'second', inspect: 'port-in-use' },
      { in: 'second', inspect: 'port-free' },
    ],
  }),
]
