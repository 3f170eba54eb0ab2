import { z } from 'zod'
import { checkFields, levelSchema } from '../../helpers/check.ts'

/**
 * A file of checks of a user's own: the fields of every check but two. They have no rung, as the ladder and the likely
 * layer that it names are about the checks of the product; and need not name what they cover.
 */

/** Fields whose well-formed parts the rules look at even where another part of the check is broken. */
export const ownCheckFields = {
  ...checkFields,
  level: levelSchema
    .default('extended')
    .describe(
      'core: asked of every cluster. extended: unsupported where a feature that it needs is not declared.',
    ),
  covers: z
    .array(z.string().regex(/^[A-Z]\d{0,2}$/, 'expected a number of docs/catalogue.md, such as S1'))
    .max(20, 'expected at most 20 numbers')
    .default([])
    .describe('Numbers of docs/catalogue.md that it is about, if any.'),
}

export const checksFileSchema = z
  .strictObject({
    apiVersion: z.literal('cni-conformance/v1').describe('Version of this format.'),
    kind: z.literal('Checks').describe('What the file is.'),
    checks: z
      .array(z.strictObject(ownCheckFields))
      .min(1, 'expected at least one check')
      .max(100, 'expected at most 100 checks')
      .describe('The checks, each a value: no code.'),
  })
  .describe('Checks of your own, run beside those of cni-conformance.')

/** JSON schema of the file as it is written. Editors' YAML servers read draft 7 and below. */
export function checksJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(checksFileSchema, { target: 'draft-07', io: 'input' })
}
