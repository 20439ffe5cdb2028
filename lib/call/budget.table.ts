/**
 * Budgets: how much of everything one message, call or host may have, so that none of them takes what the others need. Exceeding one
 * is a refusal of that message alone, counted and reported under a literal reason (types/call.d.ts). The options, their checks
 * and the command's flags come from these rows.
 */
export interface BudgetRow {
  readonly name: BudgetName
  /** Of the command line, without dashes. */
  readonly flag: string
  /** Undefined: worked out from other options, as `what` says. */
  readonly standard: number | undefined
  readonly low: number
  readonly high: number
  /** One sentence for a person, without the default. */
  readonly what: string
}

export type BudgetName =
  | 'calls'
  | 'callsPerHost'
  | 'callsPerSecond'
  | 'registrations'
  | 'registrationsPerHost'
  | 'streams'
  | 'pinholesPerCall'
  | 'portsPerHost'
  | 'messageBytes'
  | 'headers'
  | 'connections'
  | 'connectionsPerHost'
  | 'connectionBytesPerHost'

const MANY = 10_000_000
/** A call's streams and ways are looked through one by one for each other: 256 streams cost a millisecond, 1024 nine. */
const MOST_STREAMS = 256
const MOST_PINHOLES = 1024

export const budgetTable: readonly BudgetRow[] = [
  { name: 'calls', flag: 'max-calls', standard: 100_000, low: 1, high: MANY, what: 'Live calls in all.' },
  {
    name: 'callsPerHost',
    flag: 'max-host-calls',
    standard: 10_000,
    low: 1,
    high: MANY,
    what: 'Live calls of one inside host.',
  },
  {
    name: 'callsPerSecond',
    flag: 'max-call-rate',
    standard: 1000,
    low: 1,
    high: MANY,
    what: 'New calls a second from one host, inside or outside.',
  },
  {
    name: 'registrations',
    flag: 'max-registrations',
    standard: 100_000,
    low: 1,
    high: MANY,
    what: 'Registrations in all.',
  },
  {
    name: 'registrationsPerHost',
    flag: 'max-host-registrations',
    standard: 10_000,
    low: 1,
    high: MANY,
    what: 'Registrations of one inside host.',
  },
  { name: 'streams', flag: 'max-streams', standard: 32, low: 1, high: MOST_STREAMS, what: 'Media streams a message.' },
  {
    name: 'pinholesPerCall',
    flag: 'max-call-pinholes',
    standard: 64,
    low: 1,
    high: MOST_PINHOLES,
    what: 'Pinholes of one call: one a stream and far end.',
  },
  {
    name: 'portsPerHost',
    flag: 'max-host-ports',
    standard: undefined,
    low: 2,
    high: 65_536,
    what: 'Outside media ports of one inside host. Default three quarters of the media ports, and no less than 64.',
  },
  {
    name: 'messageBytes',
    flag: 'max-message',
    standard: 65_535,
    low: 512,
    high: 65_535,
    what: 'Bytes of one message.',
  },
  { name: 'headers', flag: 'max-headers', standard: 256, low: 8, high: 4096, what: 'Header lines of one message.' },
  {
    name: 'connections',
    flag: 'max-connections',
    standard: 10_000,
    low: 1,
    high: 1_000_000,
    what: 'TCP connections in all; each takes two descriptors.',
  },
  {
    name: 'connectionsPerHost',
    flag: 'max-host-connections',
    standard: 4096,
    low: 1,
    high: 1_000_000,
    what: 'TCP connections of one host.',
  },
  {
    name: 'connectionBytesPerHost',
    flag: 'max-host-bytes',
    standard: 1 << 25,
    low: 65_536,
    high: 1 << 30,
    what: 'Bytes held in memory for the TCP connections of one host.',
  },
]

export type Budgets = Readonly<Record<BudgetName, number>>

const ALL_PORTS = 65_536 - 1024
const UNDIVIDED_PORTS = 64

/** Every budget: what is given, the default where nothing is. `ports` are the first and last outside media port. */
export function budgetsOf(
  given: Partial<Record<BudgetName, number | undefined>>,
  ports: readonly [number, number] | undefined,
): Budgets {
  const count = ports ? ports[1] - ports[0] + 1 : ALL_PORTS
  const share = Math.max(UNDIVIDED_PORTS, Math.floor((count * 3) / 4))
  const entries = budgetTable.map(({ name, standard }) => [name, given[name] ?? standard ?? share] as const)
  return Object.fromEntries(entries) as Record<BudgetName, number>
}
