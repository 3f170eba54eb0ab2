/**
 * Takes secrets out of what is kept of a cluster: logs, objects, what programs said. Objects that are nothing but secret
 * are never asked for; this is for what stands in text by accident. It knows secrets by their shape and by the words
 * before them; a bare word in a sentence it cannot know. Rather a harmless value too many than a password.
 */

const gone = '[redacted]'

/** Words that name a secret, also as a part of a longer name: DB_PASSWORD, client-key-data, x-api-key. */
const words =
  'passw(?:or)?d|passphrase|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|client[-_]?key|key[-_]data|credential|psk'
/** Everything is bounded: without that, one long line would be searched from each of its characters to its end. */
const named = `[\\w./-]{0,40}(?:${words})[\\w.-]{0,40}`
/** In quotes, also in those of JSON within JSON, or up to the next blank, comma or bracket; once is enough. */
const value = `(?!\\[redacted\\])(?:\\\\+"(?:(?!\\\\*").){0,4000}\\\\*"|"(?:[^"\\\\\\n]|\\\\.){0,4000}"|'[^'\\n]{0,4000}'|[^\\s,;&"'}\\]\\\\]+)`

const patterns: readonly (readonly [pattern: RegExp, instead: string])[] = [
  // Also one that is cut off.
  [
    /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[\s\S]{0,8000}?-----END [A-Z ]{0,40}PRIVATE KEY-----|[\s\S]{0,8000})/g,
    gone,
  ],
  // JSON web tokens, which is what service accounts have.
  [/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?/g, gone],
  [/\b(authorization\\*["']?\s{0,9}[:=]\s{0,9}\\*["']?)(?:\w{1,20}[ \t]+)?[^\s"',\\]+/gi, `$1${gone}`],
  [/\b((?:set-)?cookie\\*["']?[ \t]*[:=][ \t]*\\*["']?)[^\n"'\\]+/gi, `$1${gone}`],
  [/\b(bearer)[ \t]+[\w.~+/-]{8,}=*/gi, `$1 ${gone}`],
  // Keys of clouds, forges and chats have fixed beginnings.
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, gone],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk_(?:live|test)_|AIza|npm_|hvs\.)[\w-]{10,}/g, gone],
  // The token of `kubeadm join`.
  [/\b[a-z0-9]{6}\.(?=[a-z]*\d)[a-z0-9]{16}\b/g, gone],
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@"']+@/gi, `$1${gone}@`],
  // Environment variables of pods, as YAML and as JSON.
  [
    new RegExp(`(name:[ \\t]*["']?${named}["']?[ \\t]*\\n\\s{0,40}(?:- )?value:[ \\t]*)(.+)`, 'gi'),
    `$1${gone}`,
  ],
  [
    new RegExp(
      `("name\\\\*"\\s{0,9}:\\s{0,9}\\\\*"${named}\\\\*"\\s{0,9},\\s{0,9}\\\\*"value\\\\*"\\s{0,9}:\\s{0,9})${value}`,
      'gi',
    ),
    `$1"${gone}"`,
  ],
  // A block of YAML below a name.
  [
    new RegExp(`((?:${words})[\\w.-]{0,40}["']?:[ \\t]*[|>][+-]?[ \\t]*\\n)(?:[ \\t]+\\S.*(?:\\n|$))+`, 'gi'),
    `$1  ${gone}\n`,
  ],
  [new RegExp(`(--?${named}(?:=|[ \\t]+))(?!-)${value}`, 'gi'), `$1${gone}`],
  [
    new RegExp(
      `((?:${words})[\\w.-]{0,40}\\\\*["']?[ \\t]*[:=][ \\t]*)(?![|>][+-]?[ \\t]*\\n)${value}`,
      'gi',
    ),
    `$1${gone}`,
  ],
]

/** The text with `[redacted]` in the place of every secret that can be told. */
export function redacted(text: string): string {
  return patterns.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text)
}

/** A value of plain data, with every text in it {@link redacted}. */
export function redactedData<Data>(data: Data): Data {
  if (typeof data === 'string') return redacted(data) as Data
  if (Array.isArray(data)) return data.map((each: unknown) => redactedData(each)) as Data
  if (data === null || typeof data !== 'object') return data
  return Object.fromEntries(
    Object.entries(data).map(([key, each]) => [key, redactedData<unknown>(each)]),
  ) as Data
}

/** Written by kubectl: the whole object once more, with whatever was in it then. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/**
 * An object of the API without what may be secret by its place: the values of environment variables, the data of a
 * Secret, what kubectl keeps of the object, and the API server's own bookkeeping.
 */
export function withoutSecrets(object: unknown): unknown {
  if (Array.isArray(object)) return object.map(withoutSecrets)
  if (object === null || typeof object !== 'object') return object
  const isSecret = (object as { kind?: unknown }).kind === 'Secret'
  return Object.fromEntries(
    Object.entries(object).flatMap(([key, each]: [string, unknown]) => {
      if (key === 'managedFields' || key === lastApplied) return []
      if (isSecret && (key === 'data' || key === 'stringData')) return [[key, gone]]
      if (key === 'env' && Array.isArray(each)) return [[key, each.map(withoutValue)]]
      return [[key, withoutSecrets(each)]]
    }),
  )
}

function withoutValue(variable: unknown): unknown {
  const isSet = variable !== null && typeof variable === 'object' && 'value' in variable
  return isSet ? { ...variable, value: gone } : withoutSecrets(variable)
}
