/** A table in nft's language, written the way `nft list` writes it: for people to read, and for `nft -f`. */
import type {
  Chain,
  Expression,
  NamedSet,
  Rule,
  SetElement,
  SetType,
  SetValue,
  Table,
  TableHelper,
} from '../../types/nftables.js'

const priorities = new Map([
  [-300, 'raw'],
  [-150, 'mangle'],
  [-100, 'dstnat'],
  [0, 'filter'],
  [50, 'security'],
  [100, 'srcnat'],
])

const PROTOCOLS = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'ipv6-icmp'],
])

/** The text of a table, line end included. */
export function tableText({ family, name, sets = [], helpers = [], chains }: Table): string {
  const blocks = [...sets.map(setLines), ...helpers.map(helperLines), ...chains.map(chainLines)]
  const inner = blocks.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines])).map(indented)
  return [`table ${family} ${name} {`, ...inner, '}', ''].join('\n')
}

const indented = (line: string): string => (line === '' ? '' : `\t${line}`)
const concatenated = (types: SetType | readonly SetType[]): string =>
  typeof types === 'string' ? types : types.join(' . ')

function setLines({ name, type, value, timeouts, timeoutSec, size, elements }: NamedSet): string[] {
  const flags = timeouts || timeoutSec !== undefined ? ['flags timeout'] : []
  const lines = [
    `type ${concatenated(type)}${value ? ` : ${concatenated(value)}` : ''}`,
    ...(size === undefined ? [] : [`size ${size}`]),
    ...flags,
    ...(timeoutSec === undefined ? [] : [`timeout ${timeoutSec}s`]),
    ...(elements.length > 0 ? [`elements = { ${elements.map((it) => elementText(it, type, value)).join(', ')} }`] : []),
  ]
  return [`${value ? 'map' : 'set'} ${name} {`, ...lines.map(indented), '}']
}

const helperLines = ({ name, type, protocol }: TableHelper): string[] => [
  `ct helper ${name} {`,
  indented(`type "${type}" protocol ${protocol}`),
  '}',
]

function elementText(element: SetElement, type: NamedSet['type'], valueType: NamedSet['value']): string {
  if (typeof element !== 'object' || !('key' in element)) return valueText(element, type)
  const timeout = element.timeoutSec === undefined ? '' : ` timeout ${element.timeoutSec}s`
  const mapped = element.value === undefined || !valueType ? '' : ` : ${valueText(element.value, valueType)}`
  return valueText(element.key, type) + timeout + mapped
}

function valueText(value: SetValue, type: SetType | readonly SetType[]): string {
  const types = typeof type === 'string' ? [type] : type
  const values = typeof value === 'object' ? value : [value]
  return values.map((it, i) => (types[i] === 'ifname' ? `"${it}"` : String(it))).join(' . ')
}

function chainLines({ name, type, hook, priority = 0, policy = 'accept', rules }: Chain): string[] {
  const named = priorityText(priority)
  const base = type && hook ? [`type ${type} hook ${hook} priority ${named}; policy ${policy};`] : []
  return [`chain ${name} {`, ...[...base, ...rules.map(ruleText)].map(indented), '}']
}

/** nft counts from the nearest name, as far as ten. */
function priorityText(priority: number): string {
  for (const [value, name] of priorities) {
    const distance = priority - value
    if (distance === 0) return name
    if (Math.abs(distance) <= 10) return `${name} ${distance < 0 ? '-' : '+'} ${Math.abs(distance)}`
  }
  return String(priority)
}

function ruleText({ expressions, comment }: Rule): string {
  const text = expressions.map(expressionText).join(' ')
  return comment === undefined ? text : `${text} comment "${comment}"`
}

/** Rows of `Expression` may stand for two kinds, which `Extract` does not find. */
type Of<K, E = Expression> = E extends { readonly kind: infer Kinds } ? (K extends Kinds ? E : never) : never

const not = (negate: boolean | undefined): string => (negate ? '!= ' : '')
const flags = (negate: boolean | undefined): string => (negate ? '! ' : '')
const oneOf = (values: readonly (string | number)[]): string =>
  values.length === 1 ? String(values[0]) : `{ ${values.join(', ')} }`
