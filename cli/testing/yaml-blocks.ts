import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'

/** A YAML example of a document. */
export interface YamlBlock {
  /** Document and line where it begins. */
  name: string
  text: string
}

/** The YAML examples of a Markdown file. */
export async function yamlBlocks(path: string): Promise<YamlBlock[]> {
  const document = await readFile(path, 'utf8')
  return [...document.matchAll(/^```yaml\n(.*?)^```$/gms)].map(({ 1: text = '', index }) => ({
    name: `${basename(path)}:${document.slice(0, index).split('\n').length + 1}`,
    text,
  }))
}
