import type { RefusalReason } from '../../types/call.js'
import type { Way } from '../../types/flow.js'
import type { Sdp } from '../../types/sdp.js'
import type { SdpBody, SipMessage } from '../../types/sip.js'
import { scanSdp, scanSdpFragment } from '../sdp/index.js'
import { bodyParts, type Seal, type Seals, sdpBodies } from '../sip/index.js'
import { OFFER_METHODS } from './offer-answer.js'
import type { SessionContext } from './session.js'

/** A session description in a message, and where it stands. */
export interface Description {
  readonly body: SdpBody
  readonly sdp: Sdp
}

export interface Descriptions {
  readonly all: readonly Description[]
  /** The offer or answer of the session itself. */
  readonly session: Sdp | undefined
  /** That of an early session, which is one of its own (RFC 3959 3). */
  readonly early: Sdp | undefined
  /** Candidates that come after their description (RFC 8840). */
  readonly fragment: Sdp | undefined
}

/** Of a message that has none. */
export const NOTHING: Descriptions = { all: [], session: undefined, early: undefined, fragment: undefined }
const EARLY = 'early-session'
/** RFC 8840 9.1. */
const FRAGMENT = 'application/trickle-ice-sdpfrag'
const QUOTE = '"'

/**
 * Reads the session descriptions of messages. What is signed is read where nothing is changed, or where that is the policy; what is
 * sealed and needs a change is reported, before its signature breaks or its streams stay shut.
 */
export class DescriptionReader {
  readonly #context: SessionContext
  readonly #maxMedia: number
  readonly #signed: 'leave' | 'edit'
  readonly #seals: readonly [left: Seals, opened: Seals]

  constructor(context: SessionContext, maxMedia: number, signed: 'leave' | 'edit') {
    this.#context = context
    this.#maxMedia = maxMedia
    this.#signed = signed
    const onSeal = (seal: Seal) => this.#report(seal)
    this.#seals = [
      { isOpened: false, onSeal },
      { isOpened: true, onSeal },
    ]
  }

  /** Those of a message of the context's flow. */
  read(message: SipMessage, way: Way): Descriptions {
    if (message.body.end === message.body.start) return NOTHING
    if (message.method === 'INFO') return this.#fragment(message)
    const isOffering = OFFER_METHODS.has(message.method)
    const seals = this.#seals[this.#isTranslated && this.#signed === 'leave' ? 0 : 1]
    const bodies = sdpBodies(message, isOffering ? seals : undefined)
    if (bodies.length === 0) return NOTHING
    if (way === 'out' && this.#isTranslated) this.#checkIdentity(message)
    // Nearly every message has one, and that of the session.
    if (bodies.length === 1) return this.#only(message, bodies[0]!)
    const all = bodies.flatMap((body) => this.#scan(message, body) ?? [])
    const find = (isEarly: boolean) => all.find(({ body }) => (body.disposition === EARLY) === isEarly)?.sdp
    return { all, session: find(false), early: find(true), fragment: undefined }
  }

  #only(message: SipMessage, body: SdpBody): Descriptions {
    const described = this.#scan(message, body)
    if (!described) return NOTHING
    const isEarly = body.disposition === EARLY
    const { sdp } = described
    return {
      all: [described],
      session: isEarly ? undefined : sdp,
      early: isEarly ? sdp : undefined,
      fragment: undefined,
    }
  }

  #fragment(message: SipMessage): Descriptions {
    const body = bodyParts(message, (type) => type === FRAGMENT)[0]
    const described = body && this.#scan(message, body, scanSdpFragment)
    if (!described) return NOTHING
    return { all: [described], session: undefined, early: undefined, fragment: described.sdp }
  }

  get #isTranslated(): boolean {
    const { inside, outside } = this.#context.flow.binding
    return inside.address !== outside.address
  }

  #scan(message: SipMessage, body: SdpBody, scanner = scanSdp): Description | undefined {
    const scan = scanner(message.bytes, body.start, body.end, { maxMedia: this.#maxMedia })
    if (scan.state === 'found') return { body, sdp: scan.value }
    if (scan.state === 'malformed') this.#context.refuse('sdp-malformed', `session description: ${scan.reason}`)
    return undefined
  }

  #report(seal: Seal): void {
    if (!this.#isTranslated && seal === 'signed') return
    const reasons: Record<Seal, readonly [RefusalReason, string]> = {
      encrypted: ['body-encrypted', 'an encrypted body cannot be read; media that it describes gets no pinhole'],
      encoded: ['body-encoded', 'a session description that is encoded (Content-Encoding, base64) is left as it is'],
      signed: [
        'body-signed',
        this.#signed === 'edit'
          ? 'a signed session description is changed: its signature breaks'
          : 'a signed session description is left as it is: its media gets no pinhole',
      ],
    }
    this.#context.refuse(...reasons[seal])
  }

  /**
   * RFC 4474 9: the signature covers body and Contact, and no translation leaves both as they are. That of RFC 8224 covers neither,
   * and the fingerprints that it may cover (RFC 8225 5.2.2) are not changed; its value is no quoted string.
   */
  #checkIdentity(message: SipMessage): void {
    if (message.get('identity')?.startsWith(QUOTE))
      this.#context.refuse('identity-broken', 'Identity of RFC 4474 signs addresses that are translated')
  }
}
