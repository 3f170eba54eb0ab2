import { budgets } from './budgets.ts'
import { lastLines, run } from './exec.ts'

/** Runs a program on a node and returns its standard output; throws when it fails. */
export type RunOnNode = (node: string, argv: readonly string[]) => Promise<string>

/** A node of our own kind clusters is a container: Docker leads inside, past the network under test. */
export const runOnKindNode: RunOnNode = async (node, argv) => {
  const { stdout } = await run(['docker', 'exec', node, ...argv], { timeoutMs: budgets.nodeCommandMs.ms })
  return stdout
}

/** Finds the container by its name and runs the rest in it; all words come as arguments. */
const inContainerScript = `
name=$1; shift
id=$(crictl ps --quiet --latest --name "^$name$")
[ -n "$id" ] || { echo "no container $name runs" >&2; exit 125; }
exec crictl exec "$id" "$@"`

/** A command for a container on a node, as one for the node: through its container runtime, which needs neither API server nor pod network. */
export const inContainer = (container: string, argv: readonly string[]): readonly string[] => [
  'bash',
  '-c',
  inContainerScript,
  'bash',
  container,
  ...argv,
]

/** Runs a command in a container on a node; throws when it fails. */
export const runInContainer = (
  runOnNode: RunOnNode,
  node: string,
  container: string,
  argv: readonly string[],
): Promise<string> => runOnNode(node, inContainer(container, argv))

/** What a command on a node left. */
export interface Said {
  exitCode: number
  stdout: string
  stderr: string
}

/**
 * Runs the commands that come as counted words side by side, each with its time limit, and prints what each left. Through
 * Docker a command costs 0.1 s, of which most is Docker's.
 */
const runEachScript = `
limit=$1; shift
dir=$(mktemp -d) || exit 1
trap 'rm -r "$dir"' EXIT
count=0
while [ $# -gt 0 ]; do
  words=$1; shift
  { timeout "$limit" "\${@:1:words}" >"$dir/$count.out" 2>"$dir/$count.err"; echo $? >"$dir/$count.code"; } &
  shift "$words"
  count=$((count + 1))
done
wait
for ((each = 0; each < count; each++)); do
  for part in code out err; do cat "$dir/$each.$part"; printf '\\0'; done
done`

/**
 * Runs several commands on a node at the price of one.
 *
 * @returns what each left, also where it failed
 * @throws {CommandError} when the node could not be asked at all
 */
export async function runEach<Name extends string>(
  runOnNode: RunOnNode,
  node: string,
  commands: Readonly<Record<Name, readonly string[]>>,
): Promise<Record<Name, Said>> {
  const names = Object.keys(commands) as Name[]
  const words = names.flatMap((name) => [String(commands[name].length), ...commands[name]])
  const limit = String(budgets.lookAnswerMs.ms / 1_000)
  const parts = (await runOnNode(node, ['bash', '-c', runEachScript, 'bash', limit, ...words])).split('\0')
  const said = names.map((name, index): [Name, Said] => {
    const [code = '', stdout = '', stderr = ''] = parts.slice(3 * index)
    return [name, { exitCode: Number(code), stdout, stderr }]
  })
  return Object.fromEntries(said) as Record<Name, Said>
}

/** What `timeout` of coreutils ends with when the time was up. */
const timedOutCode = 124

/**
 * The output of a command that worked.
 *
 * @throws {Error} with what it said, when it did not
 */
export function outputOf({ exitCode, stdout, stderr }: Said): string {
  if (exitCode === 0) return stdout
  throw new Error(
    exitCode === timedOutCode
      ? `no answer within ${budgets.lookAnswerMs.ms} ms (budget ${budgets.lookAnswerMs.name})`
      : lastLines(`${stdout}\n${stderr}`, 2).trim() || `exit code ${exitCode}`,
  )
}
