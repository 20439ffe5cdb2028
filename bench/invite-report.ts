/** Tables and ratios of bench/invite.ts. */
import type { GatewayWay } from './gateways.js'

/** One flood through one gateway. Counts are datagrams; CPU seconds are those spent while it lasted. */
export interface FloodRound {
  readonly way: GatewayWay
  readonly sent: number
  readonly received: number
  /** Those in which every address is as it must be after this gateway: rewritten, or untouched. */
  readonly fit: number
  readonly seconds: number
  readonly handlerSec: number
  readonly machineSec: number
  readonly softirqSec: number
}

export interface CallRound {
  readonly way: GatewayWay
  readonly done: number
  readonly failed: number
  /** Requests that arrived with an inside address in them. */
  readonly raw: number
  readonly messages: number
  readonly seconds: number
  readonly handlerSec: number
  readonly expectations: { readonly made: number; readonly removed: number }
}

const names: Record<GatewayWay, string> = {
  nat: 'plain NAT',
  kernel: 'kernel helper',
  c: 'C loop, untouched',
  cthelper: 'cthelper',
}

/** What must have become of every message. */
const outcome: Record<GatewayWay, string> = {
  nat: 'untouched',
  kernel: 'rewritten',
  c: 'untouched',
  cthelper: 'rewritten',
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

const isValid = (it: FloodRound): boolean => it.fit === it.received
const rate = (it: FloodRound): number => it.received / it.seconds
const microseconds = (seconds: number, count: number): number => (seconds / count) * 1e6

function column<T extends { readonly way: GatewayWay }>(rows: readonly (readonly T[])[], way: GatewayWay): T[] {
  return rows.flatMap((row) => row.filter((it) => it.way === way))
}

/** Median over the rounds of `way`'s rate by `other`'s in the same round. */
function ratio(rows: readonly (readonly FloodRound[])[], way: GatewayWay, other: GatewayWay): number {
  const [above, below] = [column(rows, way), column(rows, other)]
  return round(median(above.map((it, i) => rate(it) / rate(below[i]!))), 2)
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

function floodSummary(rows: readonly (readonly FloodRound[])[], way: GatewayWay) {
  const own = column(rows, way)
  const of = (figure: (it: FloodRound) => number, digits: number) => round(median(own.map(figure)), digits)
  return {
    perSecond: of(rate, 0),
    byRound: own.map((it) => Math.round(rate(it))),
    handlerUs: of((it) => microseconds(it.handlerSec, it.received), 2),
    machineUs: of((it) => microseconds(it.machineSec, it.received), 2),
    softirqUs: of((it) => microseconds(it.softirqSec, it.received), 2),
    lost: own.reduce((sum, it) => sum + it.sent - it.received, 0),
    fitPercent: round((100 * sum(own, 'fit')) / sum(own, 'received'), 4),
    isValid: own.every(isValid),
  }
}

function sum(rows: readonly FloodRound[], key: 'received' | 'fit'): number {
  return rows.reduce((total, it) => total + it[key], 0)
}

function callSummary(rows: readonly (readonly CallRound[])[], way: GatewayWay) {
  const own = column(rows, way)
  const of = (figure: (it: CallRound) => number, digits: number) => round(median(own.map(figure)), digits)
  return {
    callsPerSecond: of((it) => it.done / it.seconds, 0),
    byRound: own.map((it) => Math.round(it.done / it.seconds)),
    messagesPerSecond: of((it) => it.messages / it.seconds, 0),
    handlerUsPerCall: of((it) => microseconds(it.handlerSec, it.done), 0),
    expectationsPerCall: of((it) => it.expectations.made / it.done, 2),
    removedPerCall: of((it) => it.expectations.removed / it.done, 2),
    failed: own.reduce((total, it) => total + it.failed, 0),
    raw: own.reduce((total, it) => total + it.raw, 0),
  }
}

const pad = (values: readonly (string | number)[]): string =>
  values.map((value, i) => (i === 0 ? String(value).padEnd(18) : String(value).padStart(11))).join('')

/** Prints both tables, the ratios of the project's targets, and everything once more as one line of JSON. */
export function report(floods: readonly (readonly FloodRound[])[], calls: readonly (readonly CallRound[])[]): void {
  const ways = ['nat', 'kernel', 'c', 'cthelper'] as const
  console.log(`INVITE flood, median of ${floods.length} interleaved rounds; CPU in us a message`)
  console.log(pad(['', 'messages/s', 'handler', 'machine', 'softirq', 'lost', 'fit']))
  const flood = Object.fromEntries(ways.map((way) => [way, floodSummary(floods, way)]))
  for (const [way, it] of Object.entries(flood)) {
    const words = [it.perSecond, it.handlerUs, it.machineUs, it.softirqUs, it.lost, `${it.fitPercent} %`]
    const verdict = it.isValid ? outcome[way as GatewayWay] : 'INVALID: not all as they must be'
    console.log(pad([names[way as GatewayWay], ...words]), verdict)
  }
  const byC = ratio(floods, 'cthelper', 'c')
  const byKernel = ratio(floods, 'cthelper', 'kernel')
  console.log(`cthelper / C loop ${byC} (target 1.0), cthelper / kernel helper ${byKernel} (target 2.0), by round`)
  console.log('\nComplete calls (INVITE, 200, ACK, BYE, 200)')
  console.log(pad(['', 'calls/s', 'messages/s', 'us a call', 'exp. made', 'removed', 'failed', 'raw']))
  const call = Object.fromEntries((['kernel', 'cthelper'] as const).map((way) => [way, callSummary(calls, way)]))
  for (const [way, it] of Object.entries(call)) {
    const words = [
      it.callsPerSecond,
      it.messagesPerSecond,
      it.handlerUsPerCall,
      it.expectationsPerCall,
      it.removedPerCall,
    ]
    console.log(pad([names[way as GatewayWay], ...words, it.failed, it.raw]))
  }
  console.log(JSON.stringify({ bench: 'invite', flood, ratios: { byC, byKernel }, call }))
}
