import type { Outcome } from './observation.ts'
import { apiMessage, type Kube } from './kube.ts'

/**
 * What the API says of the Services of the user's that a check asked and did not find as it should: a Service without
 * ready endpoints is another finding than a network that does not lead to them.
 */
export async function targetsOf({ observations }: Outcome, kube: Kube): Promise<string> {
  const asked = observations
    .filter(({ verdict, expected, via }) => verdict !== expected && via === 'fqdn')
    .map(({ to }) => to.name)
  const texts = await Promise.all([...new Set(asked)].map((target) => serviceText(target, kube)))
  return texts.length === 0 ? 'no Service of yours was asked in vain\n' : texts.join('\n')
}

/** @param target `namespace/name` */
async function serviceText(target: string, kube: Kube): Promise<string> {
  const [namespace = '', name = ''] = target.split('/')
  try {
    const labelSelector = `kubernetes.io/service-name=${name}`
    const [{ spec }, slices] = await Promise.all([
      kube.core.readNamespacedService({ namespace, name }),
      kube.discovery.listNamespacedEndpointSlice({ namespace, labelSelector }),
    ])
    const ports = spec?.ports?.map((port) => `${port.port}/${port.protocol} to ${port.targetPort}`) ?? []
    const endpoints = slices.items
      .flatMap((slice) => slice.endpoints ?? [])
      .map((each) => `  ${each.addresses.join()} on ${each.nodeName ?? '-'} ready=${each.conditions?.ready}`)
    const facts = `Service ${target}: ${spec?.type} ${spec?.clusterIP ?? '-'}, ports ${ports.join(', ') || 'none'}`
    return [facts, ...(endpoints.length === 0 ? ['  no endpoints'] : endpoints), ''].join('\n')
  } catch (error) {
    return `Service ${target}: ${apiMessage(error)}\n`
  }
}
