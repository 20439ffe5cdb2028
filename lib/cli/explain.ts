import { readFileSync, statSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import type { Endpoint } from '../../types/endpoint.js'
import { settingsOf } from '../alg/index.js'
import { canonicalAddress } from '../base/address.js'
import { budgetTable, isPrivate } from '../call/index.js'
import type { Command, Invocation, OptionRow } from './command.js'
import { listOf, textOf } from './command.js'
import { runOptions } from './config.js'
import { datagramsOf } from './explain-input.js'
import { explainedJson, explainedText } from './explain-text.js'
import { Explainer, type World } from './explainer.js'
import { type ExitCode, Failure, messageOf, systemCode, usage } from './failure.js'
import { helperSettings } from './settings.table.js'

/** Settings of `run` that change what the engine decides. */
const shared: readonly string[] = [
  'media-ports',
  'media-source',
  'media-early',
  'media-host',
  'callers',
  'ways',
  ...budgetTable.map(({ flag }) => flag),
]

const options: readonly OptionRow[] = [
  {
    name: 'inside',
    value: 'ADDR|NET',
    isList: true,
    help: 'Inside addresses, or networks such as 10.0.0.0/8. Default: private addresses.',
  },
  {
    name: 'outside-address',
    value: 'ADDR',
    isList: true,
    help: 'What the outside sees in their place, one a family. Default: 192.0.2.1 and 2001:db8::1 for private inside addresses, no translation for others.',
  },
  { name: 'from', value: 'ADDR:PORT', help: 'For a message alone: who sent it. Default: its Via or Contact.' },
  { name: 'to', value: 'ADDR:PORT', help: 'For a message alone: where it goes. Default: its Request-URI or Via.' },
  { name: 'json', help: 'One JSON object a message, for machines.' },
  ...helperSettings.filter(({ name }) => shared.includes(name)),
]

export const explain: Command = {
  name: 'explain',
  summary: 'Show what would be done to the SIP in a capture, or to one message, and why.',
  operands: ['FILE'],
  options,
  notes: [
    'FILE is a pcap file, best captured on the inside interface, or one SIP message as text. Nothing is asked of the kernel and nothing is changed. Outside ports are taken to be the inside ones.',
  ],
  run,
}

/** TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849). */
const ASSUMED = { 4: '192.0.2.1', 6: '2001:db8::1' } as const
const MAX_BYTES = 1 << 30

async function run(invocation: Invocation): Promise<ExitCode> {
  const { given, operands, out, isColoured } = invocation
  const world = worldOf(invocation)
  const file = readInput(operands[0]!)
  const ends = {
    from: endpointOption(invocation, 'from'),
    to: endpointOption(invocation, 'to'),
    isInside: world.isInside,
  }
  const explainer = new Explainer(world)
  const isJson = given.has('json')
  let count = 0
  for (const datagram of datagramsOf(file, ends)) {
    const explained = explainer.explain(datagram)
    if (!explained) continue
    count++
    out(isJson ? explainedJson(explained) : explainedText(explained, isColoured))
  }
  if (count === 0) throw usage(`${operands[0]} holds no SIP over UDP`)
  return 0
}

function readInput(path: string): Uint8Array {
  try {
    if (statSync(path).size > MAX_BYTES) throw usage(`${path} is larger than 1 GiB: cut it with editcap or tcpdump -r`)
    return readFileSync(path)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(systemCode(error) === 'EACCES' ? 3 : 2, `cannot read ${path}: ${messageOf(error)}`)
  }
}

function worldOf({ given }: Invocation): World {
  const inside = listOf(given, 'inside')
  const isInside = inside ? matcher(inside) : isPrivate
  const outside = addressesByFamily(listOf(given, 'outside-address') ?? [])
  const names = new Map([...given].filter(([name]) => shared.includes(name)))
  const { helper } = runOptions(new Map([...names, ['inside', ['inside']], ['outside', ['outside']]]))
  const outsideOf = (address: string) => {
    const family = isIP(address) === 6 ? 6 : 4
    return outside[family] ?? (isPrivate(address) ? ASSUMED[family] : address)
  }
  return { settings: settingsOf(helper), isInside, outsideOf }
}

function matcher(texts: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const text of texts) {
    const [address = '', length, ...rest] = text.split('/')
    const family = isIP(address)
    const longest = family === 6 ? 128 : 32
    const bits = length === undefined ? longest : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN
    if (family === 0 || rest.length > 0 || !(bits <= longest))
      throw usage(`--inside: ${JSON.stringify(text)} is neither an address nor a network such as 10.0.0.0/8`)
    list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
  }
  return (address) => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}

function addressesByFamily(texts: readonly string[]): { 4?: string; 6?: string } {
  const found: { 4?: string; 6?: string } = {}
  for (const text of texts) {
    const address = canonicalAddress(text)
    if (address === undefined) throw usage(`--outside-address: ${JSON.stringify(text)} is no IP address`)
    const family = address.includes(':') ? 6 : 4
    if (found[family] !== undefined) throw usage(`--outside-address: two addresses of IPv${family} are given`)
    found[family] = address
  }
  return found
}

function endpointOption({ given }: Invocation, name: string): Endpoint | undefined {
  const text = textOf(given, name)
  if (text === undefined) return undefined
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = canonicalAddress(bracketed ?? plain ?? '')
  const port = Number(digits ?? 5060)
  if (address !== undefined && port > 0 && port <= 65535) return { address, port }
  throw usage(`--${name}: ${JSON.stringify(text)} is not ADDR:PORT, such as 192.168.1.10:5060`)
}
