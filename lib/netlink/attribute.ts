/**
 * Netlink attributes (`struct nlattr`) as tables: one row a field, from which reader, writer and TypeScript type come.
 * A table is a plain object `{ name: u32be(CTA_MARK), ... }`; decoding keeps attributes it has no row for in `unknown`.
 */

const NLA_F_NESTED = 0x8000
const NLA_TYPE_MASK = 0x3fff

export interface Field<T> {
  readonly type: number
  write(writer: Writer, value: T): void
  read(bytes: Uint8Array, start: number, end: number): T
}

// biome-ignore lint/suspicious/noExplicitAny: a row's type is recovered by TypeOf.
export type Table = Readonly<Record<string, Field<any>>>
export type TypeOf<T extends Table> = { -readonly [K in keyof T]?: T[K] extends Field<infer V> ? V : never } & {
  unknown?: UnknownAttribute[]
}

export interface UnknownAttribute {
  readonly type: number
  readonly bytes: Uint8Array
}

/** A growing output buffer. `bytes()` is a view into it, valid until the next write. */
export class Writer {
  #buffer: Uint8Array
  length = 0

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity)
  }

  /** Makes room for `count` more bytes and returns the offset where they go. */
  reserve(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.length, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, at))
      this.#buffer = grown
    }
    return at
  }

  u8(value: number): void {
    const at = this.reserve(1)
    this.#buffer[at] = value
  }

  /** Host order is little-endian wherever Node runs on Linux with a prebuilt addon (x64, arm64). */
  u16(value: number): void {
    const at = this.reserve(2)
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
  }

  u16be(value: number): void {
    const at = this.reserve(2)
    this.#buffer[at] = value >>> 8
    this.#buffer[at + 1] = value
  }

  u32(value: number): void {
    const at = this.reserve(4)
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
    this.#buffer[at + 2] = value >>> 16
    this.#buffer[at + 3] = value >>> 24
  }

  u32be(value: number): void {
    const at = this.reserve(4)
    this.#buffer[at] = value >>> 24
    this.#buffer[at + 1] = value >>> 16
    this.#buffer[at + 2] = value >>> 8
    this.#buffer[at + 3] = value
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    // Addresses, most of the time: for so few bytes `set` is the slower way.
    if (bytes.length > 16) this.#buffer.set(bytes, at)
    else for (let i = 0; i < bytes.length; i++) this.#buffer[at + i] = bytes[i]!
  }

  align(): void {
    while (this.length & 3) this.u8(0)
  }

  /** Writes one attribute around what `body` writes. */
  attribute(type: number, body: () => void): void {
    const at = this.begin(type)
    body()
    this.end(at)
  }

  /** Begins an attribute; `end` takes what this returns. Without a closure: encoding is on the way of every call. */
  begin(type: number): number {
    const at = this.reserve(4)
    this.#buffer[at + 2] = type
    this.#buffer[at + 3] = type >>> 8
    return at
  }

  /** Ends the attribute begun at `at`: its length, and padding to four bytes. */
  end(at: number): void {
    const length = this.length - at
    this.#buffer[at] = length
    this.#buffer[at + 1] = length >>> 8
    this.align()
  }

  patchU32(at: number, value: number): void {
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
    this.#buffer[at + 2] = value >>> 16
    this.#buffer[at + 3] = value >>> 24
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length)
  }
}

const be = (bytes: Uint8Array, start: number, end: number): number => {
  let value = 0
  for (let i = start; i < end; i++) value = value * 256 + bytes[i]!
  return value
}
const le = (bytes: Uint8Array, start: number, end: number): number => {
  let value = 0
  for (let i = end - 1; i >= start; i--) value = value * 256 + bytes[i]!
  return value
}

const field = <T>(type: number, write: Field<T>['write'], read: Field<T>['read']): Field<T> => ({ type, write, read })

export const u8 = (type: number) => field<number>(type, (w, v) => w.u8(v), be)
export const u16be = (type: number) => field<number>(type, (w, v) => w.u16be(v), be)
export const u32be = (type: number) => field<number>(type, (w, v) => w.u32be(v), be)
export const u16 = (type: number) => field<number>(type, (w, v) => w.u16(v), le)
export const u32 = (type: number) => field<number>(type, (w, v) => w.u32(v), le)
/** 64 bit, exact up to 2^53. */
export const u64be = (type: number) =>
  field<number>(
    type,
    (w, v) => {
      w.u32be(Math.floor(v / 2 ** 32))
      w.u32be(v % 2 ** 32)
    },
    be,
  )
