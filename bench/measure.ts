/** What the benches of single functions share: a stopwatch and a packet. */

/** Results go here, so that no work can be optimised away. */
let sink = 0
export const keep = (result: number): void => {
  sink += result
}
/** At the end of a bench. */
export function checkSink(): void {
  if (sink === 0) console.log('nothing was measured')
}

/**
 * Best of several rounds, microseconds of processor time a call: the machine is shared, and the best round is the least
 * disturbed. `run` returns a number that depends on its work.
 */
export function measure(run: () => number, calls = 20_000, rounds = 16): number {
  for (let i = 0; i < calls; i++) sink += run()
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage()
    for (let i = 0; i < calls; i++) sink += run()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, (user + system) / calls)
  }
  return best
}

export const print = (what: string, microseconds: number, note = ''): void =>
  console.log(`${what.padEnd(48)} ${microseconds.toFixed(3).padStart(10)} us ${note}`)

/** An IPv4 UDP packet around `payload`; checksums are left to `rebuild`. */
export function packetOf(payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(28 + payload.length)
  packet.set([
    0x45,
    0,
    packet.length >> 8,
    packet.length & 255,
    0,
    1,
    0x40,
    0,
    64,
    17,
    0,
    0,
    10,
    0,
    0,
    5,
    198,
    51,
    100,
    20,
  ])
  packet.set([0x13, 0xc4, 0x13, 0xc4, (payload.length + 8) >> 8, (payload.length + 8) & 255, 0xff, 0xff], 20)
  packet.set(payload, 28)
  return packet
}
