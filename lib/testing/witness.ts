/** Independent witnesses: what conntrack(8) and nft(8) say of a namespace, as objects. Needs root and the two commands. */
import type { ConntrackEntry, Expectation } from '../../types/conntrack.js'
import type { Family } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import { canonicalAddress, familyOf } from '../base/address.js'
import type { Namespace } from './netns.js'

/** A conntrack(8) line: the entry, and its state words. */
export interface WitnessedEntry extends ConntrackEntry {
  readonly assured: boolean
  readonly unreplied: boolean
  /** The whole `<flow>` element, for what has no field here. */
  readonly xml: string
}

const inner = (xml: string, tag: string): string | undefined =>
  new RegExp(`<${tag}\\b[^>]*>(.*?)</${tag}>`, 's').exec(xml)?.[1]
const numberIn = (xml: string, tag: string): number | undefined => {
  const text = inner(xml, tag)
  return text === undefined ? undefined : Number(text)
}

function tupleOf(meta: string, family: Family): Tuple {
  const address = (tag: string) => canonicalAddress(inner(meta, tag) ?? '') ?? ''
  return {
    family,
    protocol: Number(/protonum="(\d+)"/.exec(meta.slice(meta.indexOf('<layer4')))?.[1] ?? 0),
    source: { address: address('src'), port: numberIn(meta, 'sport') ?? 0 },
    destination: { address: address('dst'), port: numberIn(meta, 'dport') ?? 0 },
  }
}

function counterOf(meta: string): { packets: number; bytes: number } | undefined {
  const packets = numberIn(meta, 'packets')
  return packets === undefined ? undefined : { packets, bytes: numberIn(meta, 'bytes') ?? 0 }
}

/** Drops undefined values: the types have optional fields, not undefined ones. */
function compact<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, content]) => content !== undefined)) as never
}

/** Entries of `conntrack -L -o xml`. */
export function parseConntrackXml(xml: string, family: Family): WitnessedEntry[] {
  return [...xml.matchAll(/<flow>([\s\S]*?)<\/flow>/g)].map(([flow]) => {
    const [original, reply, independent] = [
      metaOf(flow, 'original'),
      metaOf(flow, 'reply'),
      metaOf(flow, 'independent'),
    ]
    const [up, down] = [counterOf(original), counterOf(reply)]
    return compact({
      original: tupleOf(original, family),
      reply: tupleOf(reply, family),
      id: numberIn(independent, 'id'),
      timeoutSec: numberIn(independent, 'timeout'),
      mark: numberIn(independent, 'mark'),
      zone: numberIn(independent, 'zone'),
      helper: inner(independent, 'helper'),
      counters: up && down ? { original: up, reply: down } : undefined,
      assured: independent.includes('<assured/>'),
      unreplied: independent.includes('<unreplied/>'),
      xml: flow,
    }) as WitnessedEntry
  })
}

function metaOf(flow: string, direction: string): string {
  return new RegExp(`<meta direction="${direction}">(.*?)</meta>`, 's').exec(flow)?.[1] ?? ''
}

/** `conntrack -L` of one table for IPv4 and for IPv6: without a family it shows IPv4 only. */
function listings(namespace: Namespace, ...argv: string[]): Promise<string[]> {
  return Promise.all(['ipv4', 'ipv6'].map((family) => output(namespace, ['conntrack', '-L', ...argv, '-f', family])))
}

/** All conntrack entries of a namespace, IPv4 then IPv6. */
export async function conntrackEntries(namespace: Namespace): Promise<WitnessedEntry[]> {
  const [v4 = '', v6 = ''] = await listings(namespace, '-o', 'xml,id')
  return [...parseConntrackXml(v4, 4), ...parseConntrackXml(v6, 6)]
}

/** One line of `conntrack -L expect`. */
function parseExpectationLine(line: string): Expectation {
  const pairs = [...line.matchAll(/([a-z0-9-]+) ?= ?(\S+)/g)]
  /** The tuple, its mask and the master's tuple follow each other, and share the names of their ports. */
  const all = (name: string) => pairs.filter(([, key]) => key === name).map(([, , value]) => value ?? '')
  const family = familyOf(all('src')[0] ?? '') ?? 4
  const protocol = Number(all('proto')[0])
  const tuple = (prefix: string, index: number): Tuple => ({
    family,
    protocol,
    source: { address: canonicalAddress(all(`${prefix}src`)[0] ?? '') ?? '', port: Number(all('sport')[index]) },
    destination: { address: canonicalAddress(all(`${prefix}dst`)[0] ?? '') ?? '', port: Number(all('dport')[index]) },
  })
  const helper = all('helper')[0]
  return compact({
    tuple: tuple('', 0),
    mask: tuple('mask-', 1),
    master: tuple('master-', 2),
    class: Number(all('class')[0] ?? 0),
    flags: { permanent: line.includes('PERMANENT') },
    timeoutSec: Number(/^\d+/.exec(line)?.[0] ?? 0),
    helper,
  }) as Expectation
}

/** Expectations of `conntrack -L expect`, which shows neither NAT nor function. */
export function parseExpectations(text: string): Expectation[] {
  return text
    .split('\n')
    .filter((line) => line.includes('mask-src='))
    .map(parseExpectationLine)
}

/** All expectations of a namespace, IPv4 then IPv6. */
export async function expectations(namespace: Namespace): Promise<Expectation[]> {
  return parseExpectations((await listings(namespace, 'expect')).join('\n'))
}

/** One object of `nft -j list ruleset`: `{ table: {...} }`, `{ chain: {...} }`, `{ rule: {...} }`, `{ set: {...} }`. */
export type NftObject = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** The ruleset of a namespace as nft(8) prints it, its `metainfo` left out. */
export async function nftRuleset(namespace: Namespace): Promise<NftObject[]> {
  const listed = JSON.parse(await output(namespace, ['nft', '-j', 'list', 'ruleset'])) as { nftables: NftObject[] }
  return listed.nftables.filter((object) => !('metainfo' in object))
}

async function output(namespace: Namespace, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await namespace.exec(argv)
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr.trim()}`)
  return stdout
}
