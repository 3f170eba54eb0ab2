import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // A retry hides the finding.
    retry: 0,
    expect: { requireAssertions: false },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{helpers,clusters,reports,cli,suites}/**/*.test.ts'],
          exclude: [
            '**/*.docker.test.ts',
            '**/*.browser.test.ts',
            'suites/*.test.ts',
            'suites/faults/detection.test.ts',
            'cli/package.test.ts',
          ],
          // Half of the time goes into waiting for what must time out; with four, what has a time limit met it on two slow processors.
          maxWorkers: 3,
          // They share no state, and to load all modules anew for each file took a third of the processor time.
          isolate: false,
          // The slowest starts the program many times: 24 s where two slow processors compile beside it.
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'package',
          include: ['cli/package.test.ts'],
          // npm packs and installs: 25 s where nobody else keeps the machine busy, with what it has in its cache.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['reports/**/*.browser.test.ts'],
          // axe asks about each of two thousand cells: 38 s where others kept the machine busy.
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'docker',
          include: ['**/*.docker.test.ts'],
          globalSetup: ['clusters/testing/docker-setup.ts'],
          exclude: ['node_modules/**'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
        },
      },
      {
        extends: true,
        test: {
          name: 'conformance',
          include: ['suites/*.test.ts', 'suites/faults/detection.test.ts'],
          globalSetup: ['suites/setup.ts'],
          // One cluster, one fault at a time.
          fileParallelism: false,
        },
      },
    ],
  },
})
