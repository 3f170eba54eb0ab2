import type { ImageProviderChoice } from '../clusters/images/prepare.ts'
import type { LoadedDefinition } from '../clusters/definition.ts'
import type { GivenContext } from '../clusters/given/connection.ts'
import type { FixtureImages } from '../clusters/given/images.ts'
import type { NodeSelector } from '../clusters/given/nodes.ts'
import type { Check } from '../helpers/check.ts'
import type { Profile } from '../helpers/profiles.ts'
import type { CoverageOptions } from '../helpers/coverage/coverage.ts'

/** What every command is told. */
export interface GlobalOptions {
  /** False with --no-install: nothing may be installed on the machine. */
  install: boolean
  /** No progress. */
  quiet: boolean
  /** What stdout is for: a person or a program. */
  output: 'text' | 'json'
}

/** What `test` is told, validated. */
export interface TestOptions extends GlobalOptions {
  clusters: readonly LoadedDefinition[]
  /** How much is asked. */
  profile: Profile
  /** The checks that --check and --profile leave, in the order of the catalogue. */
  checks: readonly Check[]
  /** How the user narrowed the checks, for the report; a narrowed run is partial. */
  filter: string | undefined
  /** Which nodes get fixture pods. */
  coverage: CoverageOptions
  /** Whether a cluster outlives the run. */
  keep: 'never' | 'on-failure' | 'always'
  /** Folder of the reports; a new one below reports/runs when not given. */
  reportDir: string | undefined
  /** For the whole run, in milliseconds. */
  timeoutMs: number | undefined
  images: ImageProviderChoice
  /** Keep the cluster until standard input closes. */
  hold: boolean
  /** A cluster that an earlier run kept, by its name, instead of one to be made; `clusters` has its definition. */
  on: string | undefined
  /** A cluster that stands already, instead of one to be made; `clusters` has its definition, if there is one. */
  given?: GivenOptions
}

/** A cluster that stands already, and what a run does on it. */
export interface GivenOptions {
  context: GivenContext
  /** Labels of the nodes to choose from. */
  nodeSelector: NodeSelector
  coverage: CoverageOptions
  /** The first of two namespaces that are there already; without it the run makes its own. */
  namespace: string | undefined
  images: FixtureImages
  /** Milliseconds that the run may take, so that what it leaves behind can expire. */
  runMs: number
  /** Print what would be applied, change nothing. */
  dryRun: boolean
}

/** What `matrix` is told, validated. */
export interface MatrixOptions extends TestOptions {
  /** Most legs at once that the user wants. */
  jobs: number | undefined
  /** The flags of `test` that each leg is run with. */
  legFlags: readonly string[]
}

export interface ValidateOptions extends GlobalOptions {
  /** Paths, or names of clusters that come with the product; none means all of those. */
  files: readonly string[]
  /** Files of checks of the user's; alone, they are all that is judged. */
  checks: readonly string[]
}

export interface CleanOptions extends GlobalOptions {
  /** Clusters of runs that are still going on, too. */
  all: boolean
  /** On a cluster that is not ours, instead: what expired runs have left. */
  given?: Pick<GivenOptions, 'context' | 'namespace'>
}

export interface ImagesSaveOptions extends GlobalOptions {
  dir: string
  clusters: readonly LoadedDefinition[]
  images: ImageProviderChoice
}

export interface ReportOptions {
  format: 'text' | 'json' | 'junit' | 'markdown' | 'html'
  /** Write all formats there instead of printing one. */
  reportDir?: string
  /** End with the exit code of the run. */
  exitCode?: true
}

export interface MergeOptions extends ReportOptions {
  /** Clusters, as `test` takes them, whose legs must be there. */
  expect?: readonly string[]
}
