import type { NamedSet, SetElement, SetValue, TableFamily } from '../../types/nftables.js'
import { CthelperError } from '../base/errors.js'
import type { TypeOf } from '../netlink/attribute.js'
import { NLM_F_CREATE } from '../netlink/message.js'
import { encodeValue, type SetTypes, typeLength, typeNumber } from './datatype.table.js'
import { type BatchMessage, payload } from './message.js'
import { elementListTable, type elementTable, setFlags, setTable } from './nftables.table.js'
import type { AnonymousSet } from './rule-builder.js'
import { encodeSetUserData } from './user-data.js'

/** A nest's length is 16 bit; the longest element (two concatenations, a timeout) takes less than 128 bytes. */
const ELEMENTS_A_MESSAGE = 500
const MS_PER_SEC = 1000

/** What must be known of a set to write its elements. */
export interface SetShape {
  readonly type: SetTypes
  readonly value?: SetTypes | undefined
  /** Elements may have timeouts. */
  readonly timeouts?: boolean
}

export type KernelElement = TypeOf<typeof elementTable>

export function shapeOf({ type, value, timeouts, timeoutSec }: NamedSet): SetShape {
  return { type, value, timeouts: timeouts === true || timeoutSec !== undefined }
}

/** NFT_MSG_NEWSET and NFT_MSG_NEWSETELEM of a named set. Throws ERR_ARGUMENT for elements that are not of its type. */
export function encodeSet(family: TableFamily, table: string, set: NamedSet, id: number): BatchMessage[] {
  const { name, type, value, timeoutSec, size } = set
  const shape = shapeOf(set)
  const what = `set ${family} ${table} ${name}`
  const data = {
    table,
    name,
    flags: (value === undefined ? 0 : setFlags.map) | (shape.timeouts ? setFlags.timeout : 0),
    keyType: typeNumber(type),
    keyLength: typeLength(type),
    ...(value === undefined ? {} : { dataType: typeNumber(value), dataLength: typeLength(value) }),
    ...(timeoutSec === undefined ? {} : { timeoutMs: Math.round(timeoutSec * MS_PER_SEC) }),
    id,
    ...(size === undefined ? {} : { desc: { size } }),
    userData: encodeSetUserData(type, value),
  }
  const message: BatchMessage = {
    name: 'NFT_MSG_NEWSET',
    flags: NLM_F_CREATE,
    payload: payload(family, setTable, data),
    what,
  }
  const elements = set.elements.map((element) => encodeElement(shape, element, what))
  return [message, ...elementMessages('NFT_MSG_NEWSETELEM', family, { table, set: name, setId: id }, elements, what)]
}

/** The set a rule brings along: constant, sized, gone with the rule. */
export function encodeAnonymousSet(
  family: TableFamily,
  table: string,
  set: AnonymousSet,
  rule: string,
): BatchMessage[] {
  const { id, type, values } = set
  const name = '__set%d'
  const what = `anonymous set of ${rule}`
  const data = {
    table,
    name,
    flags: setFlags.anonymous | setFlags.constant,
    keyType: typeNumber(type),
    keyLength: typeLength(type),
    id,
    desc: { size: values.length },
    userData: encodeSetUserData(type, undefined),
  }
  const message: BatchMessage = {
    name: 'NFT_MSG_NEWSET',
    flags: NLM_F_CREATE,
    payload: payload(family, setTable, data),
    what,
  }
  const elements = values.map((value) => ({ key: { value: encodeValue(type, value, what) } }))
  return [message, ...elementMessages('NFT_MSG_NEWSETELEM', family, { table, set: name, setId: id }, elements, what)]
}

/** Messages that add or delete elements, as many to a message as `perMessage` allows. */
export function elementMessages(
  name: 'NFT_MSG_NEWSETELEM' | 'NFT_MSG_DELSETELEM',
  family: TableFamily,
  target: { table: string; set: string; setId?: number },
  elements: readonly KernelElement[],
  what: string,
  perMessage = ELEMENTS_A_MESSAGE,
): BatchMessage[] {
  const messages: BatchMessage[] = []
  const flags = name === 'NFT_MSG_NEWSETELEM' ? NLM_F_CREATE : 0
  for (let from = 0; from < elements.length; from += perMessage) {
    const list = elements.slice(from, from + perMessage)
    const bytes = payload(family, elementListTable, { ...target, elements: list })
    messages.push({ name, flags, payload: bytes, what: `elements ${from} to ${from + list.length - 1} of ${what}` })
  }
  return messages
}

/** Messages that add elements to a set that stands, or delete them: one each, so that one that is missing does not hide the others. */
export function changeMessages(
  name: 'NFT_MSG_NEWSETELEM' | 'NFT_MSG_DELSETELEM',
  family: TableFamily,
  table: string,
  set: SetShape & { readonly name: string },
  elements: readonly SetElement[],
): BatchMessage[] {
  const isDeletion = name === 'NFT_MSG_DELSETELEM'
  const what = `set ${family} ${table} ${set.name}`
  const encoded = elements.map((element) => encodeElement(set, element, what, isDeletion))
  return elementMessages(name, family, { table, set: set.name }, encoded, what, isDeletion ? 1 : undefined)
}

/** One element in the kernel's form. `keyOnly`: for deleting, which ignores value and timeout. */
export function encodeElement(shape: SetShape, element: SetElement, where: string, keyOnly = false): KernelElement {
  const { key, value, timeoutSec } = partsOf(element)
  const encoded: KernelElement = { key: { value: encodeValue(shape.type, key, where) } }
  if (keyOnly) return encoded
  if ((value === undefined) !== (shape.value === undefined)) {
    const message = shape.value === undefined ? 'a set has no values' : `${JSON.stringify(key)} has no value in a map`
    throw new CthelperError('ERR_ARGUMENT', where, `${where}: ${message}`)
  }
  if (value !== undefined) encoded.data = { value: encodeValue(shape.value!, value, where) }
  if (timeoutSec !== undefined) encoded.timeoutMs = timeoutMs(shape, timeoutSec, where)
  return encoded
}

function partsOf(element: SetElement): { key: SetValue; value?: SetValue; timeoutSec?: number } {
  return typeof element === 'object' && 'key' in element ? element : { key: element }
}

function timeoutMs(shape: SetShape, timeoutSec: number, where: string): number {
  if (!shape.timeouts) throw new CthelperError('ERR_ARGUMENT', where, `${where}: its elements have no timeouts`)
  if (!(timeoutSec > 0))
    throw new CthelperError('ERR_ARGUMENT', where, `${where}: timeout ${timeoutSec} is not positive`)
  return Math.max(1, Math.round(timeoutSec * MS_PER_SEC))
}