/** NUL-terminated, as the kernel's NLA_NUL_STRING wants it. */
export const text = (type: number) =>
  field<string>(
    type,
    (w, v) => {
      for (let i = 0; i < v.length; i++) w.u8(v.charCodeAt(i))
      w.u8(0)
    },
    (bytes, start, end) => {
      let value = ''
      for (let i = start; i < end && bytes[i] !== 0; i++) value += String.fromCharCode(bytes[i]!)
      return value
    },
  )
/** Copied on decode. */
export const raw = (type: number) =>
  field<Uint8Array>(
    type,
    (w, v) => w.raw(v),
    (bytes, start, end) => Uint8Array.from(bytes.subarray(start, end)),
  )
/** Present or not, no content. */
export const flag = (type: number) =>
  field<true>(
    type,
    () => {},
    () => true,
  )
export const nest = <T extends Table>(type: number, table: T): Field<TypeOf<T>> =>
  field(
    type | NLA_F_NESTED,
    (w, v) => encode(table, v, w),
    (bytes, start, end) => decode(table, bytes, start, end),
  )
/** A nest of equal elements, each of attribute type `elementType` (NFTA_LIST_ELEM is 1). */
export const list = <T extends Table>(type: number, table: T, elementType = 1): Field<TypeOf<T>[]> =>
  field(
    type | NLA_F_NESTED,
    (w, values) => {
      for (const value of values) w.attribute(elementType | NLA_F_NESTED, () => encode(table, value, w))
    },
    (bytes, start, end) => {
      const values: TypeOf<T>[] = []
      for (const at of attributes(bytes, start, end)) values.push(decode(table, bytes, at.start, at.end))
      return values
    },
  )

export interface AttributeRange {
  readonly type: number
  readonly start: number
  readonly end: number
}

/** The attributes of bytes[start, end): content ranges. Stops at the first that does not fit; datagrams may end unaligned. */
export function* attributes(bytes: Uint8Array, start: number, end: number): Generator<AttributeRange> {
  while (start + 4 <= end) {
    const length = bytes[start]! | (bytes[start + 1]! << 8)
    if (length < 4 || start + length > end) return
    yield {
      type: (bytes[start + 2]! | (bytes[start + 3]! << 8)) & NLA_TYPE_MASK,
      start: start + 4,
      end: start + length,
    }
    start += (length + 3) & ~3
  }
}

/** Appends one attribute; undefined is left out. */
export function put<T>(writer: Writer, field: Field<T>, value: T | undefined): void {
  if (value === undefined) return
  const at = writer.begin(field.type)
  field.write(writer, value)
  writer.end(at)
}

/**
 * Appends the attributes of `value` to `writer`, in the table's order; undefined fields are left out. Every row of the table is asked
 * for: what is on the way of every call names its rows with `put`.
 */
export function encode<T extends Table>(table: T, value: TypeOf<T>, writer: Writer): void {
  for (const name in table) put(writer, table[name]!, (value as Record<string, unknown>)[name])
  if (!value.unknown) return
  for (const { type, bytes } of value.unknown) writer.attribute(type, () => writer.raw(bytes))
}

type Rows = readonly (readonly [string, Field<unknown>] | undefined)[]

const rowsByTable = new WeakMap<Table, Rows>()

/** A table's rows, at their attribute's number. */
function rowsOf(table: Table): Rows {
  let rows = rowsByTable.get(table)
  if (!rows) {
    const byType: [string, Field<unknown>][] = []
    for (const [name, row] of Object.entries(table)) byType[row.type & NLA_TYPE_MASK] = [name, row]
    // Without holes, which would make every lookup slow.
    rows = Array.from(byType)
    rowsByTable.set(table, rows)
  }
  return rows
}

/** Reads the attributes of bytes[start, end). Never throws on content; what has no row is copied into `unknown`. */
export function decode<T extends Table>(table: T, bytes: Uint8Array, start = 0, end = bytes.length): TypeOf<T> {
  const rows = rowsOf(table)
  const value: Record<string, unknown> = {}
  // The loop of `attributes`, without an object an attribute: decoding is on the way of every event.
  for (let at = start; at + 4 <= end; ) {
    const length = bytes[at]! | (bytes[at + 1]! << 8)
    if (length < 4 || at + length > end) break
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & NLA_TYPE_MASK
    const row = type < rows.length ? rows[type] : undefined
    if (row) value[row[0]] = row[1].read(bytes, at + 4, at + length)
    else keepUnknown(value, type, bytes.subarray(at + 4, at + length))
    at += (length + 3) & ~3
  }
  return value as TypeOf<T>
}

function keepUnknown(value: { unknown?: unknown }, type: number, bytes: Uint8Array): void {
  value.unknown ??= []
  const unknown = value.unknown as UnknownAttribute[]
  unknown.push({ type, bytes: Uint8Array.from(bytes) })
}
