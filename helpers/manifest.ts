import type { KubernetesObject } from '@kubernetes/client-node'
import { loadAll } from 'js-yaml'

/** The objects of a multi-document manifest, empty documents left out. */
export function parseManifest(text: string): KubernetesObject[] {
  const documents = loadAll(text) as (KubernetesObject | null | undefined)[]
  return documents.filter((document) => document !== null && document !== undefined)
}
