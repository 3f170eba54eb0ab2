/** A definition with some lines replaced, and every problem that it has. */
export interface Broken {
  name: string
  /** The bytes of the file. */
  yaml: string | Buffer
  /** `line:column: path: message`, in the order of the file. */
  expected: readonly string[]
}

/** A definition with nothing wrong; the cases below replace some of its lines. */
export const validLines = [
  'apiVersion: cni-conformance/v1',
  'name: mine',
  'kubernetes: v1.37.0',
  'nodes: { controlPlane: 1, workers: 2 }',
  'network: { ipFamily: ipv4, podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16, kubeProxy: iptables }',
  'cni: { name: flannel, version: v0.28.9, encapsulation: vxlan }',
  'features: []',
  'expect: []',
] as const

/** Lines by number, counted from 1. */
export type Lines = Readonly<Record<number, string>>

export const edited = (lines: Lines): string =>
  [...validLines, ''].map((line, index) => lines[index + 1] ?? line).join('\n')

export const broken = (name: string, lines: Lines, ...expected: string[]): Broken => ({
  name,
  yaml: edited(lines),
  expected,
})

/** The words for a value out of a closed set. */
export const oneOf = (values: readonly string[]): string =>
  `expected ${values.length > 1 ? 'one of ' : ''}${values.join(', ')}`
