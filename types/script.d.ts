import type { CallInfo } from './call.js'
import type { Endpoint } from './endpoint.js'
import type { Way } from './flow.js'
import type { Range } from './range.js'
import type { SipMessage } from './sip.js'

/**
 * Called with every SIP message that crosses, before anything is decided about it, in the form in which it came: outwards with inside
 * addresses, inwards with outside ones. Message and context are good until it returns; it must decide at once. What it throws is
 * reported (`error`), and the message is helped as if it had said nothing.
 */
export type OnMessage = (message: SipMessage, context: MessageContext) => void

/** What a script knows of a message, and may do to it. Ranges are the message's. */
export interface MessageContext {
  readonly way: Way
  /** The inside end of the signalling, what the outside sees in its place, and the far end. */
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly peer: Endpoint
  /** The call as it was before this message; undefined when there is none yet. */
  readonly call: CallInfo | undefined
  /** Bytes of the message as text (UTF-8). */
  text(range: Range): string
  /** Where `text` (UTF-8) stands first within a range, default the whole message; undefined: nowhere. */
  find(text: string, within?: Range): Range | undefined
  /**
   * Replaces a range, `start === end` inserts; Content-Length follows. An edit in a place that is rewritten anyway, or edited twice,
   * is refused with all others of this message (event `refused`, reason `edits-overlap`), and the message goes on with our own.
   * Throws ERR_ARGUMENT for a range outside the message.
   */
  replace(range: Range, text: string): void
  /** Adds a header line behind all others. Throws ERR_ARGUMENT for a line break in it. */
  addHeader(name: string, value: string): void
  /** Removes all lines of that header, compact forms too. */
  removeHeader(name: string): void
  /**
   * The message ends here: nothing opens for it, and its sender gets a response with this status, 300 to 699, in the name of the one it
   * was for. A response or an ACK, which cannot be answered, is dropped. Throws ERR_ARGUMENT for another status.
   */
  reject(status: number, reason?: string): void
  /** The message ends here, and nobody is told. */
  drop(): void
  /** Connmark, 32 bit, of the media flows that this call opens from now on: for DSCP, routing and the like in rules of yours. */
  mark(value: number): void
}
