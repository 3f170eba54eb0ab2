import type { Command } from 'commander'
import { shown } from '../helpers/shown.ts'
import { collect, defineCommand } from './command.ts'
import type { AddCommand } from './command.ts'
import type { GateFlags } from './gate.ts'
import { fixtureFlags, givenFlags } from './given-flags.ts'
import type { GivenFlags } from './given-options.ts'
import { limits } from '../helpers/budgets.ts'
import type { MatrixFlags } from './matrix-options.ts'
import type { ReportFlags } from './report.ts'
import type { TestFlags } from './test-options.ts'

function imageFlags(command: Command): void {
  command
    .option(
      '--images <from>',
      'auto, archive:DIR, registry or source: where binaries and images come from (default: auto)',
    )
    .option('--registry-mirror <host>', 'registry that answers for the upstream ones, as host[:port]')
}

function checkFlags(command: Command): void {
  command
    .option('--check <glob>', 'run the checks whose id matches; may be given again', collect)
    .option(
      '--profile <profile>',
      'how much is asked: smoke (the paths that all use), core, or extended, which is all (default)',
    )
  ownChecksFlag(command, 'run the checks of a file of your own, too; may be given again')
  command
    .option(
      '--nodes <number>',
      `most nodes that get fixture pods, for the checks that are asked on every node (default: ${limits.coveredNodes})`,
    )
    .option('--random-seed <text>', 'choose other nodes and pairs of nodes, where there are too many for all')
}

const ownChecksFlag = (command: Command, does: string): void =>
  void command.option('--checks <file>', does, collect)

const test = defineCommand<TestFlags>({
  usage: 'test [clusters...]',
  summary:
    'Make each cluster, run the checks on it, write the reports, delete it; or check one that stands already.',
  examples: [
    ['cni-conformance test flannel', 'all checks on a cluster that comes with the product'],
    ['cni-conformance test ./mine.yaml --keep=on-failure', 'a cluster of your own; kept when a check fails'],
    ['cni-conformance test flannel --on cnic-flannel-1a2b', 'again, on the cluster that --keep left'],
    ["cni-conformance test --check 'dns/**' --check 'service/**'", 'some of the checks'],
    ['cni-conformance test --profile smoke', 'the paths that every workload uses, within seconds'],
    ['cni-conformance test ./mine.yaml --checks ./my-checks.yaml', 'checks of your own beside ours'],
    ['cni-conformance test flannel -o json >run.json', 'for programs'],
    [
      'cni-conformance test --kubeconfig ~/.kube/config --context staging',
      'on a cluster that stands already, in two namespaces of the run',
    ],
    [
      'cni-conformance test --kubeconfig kubeconfig --context staging ./staging.yaml',
      'the same, with what it declares: features, pod CIDR, deviations',
    ],
  ],
  operands: 50,
  flags: (command) => {
    checkFlags(command)
    command
      .option('--keep [when]', 'leave the cluster running: always (alone), or =on-failure')
      .option(
        '--on <cluster>',
        'go on with a cluster that --keep left, by its name, if it is as it was made; then as --keep says',
      )
      .option('--report-dir <dir>', 'folder of the reports (default: a new one below reports/runs)')
      .option('--timeout <duration>', 'end the run after so long, such as 10m')
      .option('--hold', 'keep the cluster until standard input closes; for programs that go on using it')
    imageFlags(command)
    givenFlags(command)
    fixtureFlags(command)
  },
  async work({ operands, flags, globals, problems }) {
    const { readTestOptions } = await import('./test-options.ts')
    const options = await readTestOptions(operands, flags, globals, problems)
    const { testCommand } = await import('./test.ts')
    return testCommand(options)
  },
})

const matrix = defineCommand<MatrixFlags>({
  usage: 'matrix [clusters...]',
  summary: 'Run the checks on several clusters, as many at once as this machine carries, into one report.',
  examples: [
    ['cni-conformance matrix', 'the CNIs side by side: flannel, calico, cilium'],
    ['cni-conformance matrix cilium ./mine.yaml --jobs 1', 'others, one after the other'],
    ["cni-conformance matrix --check 'dns/**' -o json >run.json", 'some of the checks; for programs'],
  ],
  operands: 50,
  flags: (command) => {
    command.option(
      '--jobs <number>',
      'most legs at once (default: as many as processors and memory are good for)',
    )
    checkFlags(command)
    command
      .option('--report-dir <dir>', 'folder of the reports (default: a new one below reports/runs)')
      .option('--timeout <duration>', 'end each leg after so long, such as 10m')
    imageFlags(command)
  },
  async work({ operands, flags, globals, problems }) {
    const { readMatrixOptions } = await import('./matrix-options.ts')
    const options = await readMatrixOptions(operands, flags, globals, problems)
    const { matrixCommand } = await import('./matrix.ts')
    return matrixCommand(options)
  },
})

