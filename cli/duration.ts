const unitMs = { h: 3_600_000, m: 60_000, s: 1_000 }

/** Reads `90s`, `10m` or `1h30m`; `undefined` for anything else, and for nothing at all such as `0s`. In milliseconds. */
export function parseDuration(text: string): number | undefined {
  const parts = /^(?:(\d{1,3})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?$/.exec(text)
  if (parts === null) return undefined
  const [, hours, minutes, seconds] = parts
  const ms = Number(hours ?? 0) * unitMs.h + Number(minutes ?? 0) * unitMs.m + Number(seconds ?? 0) * unitMs.s
  return ms === 0 ? undefined : ms
}