const quoted = (names: readonly string[]): string[] => names.map((name) => `"${name}"`)
const hex = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`
const layer = (address: string): string => (address.includes(':') ? 'ip6' : 'ip')
const masked = (key: string, { is, mask, negate }: Of<'mark'> | Of<'ct-mark'>): string =>
  mask === undefined ? `${key} ${not(negate)}${hex(is)}` : `${key} & ${hex(mask)} ${negate ? '!=' : '=='} ${hex(is)}`
/** nft masks by keeping the other bits and adding the new ones. */
const newMark = ({ to, mask }: Of<'set-mark'>): string =>
  mask === undefined ? hex(to) : `meta mark & ${hex(~mask)} | ${hex(to & mask)}`

function target(kind: string, { address, port }: Of<'snat'>['to']): string {
  const host = address.includes(':') && port !== 0 ? `[${address}]` : address
  return `${kind} ${layer(address)} to ${host}${port === 0 ? '' : `:${port}`}`
}

function queueText({ number, total = 1, bypass, fanout }: Of<'queue'>): string {
  const range = total === 1 ? String(number) : `${number}-${number + total - 1}`
  const words = [bypass ? 'bypass' : '', fanout ? 'fanout' : ''].filter(Boolean).join(',')
  return `queue num ${range}${words && ` ${words}`}`
}

/** One row a kind of expression. */
const texts: { readonly [K in Expression['kind']]: (expression: Of<K>) => string } = {
  iifname: (it) => `iifname ${not(it.negate)}${oneOf(quoted(it.in))}`,
  oifname: (it) => `oifname ${not(it.negate)}${oneOf(quoted(it.in))}`,
  'iifname-set': (it) => `iifname ${not(it.negate)}@${it.set}`,
  'oifname-set': (it) => `oifname ${not(it.negate)}@${it.set}`,
  iif: (it) => `iif ${it.is}`,
  oif: (it) => `oif ${it.is}`,
  l4proto: (it) => `meta l4proto ${PROTOCOLS.get(it.is) ?? it.is}`,
  nfproto: (it) => `meta nfproto ipv${it.is}`,
  mark: (it) => masked('meta mark', it),
  'set-mark': (it) => `meta mark set ${newMark(it)}`,
  saddr: (it) => `${layer(it.in[0] ?? '')} saddr ${not(it.negate)}${oneOf(it.in)}`,
  daddr: (it) => `${layer(it.in[0] ?? '')} daddr ${not(it.negate)}${oneOf(it.in)}`,
  'saddr-set': (it) => `${it.family === 6 ? 'ip6' : 'ip'} saddr ${not(it.negate)}@${it.set}`,
  'daddr-set': (it) => `${it.family === 6 ? 'ip6' : 'ip'} daddr ${not(it.negate)}@${it.set}`,
  sport: (it) => `${it.protocol ?? 'th'} sport ${not(it.negate)}${oneOf(it.in)}`,
  dport: (it) => `${it.protocol ?? 'th'} dport ${not(it.negate)}${oneOf(it.in)}`,
  'sport-range': (it) => `${it.protocol ?? 'th'} sport ${it.first}-${it.last}`,
  'dport-range': (it) => `${it.protocol ?? 'th'} dport ${it.first}-${it.last}`,
  'sport-set': (it) => `${it.protocol ?? 'th'} sport ${not(it.negate)}@${it.set}`,
  'dport-set': (it) => `${it.protocol ?? 'th'} dport ${not(it.negate)}@${it.set}`,
  'key-set': (it) => `${it.key.join(' . ')} ${not(it.negate)}@${it.set}`,
  'ct-state': (it) => `ct state ${it.any.join(',')}`,
  'ct-status': (it) => `ct status ${flags(it.negate)}${it.any.join(',')}`,
  'ct-direction': (it) => `ct direction ${it.is}`,
  'ct-mark': (it) => masked('ct mark', it),
  'ct-zone': (it) => `ct zone ${it.is}`,
  'set-ct-mark': (it) => `ct mark set ${hex(it.to)}`,
  'save-mark': () => 'ct mark set meta mark',
  'restore-mark': () => 'meta mark set ct mark',
  limit: (it) =>
    `limit rate ${it.over ? 'over ' : ''}${it.rate}/${it.per}${it.burst === undefined ? '' : ` burst ${it.burst} packets`}`,
  queue: queueText,
  counter: () => 'counter',
  masquerade: () => 'masquerade',
  snat: (it) => target('snat', it.to),
  dnat: (it) => target('dnat', it.to),
  'snat-map': (it) => `snat ${it.family === 6 ? 'ip6' : 'ip'} to ${it.key.join(' . ')} map @${it.map}`,
  'dnat-map': (it) => `dnat ${it.family === 6 ? 'ip6' : 'ip'} to ${it.key.join(' . ')} map @${it.map}`,
  rewrite: (it) => `${it.field} set ${it.key.join(' . ')} map @${it.map}`,
  'tcp-syn': () => 'tcp flags syn / syn,ack',
  'socket-transparent': (it) => `socket transparent ${it.negate ? 0 : 1}`,
  tproxy: (it) =>
    it.address === undefined
      ? `tproxy to :${it.port}`
      : `tproxy ${layer(it.address)} to ${it.address.includes(':') ? `[${it.address}]` : it.address}:${it.port}`,
  'route-oifname': (it) => `fib daddr . mark oifname ${oneOf(quoted(it.in))}`,
  verdict: (it) => it.verdict,
  jump: (it) => `jump ${it.chain}`,
  goto: (it) => `goto ${it.chain}`,
  notrack: () => 'notrack',
  'set-helper': (it) => `ct helper set "${it.helper}"`,
}

const expressionText = (expression: Expression): string =>
  (texts[expression.kind] as (expression: Expression) => string)(expression)
