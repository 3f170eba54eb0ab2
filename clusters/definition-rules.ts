import type { z } from 'zod'
import { featureSchema } from '../helpers/check.ts'
import type { Feature } from '../helpers/check.ts'
import { suggestion } from '../helpers/suggest.ts'
import { overlap, readCidrs } from './cidr.ts'
import type { Cidr } from './cidr.ts'
import {
  cniFields,
  expectationFields,
  networkFields,
  nodesFields,
  topFields,
  withSubnets,
} from './definition-schema.ts'
import { cniTraits } from './supported.ts'
import type { SupportedVersions } from './supported.ts'
import type { Path } from '../helpers/yaml.ts'

/**
 * What a schema cannot say: how the fields of a definition fit each other, this machine's list of versions and the
 * calendar. The rules run on whatever part of a definition is well formed, so that their findings stand beside those
 * of the schema and a user mends everything in one go.
 */

/** What the rules measure against. */
export interface RuleContext {
  /** Undefined for a cluster that stands already: what we could make of it does not matter. */
  versions: SupportedVersions | undefined
  /** Today as 2026-11-21, in UTC. */
  today: string
}

type Report = (path: Path, message: string) => void
type Rule = (part: Part, report: Report, context: RuleContext) => void

/** Runs every rule over the well-formed part of a document. */
export function applyRules(raw: unknown, report: Report, context: RuleContext): void {
  const part = wellFormedPart(raw)
  for (const rule of context.versions === undefined ? rules : [...makingRules, ...rules])
    rule(part, report, context)
}

type Fields = Record<string, z.ZodType>
type PartOf<F extends Fields> = { [Key in keyof F]?: z.output<F[Key]> | undefined }

interface Part extends PartOf<Pick<typeof topFields, 'name' | 'kubernetes'>> {
  /** `undefined` where an entry is no feature. */
  features: (Feature | undefined)[]
  nodes: PartOf<typeof nodesFields>
  network: PartOf<typeof networkFields>
  /** Which fields of `network` the user wrote: a message belongs to one of them, not to a default. */
  written: ReadonlySet<string>
  cni: PartOf<typeof cniFields>
  expect: PartOf<typeof expectationFields>[]
}

function wellFormedPart(raw: unknown): Part {
  const root = asRecord(raw)
  const network = partOf(networkFields, root['network'])
  const written = asRecord(root['network'])
  const { ipFamily, kubeProxy } = network
  const complete = ipFamily && kubeProxy ? withSubnets({ ...network, ipFamily, kubeProxy }) : network
  return {
    ...partOf({ name: topFields.name, kubernetes: topFields.kubernetes }, root),
    features: asList(root['features']).map((entry) =>
      featureSchema.options.find((feature) => feature === entry),
    ),
    nodes: partOf(nodesFields, root['nodes']),
    network: {
      ...network,
      // A range that is written but broken must not be judged by its default.
      podSubnet: 'podSubnet' in written ? network.podSubnet : complete.podSubnet,
      serviceSubnet: 'serviceSubnet' in written ? network.serviceSubnet : complete.serviceSubnet,
    },
    written: new Set(Object.keys(written)),
    cni: partOf(cniFields, root['cni']),
    expect: asList(root['expect']).map((entry) => partOf(expectationFields, entry)),
  }
}

function partOf<F extends Fields>(fields: F, raw: unknown): PartOf<F> {
  const record = asRecord(raw)
  const part: PartOf<F> = {}
  for (const key of Object.keys(fields) as (keyof F & string)[]) {
    const result = fields[key]?.safeParse(record[key])
    if (result?.success === true) part[key] = result.data as z.output<F[typeof key]>
  }
  return part
}

const asRecord = (raw: unknown): Record<string, unknown> =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? (raw as Record<string, unknown>) : {}
const asList = (raw: unknown): unknown[] => (Array.isArray(raw) ? raw : [])

/** Bits of the range that each node gets: controller-manager's --node-cidr-mask-size-ipv4 and -ipv6. */
const nodePrefix = { ipv4: 24, ipv6: 64 }
/** kubeadm's PodSubnetNodeMaskMaxDiff: at most so many bits between the pod range and a node's range. */
const maxNodeBits = 16
/** kubeadm's MaximumBitsForServiceSubnet and, rounded to a power of two, MinimumAddressesInServiceSubnet. */
const serviceBits = { max: 20, min: 4 }
const addressBits = { ipv4: 32, ipv6: 128 }

const versionsAreKnown: Rule = ({ kubernetes, cni }, report, { versions }) => {
  if (versions === undefined) return
  if (kubernetes !== undefined && !versions.kubernetes.includes(kubernetes)) {
    report(['kubernetes'], `unknown Kubernetes version; ${suggestion(kubernetes, versions.kubernetes)}`)
  }
  const known = versions.cni[cni.name ?? '']
  if (cni.version !== undefined && known !== undefined && !known.includes(cni.version)) {
    report(['cni', 'version'], `unknown version of ${cni.name}; ${suggestion(cni.version, known)}`)
  }
}

