import { defineConfig } from 'vitest/config'

/** The tests that must notice a changed verdict, for `npm run test:mutation`. */
export default defineConfig({
  test: {
    include: [
      'helpers/{*-verdict,verdict,outcome}.test.ts',
      'helpers/looks/*.test.ts',
      'reports/{gate,gate-moves,gate-words,verdict}.test.ts',
    ],
    testTimeout: 60_000,
  },
})
