import { COLLECTION_STYLE, CORE_SCHEMA, EVENT_ID, SCALAR_STYLE, YAMLException } from 'js-yaml'
import { constructFromEvents, getScalarValue, parseEvents } from 'js-yaml'
import type { Event, ScalarEvent } from 'js-yaml'
import { messageOf } from './errors.ts'

/**
 * YAML with positions, for files that a person writes and has to mend. `load()` of js-yaml stops at the first
 * problem and forgets where values stood; this walks its parser events, remembers every node's place and goes on
 * after each problem that is not a syntax error.
 */

/** Keys and list indexes from the root of a document down to a value. */
export type Path = readonly (string | number)[]

/** Line and column, both counted from 1; the column in UTF-16 code units, as editors do. */
export interface Place {
  line: number
  column: number
}

/** One thing that is wrong with a file. */
export interface Problem {
  at: Place
  path: Path
  message: string
}

/** A document whose values know their place. */
export interface YamlDocument {
  /** Plain objects, lists and scalars; `undefined` when the text is no YAML at all. */
  value: unknown
  problems: readonly Problem[]
  /** Whether the value at this path could not be read, so that a second complaint about it would be noise. */
  unreadable(path: Path): boolean
  /** Where the value stands, or the closest parent's key where the value is missing. */
  locate(path: Path): Place
  /** Where the key stands, for a value that should not be there. */
  locateKey(path: Path): Place
}

/** js-yaml's own limit, named here because the walk below recurses. */
const maxDepth = 100

/** More than anybody reads; a hostile file could bring a hundred thousand. */
const maxProblems = 500

/** Keys that reach an object's prototype. No definition has them, and no merge or copy shall ever meet them. */
const prototypeKeys = new Set(['__proto__', 'constructor', 'prototype'])

interface Node {
  offset: number
  keyOffset: number
  children: Map<string | number, Node>
  readable: boolean
}

/**
 * Reads one YAML 1.2 document (core schema). Anchors, aliases, tags and merge keys are refused: a definition is
 * short, and what stands in it should be what it says.
 */
export function parseYaml(text: string): YamlDocument {
  let reader: Reader
  try {
    reader = new Reader(text, parseEvents(text, { maxDepth }))
  } catch (error) {
    return syntaxError(text, error)
  }
  const value = reader.document()
  const { root, problems, placeOf } = reader
  return {
    value,
    problems,
    unreadable: (path) => !descend(root, path).node.readable,
    locate: (path) => {
      const { node, found } = descend(root, path)
      return placeOf(found ? node.offset : node.keyOffset)
    },
    locateKey: (path) => placeOf(descend(root, path).node.keyOffset),
  }
}

function syntaxError(text: string, error: unknown): YamlDocument {
  const at = placesOf(text)(error instanceof YAMLException ? (error.mark?.position ?? 0) : 0)
  const reason = error instanceof YAMLException ? error.reason : messageOf(error)
  const problems = [{ at, path: [], message: `not YAML: ${reason}` }]
  return { value: undefined, problems, unreadable: () => true, locate: () => at, locateKey: () => at }
}

function descend(root: Node, path: Path): { node: Node; found: boolean } {
  let node = root
  for (const step of path) {
    const child = node.children.get(step)
    if (child === undefined) return { node, found: false }
    node = child
  }
  return { node, found: true }
}

/** Walks the flat event stream of js-yaml once and builds values, places and problems side by side. */
class Reader {
  readonly problems: Problem[] = []
  readonly placeOf: (offset: number) => Place
  root: Node = { offset: 0, keyOffset: 0, children: new Map(), readable: true }
  readonly #text: string
  readonly #events: readonly Event[]
  readonly #scalars: ReadonlyMap<ScalarEvent, unknown>
  #next = 0

  constructor(text: string, events: readonly Event[]) {
    this.placeOf = placesOf(text)
    this.#text = text
    this.#events = events
    this.#scalars = scalarValues(text, events)
  }

  document(): unknown {
    if (this.#take() === undefined) return null
    const { value, node } = this.#value([], 0)
    this.root = node
    this.#take()
    if (this.#take() !== undefined) {
      const second = this.#events[this.#next]
      const offset = second === undefined ? 0 : startOf(second)
      this.#report(
        offset ?? this.#text.length,
        [],
        'a second document starts here; write one document per file',
      )
    }
    return value
  }

