import type { HelperStatus } from '../../types/helper.js'

interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly samples: readonly Sample[]
}

/** Counters of the status that are not reasons for leaving a packet alone: family, and the label its name becomes. */
interface CounterRow {
  readonly fits: RegExp
  readonly family: string
  /** Label name; its value is the pattern's first group. */
  readonly label?: string
  readonly help: string
}

const counterRows: readonly CounterRow[] = [
  { fits: /^(request|response)s$/, family: 'messages', label: 'kind', help: 'SIP messages seen.' },
  { fits: /^rewritten$/, family: 'rewritten', help: 'SIP messages that left with other bytes than they came.' },
  { fits: /^pinholes-(opened|closed)$/, family: 'pinhole_changes', label: 'kind', help: 'Ways opened and shut.' },
  { fits: /^refused-(.+)$/, family: 'refused', label: 'reason', help: 'Calls or streams left without help.' },
  { fits: /^repaired-(.+)$/, family: 'repaired', label: 'what', help: 'Things of ours that others removed, put back.' },
  { fits: /^errors$/, family: 'errors', help: "Failures that were no message's fault." },
  { fits: /^(.*)$/s, family: 'passed_by', label: 'reason', help: 'Packets that policy decided, not help.' },
]

const queueRows = [
  ['received', 'queue_packets', 'Packets taken from the queue.'],
  ['bytes', 'queue_bytes', 'Bytes of them.'],
  ['batches', 'queue_batches', 'Times packets were taken, several at once.'],
  ['verdicts', 'queue_verdicts', 'Verdicts given.'],
  ['verdictErrors', 'queue_verdict_errors', 'Verdicts the kernel refused.'],
  ['overruns', 'queue_overruns', "Times the queue's socket ran over (ENOBUFS)."],
  ['queueDropped', 'queue_dropped', 'Packets the kernel dropped because the queue was full.'],
  ['userDropped', 'queue_user_dropped', 'Packets the kernel could not hand over.'],
] as const

/**
 * A helper's status in Prometheus' text exposition format 0.0.4. Every name begins with `cthelper_`; counters end in `_total`; sizes
 * (`calls`, `signallingFlows` ...) become gauges of their own name in snake case.
 *
 * @example
 * prometheus(sip.status()) // # HELP cthelper_up ...
 */
export function prometheus(status: HelperStatus): string {
  const { isRunning, carrier, translation = 'none', conntrackDelivered } = status
  const info = { carrier: carrier ?? 'none', translation, conntrack_delivered: String(conntrackDelivered) }
  const families: Family[] = [
    gauge('up', 'Whether packets are being handled.', [{ value: isRunning ? 1 : 0 }]),
    gauge('info', 'How this kernel is used; always 1.', [{ labels: info, value: 1 }]),
    ...sizeFamilies(status.sizes),
    ...counterFamilies(status.counters),
    ...queueFamilies(status.queues),
  ]
  return families.map(familyText).join('')
}

const gauge = (name: string, help: string, samples: readonly Sample[]): Family => ({
  name,
  type: 'gauge',
  help,
  samples,
})

function sizeFamilies(sizes: HelperStatus['sizes']): Family[] {
  return Object.entries(sizes).map(([name, value]) => gauge(snake(name), `Held now: ${words(name)}.`, [{ value }]))
}

function counterFamilies(counters: HelperStatus['counters']): Family[] {
  const samples = new Map<CounterRow, Sample[]>()
  for (const [name, value] of Object.entries(counters)) {
    const row = counterRows.find(({ fits }) => fits.test(name))!
    const labels = row.label ? { [row.label]: row.fits.exec(name)![1]! } : {}
    samples.set(row, [...(samples.get(row) ?? []), { labels, value }])
  }
  return [...samples].map(([{ family, help }, list]) => ({
    name: `${family}_total`,
    type: 'counter',
    help,
    samples: list,
  }))
}

function queueFamilies(queues: HelperStatus['queues']): Family[] {
  if (queues.length === 0) return []
  return queueRows.map(([key, name, help]) => ({
    name: `${name}_total`,
    type: 'counter',
    help,
    samples: queues.map((queue) => ({ labels: { queue: String(queue.number) }, value: queue[key] })),
  }))
}

function familyText({ name, type, help, samples }: Family): string {
  const full = `cthelper_${name}`
  const lines = samples.map(({ labels = {}, value }) => `${full}${labelText(labels)} ${numberText(value)}`)
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines, ''].join('\n')
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')

/** The format's own words for what is no number. */
function numberText(value: number): string {
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)
}

const snake = (name: string): string =>
  name.replace(/[A-Z]/g, (it) => `_${it.toLowerCase()}`).replace(/[^a-z0-9_]/g, '_')
const words = (name: string): string => name.replace(/[A-Z]/g, (it) => ` ${it.toLowerCase()}`)
