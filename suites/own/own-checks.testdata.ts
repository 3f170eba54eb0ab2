/** A file of checks with nothing wrong; cases replace some of its lines. */
export const validLines = [
  'apiVersion: cni-conformance/v1',
  'kind: Checks',
  'checks:',
  '  - id: mine/api',
  '    level: core',
  '    requirement: Pods MUST reach the API server by its Service.',
  '    pods: { client: { node: worker1 }, other: { node: worker2 } }',
  '    targets: { api: { service: kubernetes, namespace: default, port: 443, protocol: tcp } }',
  '    probes:',
  '      - { from: client, target: api }',
  '      - { from: other, target: api }',
] as const

/** The file with some lines replaced, by number, counted from 1. */
export const editedChecks = (lines: Readonly<Record<number, string>>): string =>
  [...validLines, ''].map((line, index) => lines[index + 1] ?? line).join('\n')

/** One check of every kind of question, as a user may write it. */
export const everyKind = `apiVersion: cni-conformance/v1
kind: Checks
checks:
  - id: mine/paths
    requirement: Paths MUST work.
    pods: { a: { node: worker1 }, b: { node: worker2 }, c: { node: worker2, namespace: other } }
    probes:
      - { from: a, to: b, via: pod-ip, protocol: datagram }
      - { from: a, to: a, via: loopback, protocol: http }
      - { from: c, service: echo, via: fqdn, protocol: http }
      - { from: b, resolve: pod, of: a, at: every-dns-pod, protocol: udp }
      - { in: a, inspect: placement }
  - id: mine/entry
    requirement: Ports of nodes MUST lead to pods.
    features: [outside, host-port, host-network]
    pods: { a: { node: worker1 }, mapped: { node: worker2, hostPort: true } }
    probes:
      - { from: outside, to: mapped, via: host-port, protocol: tcp }
      - { from: a, to: mapped, via: host-port, protocol: udp }
      - { from: outside, service: echo-node-port, via: node-port, protocol: http }
  - id: mine/looks
    requirement: Agents MUST be well.
    features: [node-access]
    pods: {}
    probes: [{ on: every-node, look: cni-agent }]
  - id: mine/policy
    requirement: A deny MUST be enforced.
    features: [network-policy]
    pods: { client: { node: worker1 }, server: { node: worker2 }, open: { node: worker2 } }
    policies: { deny: { selects: [server], ingress: [] } }
    steps:
      - name: before
        role: control
        flows: [{ from: [client], to: [server, open], protocols: [tcp] }]
      - name: denied
        apply: [deny]
        flows: [{ from: [client], to: [server, open], protocols: [tcp] }]
`
