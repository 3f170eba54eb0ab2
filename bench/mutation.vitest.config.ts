import { defineConfig } from 'vitest/config'

/** The tests that must notice a changed verdict, for `npm run test:mutation`. */
export default defineConfig({
  test: {
    include: [
      'helpers/{verdict,starved-verdict,path-verdict,health-verdict,silence-verdict,target-verdict,api-verdict,outcome}.test.ts',
      'helpers/looks/*.test.ts',
      'reports/{gate,verdict}.test.ts',
    ],
    testTimeout: 60_000,
  },
})