const list = defineCommand<Pick<TestFlags, 'checks'>>({
  usage: 'list',
  summary: 'List the checks, and the faults that must turn each red.',
  examples: [
    ['cni-conformance list', 'a table'],
    ['cni-conformance list -o json', 'an array of {id, level, covers, requirement, features, faults}'],
  ],
  operands: 0,
  flags: (command) =>
    ownChecksFlag(command, 'list the checks of a file of your own, too; may be given again'),
  async work({ flags, globals, problems }) {
    const { readOwnChecks } = await import('./test-options.ts')
    const own = await readOwnChecks(flags.checks, problems)
    problems.throwIfAny()
    const { listCommand } = await import('./list.ts')
    return listCommand(
      globals,
      own.flatMap(({ checks }) => checks),
    )
  },
})

const validate = defineCommand<Pick<TestFlags, 'checks'>>({
  usage: 'validate [files...]',
  summary: 'Say everything that is wrong with cluster definitions and checks, without creating anything.',
  examples: [
    ['cni-conformance validate ./mine.yaml', 'one of your own, or several'],
    ['cni-conformance validate --checks ./my-checks.yaml', 'checks of your own'],
    ['cni-conformance validate', 'all that come with the product'],
  ],
  operands: 1_000,
  flags: (command) => ownChecksFlag(command, 'judge a file of checks of your own; may be given again'),
  async work({ operands, flags, globals, problems }) {
    const { validateCommand } = await import('./validate.ts')
    return validateCommand({ ...globals, files: operands, checks: flags.checks ?? [] }, problems)
  },
})

const doctor = defineCommand({
  usage: 'doctor',
  summary: 'Say what this machine has and lacks, what each gap costs, and how to mend it.',
  examples: [
    ['cni-conformance doctor', 'before the first run, or when one does not come up'],
    ['cni-conformance doctor -o json', 'for programs'],
  ],
  operands: 0,
  async work({ globals, problems }) {
    problems.throwIfAny()
    const { doctorCommand } = await import('./doctor.ts')
    return doctorCommand(globals)
  },
})

const clean = defineCommand<{ all?: true } & GivenFlags>({
  usage: 'clean',
  summary:
    'Delete kept clusters and what killed runs left: only what our own journals name, or what has our label and has expired.',
  examples: [
    ['cni-conformance clean', 'what killed runs left, and clusters that were kept'],
    ['cni-conformance clean --all', 'clusters of runs that are still going on, too'],
    [
      'cni-conformance clean --kubeconfig ~/.kube/config --context staging',
      'namespaces of expired runs on a cluster that is not ours',
    ],
  ],
  operands: 0,
  flags: (command) => givenFlags(command.option('--all', 'clusters of runs that are still going on, too')),
  async work({ flags, globals, problems }) {
    const { readCleanOptions } = await import('./given-options.ts')
    const options = await readCleanOptions(flags, globals, problems)
    const { cleanCommand } = await import('./clean.ts')
    return cleanCommand(options)
  },
})

const images = defineCommand<Pick<TestFlags, 'images' | 'registryMirror'>>({
  usage: 'images <action> <dir> [clusters...]',
  summary: 'Save everything that a run needs into a folder, for a machine without any network.',
  examples: [
    ['cni-conformance images save ./archive flannel', 'here, where there is a network'],
    ['cni-conformance test flannel --images archive:./archive', 'there, where there is none'],
  ],
  operands: 50,
  flags: imageFlags,
  async work({ operands, flags, globals, problems }) {
    const { readImagesSaveOptions, imagesSaveCommand } = await import('./images.ts')
    return imagesSaveCommand(await readImagesSaveOptions(operands, flags, globals, problems))
  },
})

