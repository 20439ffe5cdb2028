import { createConnection, type Socket } from 'node:net'
import { type ControlCommand, type ControlMessage, Lines } from './control.js'
import { Failure } from './failure.js'

/** Longest line a server may send: one item. */
const MAX_ITEM = 16 << 20
const ANSWER_MS = 5000

/** Connects; rejects with Node's system error (ENOENT, ECONNREFUSED, EACCES). */
function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/** The messages of a connection, until either side closes it. Throws `Failure` (2) for what no cthelper would say. */
async function* messages(socket: Socket): AsyncGenerator<ControlMessage> {
  const lines = new Lines(MAX_ITEM)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    const whole = lines.push(chunk)
    if (!whole) throw strange('a line without an end')
    for (const line of whole) yield parse(line)
  }
}

function parse(line: string): ControlMessage {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && 'kind' in value) return value as ControlMessage
  } catch {}
  throw strange(line.slice(0, 60))
}

const strange = (what: string): Failure =>
  new Failure(2, `the process at the control socket is no cthelper: it said ${JSON.stringify(what)}`)

/**
 * Asks once and returns the items. Rejects with the system error when nobody is there, with `Failure` (2) when the answer is an
 * error, none, or late: `silenceMs` without a word, default 5000 ms.
 */
export async function askControl(path: string, command: ControlCommand, silenceMs = ANSWER_MS): Promise<unknown[]> {
  const socket = await connect(path)
  // Idle time: a long answer on a busy machine is no late one.
  socket.setTimeout(silenceMs, () => socket.destroy(new Failure(2, `no answer at ${path} in ${silenceMs} ms`)))
  try {
    socket.write(encodeQuestion(command, false))
    const items: unknown[] = []
    for await (const message of messages(socket)) {
      if (message.kind === 'item') items.push(message.item)
      else if (message.kind === 'error') throw new Failure(2, `at ${path}: ${message.message}`)
      else return items
    }
    throw new Failure(2, `the process at ${path} closed the connection without an answer`)
  } finally {
    socket.destroy()
  }
}

/** Asks, and yields the items, the `end`, and then every change until the server closes. Rejects as `askControl`. */
export async function* watchControl(path: string, command: ControlCommand): AsyncGenerator<ControlMessage> {
  const socket = await connect(path)
  try {
    socket.write(encodeQuestion(command, true))
    yield* messages(socket)
  } finally {
    socket.destroy()
  }
}

const encodeQuestion = (command: ControlCommand, watch: boolean): string => `${JSON.stringify({ command, watch })}\n`