  #take(): Event | undefined {
    return this.#events[this.#next++]
  }

  #report(offset: number, path: Path, message: string): void {
    if (this.problems.length < maxProblems) this.problems.push({ at: this.placeOf(offset), path, message })
  }

  /** Reads one node. `keyOffset` is where its key stands, which also places a value that is not written at all. */
  #value(path: Path, keyOffset: number): { value: unknown; node: Node } {
    const event = this.#take()
    if (event === undefined) throw new Error('the event stream of js-yaml ended inside a document')
    const offset = startOf(event) ?? keyOffset
    const node: Node = {
      offset,
      keyOffset: path.length === 0 ? offset : keyOffset,
      children: new Map(),
      readable: true,
    }
    if (event.type === EVENT_ID.ALIAS) {
      this.#report(offset, path, 'aliases are not supported; write the value out')
      node.readable = false
      return { value: null, node }
    }
    if (event.type === EVENT_ID.DOCUMENT || event.type === EVENT_ID.POP) return { value: null, node }
    this.#refuseProperties(event, path)
    if (event.type === EVENT_ID.MAPPING) return { value: this.#mapping(path, node), node }
    if (event.type === EVENT_ID.SEQUENCE) return { value: this.#sequence(path, node), node }
    return { value: this.#scalar(event, node), node }
  }

  #refuseProperties(event: { anchorStart: number; tagStart: number }, path: Path): void {
    if (event.anchorStart >= 0) {
      this.#report(event.anchorStart - 1, path, 'anchors are not supported; write the value where it is used')
    }
    if (event.tagStart >= 0) {
      this.#report(
        event.tagStart,
        path,
        'tags are not supported; put text that looks like a number in quotes',
      )
    }
  }

  #scalar(event: ScalarEvent, node: Node): unknown {
    if (event.tagStart < 0) return this.#scalars.get(event)
    node.readable = false
    return null
  }

  #sequence(path: Path, node: Node): unknown[] {
    const items: unknown[] = []
    while (this.#events[this.#next]?.type !== EVENT_ID.POP) {
      const item = this.#value([...path, items.length], node.offset)
      item.node.keyOffset = item.node.offset
      node.children.set(items.length, item.node)
      items.push(item.value)
    }
    this.#take()
    return items
  }

  #mapping(path: Path, node: Node): Record<string, unknown> {
    const mapping: Record<string, unknown> = {}
    while (this.#events[this.#next]?.type !== EVENT_ID.POP) {
      const { key, offset } = this.#key(path, node)
      const entry = this.#value([...path, key ?? '?'], offset)
      if (key === undefined || this.#refuseKey(key, [...path, key], offset, node)) continue
      mapping[key] = entry.value
      node.children.set(key, entry.node)
    }
    this.#take()
    return mapping
  }

  #key(path: Path, parent: Node): { key: string | undefined; offset: number } {
    const event = this.#events[this.#next]
    const offset = (event === undefined ? undefined : startOf(event)) ?? parent.offset
    if (event?.type === EVENT_ID.SCALAR) {
      this.#next++
      this.#refuseProperties(event, path)
      return { key: getScalarValue(this.#text, event), offset }
    }
    this.#value([...path, '?'], offset)
    this.#report(offset, path, 'a key must be a plain word')
    return { key: undefined, offset }
  }

  #refuseKey(key: string, path: Path, offset: number, parent: Node): boolean {
    const first = parent.children.get(key)
    if (first !== undefined) {
      this.#report(offset, path, `duplicate key, the first is in line ${this.placeOf(first.keyOffset).line}`)
      return true
    }
    if (key === '<<') this.#report(offset, path, 'merge keys are not supported; write the fields out')
    else if (prototypeKeys.has(key)) this.#report(offset, path, 'this key is not allowed')
    else return false
    return true
  }
}

/** What the untagged scalars say, by js-yaml's rules of the core schema: all in one call, which is twice as fast. */
function scalarValues(source: string, events: readonly Event[]): ReadonlyMap<ScalarEvent, unknown> {
  const untagged = events.filter(
    (event) => event.type === EVENT_ID.SCALAR && event.tagStart < 0,
  ) as ScalarEvent[]
  const document: Event = {
    type: EVENT_ID.DOCUMENT,
    explicitStart: false,
    explicitEnd: false,
    directives: [],
  }
  const none = { anchorStart: -1, anchorEnd: -1, tagStart: -1, tagEnd: -1 }
  const list: Event = { type: EVENT_ID.SEQUENCE, start: 0, style: COLLECTION_STYLE.BLOCK, ...none }
  const end: Event = { type: EVENT_ID.POP }
  const [values] = constructFromEvents([document, list, ...untagged, end, end], {
    source,
    schema: CORE_SCHEMA,
  })
  return new Map(untagged.map((event, index) => [event, (values as unknown[])[index]]))
}

/** Where a node begins; `undefined` for one that is not written, such as the value in `key:`. */
function startOf(event: Event): number | undefined {
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart - 1
  if (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) return event.start
  if (event.type !== EVENT_ID.SCALAR) return undefined
  if (event.valueStart < 0 && event.tagStart >= 0) return event.tagStart
  if (event.valueStart < 0) return event.anchorStart > 0 ? event.anchorStart - 1 : undefined
  const quoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED
  return quoted ? event.valueStart - 1 : event.valueStart
}

/** A function from offset to place; the lines are found once. */
function placesOf(text: string): (offset: number) => Place {
  const starts = [0, ...Array.from(text.matchAll(/\r\n|\r|\n/g), (end) => end.index + end[0].length)]
  return (offset) => {
    let [low, high] = [0, starts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}
