import { defineConfig } from 'vitest/config'

/** The tests that must notice a changed verdict, for `npm run test:mutation`. */
export default defineConfig({
  test: {
    include: [
      'helpers/verdict.test.ts',
      'helpers/target-verdict.test.ts',
      'helpers/outcome.test.ts',
      'helpers/looks/*.test.ts',
      'reports/gate.test.ts',
      'reports/verdict.test.ts',
    ],
    testTimeout: 60_000,
  },
})
