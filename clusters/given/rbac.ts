import type { KubernetesObject, V1PolicyRule } from '@kubernetes/client-node'
import { namespaceObject } from '../../helpers/fixture-objects.ts'
import { managedLabel } from '../../helpers/fixture-pods.ts'
import { namesFrom, takenNames } from './housing.ts'
import { permissionsFor, type Permission, type Scope } from './permissions.ts'

/** The least that a run needs, as objects for `kubectl apply`. Pure. */

/** Name of everything that is printed. */
const name = 'cni-conformance'

/**
 * A service account with exactly the permissions of the table.
 *
 * @param namespace the first of two that the runs borrow; without it they make their own, and what they may do in those
 *   they may do in all: nobody knows the names beforehand
 */
export function rbacObjects(namespace: string | undefined): KubernetesObject[] {
  const table = permissionsFor(namespace === undefined ? 'own' : 'borrowed')
  const rules = (...scopes: Scope[]): V1PolicyRule[] =>
    table.filter(({ scope }) => scopes.includes(scope)).map(ruleOf)
  const home = namespace ?? name
  const borrowed = namespace === undefined ? [] : takenNames(namesFrom(namespace))
  const subjects = [{ kind: 'ServiceAccount', name, namespace: home }]
  const role = (where: string, scope: Scope): KubernetesObject[] => [
    { ...rbac('Role', where), rules: rules(scope) } as KubernetesObject,
    { ...rbac('RoleBinding', where), roleRef: roleRef('Role'), subjects } as KubernetesObject,
  ]
  const scopes: Scope[] = namespace === undefined ? ['cluster', 'fixtures'] : ['cluster']
  return [
    // Without the label of a run: these stay.
    ...(namespace === undefined ? [namespaceObject(home, managedLabel)] : []),
    ...borrowed.map((each) => namespaceObject(each, managedLabel)),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadataOf(home) },
    { ...rbac('ClusterRole'), rules: rules(...scopes) } as KubernetesObject,
    { ...rbac('ClusterRoleBinding'), roleRef: roleRef('ClusterRole'), subjects } as KubernetesObject,
    ...role('kube-system', 'kube-system'),
    ...role('default', 'default'),
    ...borrowed.flatMap((each) => role(each, 'fixtures')),
  ]
}

const metadataOf = (namespace?: string): NonNullable<KubernetesObject['metadata']> => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  labels: managedLabel,
})

const rbac = (kind: string, namespace?: string): KubernetesObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: metadataOf(namespace),
})

const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name })

const ruleOf = ({ group, resource, verbs, names }: Permission): V1PolicyRule => ({
  apiGroups: [group],
  resources: [resource],
  ...(names === undefined ? {} : { resourceNames: [...names] }),
  verbs: [...verbs],
})

/** Every permission with its reason, as comments above the YAML. */
export const rbacReasons = (namespace: string | undefined): string[] =>
  permissionsFor(namespace === undefined ? 'own' : 'borrowed').map(
    ({ scope, group, resource, verbs, why }) =>
      `${scopeText(scope, namespace)}: ${verbs.join(', ')} ${resource}${group === '' ? '' : `.${group}`}: it ${why}`,
  )

function scopeText(scope: Scope, namespace: string | undefined): string {
  if (scope === 'kube-system' || scope === 'default') return scope
  if (scope === 'cluster' || namespace === undefined) return 'cluster'
  return takenNames(namesFrom(namespace)).join(', ')
}
