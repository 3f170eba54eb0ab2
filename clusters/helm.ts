import { budgets } from '../helpers/budgets.ts'

/** What a chart is rendered with. */
interface Release {
  name: string
  namespace: string
  /** "v1.37.0" */
  kubernetes: string
  values: Readonly<Record<string, unknown>>
}

/**
 * The manifests of a chart, as text of several YAML documents. Helm asks neither the cluster nor the network.
 *
 * @param helm path of the program
 * @param chart path of a packed chart
 * @throws {CommandError} with what Helm says against the values
 */
export async function renderChart(helm: string, chart: string, release: Release): Promise<string> {
  const { name, namespace, kubernetes, values } = release
  // Loaded here: `validate` reads every CNI and runs nothing.
  const { run } = await import('../helpers/exec.ts')
  const argv = [
    'template',
    name,
    chart,
    '--namespace',
    namespace,
    '--kube-version',
    kubernetes,
    '--values',
    '-',
  ]
  const { stdout } = await run([helm, ...argv, '--include-crds'], {
    // JSON is YAML.
    input: JSON.stringify(values),
    timeoutMs: budgets.helmRenderMs.ms,
  })
  return stdout
}
