/**
 * The control socket of `cthelper run`: a Unix stream socket, mode 0600, default /run/cthelper.sock. Lines of JSON, UTF-8, both
 * ways. A client may ask several times; answers come in the order of the questions.
 *
 * Question:  `{"command":"calls","watch":false}`, command one of status, calls, pinholes, registrations.
 * Answer:    `{"kind":"item","item":{...}}` once a thing, `{"kind":"end","count":2}` after the last.
 * With `"watch":true` then, until the client closes, `{"kind":"change","event":"end","item":{...}}`; events are those of
 *            `SipHelper` that concern the command's things (call hold resume end, open close, registration unregistration).
 * Refusal:   `{"kind":"error","message":"..."}`; after a line that is too long, or when too many clients are there, the socket is
 *            closed.
 *
 * Items are `CallInfo`, `PinholeInfo` and `RegistrationInfo` of types/call.d.ts; status is one item, `StatusItem`.
 */
import type { HelperEvents, HelperStatus } from '../../types/helper.js'

export type ControlCommand = 'status' | 'calls' | 'pinholes' | 'registrations'

export interface StatusItem {
  readonly pid: number
  readonly version: string
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly status: HelperStatus
}

export type ControlMessage =
  | { readonly kind: 'item'; readonly item: unknown }
  | { readonly kind: 'end'; readonly count: number }
  | { readonly kind: 'change'; readonly event: string; readonly item: unknown }
  | { readonly kind: 'error'; readonly message: string }

export interface ControlQuestion {
  readonly command: ControlCommand
  readonly watch: boolean
}

/** Longest line a client may send, bytes. */
export const MAX_LINE = 4096

/** What a command lists, and which events change it. `pinhole` events have their kind inside. */
export const watchedEvents: Readonly<Record<ControlCommand, readonly (keyof HelperEvents)[]>> = {
  status: [],
  calls: ['call', 'hold', 'resume', 'end'],
  pinholes: ['pinhole'],
  registrations: ['registration', 'unregistration'],
}

/** A line as a question, or a sentence that says why it is none. */
export function readQuestion(line: string): ControlQuestion | string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return 'the line is not JSON'
  }
  if (typeof value !== 'object' || value === null) return 'the line is no JSON object'
  const { command, watch = false } = value as { command?: unknown; watch?: unknown }
  if (typeof command !== 'string' || !Object.hasOwn(watchedEvents, command))
    return `command must be one of ${Object.keys(watchedEvents).join(', ')}`
  if (typeof watch !== 'boolean') return 'watch must be true or false'
  return { command: command as ControlCommand, watch }
}

export const encodeMessage = (message: ControlMessage): string => `${JSON.stringify(message)}\n`

/** Cuts a stream into lines, however it arrives. `push` returns the whole lines; undefined when one is longer than `limit` bytes. */
export class Lines {
  readonly #limit: number
  #rest: Buffer = Buffer.alloc(0)

  constructor(limit: number) {
    this.#limit = limit
  }

  push(chunk: Buffer): string[] | undefined {
    const lines: string[] = []
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
      if (end > this.#limit) return undefined
      lines.push(bytes.toString('utf8', 0, end))
      bytes = bytes.subarray(end + 1)
    }
    if (bytes.length > this.#limit) return undefined
    this.#rest = bytes
    return lines
  }
}