const report = defineCommand<ReportFlags>({
  usage: 'report <run> [runs...]',
  summary: 'Render an old run again from its run.json, or merge several: `report merge`.',
  examples: [
    ['cni-conformance report reports/runs/latest', 'as it was on the terminal'],
    ['cni-conformance report run.json --format markdown', 'for the summary of a CI job'],
    ['cni-conformance report run.json --format html >report.html', 'the page, one file that loads nothing'],
    ['cni-conformance report run.json --exit-code', 'and end as that run did'],
    ['cni-conformance report merge a/run.json b/run.json --report-dir all', 'one report of several machines'],
    [
      'cni-conformance report merge a b --expect calico',
      'with a leg that did not run, where calico left no report',
    ],
  ],
  operands: 1_000,
  flags: (command) => {
    command
      .option('--format <format>', 'text, json, junit, markdown or html (default: what --output says)')
      .option('--report-dir <dir>', 'write every format into this folder')
      .option('--exit-code', 'end with the exit code of the run, not with that of its rendering')
      .option('--expect <cluster>', 'of merge: a leg that must be there; may be given again', collect)
  },
  async work({ operands: [run = '', ...runs], flags, globals, problems }) {
    const known = ['text', 'json', 'junit', 'markdown', 'html'] as const
    const format = problems.oneOf('--format', flags.format, known) ?? globals.output
    if (run === 'merge') {
      const { mergeCommand } = await import('./merge.ts')
      return mergeCommand(runs, { ...flags, format }, problems)
    }
    if (flags.expect !== undefined) problems.add('--expect: only `report merge` expects legs')
    for (const extra of runs)
      problems.add(`unexpected argument ${shown(extra)}; \`report merge\` takes several`)
    problems.throwIfAny()
    const { reportCommand } = await import('./report.ts')
    return reportCommand(run, { ...flags, format })
  },
})

const gate = defineCommand<GateFlags>({
  usage: 'gate <before> <after>',
  summary: 'Compare two runs check by check, from their reports, and fail on a regression.',
  examples: [
    ['cni-conformance gate old/run.json new/run.json', 'before and after an upgrade'],
    ['cni-conformance gate old new --max-slowdown 3', 'a check that got three times slower fails it, too'],
    ['cni-conformance gate old new --format markdown', 'for the summary of a CI job'],
  ],
  operands: 2,
  flags: (command) => {
    command
      .option(
        '--max-slowdown <factor>',
        'how many times longer a check may take; without it nothing is too slow',
      )
      .option('--any-order', 'the second run may be the earlier one')
      .option('--format <format>', 'text, json or markdown (default: what --output says)')
      .addHelpText('after', gateHelp)
  },
  async work({ operands, flags, globals, problems }) {
    const { gateCommand } = await import('./gate.ts')
    return gateCommand(operands, flags, globals.output, problems)
  },
})

const gateHelp = `
Red are checks that regressed, fail newly, are no longer there, or became unsupported. A check that failed before and
still does is named, but it is no regression.
Exit codes: 0 no regression, 1 regression, 2 the reports cannot be compared, 3 inconclusive: a run is partial, was cut
short, or did not come to a verdict on every check.`

const rbac = defineCommand<Pick<GivenFlags, 'namespace'>>({
  usage: 'rbac',
  summary: 'Print the least-privilege role for runs on a cluster that is not ours, as YAML for kubectl.',
  examples: [
    [
      'cni-conformance rbac --namespace net-check | kubectl apply -f -',
      'for runs in two namespaces, and no others',
    ],
    ['cni-conformance rbac', 'for runs that make namespaces of their own'],
    [
      'cni-conformance test --kubeconfig kubeconfig --context staging --namespace net-check',
      'then, with a token of that service account',
    ],
  ],
  operands: 0,
  flags: (command) =>
    void command.option('--namespace <name>', 'the runs use the namespaces NAME and NAME-other'),
  async work({ flags: { namespace }, globals, problems }) {
    const { readNamespace } = await import('./given-options.ts')
    readNamespace(namespace, problems)
    problems.throwIfAny()
    const { rbacCommand } = await import('./rbac.ts')
    return rbacCommand(namespace, globals)
  },
})

/** Every command, in the order of the help. */
export const commands: readonly AddCommand[] = [
  test,
  matrix,
  list,
  validate,
  doctor,
  clean,
  rbac,
  images,
  report,
  gate,
]
