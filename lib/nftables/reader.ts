/** What is read back from the kernel: tables, counters, sets. */
import type { NetlinkMessage, NetlinkTransport } from '../../types/netlink.js'
import type { RuleCounter, SetValue, TableFamily, TableListing } from '../../types/nftables.js'
import { CthelperError, kernelError } from '../base/errors.js'
import { type Table as AttributeTable, decode, type TypeOf } from '../netlink/attribute.js'
import { NLM_F_DUMP } from '../netlink/message.js'
import { NFGENMSG_LENGTH } from '../netlink/nfnetlink.js'
import { decodeValue, typesOf } from './datatype.table.js'
import { payload } from './message.js'
import {
  chainTable,
  elementListTable,
  expressionTables,
  families,
  type MessageName,
  messageTypes,
  ruleReadTable,
  setFlags,
  setTable,
  tableTable,
} from './nftables.table.js'
import type { SetShape } from './set.js'
import { decodeComment } from './user-data.js'

const ENOENT = 2
const MS_PER_SEC = 1000
const familyNames = new Map(Object.entries(families).map(([name, number]) => [number as number, name]))

/** An element as the kernel has it. `expiresSec`: what is left of its timeout. */
export interface ListedElement {
  readonly key: SetValue
  readonly value?: SetValue
  readonly timeoutSec?: number
  readonly expiresSec?: number
}

interface Get<T extends AttributeTable> {
  readonly name: MessageName
  readonly table: T
  readonly family: TableFamily | 'unspec'
  readonly filter: TypeOf<T>
  readonly isDump: boolean
}

/** The answers to one GET; undefined for ENOENT. Throws what else the kernel refuses. */
async function get<T extends AttributeTable>(
  transport: NetlinkTransport,
  { name, table, family, filter, isDump }: Get<T>,
): Promise<readonly NetlinkMessage[] | undefined> {
  const request = { type: messageTypes[name], flags: isDump ? NLM_F_DUMP : 0, payload: payload(family, table, filter) }
  const { errno, message, replies } = await transport.request(request)
  if (errno === ENOENT) return undefined
  if (errno) throw kernelError(name, errno, message)
  return replies
}

const attributesOf = <T extends AttributeTable>(table: T, { payload }: NetlinkMessage): TypeOf<T> =>
  decode(table, payload, NFGENMSG_LENGTH)
const familyOf = ({ payload }: NetlinkMessage): string => familyNames.get(payload[0] ?? 0) ?? String(payload[0])

export async function hasTable(transport: NetlinkTransport, family: TableFamily, name: string): Promise<boolean> {
  const filter = { name }
  return !!(await get(transport, { name: 'NFT_MSG_GETTABLE', table: tableTable, family, filter, isDump: false }))
}

/** All tables of all families with the names of their chains, as the kernel orders them. */
export async function listTables(transport: NetlinkTransport): Promise<TableListing[]> {
  const all = { family: 'unspec', filter: {}, isDump: true } as const
  const tables = (await get(transport, { ...all, name: 'NFT_MSG_GETTABLE', table: tableTable })) ?? []
  const chains = (await get(transport, { ...all, name: 'NFT_MSG_GETCHAIN', table: chainTable })) ?? []
  const chainNames = new Map<string, string[]>()
  for (const chain of chains) {
    const { table = '', name = '' } = attributesOf(chainTable, chain)
    const key = `${familyOf(chain)} ${table}`
    const names = chainNames.get(key)
    if (names) names.push(name)
    else chainNames.set(key, [name])
  }
  return tables.map((message) => {
    const [family, { name = '' }] = [familyOf(message), attributesOf(tableTable, message)]
    return { family, name, chains: chainNames.get(`${family} ${name}`) ?? [] }
  })
}

/** Counter expressions of a table's rules. An absent table has none. */
export async function readCounters(
  transport: NetlinkTransport,
  family: TableFamily,
  table: string,
): Promise<RuleCounter[]> {
  const request = { name: 'NFT_MSG_GETRULE', table: ruleReadTable, family, filter: { table }, isDump: true } as const
  const counters: RuleCounter[] = []
  const rulesSeen = new Map<string, number>()
  for (const message of (await get(transport, request)) ?? []) {
    const { table: owner, chain = '', expressions = [], userData } = attributesOf(ruleReadTable, message)
    if (owner !== table) continue
    const rule = rulesSeen.get(chain) ?? 0
    rulesSeen.set(chain, rule + 1)
    for (const { name, data } of expressions) {
      if (name !== 'counter' || !data) continue
      const { packets = 0, bytes = 0 } = decode(expressionTables.counter, data)
      counters.push({ chain, rule, comment: decodeComment(userData), packets, bytes })
    }
  }
  return counters
}

/** The types of a set of this kernel. Throws ERR_KERNEL (ENOENT) when it is not there, ERR_UNSUPPORTED for types without a row. */
export async function readShape(
  transport: NetlinkTransport,
  family: TableFamily,
  table: string,
  name: string,
): Promise<SetShape> {
  const operation = `NFT_MSG_GETSET set ${family} ${table} ${name}`
  const request = { name: 'NFT_MSG_GETSET', table: setTable, family, filter: { table, name }, isDump: false } as const
  const answer = (await get(transport, request))?.[0]
  if (!answer) throw kernelError(operation, ENOENT)
  const { flags = 0, keyType = 0, dataType = 0 } = attributesOf(setTable, answer)
  const isMap = (flags & setFlags.map) !== 0
  const [type, value] = [typesOf(keyType), isMap ? typesOf(dataType) : undefined]
  if (!type || (isMap && !value)) {
    const message = `${operation}: unknown type ${type ? dataType : keyType}`
    throw new CthelperError('ERR_UNSUPPORTED', operation, message)
  }
  return { type, value, timeouts: (flags & setFlags.timeout) !== 0 }
}

/** All elements of a set, in no order. */
export async function listElements(
  transport: NetlinkTransport,
  family: TableFamily,
  table: string,
  set: string,
): Promise<ListedElement[]> {
  const shape = await readShape(transport, family, table, set)
  const filter = { table, set }
  const request = { name: 'NFT_MSG_GETSETELEM', table: elementListTable, family, filter, isDump: true } as const
  const messages = (await get(transport, request)) ?? []
  return messages.flatMap((message) =>
    (attributesOf(elementListTable, message).elements ?? []).flatMap((element) => listed(shape, element)),
  )
}

type Element = NonNullable<TypeOf<typeof elementListTable>['elements']>[number]

function listed({ type, value }: SetShape, element: Element): ListedElement[] {
  const { key, data, timeoutMs, expirationMs } = element
  if (!key?.value) return []
  return [
    {
      key: decodeValue(type, key.value),
      ...(value && data?.value ? { value: decodeValue(value, data.value) } : {}),
      ...(timeoutMs === undefined ? {} : { timeoutSec: timeoutMs / MS_PER_SEC }),
      ...(expirationMs === undefined ? {} : { expiresSec: expirationMs / MS_PER_SEC }),
    },
  ]
}