const cniFits: Rule = ({ cni, network }, report) => {
  const traits = cniTraits[cni.name ?? '']
  if (traits === undefined) return
  const { encapsulations, ipFamilies, replacesKubeProxy, installers } = traits
  if (cni.encapsulation !== undefined && !encapsulations.includes(cni.encapsulation)) {
    report(
      ['cni', 'encapsulation'],
      `${cni.name} is set up with ${encapsulations.join(' or ')}, not ${cni.encapsulation}`,
    )
  }
  if (cni.installer !== undefined && !Object.hasOwn(installers, cni.installer)) {
    const known = Object.keys(installers).join(' or ')
    report(['cni', 'installer'], `${cni.name} is set up by ${known}, not ${cni.installer}`)
  }
  if (network.ipFamily !== undefined && !ipFamilies.includes(network.ipFamily)) {
    report(
      ['network', 'ipFamily'],
      `${cni.name} is set up for ${ipFamilies.join(' or ')}, not ${network.ipFamily}`,
    )
  }
  if (network.kubeProxy === 'none' && !replacesKubeProxy) {
    report(['network', 'kubeProxy'], `${cni.name} does not serve Services itself; it needs kube-proxy`)
  }
}

const subnetsFitFamily: Rule = ({ network }, report) => {
  if (network.ipFamily === undefined) return
  const wanted = network.ipFamily === 'dual' ? ['ipv4', 'ipv6'] : [network.ipFamily]
  for (const key of ['podSubnet', 'serviceSubnet'] as const) {
    const cidrs = rangesOf(network[key])
    const fits =
      cidrs.length === wanted.length && wanted.every((family) => cidrs.some((cidr) => cidr.family === family))
    const expected =
      wanted.length === 2 ? 'an IPv4 and an IPv6 range with a comma between' : `one ${wanted[0]} range`
    if (network[key] !== undefined && !fits) {
      report(
        ['network', key],
        `expected ${expected}, as ipFamily is ${network.ipFamily}, got ${network[key]}`,
      )
    }
  }
}

const subnetsAreApart: Rule = ({ network, written }, report, { versions }) => {
  // The default is that of the clusters that we make.
  if (versions === undefined && !(written.has('podSubnet') && written.has('serviceSubnet'))) return
  for (const pod of rangesOf(network.podSubnet)) {
    const service = rangesOf(network.serviceSubnet).find((range) => overlap(pod, range))
    if (service === undefined) continue
    if (written.has('serviceSubnet'))
      report(['network', 'serviceSubnet'], `${service.text} overlaps podSubnet ${pod.text}`)
    else report(['network', 'podSubnet'], `${pod.text} overlaps serviceSubnet ${service.text}`)
  }
}

const podSubnetHoldsNodes: Rule = ({ network, nodes }, report) => {
  const count = (nodes.controlPlane ?? 1) + (nodes.workers ?? 2)
  for (const { text, family, prefix } of rangesOf(network.podSubnet)) {
    const bits = nodePrefix[family] - prefix
    const room = bits < 0 ? 0 : 2 ** bits
    if (room < count) {
      const each = `a /${nodePrefix[family]} for each`
      report(['network', 'podSubnet'], `${text} is too small: ${count} nodes need ${each}, it holds ${room}`)
    } else if (bits > maxNodeBits) {
      const widest = nodePrefix[family] - maxNodeBits
      report(['network', 'podSubnet'], `${text} is too large: kubeadm takes /${widest} at most`)
    }
  }
}

const serviceSubnetHasASize: Rule = ({ network }, report) => {
  for (const { text, family, prefix } of rangesOf(network.serviceSubnet)) {
    const bits = addressBits[family] - prefix
    const limit = (size: number): string => `/${addressBits[family] - size}`
    if (bits > serviceBits.max) {
      report(
        ['network', 'serviceSubnet'],
        `${text} is too large: kubeadm takes ${limit(serviceBits.max)} at most`,
      )
    } else if (bits < serviceBits.min) {
      report(
        ['network', 'serviceSubnet'],
        `${text} is too small: kubeadm takes ${limit(serviceBits.min)} at least`,
      )
    }
  }
}

const featuresFit: Rule = ({ features, network }, report) => {
  features.forEach((feature, index) => {
    if (feature === undefined) return
    if (features.indexOf(feature) !== index) report(['features', index], `${feature} is listed twice`)
    if (network.ipFamily === undefined) return
    const missing =
      (feature === 'ipv6' && network.ipFamily === 'ipv4') ||
      (feature === 'dual-stack' && network.ipFamily !== 'dual')
    if (missing) report(['features', index], `${feature} does not go with ipFamily ${network.ipFamily}`)
  })
}

const deviationsAreCurrent: Rule = ({ expect }, report, { today }) => {
  const seen = new Set<string>()
  expect.forEach(({ check, until }, index) => {
    if (until !== undefined && until < today) {
      report(
        ['expect', index, 'until'],
        `the deviation ended on ${until}; remove it, or look at its issue and renew it`,
      )
    }
    if (check === undefined) return
    if (seen.has(check)) report(['expect', index, 'check'], `${check} is listed twice`)
    seen.add(check)
  })
}

/** What only a cluster has to fit that we make. */
const makingRules: readonly Rule[] = [versionsAreKnown, cniFits, podSubnetHoldsNodes, serviceSubnetHasASize]

const rules: readonly Rule[] = [subnetsFitFamily, subnetsAreApart, featuresFit, deviationsAreCurrent]

function rangesOf(text: string | undefined): Cidr[] {
  return text === undefined ? [] : readCidrs(text).cidrs
}
