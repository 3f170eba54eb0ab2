import { dumpYaml } from '@kubernetes/client-node'
import { rbacObjects, rbacReasons } from '../clusters/given/rbac.ts'
import { exitCodes } from '../helpers/errors.ts'
import type { GlobalOptions } from './options.ts'

/** `rbac`: prints the least that a run on a cluster that is not ours needs. Returns the exit code. */
export function rbacCommand(namespace: string | undefined, { output }: GlobalOptions): number {
  const objects = rbacObjects(namespace)
  const list = { apiVersion: 'v1', kind: 'List', items: objects }
  const comments = [
    'What `cni-conformance test --kubeconfig` needs of a cluster, and why. Nothing is about Secrets.',
    ...rbacReasons(namespace),
    ...(namespace === undefined
      ? [
          'A run makes namespaces of its own, whose names nobody knows beforehand: so the role is about all namespaces.',
          'With `rbac --namespace NAME` it is about two.',
        ]
      : []),
  ]
  const yaml = [comments.map((line) => `# ${line}\n`).join(''), ...objects.map((object) => dumpYaml(object))]
  process.stdout.write(output === 'json' ? `${JSON.stringify(list, undefined, 2)}\n` : yaml.join('---\n'))
  return exitCodes.passed
}
